function onRendezVousUnknown(protocol, peerId)
  return mona.servers -- redirect to all the connected servers
end
function onConnection(client)
  function client:onJoinGroup(group)
    -- inform other servers of this joining operation
    mona.servers:broadcast("join",group.rawId,client.rawId)
  end
  function client:onUnjoinGroup(group)
    -- inform other servers of this unjoining operation
    mona.servers:broadcast("unjoin",group.rawId,client.rawId)
  end
end
function onServerConnection(server)
  -- inform this new incoming server of my group/client relations existing
  for id,group in pairs(mona.groups) do
    for i,client in ipairs(mona.groups) do
      server:send("join",group.rawId,client.rawId)
    end
  end
  server.groups = {}
  -- RPC server functions to receive joining/unjoining operation
  function server:join(groupId,clientId)
    -- creation of a virtual member for this group
    local member = mona:joinGroup(clientId,groupId)
    if not member then return end -- join operation has failed
    -- We have to attach this member object to its server
    -- to avoid its destruction by the LUA garbage collector
    local group = self.groups[groupId]
    if not group then group = {size=0}; self.groups[groupId] = group end
    group.size = group.size + 1
    group[clientId] = member
  end
  function server:unjoin(groupId,clientId)
    -- suppression of a possible virtual member of group
    if not group then return end
    local member = group[clientId]
    if member then
      member:release() -- detach of its group
      group[clientId] = nil
      group.size = group.size - 1
    end
    -- erase the group object if it's empty now
    if group.size==0 then self.groups[groupId]=nil end
  end
end
function onServerDisconnection(server)
  -- suppression of possible virtual members attached to this server
  for id,group in pairs(server.groups) do
    for id,member in pairs(group) do
      if id ~= "size" then member:release() end
    end
  end
end
