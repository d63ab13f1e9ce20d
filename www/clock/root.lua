-- The root application (copy it to www/main.lua, or add this to yours): lets the clock tick.

function onManage()
  -- Opens the application the first time; later also looks whether its main.lua was edited.
  local clock = children("clock")
  if clock and clock.tick then clock.tick() end
end
