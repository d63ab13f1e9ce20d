package lualib

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

var stringFunctions = map[string]function{
	"byte":    stringByte,
	"char":    stringChar,
	"dump":    stringDump,
	"find":    stringFind,
	"format":  stringFormat,
	"gmatch":  stringGmatch,
	"gsub":    stringGsub,
	"len":     stringLen,
	"lower":   stringLower,
	"match":   stringMatch,
	"rep":     stringRep,
	"reverse": stringReverse,
	"sub":     stringSub,
	"upper":   stringUpper,
}

// openString makes the string table and the metatable of strings. The methods of strings, s:find(…), are those of the
// original table until an application adds one to its own: from then on they are looked up in the table of the application
// that is calling.
func (l *Library) openString(L *lua.LState) {
	t := l.newTable(L, "string", stringFunctions)
	t.RawSetString("gfind", t.RawGetString("gmatch")) // its name in Lua 5.0
	l.originals["string"] = t
	l.methods = L.NewTable()
	l.methods.RawSetString("__index", t)
	L.SetMetatable(lua.LString(""), l.methods)
}

// watchString notices when an application adds a function to its string table t.
func (l *Library) watchString(L *lua.LState, t *lua.LTable) {
	mt := L.NewTable()
	mt.RawSetString("__newindex", l.function(L, "string", func(c call) int {
		c.rawSet(c.table(1), c.L.Get(2), c.L.Get(3))
		if !l.extended {
			l.extended = true
			l.methods.RawSetString("__index", l.function(c.L, "string", stringMethod))
		}
		return 0
	}))
	mt.RawSetString("__metatable", lua.LFalse)
	t.Metatable = mt
}

// stringMethod finds a method of a string.
func stringMethod(c call) int { return c.push(c.l.stringTable(c.L).RawGet(c.L.Get(2))) }

// stringTable is the string table of the application that is calling.
func (l *Library) stringTable(L *lua.LState) *lua.LTable {
	if s := l.caller(L); s != nil {
		return s.tables["string"]
	}
	return l.originals["string"]
}

// relative converts a position that counts from the end if negative (posrelat).
func relative(pos, length int) int {
	if pos < 0 {
		pos += length + 1
	}
	return max(pos, 0)
}

func stringByte(c call) int {
	s := c.string(1)
	i := relative(c.optInt(2, 1), len(s))
	j := min(relative(c.optInt(3, i), len(s)), len(s))
	i = max(i, 1)
	if i > j {
		return 0
	}
	if j-i >= maxResults {
		c.errorf("string slice too long")
	}
	for k := i; k <= j; k++ {
		c.L.Push(lua.LNumber(s[k-1]))
	}
	return j - i + 1
}

func stringChar(c call) int {
	b := make([]byte, c.L.GetTop())
	for i := range b {
		v := c.int(i + 1)
		if v < 0 || v > 255 {
			c.argError(i+1, "invalid value")
		}
		b[i] = byte(v)
	}
	return c.pushString(string(b))
}

func stringDump(c call) int {
	c.errorf("string.dump is not available: compiled functions cannot be loaded")
	return 0
}

func stringLen(c call) int { return c.pushNumber(float64(len(c.string(1)))) }

// stringLower and stringUpper change ASCII letters only, as the C locale does: strings are bytes.
func stringLower(c call) int { return c.pushString(mapLetters(c.string(1), 'A')) }
func stringUpper(c call) int { return c.pushString(mapLetters(c.string(1), 'a')) }

// mapLetters changes the case of the letters of the alphabet that starts at first.
func mapLetters(s string, first byte) string {
	i := 0
	for i < len(s) && s[i]-first >= 26 {
		i++
	}
	if i == len(s) {
		return s
	}
	b := []byte(s)
	for ; i < len(b); i++ {
		if b[i]-first < 26 {
			b[i] ^= 0x20
		}
	}
	return string(b)
}

// stringRep takes a separator as third argument, as LuaJIT does.
func stringRep(c call) int {
	s, n, sep := c.string(1), c.int(2), c.optString(3, "")
	if n <= 0 || len(s)+len(sep) == 0 {
		return c.pushString("")
	}
	// Compared as floating point: the product may be out of range.
	if total := float64(len(s))*float64(n) + float64(len(sep))*float64(n-1); total > float64(c.l.o.MaxString) {
		c.errorf("%s: result would have %.0f bytes, the limit is %d", c.name, total, c.l.o.MaxString)
	}
	if sep == "" {
		return c.pushString(strings.Repeat(s, n))
	}
	return c.pushString(strings.Repeat(s+sep, n-1) + s)
}

func stringReverse(c call) int {
	s := c.string(1)
	b := make([]byte, len(s))
	for i := range len(s) {
		b[len(s)-1-i] = s[i]
	}
	return c.pushString(string(b))
}

func stringSub(c call) int {
	s := c.string(1)
	i := max(relative(c.int(2), len(s)), 1)
	j := min(relative(c.optInt(3, -1), len(s)), len(s))
	if i > j {
		return c.pushString("")
	}
	return c.pushString(s[i-1 : j])
}
