-- Run with TZ=UTC.
for _, t in ipairs { 0, 86399, 1e9, 1234567890, 1700000000, 951782400, 4102444799, -1 } do
	for f in ("a A b B c d D e F g G h H I j m M n p r R S t T u U V w W x X y Y Z %"):gmatch("%S") do
		io.write(f, "=", os.date("!%" .. f, t), " ", os.date("%" .. f, t), "; ")
	end
	print()
	local d = os.date("!*t", t)
	print(d.year, d.month, d.day, d.hour, d.min, d.sec, d.wday, d.yday, d.isdst, t ~= -1 and os.time(d))
end
for y = 1990, 2012 do
	for _, md in ipairs { { 1, 1 }, { 1, 4 }, { 2, 29 }, { 3, 1 }, { 12, 28 }, { 12, 31 } } do
		local t = os.time { year = y, month = md[1], day = md[2] }
		print(t, os.date("!%Y-%m-%d %a %j %U %W %V %G %g %u %w %C", t))
	end
end
print(os.time { year = 2000, month = 1, day = 1, hour = 0 }, os.time { year = 2000, month = 14, day = -3, hour = 25, min = 61, sec = -1 })
print(os.time { year = "2000", month = "2", day = "3", hour = "4", min = "5", sec = "6", isdst = false })
print(pcall(os.time, { year = 2000, month = 1 }))
print(pcall(os.time, { day = 1 }))
print(pcall(os.time, 1))
print(os.difftime(10, 4), os.date("!plain", 0), os.date("!", 0), os.date("!%H:%M", 3600), os.date("!100%%", 0))
print(type(os.time()), type(os.clock()), type(os.date()), os.getenv("NO_SUCH_VARIABLE_HERE"), os.setlocale(), os.setlocale("C"), os.setlocale(nil, "all"))
