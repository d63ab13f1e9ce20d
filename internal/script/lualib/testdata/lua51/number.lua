-- Conversion of numbers.
local values = { 0, -0, 1, -1, 0.1, 0.1 + 0.2, 1 / 3, 100, 1e14, 1e15, -1e15, 1e16, 123456789012345, 12345678901234, 99999999999999, 999999999999999, 1e100, 1e-5, 0.0001,
	1e-10, 2 ^ 31, 2 ^ 32, 2 ^ 53, 2 ^ 63, 2 ^ 64, -2 ^ 63, 1 / 0, -1 / 0, 3.14159265358979, 1e300 * 1e10, 5e-324, 1.7976931348623157e308, 0x10, 0xff, 1e3, 314.16e-2, 0.31416E1,
	010, 0x7fffffff, 1234567.891, 12345678901234.5, 0.30000000000000004, 99999999999999.9, 1.5, 1e15 + 0.5, 1e999, -1e999, .5, 5., 3e-2, 0001.50 }
for i, v in ipairs(values) do
	print(i, v, tostring(v), v .. "", "<" .. v .. ">", table.concat({ v }), string.format("%s", v))
end
local zero = 0
print(zero / zero ~= zero / zero, tostring(zero / zero), -(zero / zero), (zero / zero) .. "")
print(math.huge, -math.huge, math.huge .. "", math.pi)
print(1 .. 2, 1.5 .. "x", -1 .. "", 2 ^ 53 .. "")

local texts = { "", " ", "0", "1", "-1", "+1", "1e3", "1E3", "1e+3", "1e-3", "1e", "1e+", "e3", ".5", "5.", ".", "-.5", "0x10", "0X1f", "0x", "0xg", "-0x10", " 12 ", "\t12\n",
	"12\v", "1 2", "1,5", "12a", "inf", "nan", "-inf", "Infinity", "infinit", "0x1p4", "0x.8", "0x1.8p1", "1_000", "0b1", "0o7", "010", "-010", "1e400", "-1e400", "1e-400",
	"0x1e2", "0xffffffff", "0xffffffffffffffff", "1..2", "1.2.3", "--1", "- 1", "+-1", "1e3.5", "99999999999999999999", "0.1e1", "00012", "1f", "1d", "1l", "0x1P-1", "\0", "1\n\n" }
for i, s in ipairs(texts) do
	print(i, tonumber(s), tonumber(s, 10))
end
for base = 2, 36 do
	print(base, tonumber("1", base), tonumber("10", base), tonumber("z", base), tonumber("Zz", base), tonumber("777", base), tonumber(" 11 ", base),
		tonumber("1.5", base), tonumber("", base), tonumber("0x11", base), tonumber("ff", base), tonumber("11111111111111111111111111111111111111111111111111111111111111111", base))
end
print(tonumber(5), tonumber(nil), tonumber(true), tonumber({}), tonumber(print))
print(tonumber(10, 16), tonumber(1.5, 16), tonumber("7", 8), tonumber("8", 8), tonumber("0x", 16), tonumber("0xg", 16))
print(pcall(tonumber))
print(pcall(tonumber, "1", 1))
print(pcall(tonumber, "1", 37))
print(pcall(tonumber, "1", "x"))
print(pcall(tonumber, {}, 16))
print("10" + 5, "0x10" + 0, "1e2" * 1, " 5 " + 0, 10 .. 20)
print(tostring(nil), tostring(true), tostring(false), tostring("x"), tostring(12.0))
print(pcall(tostring))
print(tostring(setmetatable({}, { __tostring = function() return "obj" end })))
print(pcall(print, setmetatable({}, { __tostring = function() return {} end })))
print(type(tostring({})), tostring({}):match("^table: ") ~= nil, tostring(print):match("^function: ") ~= nil, tostring(coroutine.create(function() end)):match("^thread: ") ~= nil)
