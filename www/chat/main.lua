-- A chat room. Clients call join(name), say(text), leave() and names(), and are told onJoin(name), onLeave(name) and
-- onSay(name, text).
--
-- What the room knows of a member is kept on the client object, not in a table by client: it goes when the client
-- goes, and it survives an edit of this file. The functions put on clients only call global functions, so that an
-- edit also changes the room for those who are in it.

local MAX_MEMBERS = 500
local MAX_NAME = 32   -- bytes
local MAX_TEXT = 1000 -- bytes
local BURST = 10      -- calls that a client may make at once …
local PER_SECOND = 2  -- … and in the long run

-- refuse ends a call with a text for people: level 0 keeps file and line out of it.
local function refuse(text) error(text, 0) end

-- spend counts a call of the client against what it may do.
local function spend(member)
  local now = mona:time()
  member.credit = math.min(BURST, member.credit + (now - member.last) / 1000 * PER_SECOND)
  member.last = now
  if member.credit < 1 then refuse("not so fast") end
  member.credit = member.credit - 1
end

-- trimmed checks a text of a client and returns it without blanks around it.
local function trimmed(text, what, max)
  if type(text) ~= "string" then refuse(what .. " is not a text") end
  if #text > max then refuse(what .. " is too long") end
  text = text:gsub("%c", " "):match("^%s*(.-)%s*$")
  if text == "" then refuse(what .. " is empty") end
  return text
end

-- nameOf returns the name of a client in the room. Who connected before there was a script has no state.
local function nameOf(client)
  return type(client.chat) == "table" and client.chat.name or nil
end

-- tell calls a function of everyone in the room.
local function tell(event, ...)
  for _, client in pairs(clients) do
    if nameOf(client) then client.writer:writeInvocation(event, ...) end
  end
end

function join(client, name)
  local member = client.chat
  spend(member)
  if member.name then refuse("you are in the room as " .. member.name) end
  name = trimmed(name, "name", MAX_NAME)
  local others = names()
  if #others >= MAX_MEMBERS then refuse("the room is full") end
  for _, other in ipairs(others) do
    if other:lower() == name:lower() then refuse(name .. " is in the room already") end
  end
  member.name = name
  tell("onJoin", name)
  return names()
end

function say(client, text)
  local member = client.chat
  spend(member)
  if not member.name then refuse("join the room first") end
  tell("onSay", member.name, trimmed(text, "text", MAX_TEXT))
end

function leave(client)
  local name = nameOf(client)
  if not name then return end
  client.chat.name = false
  tell("onLeave", name)
end

-- names returns the names of everyone in the room, in order.
function names()
  local list = {}
  for _, client in pairs(clients) do
    list[#list + 1] = nameOf(client)
  end
  table.sort(list)
  return list
end

function onConnection(client)
  -- A field of a client that no script has set is looked for in its URL: without this line, a client of
  -- rtmfp://…/chat?chat=x would choose the value itself.
  client.chat = { name = false, credit = BURST, last = mona:time() }

  function client:join(name) return join(self, name) end
  function client:say(text) say(self, text) return true end
  function client:leave() leave(self) return true end
  function client:names() spend(self.chat) return names() end
end

function onDisconnection(client)
  leave(client)
end
