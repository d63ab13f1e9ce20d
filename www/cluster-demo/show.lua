-- What clients can ask about the cluster, from whichever server they are connected to.

local part = {}

-- say reaches all clients of this application: on this server directly, on the others through their demoSay.
local function say(server, text)
  for _, client in pairs(clients) do client.writer:writeInvocation("onSay", server, text) end
  return #clients
end

function part.onConnection(client)
  function client:streams()
    local list = {}
    for name, publication in pairs(mona.publications) do
      list[#list + 1] = { name = name, viewers = #publication.listeners }
    end
    return list
  end

  function client:groups()
    local sizes = {}
    for id, group in pairs(mona.groups) do sizes[id] = group.count end
    return sizes
  end

  function client:say(text)
    if type(text) ~= "string" or #text > 1000 then error("a text of at most 1000 bytes was expected", 0) end
    mona.servers:broadcast("demoSay", NAME, text)
    return say(NAME, text)
  end
end

function part.onServerConnection(server)
  function server:demoSay(name, text) say(tostring(name), tostring(text)) end
end

return part
