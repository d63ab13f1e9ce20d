function onRendezVousUnknown(protocol, peerId)
  return mona.servers -- redirect to all the connected servers
end
