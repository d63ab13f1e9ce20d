function onServerConnection(server)
  -- Reject all connections not comming from localhost
  if server.address is not "127.0.0.1" then
    error(server.address, " is trying to connect to the server => rejected")
  end
end
