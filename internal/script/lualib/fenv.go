package lualib

import (
	lua "github.com/yuin/gopher-lua"
)

// baseGetFEnv is getfenv. The globals of the state are never returned: level 0 and functions written in Go give the
// environment of the application that is calling.
func baseGetFEnv(c call) int {
	var env *lua.LTable
	if fn := c.envFunction(true); fn != nil && !fn.IsG {
		env = fn.Env
	} else if s := c.l.caller(c.L); s != nil {
		env = s.env
	} else {
		env = c.l.callerEnv(c.L)
	}
	if env == c.L.G.Global {
		env = c.L.NewTable()
	}
	return c.push(env)
}

// baseSetFEnv is setfenv without level 0, which would change the environment of all applications.
func baseSetFEnv(c call) int {
	env := c.table(2)
	fn := c.envFunction(false)
	if fn == nil || fn.IsG {
		c.errorf("'setfenv' cannot change environment of given object")
	}
	fn.Env = env
	return c.push(fn)
}

// envFunction is the function that the first argument stands for: itself, or the one at its level of the stack. It is nil
// for level 0.
func (c call) envFunction(optional bool) *lua.LFunction {
	if fn, ok := c.L.Get(1).(*lua.LFunction); ok {
		return fn
	}
	level := 1
	if !optional || !c.none(1) {
		level = c.int(1)
	}
	if level < 0 {
		c.argError(1, "level must be non-negative")
	}
	if level == 0 {
		return nil
	}
	fn := c.l.functionAt(c.L, level)
	if fn == nil {
		c.argError(1, "invalid level")
	}
	return fn
}
