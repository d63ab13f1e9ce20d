-- cluster.balance: clients are spread over the servers before they connect.
--
--   require "cluster.balance" -- one line in www/main.lua
--
-- What it does is configured in MonaServer.ini:
--
--   [cluster]
--   balance = least  ; default. On every server: a client that comes here is sent to the server that has clearly fewer
--                    ; clients, if there is one. The servers tell each other how many they have.
--   balance = turn   ; on a server in front of the others, and on no other: each client is sent to the next of them
--   balance = all    ; likewise, but clients get the addresses of all of them, and keep the one that answers first
--   viewers = 400    ; optional: as many clients play here. The next one is refused with the address of the server with
--                    ; the fewest as the last word of the description (NetStream.Play.Failed): it connects there.
--
-- While no other server is connected all clients are accepted. Clients reach a server under its host of MonaServer.ini.

clusterModules = clusterModules or {}
if clusterModules.balance then return true end
clusterModules.balance = true

local newMap = require("cluster.map")
local viewers = require("cluster.viewers")

local MODE = tostring(mona.configs["cluster.balance"] or "least")
local VIEWERS = tonumber(mona.configs["cluster.viewers"])
local MARGIN = 2     -- differences up to this, or 5 % of the clients here, are none
local PATIENCE = 2   -- a client that tries more often does not reach the others: it is accepted here
local REFRESH = 15   -- a count that did not change is told again after so many ticks of 2 s

if MODE ~= "least" and MODE ~= "turn" and MODE ~= "all" then
  error("cluster.balance = " .. MODE .. " in MonaServer.ini: least, turn or all was expected", 0)
end

-- By server: how many clients and viewers it has, as far as we know.
local loads = newMap()
local turn, ticks, told = 0, 0, -1

local function margin(n) return math.max(MARGIN, n / 20) end

-- least is the server with the least of what ("clients" or "viewers"), and how many that are.
local function least(what)
  local server, min
  for candidate, load in loads.pairs() do
    local reachable = what == "viewers" or candidate.publicAddress
    if load[what] and reachable and (not min or load[what] < min) then server, min = candidate, load[what] end
  end
  return server, min
end

-- tell sends our numbers to a server, or to all.
local function tell(server)
  local clients = #mona.clients
  local watching = VIEWERS and viewers.count() or nil
  if server then
    server:send("clusterLoad", clients, watching)
    return
  end
  told, ticks = clients, 0
  for other, load in loads.pairs() do
    if load.clients then other:send("clusterLoad", clients, watching) end
  end
end

local function redirect(address, path, properties, attempts)
  if attempts > PATIENCE then return end
  if MODE ~= "least" then
    local servers = {}
    for _, server in ipairs(mona.servers) do
      if server.publicAddress then servers[#servers + 1] = server end
    end
    if MODE == "all" or #servers == 0 then return servers end
    turn = turn % #servers + 1
    return servers[turn]
  end
  local here = #mona.clients
  local server, there = least("clients")
  if not server or here - there <= margin(here) then return end
  loads.get(server).clients = there + 1 -- until it tells again
  return server
end

local events = {
  onHandshake = redirect,

  onConnection = function()
    if math.abs(#mona.clients - told) > margin(told) then tell() end
  end,

  onManage = function()
    if VIEWERS then viewers.still() end
    ticks = ticks + 1
    if ticks >= REFRESH or #mona.clients ~= told or VIEWERS then tell() end
  end,

  onServerConnection = function(server)
    loads.set(server, {})
    function server:clusterLoad(clients, watching)
      local load = loads.get(self)
      if not load then return end
      local first = not load.clients
      load.clients, load.viewers = tonumber(clients), tonumber(watching)
      if first then tell(self) end -- it may have begun after us
    end
    tell(server)
  end,

  onServerDisconnection = function(server)
    loads.set(server, nil)
    if mona.servers(server.socketAddress) == server then server.clusterLoad = nil end
  end,
}

if VIEWERS then
  function events.onSubscribe()
    if viewers.count() >= VIEWERS then
      local server, there = least("viewers")
      if not server then server = mona.servers.targets(1) or mona.servers(1) end -- none that counts
      if server and (not there or there < VIEWERS) then error(server.host, 0) end
    end
    viewers.add(1)
  end

  function events.onUnsubscribe() viewers.add(-1) end
end

mona:handle(events)
