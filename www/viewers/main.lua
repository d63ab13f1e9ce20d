-- Tells everyone who watches a stream, and its publisher, how many watch: onViewers(stream, number).
--
-- The number is kept on the publication object, which lives as long as it has a publisher or a viewer: a table by
-- stream name in this script would have to be tidied up, and clients choose those names.

-- A change is told when it is at least one part in STEP of the number told before. So everyone learns every change
-- while there are few, and 10 000 viewers coming one by one do not cause 50 million messages.
local STEP = 50

-- counter returns the counter of a publication. A number would not do as a field: until a script sets one, it is
-- looked for in the metadata that the publisher sends.
local function counter(publication)
  local c = publication.audience
  if type(c) ~= "table" then
    c = { count = 0, told = 0, publisher = nil }
    publication.audience = c
  end
  return c
end

local function tell(client, publication, count)
  client.writer:writeInvocation("onViewers", publication.name, count)
end

-- changed counts a viewer that comes or goes. Neither depends on being among the listeners at this moment.
function changed(publication, viewer, by)
  local c = counter(publication)
  c.count = c.count + by
  if by > 0 then tell(viewer, publication, c.count) end
  if math.abs(c.count - c.told) * STEP < c.told then return end
  c.told = c.count
  for _, listener in ipairs(publication.listeners) do
    local client = listener.client
    if client ~= viewer and client.path == path then tell(client, publication, c.count) end
  end
  if c.publisher and c.publisher ~= viewer then tell(c.publisher, publication, c.count) end
end

function published(publication, client)
  local c = counter(publication)
  c.publisher = client
  tell(client, publication, c.count)
end

function onConnection(client)
  function client:onPublish(publication) published(publication, self) end
  function client:onUnpublish(publication) counter(publication).publisher = nil end
  function client:onSubscribe(listener) changed(listener.publication, self, 1) end
  function client:onUnsubscribe(listener) changed(listener.publication, self, -1) end

  -- viewers(name) asks for the number of a running stream.
  function client:viewers(name)
    local publication = mona.publications(name)
    return publication and counter(publication).count or 0
  end
end
