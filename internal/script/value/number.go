package value

import (
	"math"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/pkg/amf"
)

// boxed is how many small integers are kept as interface values: indexes, counts, codes and flags are most
// of the numbers that cross the border, and each would be an allocation.
const boxed = 1024

var luaNumbers, amfNumbers = box()

func box() (ls [boxed]lua.LValue, as [boxed]amf.Value) {
	for i := range boxed {
		ls[i], as[i] = lua.LNumber(i), amf.Number(i)
	}
	return ls, as
}

// small is the place of f among the boxed numbers.
func small(f float64) (int, bool) {
	if !(f >= 0 && f < boxed) {
		return 0, false
	}
	i := int(f)
	return i, float64(i) == f && (i != 0 || !math.Signbit(f))
}

func luaNumber(f float64) lua.LValue {
	if i, ok := small(f); ok {
		return luaNumbers[i]
	}
	return lua.LNumber(f)
}

func amfNumber(f float64) amf.Value {
	if i, ok := small(f); ok {
		return amfNumbers[i]
	}
	return amf.Number(f)
}
