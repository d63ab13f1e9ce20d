package lualib

import (
	crand "crypto/rand"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Compile makes calls of some operations: the function expression is a string constant that no script can name, which is
// replaced by the function once the chunk is compiled.
var (
	concatKey   = "operator .. " + crand.Text()
	forInitKey  = "for init " + crand.Text()
	forLimitKey = "for limit " + crand.Text()
	forStepKey  = "for step " + crand.Text()
)

// operators are the functions by key. They are shared by all states and goroutines and never changed.
var operators = map[string]*lua.LFunction{
	concatKey:   operator(concat),
	forInitKey:  operator(forNumber("initial value")),
	forLimitKey: operator(forNumber("limit")),
	forStepKey:  operator(forNumber("step")),
}

func operator(f lua.LGFunction) *lua.LFunction {
	return &lua.LFunction{IsG: true, Env: &lua.LTable{Metatable: lua.LNil}, GFunction: f}
}

// forNumber converts a bound of a numeric for.
func forNumber(what string) lua.LGFunction {
	return func(L *lua.LState) int {
		switch v := L.Get(1).(type) {
		case lua.LNumber:
			return 1
		case lua.LString:
			if f, ok := parseNumber(string(v)); ok {
				L.Push(lua.LNumber(f))
				return 1
			}
		}
		L.RaiseError("'for' %s must be a number", what)
		return 0
	}
}

// The operator "..". The virtual machine would build a string of any size, and prints numbers as Go does.

// concat joins its arguments, or the elements of a table that the compiler makes of very many, see walker.concat.
func concat(L *lua.LState) int {
	c := call{libraryOf(L), L, ".."}
	if c.l == nil {
		L.RaiseError("this state has no library")
	}
	n := L.GetTop()
	if n == 3 && L.Get(1) == lua.LNil {
		if t, ok := L.Get(3).(*lua.LTable); ok {
			operands := make([]lua.LValue, int(L.Get(2).(lua.LNumber)))
			for i := range operands {
				operands[i] = t.RawGetInt(i + 1)
			}
			return c.push(c.concat(operands))
		}
	}
	if n == 2 { // most of all
		if a, ok := toString(L.Get(1)); ok {
			if b, ok := toString(L.Get(2)); ok {
				c.checkSize(len(a) + len(b))
				return c.push(lua.LString(a + b))
			}
		}
	}
	var few [maxOperands]lua.LValue
	operands := few[:n]
	for i := range operands {
		operands[i] = L.Get(i + 1)
	}
	return c.push(c.concat(operands))
}

// concat joins operands from the right, as Lua 5.1 does (luaV_concat): all texts in a row at once, and what is none by the
// metamethod of the last pair.
func (c call) concat(operands []lua.LValue) lua.LValue {
	n := len(operands) - 1
	acc := operands[n]
	for n > 0 {
		first, size := n, 0
		if s, ok := toString(acc); ok {
			size = len(s)
			for first > 0 {
				s, ok := toString(operands[first-1])
				if !ok {
					break
				}
				size += len(s)
				first--
			}
		}
		if first == n {
			acc = c.concatPair(operands[n-1], acc)
			n--
			continue
		}
		c.checkSize(size)
		var b strings.Builder
		b.Grow(size)
		operands[n] = acc
		for _, v := range operands[first : n+1] {
			s, _ := toString(v)
			b.WriteString(s)
		}
		acc = lua.LString(b.String())
		n = first
	}
	return acc
}

// concatPair joins two operands that are not both text.
func (c call) concatPair(a, b lua.LValue) lua.LValue {
	mm := c.L.GetMetaField(a, "__concat")
	if mm == lua.LNil {
		mm = c.L.GetMetaField(b, "__concat")
	}
	if mm == lua.LNil {
		if _, ok := toString(a); ok {
			a = b
		}
		c.errorf("attempt to concatenate a %s value", a.Type().String())
	}
	return c.call1(mm, a, b)
}
