-- cluster.publications: what is published on one server can be played on all of them.
--
--   require "cluster.publications" -- one line in www/main.lua of each server
--
-- The servers may be connected in any way: a chain, a star, a ring, each with each. They tell each other the names of
-- the streams that run; a server that hears of one publishes a copy of it, so that its clients can play the name and
-- nobody else takes it. The media itself goes only where somebody plays it: with its first listener a server asks the
-- one it heard of the stream from, and that one the next, up to the server of the publisher. Who comes late gets the
-- metadata and the configuration of the codecs at once, and pictures from the next key frame on.
--
-- Loops: each name is told together with the ids of the servers that it passed on its way. A server ignores what passed
-- it already, takes the shortest way, and another one when that breaks. A copy ends when no way is left.
--
-- A name that is published on two servers in the same moment belongs to both: the clients of each get their own.

clusterModules = clusterModules or {}
if clusterModules.publications then return true end
clusterModules.publications = true

local newMap = require("cluster.map")

local MAX_HOPS = 8        -- servers that a stream passes at most
local MAX_STREAMS = 20000 -- that one server may tell of
local CHUNK = 100         -- streams in one message
local OPENING = 1000      -- ms of a new stream that are kept, for 4 s, for servers that are just being told of it,
local MAX_OPENING = 5e5   -- and bytes

-- What survives an edit of www/main.lua: the id of this server, and a number for each stream.
mona.clusterId = mona.clusterId or mona:md5(tostring(mona:time()) .. math.random()):gsub(".", function(c)
  return ("%02x"):format(c:byte())
end)
mona.clusterSerial = mona.clusterSerial or 0
local id = mona.clusterId

-- Streams by name:
--   instance   the id of the server where it is published and a number, which tell it from an earlier one of the name
--   here       its publication, if it is published here, by publisher, a client or "script"
--   copy       our publication of it, if it is published elsewhere
--   routes     by server: how the stream comes to it, { instance, path }; path are the ids of the servers it passes
--   from       the server that the copy is of
--   asked      true: we asked from for the media
--   begun      true: the copy got some
--   known      true: a server that takes it had some of it already, by another way
--   takers     by server: the function that ends sending the media there
--   opening    its first second
--   told       by server: what we told it of the stream
local streams = newMap()

-- Servers that are connected: their id, once they said hello, how many streams they told of, and if we told ours.
local links = newMap()

local making, closing = nil, false -- the name of the copy that begins; true: a copy ends
local ticks = 0                    -- of 2 s

local function contains(list, value)
  for _, v in ipairs(list) do
    if v == value then return true end
  end
  return false
end

local function streamOf(name)
  local stream = streams.get(name)
  if not stream then
    stream = { name = name, routes = {}, takers = {}, told = {} }
    streams.set(name, stream)
  end
  return stream
end

-- best is the shortest route; among equals the one in use, then the one of the lowest id.
local function best(stream)
  local route, from
  for server, r in pairs(stream.routes) do
    local better = not route or #r.path < #route.path
    if route and #r.path == #route.path then
      better = server == stream.from or (from ~= stream.from and r.path[1] < route.path[1])
    end
    if better then route, from = r, server end
  end
  return route, from
end

-- drop ends what is sent to a server of a stream.
local function drop(stream, server)
  local taker = stream.takers[server]
  stream.takers[server] = nil
  if taker then taker() end
end

-- Packets begin with the codec and what they are: configuration is type 0 of AAC, H.264 and of all newer codecs.
local function isSoundConfiguration(packet)
  local first, second = packet:byte(1, 2)
  return first == 0x90 or (first and first >= 0xA0 and first < 0xB0 and second == 0)
end

local function isPictureConfiguration(packet)
  local first, second = packet:byte(1, 2)
  return first and (first % 16 == 7 and second == 0 or first >= 0x80 and first % 16 == 0)
end

local function isKeyFrame(packet)
  local first = packet:byte(1)
  return first and math.floor(first / 16) % 8 == 1
end

-- newTaker makes functions that send media to a server. Packets before the first key frame would be of no use there.
-- The configuration may be hours old; it is sent when the media begins, with the time of the first packet: the time of
-- players starts with it.
local function newTaker(server, name)
  local taker = {}
  local sound, pictures = false, false -- true: they have begun
  local soundConfiguration, pictureConfiguration

  function taker.onAudio(_, time, packet)
    if not sound then
      if isSoundConfiguration(packet) then
        soundConfiguration = packet
        return
      end
      sound = true
      if soundConfiguration then server:send("clusterAudio", name, time, soundConfiguration) end
    end
    server:send("clusterAudio", name, time, packet)
  end

  function taker.onVideo(_, time, packet)
    if not pictures then
      if isPictureConfiguration(packet) then
        pictureConfiguration = packet
        return
      elseif not isKeyFrame(packet) then
        return
      end
      pictures = true
      if pictureConfiguration then server:send("clusterVideo", name, time, pictureConfiguration) end
    end
    server:send("clusterVideo", name, time, packet)
  end

  function taker.onData(_, handler, packet) server:send("clusterData", name, packet) end

  return taker
end

-- open keeps the first second of a stream for the servers that hear of it only now: they get it from its beginning.
local function open(stream, publication)
  local opening = { packets = {}, bytes = 0, takers = {} }

  function opening.stopIfUnused()
    if not opening.packets and not next(opening.takers) then opening.handlers:release() end
  end

  function opening.close()
    opening.packets = nil
    opening.stopIfUnused()
  end

  local function keep(event)
    return function(_, first, packet)
      for _, taker in pairs(opening.takers) do taker[event](nil, first, packet) end
      if not opening.packets then return end
      local time = type(first) == "number" and first or opening.first
      opening.first, opening.tick = opening.first or time, opening.tick or ticks
      opening.bytes = opening.bytes + #packet
      if opening.bytes > MAX_OPENING or (time and time - opening.first > OPENING) then
        opening.close()
      else
        opening.packets[#opening.packets + 1] = { event, first, packet }
      end
    end
  end

  opening.handlers = publication:handle { onAudio = keep("onAudio"), onVideo = keep("onVideo"), onData = keep("onData") }
  stream.opening = opening
end

-- take sends the media of a stream to a server; fresh: it had nothing of it so far.
local function take(stream, server, fresh)
  local taker = newTaker(server, stream.name)
  local opening = stream.opening
  if fresh and opening and opening.packets then
    for _, packet in ipairs(opening.packets) do taker[packet[1]](nil, packet[2], packet[3]) end
    opening.takers[server] = taker
    stream.takers[server] = function()
      opening.takers[server] = nil
      opening.stopIfUnused()
    end
    return
  end
  local publication = stream.here or stream.copy
  local handlers = publication:handle { onAudio = taker.onAudio, onVideo = taker.onVideo, onData = taker.onData }
  stream.takers[server] = function() handlers:release() end
end

-- dropAll ends what is sent of a stream, when it ends itself.
local function dropAll(stream)
  for server in pairs(stream.takers) do drop(stream, server) end
  if stream.opening then stream.opening.handlers:release() end
  stream.opening = nil
end

-- ask asks for the media of a copy, or says that it is not needed any more.
local function ask(stream, from, on)
  stream.asked = on or nil
  local link = links.get(from)
  if link and link.id then from:send("clusterWant", stream.name, stream.instance, on, not stream.begun and not stream.known) end
end

local function closeCopy(stream)
  local copy = stream.copy
  if not copy then return end
  dropAll(stream)
  if stream.asked and stream.routes[stream.from] then ask(stream, stream.from, false) end
  stream.copy, stream.asked = nil, nil
  closing = true
  copy:close()
  closing = false
end

local function openCopy(stream)
  making = stream.name
  stream.begun, stream.known = false, false
  stream.copy = mona:publish(stream.name) -- nil: somebody was faster
  making = nil
  if stream.copy then open(stream, stream.copy) end
end

-- tell tells a server of a stream, or that it is gone, if it does not know yet. instead: collect into a list.
local function tell(stream, server, ended, list)
  local path
  if stream.here then
    path = { id }
  elseif stream.copy and server ~= stream.from then
    local route = stream.routes[stream.from]
    if #route.path < MAX_HOPS and not contains(route.path, links.get(server).id) then path = { id, unpack(route.path) } end
  end
  local text = path and stream.instance .. " " .. table.concat(path, " ")
  if text == stream.told[server] then return end
  stream.told[server] = text
  if not path then
    server:send("clusterGone", stream.name, ended)
    return
  end
  local entry = { name = stream.name, instance = stream.instance, path = path }
  if list then
    list[#list + 1] = entry
  else
    server:send("clusterStreams", { entry })
  end
end

local function tellAll(stream, ended)
  for server, link in links.pairs() do
    if link.id then tell(stream, server, ended) end
  end
end

-- watched reports whether somebody here plays a publication, other than one listener that is about to stop.
local function watched(publication, except)
  local first, second = publication.listeners[1], publication.listeners[2]
  return first ~= nil and (first ~= except or second ~= nil)
end

-- update brings a stream in line with its routes, its listeners and its takers. viewers, if given, says whether there
-- are listeners here; ended is the instance that is known to have ended.
local function update(stream, viewers, ended)
  if stream.here then
    tellAll(stream)
    return
  end
  local route, from = best(stream)
  if stream.copy and (not route or route.instance ~= stream.instance) then closeCopy(stream) end
  if route and not stream.copy then
    stream.instance = route.instance
    openCopy(stream)
  end
  if stream.from ~= from then
    if stream.asked then ask(stream, stream.from, false) end
    stream.from = from
    if from then drop(stream, from) end -- it cannot have from us what we have from it
  end
  if stream.copy then
    if viewers == nil then viewers = watched(stream.copy) end
    local wanted = viewers or next(stream.takers) ~= nil
    if wanted ~= (stream.asked or false) then ask(stream, from, wanted) end
  end
  tellAll(stream, ended)
  if not route and not next(stream.told) then streams.set(stream.name, nil) end
end

-- forget takes a route away.
local function forget(stream, server, ended)
  local route = stream.routes[server]
  if not route then return end
  local link = links.get(server)
  stream.routes[server] = nil
  if link then link.count = link.count - 1 end
  if not ended then
    update(stream)
    return
  end
  -- The publisher stopped, so no other way leads to it either.
  for other, r in pairs(stream.routes) do
    if r.instance == route.instance then
      stream.routes[other] = nil
      links.get(other).count = links.get(other).count - 1
    end
  end
  update(stream, nil, route.instance)
end

-- begin and finish follow the publications of this server.
local function begin(publication, publisher, instance)
  local stream = streamOf(publication.name)
  dropAll(stream)
  if not instance then
    mona.clusterSerial = mona.clusterSerial + 1
    instance = id .. "-" .. mona.clusterSerial
  end
  publication.clusterInstance = instance -- not from the metadata
  if publisher ~= "unknown" and mona.servers.count > 0 then open(stream, publication) end
  stream.instance, stream.here, stream.publisher, stream.from, stream.asked = instance, publication, publisher, nil, nil
  update(stream)
end

local function finish(name, publisher)
  local stream = streams.get(name)
  if not stream or not stream.here then return end
  if stream.publisher ~= publisher and stream.publisher ~= "unknown" then return end -- somebody has followed already
  dropAll(stream)
  stream.here, stream.publisher = nil, nil
  update(stream, nil, stream.instance)
end

-- adopt puts right what events did not tell: publications that ran before this text did, and who is left of several that
-- wanted one name at the same time.
local function adopt()
  for name, publication in pairs(mona.publications) do
    local stream = streams.get(name)
    if not stream or (stream.here ~= publication and stream.copy ~= publication) then
      local known = publication.clusterInstance
      if type(known) ~= "string" or known:sub(1, #id + 1) ~= id .. "-" then known = nil end
      begin(publication, "unknown", known)
    end
  end
  for name, stream in streams.pairs() do
    if stream.here and not mona.publications(name) then finish(name, stream.publisher) end
    if not stream.here and not stream.copy then update(stream) end -- the name was not free before
  end
end

-- sendAll tells a server of all streams.
local function sendAll(server)
  local list = {}
  links.get(server).sent = true
  for _, stream in streams.pairs() do
    stream.told[server] = nil
    tell(stream, server, nil, list)
    if #list == CHUNK then
      server:send("clusterStreams", list)
      list = {}
    end
  end
  if #list > 0 then server:send("clusterStreams", list) end
  server:send("clusterStreamsEnd")
end

local function isText(text, max) return type(text) == "string" and text ~= "" and #text <= max end

-- What follows a "?" is not part of a name.
local function isName(name) return isText(name, 1024) and not name:find("?", 1, true) end

local function isPath(path)
  if type(path) ~= "table" or #path == 0 or #path > MAX_HOPS then return false end
  for _, v in ipairs(path) do
    if not isText(v, 64) then return false end
  end
  return true
end

-- What the other servers call.
local functions = {}

-- The other server begins, perhaps anew: what it told before is in doubt until it told all (clusterStreamsEnd).
function functions.clusterHello(server, theirs, answer)
  if not isText(theirs, 64) then return end
  local link = links.get(server)
  if link.id ~= theirs then INFO("streams are shared with the server ", server.address, " (", server.host, ")") end
  link.id = theirs
  for _, stream in streams.pairs() do
    local route = stream.routes[server]
    if route then route.stale = true end
    if stream.from == server then stream.asked = nil end
    drop(stream, server)
  end
  if answer then server:send("clusterHello", id, false) end
  if answer or not link.sent then sendAll(server) end
end

function functions.clusterStreams(server, list)
  if type(list) ~= "table" then return end
  local link = links.get(server)
  for _, entry in ipairs(list) do
    if type(entry) == "table" and isName(entry.name) and isText(entry.instance, 128) and isPath(entry.path) then
      local stream = streamOf(entry.name)
      if contains(entry.path, id) then
        forget(stream, server)
      elseif stream.routes[server] or link.count < MAX_STREAMS then
        if not stream.routes[server] then link.count = link.count + 1 end
        stream.routes[server] = { instance = entry.instance, path = entry.path }
      else
        WARN("server ", server.address, " tells of more than ", MAX_STREAMS, " streams, ", entry.name, " is ignored")
      end
      update(stream)
    end
  end
end

function functions.clusterStreamsEnd(server)
  for _, stream in streams.pairs() do
    local route = stream.routes[server]
    if route and route.stale then forget(stream, server) else update(stream) end
  end
end

function functions.clusterGone(server, name, ended)
  local stream = streams.get(name)
  local route = stream and stream.routes[server]
  if route then forget(stream, server, ended == route.instance) end
end

function functions.clusterWant(server, name, instance, on, fresh)
  local stream = streams.get(name)
  if not stream then return end
  drop(stream, server)
  local ours = stream.here or (stream.copy and stream.from ~= server)
  if on and ours and stream.instance == instance then
    if not fresh then stream.known = true end
    take(stream, server, fresh)
  end
  update(stream)
end

local function copyOf(server, name)
  local stream = streams.get(name)
  if not stream or stream.from ~= server or not stream.asked or not stream.copy then return nil end
  stream.begun = true
  return stream.copy
end

function functions.clusterAudio(server, name, time, packet)
  local copy = copyOf(server, name)
  if copy then copy:pushAudio(time, packet) end
end

function functions.clusterVideo(server, name, time, packet)
  local copy = copyOf(server, name)
  if copy then copy:pushVideo(time, packet) end
end

function functions.clusterData(server, name, packet)
  local copy = copyOf(server, name)
  if copy then copy:pushData(packet) end
end

-- leave takes a server from all streams.
local function leave(server)
  for _, stream in streams.pairs() do
    stream.told[server] = nil
    drop(stream, server)
    if stream.routes[server] then forget(stream, server) else update(stream) end
  end
end

-- The module ends there.
function functions.clusterBye(server)
  links.get(server).id = nil
  leave(server)
end

mona:handle {
  onPublish = function(client, publication)
    if publication.name ~= making then begin(publication, client or "script") end
  end,

  onUnpublish = function(client, publication)
    if closing then return end
    local stream = streams.get(publication.name)
    if stream and stream.copy == publication and not stream.here then -- another script closed our copy
      dropAll(stream)
      if stream.asked then ask(stream, stream.from, false) end
      stream.copy = nil
      return
    end
    finish(publication.name, client or "script")
  end,

  onSubscribe = function(_, listener)
    local stream = streams.get(listener.publication.name)
    if stream and stream.copy then update(stream, true) end
  end,

  onUnsubscribe = function(_, listener)
    local stream = streams.get(listener.publication.name)
    if stream and stream.copy then update(stream, watched(stream.copy, listener)) end
  end,

  onManage = function()
    ticks = ticks + 1
    for _, stream in streams.pairs() do
      local opening = stream.opening
      if opening and opening.tick and opening.tick + 2 <= ticks then opening.close() end
    end
    if ticks % 2 == 0 then adopt() end
  end,

  onServerConnection = function(server)
    links.set(server, { count = 0 })
    for name, f in pairs(functions) do server[name] = f end
    server:send("clusterHello", id, true)
    adopt()
  end,

  onServerDisconnection = function(server)
    links.set(server, nil)
    leave(server)
    if mona.servers(server.socketAddress) ~= server then return end
    -- It is this module that ends.
    for name in pairs(functions) do server[name] = nil end
    server:send("clusterBye")
  end,
}
