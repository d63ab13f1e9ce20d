function onServerConnection(server)
  -- RPC function declaration, to receive data from one other server
  function server:onHello(name)
    self.name = name
  end
  -- send my name to the incoming server (it will receive it on its "onHello" method)
  server:send("onHello","MonaServer A")
end
-- now you can find the name of each server everywhere
for index,server in mona.servers:ipairs() do
  NOTE("Server '"..server.name.."' at address "..server.address)
end
