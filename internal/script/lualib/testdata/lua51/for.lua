-- Loops.
local function try(f) print((select(2, pcall(f)))) end
for i = "10", "1", "-2" do io.write(i + 0, " ") end print()
local n, t, s = 3, { 1, 2, 3 }, "2"
for i = 1, n do io.write(i, " ") end print()
for i = n, 1, -1 do io.write(i, " ") end print()
for i = 1, #t do io.write(i, " ") end print()
for i = s, s * 2, s / 2 do io.write(i + 0, " ") end print()
local function three() return 1, 2, 3 end
for i = three(), (three()) + 2 do io.write(i, " ") end print()
local function va(...) for i = ..., 4 do io.write(i, " ") end print() end
va(2, 3)
for i = 1, math.huge do if i > 3 then break end io.write(i, " ") end print()
for i = 1, 0 do print("never") end
for i = 1, 2, 0.5 do io.write(i, " ") end print()
for i = 3, 1 do print("never") end
for i = -1, -3, -1 do io.write(i, " ") end print()
try(function() for i = nil, 1 do end end)
try(function() for i = 1, {} do end end)
try(function() for i = 1, 2, "x" do end end)
try(function() local x; for i = 1, x do end end)
local fs = {}
for i = 1, 3 do fs[i] = function() i = i + 1; return i end end
print(fs[1](), fs[1](), fs[2](), fs[3]())
for i = 1, 3 do local j = i; i = 10; io.write(j, i, " ") end print()
for i, v in ipairs { "a", "b" } do for j = i, #v + 1 do io.write(i, v, j, " ") end end print()
local i = 5
for i = i, i + 1 do io.write(i, " ") end print(i)
while true do if i > 7 then break end i = i + 1 end print(i)
repeat local done = i > 9; i = i + 1 until done
print(i)
