-- Messages from one client to another by id, as Adobe's Cirrus service has it: a client that calls
-- relay(id, …) makes the server call onRelay(sender's id, …) of the client with that id.

local MAX_VALUES = 32    -- of one message
local MAX_BYTES = 16384  -- of one message, as AMF
local BURST = 50         -- messages a client may send at once …
local PER_SECOND = 20    -- … and in the long run

-- refuse ends a call with a text for people: level 0 keeps file and line out of it.
local function refuse(text) error(text, 0) end

function relay(client, id, ...)
  local sent = client.sent
  local now = mona:time()
  sent.credit = math.min(BURST, sent.credit + (now - sent.last) / 1000 * PER_SECOND)
  sent.last = now
  if sent.credit < 1 then refuse("not so fast") end
  sent.credit = sent.credit - 1

  if select("#", ...) > MAX_VALUES or #mona:toAMF0(...) > MAX_BYTES then refuse("message is too long") end
  -- clients are those of this application only. The call form finds nothing for what is no id, whatever it is.
  local peer = clients(id)
  if not peer then refuse("peer is not connected") end
  peer.writer:writeInvocation("onRelay", client.id, ...)
end

function onConnection(client)
  -- Set here, or a client could choose it in its URL.
  client.sent = { credit = BURST, last = mona:time() }

  function client:relay(id, ...)
    relay(self, id, ...)
    return true
  end
end
