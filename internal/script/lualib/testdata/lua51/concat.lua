-- The operator "..".
local function try(f, ...) print(pcall(f, ...)) end
local a, b, c = "a", "b", "c"
print(a .. b, a .. b .. c, a .. 1, 1 .. a, 1 .. 2, a .. 1.5 .. b, "x" .. "y" .. "z", "" .. "", 0.1 .. "", 1e15 .. "", -0 .. "")
local function two() return "p", "q" end
local function va(...) return ... .. "!", "<" .. ... end
print(two() .. "x", "x" .. two(), (two()) .. (two()), va("v", "w"))
local function last(s) s = s .. "x"; return s end
local function lasts(n, s) s = s .. n; s = n .. s; return s .. s, s end
print(last("l"), lasts(1, "s"))
local function ret(x) return x .. "r" end
print((ret("a")), ret("a"), select("#", ret("a")))
local t = { a .. b, k = b .. c, [a .. c] = "v", a .. "z" }
print(t[1], t.k, t.ac, t[2], #t)
t.x = "n"
t.x = t.x .. t.k .. #t
t[t.x .. "y"] = t.x .. "w"
print(t.x, t[t.x .. "y"])
print(#(a .. b), -("1" .. "2"), not (a .. b), a .. b == "ab", a .. b < "ac", (a .. b):upper(), ("q" .. a):rep(2))
if a .. b == "ab" and b .. c ~= "x" then print("cond") end
local x = a == "a" and b .. c or c .. b
local y = (a .. b) and (nil or b .. a)
print(x, y, (a .. b) .. (b .. c), a .. (b .. c), ((a) .. (b)))
while (a .. b):len() < 5 do a = a .. "+" end
print(a)
local s = ""
for i = 1, 100 do s = s .. i .. "," end
print(s)
local up = "u"
local function closure() up = up .. "v"; return function() up = up .. "w" return up end end
print(closure()(), up)
local log = {}
local mt = { __concat = function(l, r)
	local function name(v) return type(v) == "table" and v.name or tostring(v) end
	log[#log + 1] = name(l) .. "|" .. name(r)
	return name(l) .. name(r)
end }
local function obj(n) return setmetatable({ name = n }, mt) end
local o, p = obj("O"), obj("P")
print(o .. "x", "x" .. o, o .. p, o .. 1, 1 .. o, "a" .. "b" .. o, o .. "a" .. "b", "a" .. o .. "b" .. p .. "c", (o .. "a") .. p)
print(table.concat(log, " "))
local keep
keep = setmetatable({}, { __concat = function(l, r) return setmetatable({ l, r }, getmetatable(keep)) end })
local k = "a" .. "b" .. keep
print(type(k), k[1], k[2][1], k[2][2] == keep)
local function concatError(f) print((select(2, pcall(f)):gsub("concatenate %w+ '%w+' %(a (%w+) value%)", "concatenate a %1 value"))) end
for _, v in ipairs { true, {}, print } do
	concatError(function() return "a" .. v end)
	concatError(function() return v .. "a" end)
	concatError(function() return "a" .. "b" .. v .. "c" end)
end
concatError(function() return "a" .. nil end)
concatError(function() return nil .. "a" end)
do -- assignments to the last parameter
	local function id(...) return ... end
	local function f1(p) p = (id(p)); return p end
	local function f2(p) local x; p, x = id(p), 1; return p, x end
	local function f3(q, p) p, q = p .. "1", q .. "2"; return p, q end
	local function f4(p, ...) p = p .. ...; return p end
	local function f5(p) p = p .. "a", p; return p end
	local function f6(p) p = (p .. "x"):upper() .. p; return p end
	local o2 = { v = "m" }
	function o2:f7() self = self.v .. "n"; return self end
	print(f1("a"), f2("b"), f3("c", "d"), f4("e", "f", "g"), f5("h"), f6("i"), o2:f7())
end
local long = "1" .. "2" .. a .. "3" .. "4" .. "5" .. "6" .. "7" .. "8" .. "9" .. "0" .. "1" .. "2" .. "3" .. "4" .. "5" .. b .. "7" .. "8" .. "9" .. "0" .. "1" .. "2" .. "3"
	.. "4" .. "5" .. "6" .. "7" .. "8" .. "9" .. "0" .. "1" .. "2" .. "3" .. "4" .. "5" .. "6" .. c .. "8" .. "9" .. "0" .. "1" .. "2" .. "3" .. "4" .. "5" .. "6" .. "7" .. two()
print(long)
local longmeta = "1" .. "2" .. "3" .. "4" .. "5" .. "6" .. "7" .. "8" .. "9" .. "0" .. "1" .. "2" .. "3" .. "4" .. "5" .. "6" .. "7" .. "8" .. "9" .. "0" .. "1" .. "2" .. "3"
	.. "4" .. "5" .. "6" .. "7" .. "8" .. "9" .. "0" .. "1" .. "2" .. "3" .. "4" .. "5" .. "6" .. o .. "8" .. "9" .. "0" .. "1" .. "2" .. "3" .. "4" .. "5" .. "6" .. "7" .. p .. "x"
print(longmeta)
local co = coroutine.wrap(function(s) while true do s = s .. coroutine.yield(s .. "?") .. "." end end)
print(co("a"), co("b"), co("c"))
