-- following server (horizontal scaling)
_nextServer = nil
-- number of subscribers (listeners) for this server
_subscribers = 0
function onConnection(client,...)
  INFO("Connection of a new client on ", mona.configs["host"])
  function client:onPublish(publication)
    -- informs the following server about this publication
    if _nextServer then _nextServer:send("publish", publication.name) end
    function publication:onVideo(time, packet)
      if not _nextServer then return end
      -- forward the video packet to the following server
      _nextServer:send("video", publication.name, time, packet)
    end
    function publication:onAudio(time, packet)
      if not _nextServer then return end
      -- forward the audio packet to the following server
      _nextServer:send("audio", publication.name, time, packet)
    end
    function publication:onData(name, packet)
      INFO("onData : ", name, " - ", packet)
      if not _nextServer then return end
      -- forward the data packet to the following server
      _nextServer:send("data", publication.name, name, packet)
    end
  end
  function client:onUnpublish(publication)
    -- informs the following server about this unpublication
    if _nextServer then _nextServer:send("unpublish",publication.name) end
  end
  function client:onSubscribe(listener)
    -- if a following server exist, and if this server has more than 400 subscribers
    -- redirect the client to the following server:
    -- I send an error with the redirection server address in its description
    INFO("Subscription of client ", client.address, " (_subscribers=", _subscribers, ")")
    if _nextServer and _subscribers>=400 then error(_nextServer.host) end
    _subscribers = _subscribers + 1
  end
  function client:onUnsubscribe(listener)
    _subscribers = _subscribers - 1
  end
end
function onServerConnection(server)
  if server.isTarget then
    -- incoming server is a following server!
    if _nextServer then error("following server already connected") end
    _nextServer = server
    -- informs the following server about my publications
    for id,publication in pairs(mona.publications) do
      _nextServer:send("publish",publication.name)
    end
  else
    -- incoming server is a previous server, we have to create RPC function to receive
    -- its publication informations
    server.publications = {}
    function server:publish(name)
      -- publication creation
      self.publications[name] = mona:publish(name)
    end
    function server:unpublish(name)
      -- publication suppression
      local publication = self.publications[name]
      if publication then publication:close() end
      self.publications[name] = nil
    end
    function server:video(name, time, packet)
      local publication = self.publications[name]
      -- give the video packet to our publication copy
      if publication then publication:pushVideo(time, packet) end
    end
    function server:audio(name, time, packet)
      local publication = self.publications[name]
      -- give the audio packet to our publication copy
      if publication then publication:pushAudio(time, packet) end
    end
    function server:data(name, dataname, packet)
      local publication = self.publications[name]
      -- give the data packet to our publication copy
      if publication then publication:pushData(packet) end
    end
  end
end
function onServerDisconnection(server)
  if server.isTarget then
    -- disconnected server was a following server!
    _nextServer = nil
    return
  end
  -- disconnected server was a previous server, close its publications
  for id,publication in pairs(server.publications) do
    publication:close()
  end
end
