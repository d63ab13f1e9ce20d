-- cluster.rendezvous: peers find each other although they are connected to different servers.
--
--   require "cluster.rendezvous" -- one line in www/main.lua of each server
--
-- A client that looks for a peer which is not connected here is sent to all servers that are connected with this one;
-- the one that knows the peer introduces them to each other. What the peers say then goes from one to the other, never
-- through a server. Each server must be reachable for the clients of the others: set host in MonaServer.ini if it is
-- behind a router.

clusterModules = clusterModules or {}
if clusterModules.rendezvous then return true end
clusterModules.rendezvous = true

mona:handle {
  onRendezVousUnknown = function() return mona.servers end,
}
