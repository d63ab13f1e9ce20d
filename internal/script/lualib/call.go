package lualib

import (
	"fmt"
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// function is a function of the library.
type function func(c call) int

// call is one call of a library function.
type call struct {
	l    *Library
	L    *lua.LState
	name string // "string.rep"
}

// stepsPerCheck is how many steps a loop makes between two looks at the budget.
const stepsPerCheck = 256

// step counts n steps of a loop and looks at the budget now and then.
func (c call) step(steps *int, n int) {
	if *steps += n; *steps >= stepsPerCheck {
		*steps = 0
		c.check()
	}
}

// check raises an error if the budget is exceeded.
func (c call) check() {
	if c.l.exceeded() {
		c.l.throw(c.L, lua.LString(c.l.position(c.L)+c.name+": "+c.l.overrun()))
	}
}

func (l *Library) exceeded() bool { return l.o.Budget != nil && l.o.Budget.Exceeded() }

// overrun says why a call is interrupted.
func (l *Library) overrun() string {
	if b, ok := l.o.Budget.(interface{ Err() error }); ok {
		if err := b.Err(); err != nil {
			return err.Error()
		}
	}
	return "interrupted: the call took longer than its budget allows"
}

// pass raises an error again that a protected call has caught if the budget is exceeded: no script survives that.
func (l *Library) pass(L *lua.LState, v lua.LValue) {
	if !l.exceeded() {
		return
	}
	why := l.overrun()
	if s, ok := v.(lua.LString); !ok || !strings.Contains(string(s), why) {
		v = lua.LString(l.position(L) + why)
	}
	l.throw(L, v)
}

// checkSize raises an error if a string of n bytes is too long.
func (c call) checkSize(n int) {
	if n > c.l.o.MaxString {
		c.errorf("%s: result would have %d bytes, the limit is %d", c.name, n, c.l.o.MaxString)
	}
}

// errorf raises an error with the position of the caller, like luaL_error.
func (c call) errorf(format string, args ...any) {
	c.l.throw(c.L, lua.LString(c.l.where(c.L, 1)+fmt.Sprintf(format, args...)))
}

// throw raises v as it is. It does not return.
func (l *Library) throw(L *lua.LState, v lua.LValue) { L.Error(v, 0) }

// argError raises the error of an unacceptable argument.
func (c call) argError(n int, text string) {
	c.errorf("bad argument #%d to '%s' (%s)", n, c.name[strings.LastIndexByte(c.name, '.')+1:], text)
}

func (c call) typeError(n int, expected string) {
	got := "no value"
	if n <= c.L.GetTop() {
		got = c.L.Get(n).Type().String()
	}
	c.argError(n, expected+" expected, got "+got)
}

func (c call) any(n int) lua.LValue {
	if n > c.L.GetTop() {
		c.argError(n, "value expected")
	}
	return c.L.Get(n)
}

func (c call) none(n int) bool { return c.L.Get(n) == lua.LNil }

func (c call) number(n int) float64 {
	switch v := c.L.Get(n).(type) {
	case lua.LNumber:
		return float64(v)
	case lua.LString:
		if f, ok := parseNumber(string(v)); ok {
			return f
		}
	}
	c.typeError(n, "number")
	return 0
}

func (c call) int(n int) int { return toInt(c.number(n)) }

func (c call) optInt(n, def int) int {
	if c.none(n) {
		return def
	}
	return c.int(n)
}

// toInt cuts the fraction off. What is out of range becomes the nearest number in range, so that s:sub(1, math.huge)
// means what it says; in Lua 5.1 it depends on the machine.
func toInt(f float64) int {
	const limit = 1 << 53
	switch {
	case f >= limit:
		return limit
	case f <= -limit:
		return -limit
	case math.IsNaN(f):
		return 0
	}
	return int(f)
}

func (c call) string(n int) string {
	if s, ok := toString(c.L.Get(n)); ok {
		return s
	}
	c.typeError(n, "string")
	return ""
}

func (c call) optString(n int, def string) string {
	if c.none(n) {
		return def
	}
	return c.string(n)
}

// toString converts strings and numbers.
func toString(v lua.LValue) (string, bool) {
	switch v := v.(type) {
	case lua.LString:
		return string(v), true
	case lua.LNumber:
		return formatNumber(float64(v)), true
	}
	return "", false
}

func (c call) table(n int) *lua.LTable {
	t, ok := c.L.Get(n).(*lua.LTable)
	if !ok {
		c.typeError(n, "table")
	}
	return t
}

func (c call) fn(n int) *lua.LFunction {
	f, ok := c.L.Get(n).(*lua.LFunction)
	if !ok {
		c.typeError(n, "function")
	}
	return f
}

func (c call) push(v lua.LValue) int {
	c.L.Push(v)
	return 1
}

func (c call) pushString(s string) int  { return c.push(lua.LString(s)) }
func (c call) pushNumber(f float64) int { return c.push(lua.LNumber(f)) }

// enter counts a call from the library back into Lua; leave it by l.nest--.
func (c call) enter() {
	if c.l.nest >= maxNest {
		c.errorf("C stack overflow")
	}
	c.l.nest++
}

// call1 calls f and returns its first result.
func (c call) call1(f lua.LValue, args ...lua.LValue) lua.LValue {
	c.enter()
	c.L.Push(f)
	for _, v := range args {
		c.L.Push(v)
	}
	c.L.Call(len(args), 1)
	c.l.nest--
	v := c.L.Get(-1)
	c.L.Pop(1)
	return v
}
