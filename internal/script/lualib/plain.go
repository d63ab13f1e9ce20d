package lualib

import (
	lua "github.com/yuin/gopher-lua"
)

// openPlain has the operators # and () on values that know neither fail with the words of Lua 5.1; those of gopher-lua
// are "__len undefined" and "attempt to call a non-function object".
func (l *Library) openPlain(L *lua.LState) {
	mt := L.NewTable()
	for event, text := range map[string]string{"__len": "attempt to get length of", "__call": "attempt to call"} {
		mt.RawSetString(event, L.NewFunction(func(L *lua.LState) int {
			L.RaiseError("%s a %s value", text, L.Get(1).Type().String())
			return 0
		}))
	}
	for _, v := range []lua.LValue{lua.LNil, lua.LFalse, lua.LNumber(0), &lua.LFunction{}, &lua.LState{}} {
		L.SetMetatable(v, mt)
	}
}
