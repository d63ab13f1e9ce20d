local function try(f, ...) print(pcall(f, ...)) end
local co = coroutine.create(function(a, b)
	print("start", a, b)
	local c = coroutine.yield(a + b)
	print("got", c)
	local d, e = coroutine.yield(c * 2)
	print("got", d, e)
	return "end", d + e
end)
print(coroutine.status(co), coroutine.resume(co, 1, 2))
print(coroutine.status(co), coroutine.resume(co, 10))
print(coroutine.status(co), coroutine.resume(co, 3, 4))
print(coroutine.status(co), coroutine.resume(co))
print(coroutine.running())
local self
self = coroutine.create(function() print(coroutine.running() == self, coroutine.status(self)); return coroutine.resume(self) end)
print(coroutine.resume(self))
local outer, inner
outer = coroutine.create(function()
	inner = coroutine.create(function() print(coroutine.status(outer), coroutine.status(inner)); print(coroutine.resume(outer)); coroutine.yield(1) end)
	print(coroutine.resume(inner))
	print(coroutine.status(inner))
end)
print(coroutine.resume(outer))
local gen = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
print(gen(), gen(), gen(), gen())
print(pcall(gen))
for v in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i * i) end end) do io.write(v, " ") end
print()
print(coroutine.resume(coroutine.create(function() error("in co") end)))
print(coroutine.resume(coroutine.create(function() error({}) end)) == false)
print(coroutine.resume(coroutine.create(function() local x = nil; x() end)) == false)
local w = coroutine.wrap(function() error("wrapped") end)
print(pcall(w))
print(pcall(function() w() end))
print(select(2, pcall(coroutine.wrap(function() error({ 5 }) end)))[1])
print(coroutine.resume(coroutine.create(function(...) return select("#", ...), ... end), nil, nil, 3))
print(pcall(coroutine.yield))
print(coroutine.resume(coroutine.create(function() return pcall(coroutine.yield, 1) end)))
print(coroutine.resume(coroutine.create(function() return (string.gsub("abc", "b", coroutine.yield)) end)))
print(coroutine.resume(coroutine.create(function() local t = setmetatable({}, { __index = function() return coroutine.yield(1) end }) return t.x end)))
print(coroutine.resume(coroutine.create(function() table.sort({ 3, 2, 1 }, function() return coroutine.yield() end) end)))
print(coroutine.resume(coroutine.create(function() for _ in coroutine.yield do end end)))
try(coroutine.create)
try(coroutine.create, 1)
try(coroutine.resume, 1)
try(coroutine.status, {})
try(coroutine.wrap, nil)
-- permutations
local function permgen(a, n)
	if n <= 1 then coroutine.yield(table.concat(a, "")) else
		for i = 1, n do a[n], a[i] = a[i], a[n]; permgen(a, n - 1); a[n], a[i] = a[i], a[n] end
	end
end
local all = {}
for p in coroutine.wrap(function() permgen({ "a", "b", "c", "d" }, 4) end) do all[#all + 1] = p end
print(#all, table.concat(all, " "))
-- a tree walked by nested coroutines
local function tree(n) if n > 0 then return { tree(n - 1), n, tree(n - 1) } end end
local function walk(t) return coroutine.wrap(function() if t then for v in walk(t[1]) do coroutine.yield(v) end coroutine.yield(t[2]) for v in walk(t[3]) do coroutine.yield(v) end end end) end
local seen = {}
for v in walk(tree(5)) do seen[#seen + 1] = v end
print(table.concat(seen))
-- producer and consumer
local function producer() return coroutine.create(function() for _, v in ipairs { "x", "y", "z" } do coroutine.yield(v) end return nil end) end
local function filter(p) return coroutine.create(function() local n = 1; while true do local _, v = coroutine.resume(p); if not v then return nil end coroutine.yield(n .. v); n = n + 1 end end) end
local f = filter(producer())
for i = 1, 5 do print(coroutine.resume(f)) end
-- shared variables and errors inside coroutines
do
	local n = 0
	local function inc() n = n + 1 end
	local c = coroutine.create(function() inc(); pcall(error); inc(); coroutine.yield(); inc(); error("x") end)
	coroutine.resume(c); coroutine.resume(c); inc()
	print("shared", n, coroutine.status(c))
	local get
	local d = coroutine.create(function() local v = 7; get = function() v = v + 1 return v end; coroutine.yield(get()); coroutine.yield(get()); error("y") end)
	print(coroutine.resume(d)); print(get()); print(coroutine.resume(d)); print(get(), get()); print(coroutine.resume(d)); print(get())
end
do -- yields in tail position, varargs
	local c = coroutine.create(function(...) return coroutine.yield(...) end)
	print(coroutine.resume(c, 1, nil, 3)); print(coroutine.resume(c, "r", nil)); print(coroutine.status(c))
	local d = coroutine.wrap(function(n) local function rec(i) if i > 0 then return coroutine.yield(i), rec(i - 1) end return "z" end return rec(n) end)
	print(d(3)); print(d("a")); print(d("b")); print(d("c"))
end
