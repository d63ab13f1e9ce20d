function onServerConnection(server)
  NOTE(server.isTarget) -- displays "false"
end
