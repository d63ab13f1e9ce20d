-- index incremented to redirect client equally to each server
index=0
function onHandshake(address,path,properties,attempts)
  index=index+1
  if index > mona.servers.count then index=1 end -- not exceed the number of server available
  return mona.servers(index) -- load-balacing system!
end
