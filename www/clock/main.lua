-- A talking clock: the stream "clock", pushed by this script without any publisher. It ticks: a short tone at every
-- full second, a higher one at every full minute; and it tells the time to players as data, onTime(text, ms).
--
-- Only the root application is called at regular times, every 2 seconds (onManage), so it must pass the call on:
-- README.md.

local NAME = "clock"
local AHEAD = 2000 -- ms: until the next call, and what each call pushes

-- The sound is PCM, 8 bits, 11 025 times a second, one channel: no codec is needed to make it. This byte in front of a
-- packet says so (FLV: 3 = PCM little endian, 1 = 11 kHz, 0 = 8 bits, 0 = mono).
local RATE = 11025
local HEADER = string.char(3 * 16 + 1 * 4)
local PACKETS = 5 -- a second
local STEP = 1000 / PACKETS

-- sound makes a packet that begins with a tone (half-waves of so many samples) and goes on silent. 128 is silence.
local function sound(halfWave, samples)
  local wave = ("\148"):rep(halfWave) .. ("\108"):rep(halfWave)
  local tone = wave:rep(math.floor(samples / #wave))
  return HEADER .. tone .. ("\128"):rep(RATE / PACKETS - #tone)
end

local silence = HEADER .. ("\128"):rep(RATE / PACKETS)
local second = sound(6, 550) -- 0.05 s of about 900 Hz
local minute = sound(3, 1650)

function onStart()
  publication = mona:publish(NAME)
  if not publication then
    ERROR("the stream ", NAME, " is published by somebody else: no clock until main.lua is changed")
  end
  -- Packet 0 belongs to a full second, so that every fifth one does.
  started = math.floor(mona:time() / 1000) * 1000
  pushed = 0
end

-- tick is for the onManage of the root application.
function tick()
  if not publication then return end
  local now = mona:time()
  local due = math.ceil((now - started + AHEAD) / STEP)
  -- After a pause of the machine what was missed is left out.
  pushed = math.max(pushed, due - 2 * AHEAD / STEP)
  while pushed < due do
    local at = started + pushed * STEP
    local packet = silence
    if at % 60000 == 0 then
      packet = minute
    elseif at % 1000 == 0 then
      packet = second
    end
    publication:pushAudio(pushed * STEP % 2 ^ 32, packet) -- times have 32 bits: they start again after 49 days
    pushed = pushed + 1
  end
  publication:pushData("onTime", os.date("%H:%M:%S", math.floor(now / 1000)), now)
end

-- Others may not take the place of the clock here. In other applications they may, while it does not run.
function onConnection(client)
  function client:onPublish() error("this application is for listening", 0) end
end
