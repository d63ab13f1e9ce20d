-- Server application on A side
function onServerConnection(server)
  if server.isTarget then
    NOTE("Target gotten : ", server.address, " (", server.host, " for clients)")
    -- displays "Target gotten : 192.168.0.2 (www.hostB.com for clients)"
  end
end
