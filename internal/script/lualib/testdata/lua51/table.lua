-- The table library.
local function list(t)
	local out = {}
	for i = 1, table.maxn(t) do out[i] = tostring(t[i]) end
	return #out .. ":" .. table.concat(out, ",")
end
local function try(f, ...) print(pcall(f, ...)) end

-- concat
print(table.concat({}), table.concat({}, ","), table.concat({ 1, 2, 3 }), table.concat({ 1, "b", 2.5 }, ", "))
print(table.concat({ 1, 2, 3, 4 }, "-", 2), table.concat({ 1, 2, 3, 4 }, "-", 2, 3), table.concat({ 1, 2, 3 }, "-", 3, 2), table.concat({ 1, 2, 3 }, 0))
print(table.concat({ [0] = "z", "a", "b" }, ",", 0), table.concat({ [-1] = "y", [0] = "z" }, ",", -1, 0), table.concat({ 1e15, 0.1 + 0.2, 1 / 3 }, " "))
try(table.concat, { 1, 2, {} })
try(table.concat, { 1, true })
try(table.concat, { 1, 2, nil, 4 }, ",", 1, 4)
try(table.concat, { 1 }, ",", 1, 2)
try(table.concat, { print }, ",")
try(table.concat)
try(table.concat, 1)
try(table.concat, {}, {})

-- insert and remove
local t = {}
table.insert(t, "a"); print(list(t))
table.insert(t, 1, "b"); print(list(t))
table.insert(t, 2, "c"); print(list(t))
table.insert(t, 4, "d"); print(list(t))
table.insert(t, #t + 1, "e"); print(list(t))
print(table.remove(t), list(t))
print(table.remove(t, 1), list(t))
print(table.remove(t, 2), list(t))
print(table.remove(t, 7), list(t))
print(table.remove(t, 0), list(t))
print(table.remove(t, -1), list(t))
print(select("#", table.remove({})), select("#", table.remove({}, 1)), select("#", table.remove({ 1 }, 5)), select("#", table.remove({ 1 }, 1)))
for i = 1, 20 do table.insert(t, i) end
print(list(t))
for i = 1, 25 do io.write(tostring((table.remove(t))), " ") end
print(#t)
local q = {}
for i = 1, 10 do q[#q + 1] = i end
while #q > 0 do io.write(table.remove(q, 1), " ") end
print(#q)
local u = { 1, 2, 3 }
table.insert(u, 1, "x"); table.insert(u, 5, "y"); print(list(u))
table.insert(u, -1, "neg"); print(u[-1], u[0], list(u))
try(table.insert, {})
try(table.insert, {}, 1, 2, 3)
try(table.insert, 1, 2)
try(table.insert, {}, "x", 1)
try(table.insert, nil, 1)
try(table.remove, nil)
try(table.remove, {}, {})

-- sort
local function sorted(t, f) table.sort(t, f); return list(t) end
print(sorted {}, sorted { 1 }, sorted { 2, 1 }, sorted { 3, 1, 2 }, sorted { "b", "a", "B", "A", "", "aa" })
print(sorted({ 5, 3, 9, 1, 7 }, function(a, b) return a > b end))
local words = {}
for w in ("the quick brown fox jumps over the lazy dog and runs away from the big bad wolf"):gmatch("%a+") do words[#words + 1] = w end
print(sorted(words))
print(sorted(words, function(a, b) return #a < #b end)) -- equal elements: the order of the algorithm
local rnd, objs = 1, {}
for i = 1, 200 do
	rnd = (rnd * 1103515245 + 12345) % 2147483648
	objs[i] = setmetatable({ key = math.floor(rnd / 65536) % 10, id = i }, {
		__lt = nil, __tostring = function(o) return o.key .. "/" .. o.id end })
end
print(sorted(objs, function(a, b) return a.key < b.key end))
local mt = { __lt = function(a, b) return a.v < b.v end, __tostring = function(o) return "<" .. o.v .. ">" end }
local metas = {}
for i, v in ipairs { 5, 2, 8, 1 } do metas[i] = setmetatable({ v = v }, mt) end
print(sorted(metas))
for n = 1, 60 do
	local s, rev = {}, {}
	for i = 1, n do
		rnd = (rnd * 1103515245 + 12345) % 2147483648
		s[i] = rnd % 17
		rev[i] = n - i
	end
	print(sorted(s), sorted(rev), sorted(s, function(a, b) return a > b end))
end
print(pcall(table.sort, { 1, "x" }) == false, pcall(table.sort, { {}, {} }) == false, pcall(table.sort, { true, false }) == false)
try(table.sort)
try(table.sort, {}, 1)
try(table.sort, { 3, 2, 1 }, function() error("cmp", 0) end)
print(sorted({ 3, 1, 2 }, nil))

-- the rest
print(table.getn { 1, 2, 3 }, table.getn {}, table.maxn {}, table.maxn { 1, 2, nil, 4 }, table.maxn { [1.5] = 1, [10] = 1, [-3] = 1, x = 1 })
try(table.setn, {}, 1)
table.foreachi({ "a", "b", "c" }, print)
print(table.foreachi({ "a", "b", "c" }, function(i, v) if i == 2 then return v end end))
print(table.foreach({ x = 1 }, function(k, v) print(k, v) end), table.foreach({ x = 1 }, function(k) return k end))
try(table.foreach, {}, 1)
try(table.foreachi, 1)
print(unpack({ 1, 2, 3 }), (unpack({ 1, 2, 3 })))
print(unpack({ 1, 2, 3 }, 2), unpack({ 1, 2, 3 }, 2, 3), unpack({ 1, 2 }, 1, 4), select("#", unpack({}, 1, 3)), select("#", unpack({ 1, 2, 3 }, 3, 1)))
print(unpack({ [-1] = "a", [0] = "b", "c" }, -1, 1))
try(unpack, {}, 1, 1e7)
try(unpack)
try(unpack, {}, "x")
print(select("#", unpack({}, 1, 7900)))
local keys = {}
for k, v in pairs { 10, 20, x = 1, [2.5] = 2, [true] = 3 } do keys[#keys + 1] = tostring(k) .. "=" .. tostring(v) end
table.sort(keys)
print(table.concat(keys, " "))
for i, v in ipairs { 1, 2, nil, 4 } do io.write(i, "=", v, " ") end
print()
print(next({}), next({ 5 }), next({ 5 }, 1), rawequal(next, next))
local cleared = {}
for i = 1, 10 do cleared["k" .. i] = i end
local n = 0
for k in pairs(cleared) do cleared[k] = nil; n = n + 1 end
print(n, next(cleared))
