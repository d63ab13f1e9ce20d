-- Each server tells the others its name, cluster.name in MonaServer.ini. Clients may ask for it: whoami(), and for all of
-- them: servers().

local part = {}

function part.onServerConnection(server)
  if server.isTarget then
    NOTE("Target gotten : ", server.address, " (", server.host, " for clients)")
  else
    NOTE("Initiator gotten : ", server.address)
  end
  -- From targets = 192.0.2.1:1936?type=master on the side that connects; the other side sees it too.
  if server.type == "master" then NOTE("Master server connected") end

  -- Other applications see the same server object: the names on it begin with "demo".
  function server:demoHello(name)
    self.demoName = tostring(name)
    NOTE("Server '", self.demoName, "' at address ", self.address)
  end
  server:send("demoHello", NAME)
end

function part.onServerDisconnection(server)
  if server.type == "master" then NOTE("Master server disconnected") end
end

function part.onConnection(client)
  function client:whoami() return NAME, self.id end

  function client:servers()
    local list = {}
    for index, server in mona.servers:ipairs() do
      -- The name is not there until the other server has said hello.
      list[index] = { name = server.demoName or "?", address = server.address, host = server.host }
    end
    return list
  end
end

return part
