-- Passes the streams of this application on to the next server, the one that is our target, and from there to its
-- target, and so on. Viewers beyond cluster.viewers (MonaServer.ini, default 400) are sent to the next server.

local part = {}

local LIMIT = tonumber(mona.configs["cluster.viewers"]) or 400

local nextServer -- nil: we are the last one

-- A publication of this application has the field demo: the name under which it is known, and whether it is a copy.

-- attach passes a publication on. Publications have event functions only while there is somebody to send to: a packet
-- for which no function is defined costs nothing here.
local function attach(publication)
  local server, name = nextServer, publication.name
  server:send("demoPublish", name)
  -- What was said once, at the beginning, and what a player cannot do without.
  if publication.properties then
    local properties = {}
    for key, value in pairs(publication.properties) do properties[key] = value end
    server:send("demoProperties", name, properties)
  end
  local time = publication.lastTime
  if publication.audioCodec then server:send("demoAudio", name, time, publication.audioCodec) end
  if publication.videoCodec then server:send("demoVideo", name, time, publication.videoCodec) end

  function publication:onAudio(time, packet) server:send("demoAudio", name, time, packet) end
  function publication:onVideo(time, packet) server:send("demoVideo", name, time, packet) end
  -- With exactly two arguments the second one is the whole message, metadata included, ready for pushData.
  function publication:onData(handler, packet) server:send("demoData", name, packet) end
end

local function detach(publication)
  publication.onAudio, publication.onVideo, publication.onData = nil, nil, nil
end

-- ours goes through the publications that are passed on.
local function ours(f)
  for _, publication in pairs(mona.publications) do
    if type(publication.demo) == "table" then f(publication) end
  end
end

-- viewers counts all viewers of this server. To count them at each event would be faster, and wrong after an edit of
-- this application, when the count starts again but the viewers stay.
local function viewers()
  local n = 0
  for _, publication in pairs(mona.publications) do n = n + #publication.listeners end
  return n
end

function part.onConnection(client)
  function client:onPublish(publication)
    publication.demo = { copy = false }
    if nextServer then attach(publication) end
  end

  function client:onUnpublish(publication)
    publication.demo = nil
    detach(publication)
    if nextServer then nextServer:send("demoUnpublish", publication.name) end
  end

  function client:onSubscribe(listener)
    -- The client finds the address as the last word of the description; level 0 keeps file and line out of it.
    if nextServer and viewers() >= LIMIT then error(nextServer.host, 0) end
  end
end

-- receive makes copies of the publications of the server before us.
local function receive(server)
  local copies = {}
  server.demoCopies = copies

  function server:demoPublish(name)
    if copies[name] then return end
    local copy = mona:publish(name) -- nil: the name is in use here, perhaps because servers connect in a ring
    if not copy then return end
    copies[name] = copy
    copy.demo = { copy = true }
    if nextServer then attach(copy) end
  end

  function server:demoUnpublish(name)
    local copy = copies[name]
    if not copy then return end
    if nextServer then nextServer:send("demoUnpublish", name) end
    copy:close()
    -- A table keeps the place of a key that is gone: a fresh one does not grow with every name there ever was.
    local rest = {}
    for other, publication in pairs(copies) do
      if other ~= name then rest[other] = publication end
    end
    copies = rest
    self.demoCopies = rest
  end

  function server:demoAudio(name, time, packet)
    if copies[name] then copies[name]:pushAudio(time, packet) end
  end
  function server:demoVideo(name, time, packet)
    if copies[name] then copies[name]:pushVideo(time, packet) end
  end
  function server:demoData(name, packet)
    if copies[name] then copies[name]:pushData(packet) end
  end
  function server:demoProperties(name, properties)
    if copies[name] then copies[name]:writeProperties(properties) end
  end

  -- The other one announced its publications when the servers connected. This asks again: copies end when this
  -- application is edited, and it may not have been loaded then.
  server:send("demoAnnounce")
end

function part.onServerConnection(server)
  if not server.isTarget then
    receive(server)
    return
  end
  if nextServer then error("following server already connected") end
  nextServer = server
  function server:demoAnnounce()
    if self == nextServer then ours(attach) end
  end
  ours(attach)
end

function part.onServerDisconnection(server)
  if server == nextServer then
    ours(detach)
    nextServer = nil
  elseif type(server.demoCopies) == "table" then
    for name, copy in pairs(server.demoCopies) do
      if nextServer then nextServer:send("demoUnpublish", name) end
      copy:close()
    end
    server.demoCopies = nil
  end
end

return part
