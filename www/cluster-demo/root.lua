-- The root application of each server of a cluster (copy it to www/main.lua, or add this to yours).

require "cluster.publications" -- what is published on one server can be played on all
require "cluster.rendezvous"   -- peers find each other, whichever server they are connected to
require "cluster.groups"       -- so do members of NetGroups
require "cluster.balance"      -- clients go where the fewest are

children("cluster-demo") -- starts with the server, not with its first client
