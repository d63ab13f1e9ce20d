-- Streams that need a token, which a web site gives to those who may publish or play (README.md).
--
-- A token is "<expiry>-<signature>": expiry in seconds since 1970, signature the HMAC-SHA256 of
-- "publish:<stream>:<expiry>" or "play:<stream>:<expiry>" in hexadecimal. The site and this script share the key,
-- secure.secret in MonaServer.ini.

local BLOCK = 64 -- bytes, of SHA-256

local function xor(key, byte)
  return (key:gsub(".", function(c) return string.char(bit.bxor(c:byte(), byte)) end))
end

-- signer returns the function HMAC-SHA256 of a key (RFC 2104), in hexadecimal.
local function signer(key)
  if #key > BLOCK then key = mona:sha256(key) end
  key = key .. ("\0"):rep(BLOCK - #key)
  local inner, outer = xor(key, 0x36), xor(key, 0x5c)
  return function(text)
    local mac = mona:sha256(outer .. mona:sha256(inner .. text))
    return (mac:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
  end
end

-- The configuration shows texts such as 12 and true as what they look like; a key must be a text.
local secret = mona.configs["secure.secret"]
local sign = nil
if type(secret) == "string" and #secret >= 16 then
  sign = signer(secret)
else
  WARN("secure.secret is missing in MonaServer.ini, is a number, or has less than 16 characters: no stream is allowed")
end

-- problem says why token does not allow action on a stream; nil if it does.
local function problem(action, name, token)
  if not sign then return "streams are closed" end
  if token == nil then return "a token is needed to " .. action .. " " .. name end
  local expiry, signature
  if type(token) == "string" and #token <= 80 then
    expiry, signature = token:match("^(%d+)%-(%x+)$")
  end
  if not expiry then return "the token is malformed" end
  -- The digests are compared instead of the signatures: how long that takes tells nothing about the right one.
  local right = sign(action .. ":" .. name .. ":" .. expiry)
  if mona:sha256(signature:lower()) ~= mona:sha256(right) then
    return "the token does not allow to " .. action .. " " .. name
  end
  if tonumber(expiry) * 1000 <= mona:time() then return "the token has expired" end
end

-- authorise is global so that an edit of this file counts for clients that are connected.
function authorise(client, action, name, token)
  local text = problem(action, name, token)
  if text then
    INFO(client.address, " may not ", action, " ", name, ": ", text)
    error(text, 0) -- level 0: the description for the client is this text alone
  end
end

function onConnection(client)
  function client:onPublish(publication)
    authorise(self, "publish", publication.name, self.properties.token)
  end

  function client:onSubscribe(listener)
    local token = listener.parameters.token
    if token == nil then token = self.properties.token end
    authorise(self, "play", listener.publication.name, token)
  end
end
