-- Refuses servers that connect from elsewhere than cluster.addresses in MonaServer.ini says:
--
--   [cluster]
--   addresses = 127.0.0.1; 192.0.2.7
--
-- Without the key everyone is welcome. (servers.allow does the same before a connection is made; this is to show how.)

local part = {}

local allowed
local configured = mona.configs["cluster.addresses"]
if configured then
  allowed = {}
  -- 1 leaves out empty words, 2 takes blanks away.
  for _, address in ipairs({ mona:split(tostring(configured), ";", 3) }) do allowed[address] = true end
end

function part.onServerConnection(server)
  if allowed and not server.isTarget and not allowed[server.address] then
    error(server.address .. " is trying to connect to the server => rejected")
  end
end

return part
