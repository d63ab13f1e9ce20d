package lualib

import (
	"math"
	"math/bits"
	"strconv"
	"strings"
)

// The bit operations of LuaJIT (Lua BitOp 1.0): numbers are taken modulo 2^32, results are signed 32-bit numbers.
var bitFunctions = map[string]function{
	"arshift": shift(func(x uint32, n int) uint32 { return uint32(int32(x) >> n) }),
	"band":    fold(func(x, y uint32) uint32 { return x & y }),
	"bnot":    func(c call) int { return c.pushBits(^c.bits(1)) },
	"bor":     fold(func(x, y uint32) uint32 { return x | y }),
	"bswap":   func(c call) int { return c.pushBits(bits.ReverseBytes32(c.bits(1))) },
	"bxor":    fold(func(x, y uint32) uint32 { return x ^ y }),
	"lshift":  shift(func(x uint32, n int) uint32 { return x << n }),
	"rol":     shift(bits.RotateLeft32),
	"ror":     shift(func(x uint32, n int) uint32 { return bits.RotateLeft32(x, -n) }),
	"rshift":  shift(func(x uint32, n int) uint32 { return x >> n }),
	"tobit":   func(c call) int { return c.pushBits(c.bits(1)) },
	"tohex":   bitToHex,
}

// bits converts an argument as BitOp does: it adds 2^52+2^51, which rounds to the nearest integer, and takes the low bits.
func (c call) bits(n int) uint32 {
	return uint32(math.Float64bits(c.number(n) + (1<<52 + 1<<51)))
}

func (c call) pushBits(x uint32) int { return c.pushNumber(float64(int32(x))) }

func fold(f func(x, y uint32) uint32) function {
	return func(c call) int {
		x := c.bits(1)
		for i := 2; i <= c.L.GetTop(); i++ {
			x = f(x, c.bits(i))
		}
		return c.pushBits(x)
	}
}

// shift makes a function of a number and a count, of which the low five bits matter.
func shift(f func(x uint32, n int) uint32) function {
	return func(c call) int { return c.pushBits(f(c.bits(1), int(c.bits(2)&31))) }
}

// bitToHex is bit.tohex: a negative number of digits means capital letters.
func bitToHex(c call) int {
	x := c.bits(1)
	n := int32(8)
	if !c.none(2) {
		n = int32(c.bits(2))
	}
	upper := n < 0
	if upper {
		n = -n
	}
	if n < 0 || n > 8 {
		n = 8
	}
	s := strconv.FormatUint(uint64(x)|1<<32, 16)[1:]
	s = s[8-n:]
	if upper {
		s = strings.ToUpper(s)
	}
	return c.pushString(s)
}
