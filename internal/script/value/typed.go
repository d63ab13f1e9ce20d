package value

import (
	"strings"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/script/value/decimal"
)

// Typed is the value that scripts see for a text: true and false in any case are booleans, null is nil,
// plain decimals are numbers, everything else stays text.
func Typed(s string) lua.LValue {
	switch len(s) {
	case 0:
		return lua.LString("")
	case 4:
		if strings.EqualFold(s, "true") {
			return lua.LTrue
		}
		if strings.EqualFold(s, "null") {
			return lua.LNil
		}
	case 5:
		if strings.EqualFold(s, "false") {
			return lua.LFalse
		}
	}
	if f, ok := decimal.Parse(s); ok {
		return luaNumber(f)
	}
	return lua.LString(s)
}
