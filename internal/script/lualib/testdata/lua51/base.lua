-- Base functions, errors, environments.
local function try(f, ...) print(pcall(f, ...)) end

-- assert, error, pcall, xpcall
print(assert(1, 2, 3), select("#", assert(true)))
try(assert, false)
try(assert, nil, "message")
try(assert, false, 12)
try(assert)
try(error)
try(error, "x")
try(error, nil)
try(error, { 1 } and 5)
try(function() error("level1") end)
try(function() error("level0", 0) end)
try(function() error("level2", 2) end)
try(function() error(12) end)
try(function() error(nil) end)
try(function() error() end)
try(function() error(true) end)
try(function() error("nil level", nil) end)
try(function() local function f() error("deep2", 2) end f() end)
try(function() local function f() error("deep3", 3) end local function g() f() end g() end)
try(function() assert(false) end)
try(function() assert(nil, "with text") end)
try(function() string.rep() end)
try(function() local t = setmetatable({}, { __index = function(_, k) error("no " .. k) end }) return t.field end)
print(select("#", pcall(error)), pcall(pcall), pcall(pcall, error, "x"))
local err = { code = 1 }
local ok, e = pcall(error, err)
print(ok, e == err)
print(xpcall(function() return 1, 2 end, print))
print(xpcall(function() error("x", 0) end, function(m) return "handled " .. m end))
print(xpcall(function() error({ 7 }) end, function(m) return m[1] end))
print(xpcall(function() local x = nil; x() end, function() return "called nil" end))
print(pcall(xpcall))
print(select(2, xpcall(function() error("tb") end, debug.traceback)):match("^[^\n]*"))
print(pcall(function(...) return select("#", ...), ... end, nil, nil))
do
	local n = 0
	local function count() n = n + 1 end
	pcall(error); count()
	pcall(error, "x"); count()
	xpcall(error, count); count()
	print("shared after errors", n)
	local get
	pcall(function() local v = "kept"; get = function() return v end; error("x") end)
	print(get())
	xpcall(function() local v = "kept too"; get = function() return v end; error("x") end, function() end)
	print(get())
	for i = 1, 3 do
		local ok = pcall(function() n = n + i; if i == 2 then error("mid") end end)
		io.write(tostring(ok), " ", n, " ")
	end
	print()
end
print(pcall(function() return pcall(function() return pcall(error, "inner") end) end))
local function nested(n) if n == 0 then error("bottom", 0) end local ok, m = pcall(nested, n - 1); error(m .. n, 0) end
print(pcall(nested, 20))

-- select, type, rawget ...
print(select("#"), select("#", nil), select("#", nil, nil), select(2, "a", "b", "c"), select(-1, "a", "b", "c"), select(-3, "a", "b", "c"))
print(select(5, 1, 2))
try(select, 0)
try(select, -2, 1)
try(select)
try(select, {}, 1)
print(type(nil), type(1), type("x"), type({}), type(print), type(true), type(coroutine.create(print and function() end)))
try(type)
local raw = setmetatable({}, { __index = function() return "meta" end, __newindex = function() end, __eq = function() return true end })
raw.x = 1
print(raw.x, rawget(raw, "x"), rawset(raw, "x", 2) == raw, rawget(raw, "x"), rawequal(raw, setmetatable({}, getmetatable(raw))), rawequal("a", "a"), rawequal(1, 1))
try(rawset, {}, nil, 1)
try(rawget, 1, 2)
try(rawget, {})
try(rawset, {}, 1)
print(getmetatable({}), getmetatable(setmetatable({}, { __metatable = "locked" })))
try(setmetatable, setmetatable({}, { __metatable = 1 }), {})
try(setmetatable, 1, {})
try(setmetatable, {}, 1)
try(setmetatable, {})
print(setmetatable(setmetatable({}, {}), nil) ~= nil, getmetatable("").__index == string)
try(getmetatable)
print(pcall(next, {}, nil), pcall(next))
try(ipairs)
try(pairs)
try(pairs, nil)
print(_VERSION, math.type, unpack == table.unpack)

-- loadstring, load, environments
print(loadstring("return 1 + 1")(), loadstring("x ="), loadstring("return ...")(1, 2))
print(pcall(loadstring("error('in chunk')", "=name")), pcall(loadstring("error('in chunk')", "@file.lua")), pcall(loadstring("error('in chunk')")))
print(pcall(loadstring("\n\nerror('line 3')", "=name")))
print(pcall(loadstring("error('long')  -- " .. ("x"):rep(100))))
print(pcall(loadstring("error('two')\nlocal x")))
try(loadstring)
local parts = { "return ", "1", " + 41", nil }
local i = 0
print(load(function() i = i + 1; return parts[i] end)())
print(load(function() return nil end)())
print(pcall(load, 1))
gx = "global"
print(getfenv(1).gx, getfenv().gx, getfenv(print).gx, getfenv(0).gx)
local function f() return gx end
setfenv(f, { gx = "other" })
print(f(), gx, getfenv(f).gx)
local function g() setfenv(1, { gx = "inside" }); return gx end
print(g(), gx)
print(setfenv(f, _G) == f, f())
try(setfenv, print, {})
try(setfenv, 1)
try(setfenv, f, 1)
try(setfenv, 99, {})
try(getfenv, 99)
try(getfenv, -1)
assert(loadstring("made = 'by chunk'"))()
print(made)
setfenv(1, setmetatable({}, { __index = _G }))
assert(loadstring("made = 'in new env'"))()
print(made)
print(collectgarbage("count") > 0, collectgarbage("collect"), collectgarbage("stop"), collectgarbage("restart"), collectgarbage(), type(gcinfo()))
try(collectgarbage, "bogus")
print(("x"):rep(3), #"abc", ("%d"):format(7))
do -- tail calls
	local function loop(n) if n == 0 then return "done" end return loop(n - 1) end
	print(loop(100000))
end
