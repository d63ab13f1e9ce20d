-- A part of cluster.balance and cluster.chain: how many play here, also what is not published yet.
--
--   local viewers = require("cluster.viewers")   viewers.count()   viewers.add(1)   viewers.still()
--
-- An edit of www/main.lua does not interrupt those who play, so the number outlives it. Who counts says so every two
-- seconds with still(); when nobody did for longer, because a faulty www/main.lua did not run, it begins anew.

local viewers = {}

local PATIENCE = 10000 -- ms

function viewers.count() return mona.clusterViewers end

function viewers.add(n) mona.clusterViewers = math.max(0, mona.clusterViewers + n) end

function viewers.still() mona.clusterViewersTime = mona:time() end

if not mona.clusterViewersTime or mona:time() - mona.clusterViewersTime > PATIENCE then
  mona.clusterViewers = 0
  for _, publication in pairs(mona.publications) do viewers.add(#publication.listeners) end
end
viewers.still()

return viewers
