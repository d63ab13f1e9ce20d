package lualib

import (
	lua "github.com/yuin/gopher-lua"
)

// Iteration of objects. pairs, ipairs and next take, besides tables, every value whose metatable has one of these fields;
// product collections are userdata with all of them:
//
//	__pairs(v)   returns the triple that pairs(v) returns: iterator, state, first control value
//	__ipairs(v)  returns the triple that ipairs(v) returns
//	__next(v, k) returns the key after k and its value, or nil; k is nil for the first. Makes next(v, k) work, and
//	             pairs(v) if there is no __pairs
//
// The fields are looked up raw in the metatable, also behind __metatable. What iterates a collection that can change works
// on a snapshot taken by __pairs, __ipairs or __next(v, nil).

func (l *Library) openIterators(L *lua.LState) {
	l.next = l.function(L, "next", baseNext)
	l.inext = l.function(L, "ipairs_aux", ipairsNext)
	g := L.G.Global
	g.RawSetString("next", l.next)
	g.RawSetString("pairs", l.function(L, "pairs", basePairs))
	g.RawSetString("ipairs", l.function(L, "ipairs", baseIPairs))
}

func baseNext(c call) int {
	L := c.L
	v := L.Get(1)
	t, isTable := v.(*lua.LTable)
	if !isTable || t.Metatable != lua.LNil {
		if mm := L.GetMetaField(v, "__next"); mm != lua.LNil {
			k := L.Get(2)
			c.enter()
			L.SetTop(0)
			L.Push(mm)
			L.Push(v)
			L.Push(k)
			L.Call(2, lua.MultRet)
			c.l.nest--
			return L.GetTop()
		}
		if !isTable {
			c.typeError(1, "table")
		}
	}
	k, value := t.Next(L.Get(2))
	L.Push(k)
	if k == lua.LNil {
		return 1
	}
	L.Push(value)
	return 2
}

func basePairs(c call) int {
	v := c.L.Get(1)
	t, isTable := v.(*lua.LTable)
	if !isTable || t.Metatable != lua.LNil {
		if mm := c.L.GetMetaField(v, "__pairs"); mm != lua.LNil {
			return c.triple(mm, v)
		}
		if !isTable && c.L.GetMetaField(v, "__next") == lua.LNil {
			c.typeError(1, "table")
		}
	}
	c.L.Push(c.l.next)
	c.L.Push(v)
	c.L.Push(lua.LNil)
	return 3
}

func baseIPairs(c call) int {
	v := c.L.Get(1)
	t, isTable := v.(*lua.LTable)
	if !isTable || t.Metatable != lua.LNil {
		if mm := c.L.GetMetaField(v, "__ipairs"); mm != lua.LNil {
			return c.triple(mm, v)
		}
		if !isTable {
			c.typeError(1, "table")
		}
	}
	c.L.Push(c.l.inext)
	c.L.Push(v)
	c.L.Push(lua.LNumber(0))
	return 3
}

// triple returns the first three results of a metamethod.
func (c call) triple(mm, v lua.LValue) int {
	c.enter()
	c.L.Push(mm)
	c.L.Push(v)
	c.L.Call(1, 3)
	c.l.nest--
	return 3
}

func ipairsNext(c call) int {
	t := c.table(1)
	i := c.int(2) + 1
	v := rawGetInt(t, i)
	if v == lua.LNil {
		return c.push(lua.LNil)
	}
	c.L.Push(lua.LNumber(i))
	c.L.Push(v)
	return 2
}
