-- A table of Lua keeps the place of every key that it ever had, so one to which names are added and removed for weeks
-- grows for weeks. This one gives the places back.
--
--   local map = require("cluster.map")()
--   map.set("a", 1)   map.get("a")   map.set("a", nil)   for key, value in map.pairs() do … end
--
-- Inside of the loop, the element it is at may be removed, others not.

return function()
  local items, removed = {}, 0
  local map = {}

  function map.get(key) return items[key] end

  function map.set(key, value)
    if value == nil and items[key] ~= nil then removed = removed + 1 end
    items[key] = value
    if removed < 1000 then return end
    local rest = {}
    for k, v in pairs(items) do rest[k] = v end
    items, removed = rest, 0
  end

  function map.pairs() return pairs(items) end

  return map
end
