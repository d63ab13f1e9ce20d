local function try(f, ...) print(pcall(f, ...)) end
for _, x in ipairs { 0, 1, -1, 0.5, -0.5, 1.5, -1.5, 2.5, 10, -10, 100.25, 1e10, -1e10, 1e300, 3.7, -3.7 } do
	print(x, math.abs(x), math.ceil(x), math.floor(x), math.modf(x))
	print(math.fmod(x, 3), math.fmod(x, -3), math.mod(x, 2.5), x % 3, x % -3, math.pow(x, 2), x ^ 2, math.max(x, 1), math.min(x, 1))
	print(math.frexp(x))
	print(string.format("%.10g %.10g %.10g %.10g", math.sin(x), math.cos(x), math.atan(x), math.tanh(x)))
	print(string.format("%.10g %.10g", math.deg(x), math.rad(x)), math.atan2(x, 2), math.ldexp(x, 3), math.ldexp(x, -2))
	if x > 0 then print(string.format("%.10g %.10g %.10g", math.sqrt(x), math.log(x), math.log10(x))) end
	if math.abs(x) <= 1 then print(string.format("%.10g %.10g", math.asin(x), math.acos(x))) end
	if math.abs(x) < 200 then print(string.format("%.10g %.10g %.10g", math.exp(x), math.sinh(x), math.cosh(x))) end
end
print(math.modf(1 / 0), math.modf(-1 / 0), math.huge, -math.huge, math.pi, math.floor("3.7"), math.max("10", 9), math.max(1, 2, 3), math.min(3, 2, 1))
print(math.ceil(-0.5), math.floor(0.5), math.fmod(5.3, 2), math.fmod(-5.3, 2))
math.randomseed(42)
local a, b, c = math.random(), math.random(10), math.random(5, 7)
math.randomseed(42)
print(a == math.random(), b == math.random(10), c == math.random(5, 7))
for i = 1, 1000 do
	local r, n, m = math.random(), math.random(6), math.random(-3, 3)
	assert(r >= 0 and r < 1 and n >= 1 and n <= 6 and n % 1 == 0 and m >= -3 and m <= 3 and m % 1 == 0)
end
print(math.random(1), math.random(5, 5), math.random(-2, -2))
try(math.random, 0)
try(math.random, 2, 1)
try(math.random, 1, 2, 3)
try(math.random, "x")
try(math.randomseed)
try(math.floor)
try(math.floor, "x")
try(math.floor, {})
try(math.max)
try(math.min)
try(math.max, 1, "x")
try(math.pow, 1)
try(math.ldexp, 1)
