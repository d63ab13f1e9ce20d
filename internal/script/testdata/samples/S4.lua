function onServerConnection(server)
  if server.type=="master" then -- true here just for 192.168.0.2:1936 server
    NOTE("Master server connected")
  end
end
function onServerDisconnection(server)
  if server.type=="master" then -- true here just for 192.168.0.2:1936 server
    NOTE("Master server disconnected")
  end
end
