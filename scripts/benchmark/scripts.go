package main

// meshRoot passes the publications of clients on to the next server, as every script for several servers does that
// has ever been published for MonaServer: one message to the next server for each audio or video packet. It stands in
// the root application, which hears of servers.
const meshRoot = `
function onConnection(client)
  function client:onPublish(publication)
    local server, name = nextServer, publication.name
    if not server then return end
    server:send("publish", name)
    function publication:onVideo(time, packet) server:send("video", name, time, packet) end
    function publication:onAudio(time, packet) server:send("audio", name, time, packet) end
  end
  -- tell tells the next server something, and does not wait.
  function client:tell(text)
    if not nextServer then error("no next server") end
    nextServer:send("told", text)
    return true
  end
  function client:onUnpublish(publication)
    if nextServer then nextServer:send("unpublish", publication.name) end
  end
end

function onServerConnection(server)
  if server.isTarget then
    nextServer = server
    return
  end
  server.copies = {}
  function server:told(text) self.count = (self.count or 0) + 1 end
  function server:publish(name) self.copies[name] = mona:publish(name) end
  function server:unpublish(name)
    if self.copies[name] then self.copies[name]:close() end
    self.copies[name] = nil
  end
  function server:video(name, time, packet)
    local copy = self.copies[name]
    if copy then copy:pushVideo(time, packet) copy:flush() end
  end
  function server:audio(name, time, packet)
    local copy = self.copies[name]
    if copy then copy:pushAudio(time, packet) copy:flush() end
  end
end

function onServerDisconnection(server)
  if server.isTarget then nextServer = nil end
end
`

// meshScript makes clients of the application use the functions of the root.
const meshScript = ""
