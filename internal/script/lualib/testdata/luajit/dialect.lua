-- Conveniences of LuaJIT.
print("\x41\x42\xff\x00\x7e" == "AB\255\0~", #"\x00", '\xe9' == "\233", "a\z
      b", "a\z   b\z
	c", "\z")
print(string.format("%s %s %s", nil, true, setmetatable({}, { __tostring = function() return "T" end })), string.format("%10s|%.2s", true, false))
print(("ab"):rep(3, "-"), ("x"):rep(1, "-"), ("x"):rep(0, "-"), (""):rep(3, ","), ("ab"):rep(2, ""))
print(load("return ...")(1, 2))
print(xpcall(function(...) return select("#", ...), ... end, print, 1, nil, 3))
print(xpcall(error, function(m) return "h:" .. m end, "msg", 0))
print(pcall(function() assert(nil, { 1 }) end) == false, select(2, pcall(assert, false, 7)), type(select(2, pcall(assert, false, {}))))
print(xpcall(function() error("x") end, function() error("y") end))
for i = 1, 3 do
	for j = 1, 3 do
		if j == 2 then goto continue end
		io.write(i, j, " ")
		::continue::
	end
end
print()
do
	local i = 1
	::top::
	if i <= 3 then io.write(i, " "); i = i + 1; goto top end
	print()
end
local t = { "a\x62c", [ [[x
y]] ] = 1, ["\x6b"] = 2 }
print(t[1], t["x\ny"], t.k)
print(1e3, 0x.8, 0x1p4, 0xA.8p1, 1E+2, .5e1, 3., 0xff)
print(#[==[
]] ]=] 
]==], --[[ comment ]] 1, --[==[ long
comment ]] ]==] 2)
print("a\
b", "\065\10\0661", '\'\"')
print(string.format("%a %A %.2a %a", 1, 0.5, 3.14159, -255.75))
print(coroutine.resume(coroutine.create(print), 1, 2), coroutine.wrap(coroutine.yield)(5), pcall(coroutine.wrap(error), "x"))
print((function(...) local a, b = ... return select("#", ...), a, b end)(nil, nil, nil))
