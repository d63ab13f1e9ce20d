-- cluster.groups: members of a NetGroup find each other although they are connected to different servers.
--
--   require "cluster.groups"     -- one line in www/main.lua of each server,
--   require "cluster.rendezvous" -- with this one: members have to be introduced, too
--
-- Each server tells the others which of its clients joined which group and who left, and makes those that the others
-- tell of members of its own groups (mona:joinGroup). It passes on nothing that it was told itself, so there is no echo;
-- therefore all servers must be connected with each other, each with each. What a server told ends with its connection.

clusterModules = clusterModules or {}
if clusterModules.groups then return true end
clusterModules.groups = true

local newMap = require("cluster.map")

local CHUNK = 500 -- members in one message

-- By server: the virtual members made for it, by group and peer.
local links = newMap()

local function isId(id) return type(id) == "string" and #id == 32 end

local function join(link, group, peer)
  if not isId(group) or not isId(peer) or link.get(group .. peer) then return end
  link.set(group .. peer, mona:joinGroup(peer, group))
end

local function unjoin(link, group, peer)
  if not isId(group) or not isId(peer) then return end
  local member = link.get(group .. peer)
  if not member then return end
  member:release()
  link.set(group .. peer, nil)
end

local function clear(link)
  for _, member in link.pairs() do member:release() end
end

-- reset begins with a server anew.
local function reset(server)
  local link = links.get(server)
  if link then clear(link) end
  link = newMap()
  links.set(server, link)
  return link
end

-- tellAll tells a server of all members that are clients here.
local function tellAll(server)
  links.get(server).told = true
  local list = {}
  for _, group in pairs(mona.groups) do
    for id, member in pairs(group.members) do
      if mona.clients(id) == member then
        list[#list + 1] = group.rawId
        list[#list + 1] = member.rawId
        if #list == 2 * CHUNK then
          server:send("clusterMembers", list)
          list = {}
        end
      end
    end
  end
  if #list > 0 then server:send("clusterMembers", list) end
end

-- broadcast reaches the servers that have this module.
local function broadcast(name, group, client)
  for server, link in links.pairs() do
    if link.ready then server:send(name, group.rawId, client.rawId) end
  end
end

local functions = {}

-- The other server begins, perhaps anew: what it said before does not count any more.
function functions.clusterGroups(server, answer)
  local told = links.get(server).told
  local link = reset(server)
  link.ready, link.told = true, told
  if answer then server:send("clusterGroups", false) end
  if answer or not told then tellAll(server) end
end

function functions.clusterMembers(server, list)
  if type(list) ~= "table" then return end
  for i = 1, #list, 2 do join(links.get(server), list[i], list[i + 1]) end
end

function functions.clusterJoin(server, group, peer) join(links.get(server), group, peer) end

function functions.clusterUnjoin(server, group, peer) unjoin(links.get(server), group, peer) end

function functions.clusterGroupsEnd(server) reset(server) end

mona:handle {
  onJoinGroup = function(client, group) broadcast("clusterJoin", group, client) end,
  onUnjoinGroup = function(client, group) broadcast("clusterUnjoin", group, client) end,

  onServerConnection = function(server)
    reset(server)
    for name, f in pairs(functions) do server[name] = f end
    server:send("clusterGroups", true)
  end,

  onServerDisconnection = function(server)
    local link = links.get(server)
    links.set(server, nil)
    clear(link)
    if mona.servers(server.socketAddress) ~= server then return end
    -- It is this module that ends.
    for name in pairs(functions) do server[name] = nil end
    if link.ready then server:send("clusterGroupsEnd") end
  end,
}
