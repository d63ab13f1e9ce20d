-- What servers that are connected to each other can do together, in three parts. An application has one function for
-- each event, so this file passes the events on to the parts.

NAME = tostring(mona.configs["cluster.name"] or mona.configs["host"] or "a server without a name")

local parts = { require("gate"), require("names"), require("show") }

local function each(event, ...)
  for _, part in ipairs(parts) do
    if part[event] then part[event](...) end
  end
end

function onConnection(client) each("onConnection", client) end
function onServerConnection(server) each("onServerConnection", server) end -- an error refuses the server
function onServerDisconnection(server) each("onServerDisconnection", server) end
