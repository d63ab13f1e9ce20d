package lualib

import (
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// collection makes a userdata with the three fields, as product collections have them: keys a, b, c.
func collection(v *vm) *lua.LUserData {
	L := v.L
	keys := []string{"a", "b", "c"}
	mt := L.NewTable()
	next := L.NewFunction(func(L *lua.LState) int {
		k := lua.LVAsString(L.Get(2))
		for i, key := range keys {
			if k == "" || i > 0 && keys[i-1] == k {
				L.Push(lua.LString(key))
				L.Push(lua.LNumber(i + 1))
				return 2
			}
		}
		L.Push(lua.LNil)
		return 1
	})
	mt.RawSetString("__next", next)
	mt.RawSetString("__ipairs", L.NewFunction(func(L *lua.LState) int {
		i := 0
		L.Push(L.NewFunction(func(L *lua.LState) int {
			if i++; i > len(keys) {
				return 0
			}
			L.Push(lua.LNumber(i))
			L.Push(lua.LString(keys[i-1]))
			return 2
		}))
		return 1
	}))
	mt.RawSetString("__metatable", lua.LFalse)
	ud := L.NewUserData()
	ud.Metatable = mt
	return ud
}

func TestIterators(t *testing.T) {
	v := newVM(t, Options{}, App{})
	coll := collection(v)
	v.env.RawSetString("coll", coll)
	v.want(`local out = "" for k, v in pairs(coll) do out = out .. k .. v end return out`, "a1b2c3")
	v.want(`local out = "" for k, v in next, coll do out = out .. k .. v end return out`, "a1b2c3")
	v.want(`local out = "" for i, v in ipairs(coll) do out = out .. i .. v end return out`, "1a2b3c")
	v.want(`local k, v = next(coll) return k .. v`, "a1")
	v.want(`local k, v = next(coll, "b") return k .. v`, "c3")
	v.want(`return tostring(next(coll, "c"))`, "nil")
	coll.Metatable.(*lua.LTable).RawSetString("__pairs", v.L.NewFunction(func(L *lua.LState) int {
		L.Push(L.NewFunction(func(L *lua.LState) int {
			if L.Get(2) != lua.LNil {
				return 0
			}
			L.Push(L.Get(1))
			return 1
		}))
		L.Push(lua.LString("state"))
		return 2
	}))
	v.want(`local out = "" for k in pairs(coll) do out = out .. k end return out`, "state")
	v.want(`local t = setmetatable({ 1, 2 }, { __pairs = function(t) return function(_, k) if not k then return "own", #t end end end })
		local out = "" for k, v in pairs(t) do out = out .. k .. v end return out`, "own2")
	v.want(`local t = setmetatable({ 1, 2 }, {}) local n = 0 for _, v in pairs(t) do n = n + v end for _, v in ipairs(t) do n = n + v end return n .. next(t)`, "61")
	v.want(`return tostring(pairs({}) == next)`, "true")
	v.want(`return select("#", pairs({})) .. select("#", ipairs({}))`, "33")
	for src, want := range map[string]string{
		`pairs(nil)`:  "bad argument #1 to 'pairs' (table expected, got nil)",
		`pairs()`:     "bad argument #1 to 'pairs' (table expected, got no value)",
		`ipairs("x")`: "bad argument #1 to 'ipairs' (table expected, got string)",
		`next(print)`: "bad argument #1 to 'next' (table expected, got function)",
	} {
		v.wantFail(src, "test:1: "+want)
	}
}
