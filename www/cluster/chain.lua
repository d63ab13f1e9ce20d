-- cluster.chain: streams are passed on from each server to the next one, its target, and from there to its target.
--
--   require "cluster.chain" -- one line in www/main.lua of each server; not together with cluster.publications
--
-- This is the application of "Scalability and load-balancing", a page of MonaServer's documentation, with its mistakes
-- put right: it works for more than two servers, sends metadata and codec configuration to a server that joins late,
-- and survives an edit. Every stream goes to every server behind the one where it is published, whether somebody plays
-- it or not, and never back: cluster.publications does without both. Servers that are connected in a ring are safe, as
-- a name that is in use is not copied. The messages are those of the published application, so each server may also be
-- a MonaServer 1.x that runs that.
--
--   [cluster]
--   viewers = 400  ; optional: as many clients play here; the next one is refused with the address of the next server
--                  ; as the last word of the description (NetStream.Play.Failed): it connects there

clusterModules = clusterModules or {}
if clusterModules.publications then error("cluster.chain and cluster.publications cannot be used together", 0) end
if clusterModules.chain then return true end
clusterModules.chain = true

local newMap = require("cluster.map")
local viewers = require("cluster.viewers")

local VIEWERS = tonumber(mona.configs["cluster.viewers"])

local nextServer          -- nil: we are the last one
local senders = newMap()  -- by name of the stream: what passes its media on
local previous = newMap() -- by server that we are the target of: the copies of its streams, by name

-- attach passes a publication on.
local function attach(publication)
  local name = publication.name
  if not nextServer or senders.get(name) then return end
  local server = nextServer
  server:send("publish", name)
  -- It begins with the metadata and the codec configuration, if the stream runs already.
  senders.set(name, publication:handle {
    onAudio = function(_, time, packet) server:send("audio", name, time, packet) end,
    onVideo = function(_, time, packet) server:send("video", name, time, packet) end,
    -- With exactly two arguments the second one is the whole message, metadata included, ready for pushData.
    onData = function(_, handler, packet) server:send("data", name, handler, packet) end,
  })
end

local function detach(name)
  local sender = senders.get(name)
  if not sender then return end
  senders.set(name, nil)
  sender:release()
  if nextServer then nextServer:send("unpublish", name) end
end

local function attachAll()
  for _, publication in pairs(mona.publications) do attach(publication) end
end

local functions = {}

function functions.publish(server, name)
  local copies = previous.get(server)
  -- No copy: the name is in use here, perhaps because servers are connected in a ring.
  if type(name) == "string" and not copies.get(name) then copies.set(name, mona:publish(name)) end
end

function functions.unpublish(server, name)
  local copies = previous.get(server)
  local copy = type(name) == "string" and copies.get(name)
  if not copy then return end
  copies.set(name, nil)
  copy:close()
end

-- push finds the copy that a packet is for.
local function push(method)
  return function(server, name, ...)
    local copy = type(name) == "string" and previous.get(server).get(name)
    if copy then copy[method](copy, ...) end
  end
end

functions.audio, functions.video = push("pushAudio"), push("pushVideo")

local pushData = push("pushData")
function functions.data(server, name, handler, packet) pushData(server, name, packet) end

local events = {
  -- For our copies, too: that is how a stream gets to the third server.
  onPublish = function(_, publication) attach(publication) end,
  onUnpublish = function(_, publication) detach(publication.name) end,

  onServerConnection = function(server)
    if not server.isTarget then
      previous.set(server, newMap())
      for name, f in pairs(functions) do server[name] = f end
      server:send("chainAnnounce") -- it may have announced its streams before this text ran
      return
    end
    if nextServer then error("following server already connected", 0) end
    nextServer = server
    function server:chainAnnounce()
      for _, publication in pairs(mona.publications) do
        detach(publication.name)
        attach(publication)
      end
    end
    attachAll()
  end,

  onServerDisconnection = function(server)
    local copies = previous.get(server)
    if server == nextServer then
      local ends = mona.servers(server.socketAddress) == server -- it is this module that ends
      if not ends then nextServer = nil end
      for name in senders.pairs() do detach(name) end
      nextServer = nil
      server.chainAnnounce = nil
    elseif copies then
      previous.set(server, nil)
      for _, copy in copies.pairs() do copy:close() end
      for name in pairs(functions) do server[name] = nil end
    end
  end,
}

if VIEWERS then
  events.onManage = viewers.still

  function events.onSubscribe()
    if nextServer and viewers.count() >= VIEWERS then error(nextServer.host, 0) end
    viewers.add(1)
  end

  function events.onUnsubscribe() viewers.add(-1) end
end

mona:handle(events)
