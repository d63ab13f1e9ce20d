package lualib

import (
	"runtime/metrics"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// openBase puts the base functions into the globals.
func (l *Library) openBase(L *lua.LState) {
	g := L.G.Global
	for name, f := range baseFunctions {
		g.RawSetString(name, l.function(L, name, f))
	}
	l.openIterators(L)
	l.openPlain(L)
	g.RawSetString("_VERSION", lua.LString(lua.LuaVersion))
}

var baseFunctions map[string]function

func init() { // some of the functions refer to the table
	baseFunctions = map[string]function{
		"assert":         baseAssert,
		"collectgarbage": baseCollectGarbage,
		"error":          baseError,
		"gcinfo":         baseGCInfo,
		"getfenv":        baseGetFEnv,
		"getmetatable":   baseGetMetatable,
		"load":           baseLoad,
		"loadstring":     baseLoadString,
		"pcall":          basePCall,
		"print":          basePrint,
		"rawequal":       baseRawEqual,
		"rawget":         baseRawGet,
		"rawset":         baseRawSet,
		"select":         baseSelect,
		"setfenv":        baseSetFEnv,
		"setmetatable":   baseSetMetatable,
		"tonumber":       baseToNumber,
		"tostring":       baseToString,
		"type":           baseType,
		"unpack":         baseUnpack,
		"xpcall":         baseXPCall,
	}
}

// Globals is a read-only view of the base functions that may be shown to scripts.
func (l *Library) Globals(L *lua.LState) *lua.LTable {
	if l.globals == nil {
		mt := L.NewTable()
		mt.RawSetString("__index", l.g.Global)
		mt.RawSetString("__newindex", l.function(L, "global", func(c call) int {
			c.errorf("the Lua globals are read-only")
			return 0
		}))
		mt.RawSetString("__pairs", l.function(L, "pairs", func(c call) int {
			c.L.Push(l.next)
			c.L.Push(cloneTable(c.L, l.g.Global))
			return 2
		}))
		mt.RawSetString("__metatable", lua.LFalse)
		l.globals = L.NewTable()
		l.globals.Metatable = mt
	}
	return l.globals
}

func baseAssert(c call) int {
	if lua.LVAsBool(c.any(1)) {
		return c.L.GetTop()
	}
	if msg := c.L.Get(2); msg != lua.LNil {
		if _, ok := toString(msg); !ok {
			c.l.throw(c.L, msg) // an error value, as in LuaJIT
		}
	}
	c.errorf("%s", c.optString(2, "assertion failed!"))
	return 0
}

// baseError is error (Lua 5.1 §5.1). Given a second argument that is not a number it joins all of them into the message,
// as MonaServer does.
func baseError(c call) int {
	v, level := c.L.Get(1), 1
	switch second := c.L.Get(2).(type) {
	case lua.LNumber:
		level = toInt(float64(second))
	case *lua.LNilType:
		if c.L.GetTop() > 2 {
			v = c.join()
		}
	default:
		v = c.join()
	}
	if s, ok := v.(lua.LString); ok && level > 0 {
		v = lua.LString(c.l.where(c.L, level)) + s
	} else if n, ok := v.(lua.LNumber); ok && level > 0 { // lua_isstring
		v = lua.LString(c.l.where(c.L, level) + formatNumber(float64(n)))
	}
	c.l.raised = v
	c.l.throw(c.L, v)
	return 0
}

// Deliberate reports whether an error returned by PCall was raised by the function error, on purpose, and not by a mistake
// of the script. It is about the last call.
func (l *Library) Deliberate(err error) bool {
	return l.raised != nil && errorValue(err) == l.raised && !l.exceeded()
}

// join converts all arguments to text without anything between them.
func (c call) join() lua.LString {
	var b strings.Builder
	for i := 1; i <= c.L.GetTop(); i++ {
		b.WriteString(c.text(c.L.Get(i)))
		c.checkSize(b.Len())
	}
	return lua.LString(b.String())
}

// text converts any value as tostring does.
func (c call) text(v lua.LValue) string {
	if s, ok := toString(v); ok {
		return s
	}
	if mm := c.L.GetMetaField(v, "__tostring"); mm != lua.LNil {
		s, ok := toString(c.call1(mm, v))
		if !ok {
			c.errorf("'tostring' must return a string to '%s'", c.name)
		}
		return s
	}
	return v.String()
}

// ToString converts any value as tostring does; product functions that print use it.
func (l *Library) ToString(L *lua.LState, v lua.LValue) string { return call{l, L, "tostring"}.text(v) }

func baseToString(c call) int {
	v := c.any(1)
	if mm := c.L.GetMetaField(v, "__tostring"); mm != lua.LNil {
		return c.push(c.call1(mm, v))
	}
	return c.pushString(c.text(v))
}

func baseToNumber(c call) int {
	base := c.optInt(2, 10)
	v := c.any(1)
	if base == 10 {
		switch v := v.(type) {
		case lua.LNumber:
			return c.push(v)
		case lua.LString:
			if f, ok := parseNumber(string(v)); ok {
				return c.pushNumber(f)
			}
		}
		return c.push(lua.LNil)
	}
	s := c.string(1)
	if base < 2 || base > 36 {
		c.argError(2, "base out of range")
	}
	if f, ok := parseBase(s, base); ok {
		return c.pushNumber(f)
	}
	return c.push(lua.LNil)
}

func basePrint(c call) int {
	var b strings.Builder
	for i := 1; i <= c.L.GetTop(); i++ {
		if i > 1 {
			b.WriteByte('\t')
		}
		b.WriteString(c.text(c.L.Get(i)))
		c.checkSize(b.Len())
	}
	b.WriteByte('\n')
	_, _ = c.l.o.Stdout.Write([]byte(b.String()))
	return 0
}

func baseType(c call) int { return c.pushString(c.any(1).Type().String()) }

func baseRawEqual(c call) int { return c.push(lua.LBool(c.L.RawEqual(c.any(1), c.any(2)))) }

func baseRawGet(c call) int {
	t := c.table(1)
	return c.push(t.RawGet(c.any(2)))
}

func baseRawSet(c call) int {
	t, k, v := c.table(1), c.any(2), c.any(3)
	c.rawSet(t, k, v)
	return c.push(t)
}

func (c call) rawSet(t *lua.LTable, k, v lua.LValue) {
	if k == lua.LNil {
		c.errorf("table index is nil")
	}
	if n, ok := k.(lua.LNumber); ok && n != n {
		c.errorf("table index is NaN")
	}
	t.RawSet(k, v)
}

func baseSelect(c call) int {
	top := c.L.GetTop()
	if s, ok := c.L.Get(1).(lua.LString); ok && strings.HasPrefix(string(s), "#") {
		return c.pushNumber(float64(top - 1))
	}
	n := c.int(1)
	if n < 0 {
		n += top
	} else if n > top {
		n = top
	}
	if n < 1 {
		c.argError(1, "index out of range")
	}
	return top - n
}

// baseGetMetatable is getmetatable. The metatable of strings belongs to all applications: scripts get a copy.
func baseGetMetatable(c call) int {
	v := c.any(1)
	switch v.(type) {
	case *lua.LTable, *lua.LUserData:
		return c.push(c.L.GetMetatable(v))
	case lua.LString:
		t := c.L.NewTable()
		t.RawSetString("__index", c.l.stringTable(c.L))
		return c.push(t)
	}
	return c.push(lua.LNil) // that of openPlain is nobody's business
}

func baseSetMetatable(c call) int {
	t := c.table(1)
	mt := c.L.Get(2)
	if mt.Type() != lua.LTNil && mt.Type() != lua.LTTable || c.L.GetTop() < 2 {
		c.argError(2, "nil or table expected")
	}
	if c.L.GetMetaField(t, "__metatable") != lua.LNil {
		c.errorf("cannot change a protected metatable")
	}
	t.Metatable = mt
	return c.push(t)
}

// baseUnpack is unpack and table.unpack.
func baseUnpack(c call) int {
	t := c.table(1)
	i := c.optInt(2, 1)
	j := c.optInt(3, t.Len())
	if i > j {
		return 0
	}
	if j-i >= maxResults {
		c.errorf("too many results to unpack")
	}
	for k := i; k <= j; k++ {
		c.L.Push(rawGetInt(t, k))
	}
	return j - i + 1
}

// rawGetInt is lua_rawgeti: RawGetInt of a table sees its array part only.
func rawGetInt(t *lua.LTable, i int) lua.LValue {
	if i > 0 && i < maxArrayIndex {
		return t.RawGetInt(i)
	}
	return t.RawGet(lua.LNumber(i))
}

// baseCollectGarbage never collects: the garbage is that of the whole server. "count" is the size of its heap.
func baseCollectGarbage(c call) int {
	switch option := c.optString(1, "collect"); option {
	case "count":
		return c.pushNumber(heapKB())
	case "collect", "stop", "restart":
		return c.pushNumber(0)
	case "setpause", "setstepmul":
		return c.pushNumber(200)
	case "step":
		return c.push(lua.LTrue)
	default:
		c.argError(1, "invalid option '"+option+"'")
		return 0
	}
}

func baseGCInfo(c call) int { return c.pushNumber(float64(int64(heapKB()))) }

func heapKB() float64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return float64(sample[0].Value.Uint64()) / 1024
}
