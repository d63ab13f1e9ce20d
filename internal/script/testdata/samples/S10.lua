function onHandshake(address,path,properties,attempts)
  return mona.servers
end
