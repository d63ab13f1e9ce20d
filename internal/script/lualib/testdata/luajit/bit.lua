local bit = bit
local function hex(...) local out = {} for i = 1, select("#", ...) do out[i] = bit.tohex((select(i, ...))) end return table.concat(out, " ") end
local values = { 0, 1, -1, 2, 0xff, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x123456789, -0x80000000, -0x80000001, 1.4, 1.5, 2.5, -1.5, 1e10, -1e10, 2 ^ 40 + 3, 0x87654321, 0xdeadbeef }
for _, x in ipairs(values) do
	print(x, bit.tobit(x), bit.bnot(x), bit.bswap(x), bit.tohex(x), bit.tohex(x, 4), bit.tohex(x, -4), bit.tohex(x, 0), bit.tohex(x, -8), bit.tohex(x, 1))
	for _, n in ipairs { 0, 1, 4, 8, 16, 31, 32, 33, -1, 63 } do
		print(n, bit.lshift(x, n), bit.rshift(x, n), bit.arshift(x, n), bit.rol(x, n), bit.ror(x, n))
	end
	for _, y in ipairs(values) do
		io.write(bit.band(x, y), " ", bit.bor(x, y), " ", bit.bxor(x, y), ";")
	end
	print()
end
print(hex(bit.band(0xff, 0x3c, 0x18), bit.bor(1, 2, 4, 8), bit.bxor(0xa5a5f0f0, 0xaa55ff00, 1), bit.band(7), bit.bor(0), bit.bxor("3", 1)))
print(bit.tobit("0xff"), bit.band("7", "0x3"))
for name in ("arshift band bnot bor bswap bxor lshift rol ror rshift tobit tohex"):gmatch("%w+") do
	print(name, pcall(bit[name]), pcall(bit[name], "x"), pcall(bit[name], {}, 1))
end
print(pcall(bit.lshift, 1), pcall(bit.band, 1, nil))
local h = 0 -- a typical use: a hash
for c in ("The quick brown fox"):gmatch(".") do h = bit.bxor(bit.rol(h, 5), c:byte()) end
print(bit.tohex(h))
