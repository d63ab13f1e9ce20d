-- The string library without patterns.
local function show(...)
	local out = {}
	for i = 1, select("#", ...) do out[i] = string.format("%q", tostring((select(i, ...)))) end
	print(select("#", ...), table.concat(out, " "))
end
local function try(f, ...) show(pcall(f, ...)) end

for _, s in ipairs { "", "a", "abc", "\0a\0", "\200\201\255" } do
	for i = -5, 5 do
		show(string.sub(s, i), string.byte(s, i))
		for j = -5, 5 do
			show(i, j, string.sub(s, i, j))
			show(i, j, string.byte(s, i, j))
		end
	end
	show(string.len(s), #s, string.reverse(s), string.upper(s), string.lower(s), string.rep(s, 3), string.rep(s, 0), string.rep(s, -1))
end
show(string.sub("hello", 2.9, 3.9), string.sub("hello", "2", "3"))
show(("x"):rep(3), ("abc"):upper(), ("ABC"):lower(), ("abc"):len(), ("abc"):byte(-1), ("abc"):reverse())
show(string.upper("aZ09\228\246"), string.lower("aZ09\196\214"))
show(string.char(), string.char(0, 255, 65), string.byte(string.char(0, 128, 255), 1, -1))
try(string.char, 256)
try(string.char, -1)
try(string.char, 65, "x")
try(string.rep)
try(string.rep, "x")
try(string.rep, "x", {})
try(string.sub)
try(string.sub, "x")
try(string.len)
try(string.byte, nil)
try(string.upper, nil)
try(string.upper, {})
try(string.reverse)
show(string.len(12), string.upper(12.5), string.rep(1, 3), string.reverse(123), string.sub(1234, 2, 3))

-- format
local numbers = { 0, 1, -1, 42, -42, 255, 65535, 2147483647, -2147483648, 4294967295, 1e10, 1e14, 1e15, 123456789012, 0.1, 0.5, -0.5, 1 / 3, 2 / 3,
	1e-5, 1.5e-10, 1e100, -1e100, 1e308, 123.456, 99999.5, 100000, 1e5, 1e6, 999999, 1234567, 0.0001, 0.00001234, 2 ^ 53, 1 / 0, -1 / 0 }
local formats = { "%d", "%5d", "%-5d|", "%05d", "%+d", "% d", "%.3d", "%8.3d", "%-8.3d|", "%i", "%u", "%x", "%X", "%#x", "%#X", "%o", "%#o", "%8x", "%08x",
	"%e", "%.0e", "%.3e", "%E", "%12.4e", "%-12.4e|", "%f", "%.0f", "%.1f", "%.10f", "%10.2f", "%-10.2f|", "%010.2f", "%+.2f", "% .2f", "%#.0f", "%g", "%.3g",
	"%.14g", "%.17g", "%10g", "%-10g|", "%010g", "%G", "%#g", "%#.3g", "%+g", "%.0g", "%.1g", "%99.20f", "%#.0e", "%#x", "%+5d", "% 5d", "%-+5d|", "%+05d" }
for _, f in ipairs(formats) do
	for _, n in ipairs(numbers) do
		if not (f:find("[diuxXo]") and (n == 1 / 0 or n == -1 / 0 or math.abs(n) > 2 ^ 62)) then
			show(f, n, string.format(f, n))
		end
	end
end
show(string.format("%d %d %d", 3.7, -3.7, "12"))
show(string.format("%x %X %o %u", -1, -255, -8, -2))
for _, f in ipairs { "%s", "%10s|", "%-10s|", "%.2s|", "%10.2s|", "%-10.1s|", "%.0s|", "%.s|" } do
	for _, s in ipairs { "", "a", "abc", "hello world", "h\228llo" } do show(f, s, string.format(f, s)) end
	show(string.format(f, 1.5))
end
show(string.format("%5s|%-5s|%.1s", "abc", "abc", "abc"))
show(string.format("%c%c%c", 76, 117, 97), string.format("%5c|%-5c|", 65, 66))
show(string.format("%q", 'a"b\\c\nd\re\0f\1\200'), string.format("%q", ""), string.format("%q", 12))
show(string.format("%%"), string.format("100%%"))
show(string.format("%s %s", "a", "b", "c"), string.format("no directives", 1, 2))
show(string.format("%20s", ("x"):rep(120)):len(), string.format("%.5s", ("x"):rep(120)))
show(string.format("%s", "a\tb"), string.format(12))
try(string.format, "%d")
try(string.format, "%d", "x")
try(string.format, "%d", nil)
try(string.format, "%y", 1)
try(string.format, "%", 1)
try(string.format, "%10", 1)
try(string.format, "%123d", 1)
try(string.format, "%.123d", 1)
try(string.format, "%0000000d", 1)
try(string.format, "%-+ #0d", 1)
try(string.format, "%-+ #00d", 1)
try(string.format, "%f", {})
try(string.format, "%c", "x")
try(string.format, "%q")
try(string.format)
try(string.format, {})
try(string.format, "%s")
