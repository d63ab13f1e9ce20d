package script

import (
	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"
)

// collection says how the objects of a class are iterated. MonaServer, its documentation and its
// predecessor each did it in another way; all of them work: c[k], c.k, c(k), pairs(c), ipairs(c),
// c:pairs(), c:ipairs(), next(c, k), #c and c.count. Iterations walk a snapshot.
type collection struct {
	// get looks a key up; nil = not there.
	get func(o *object, key lua.LValue) lua.LValue
	// pairs returns keys and elements in order.
	pairs func(o *object) []pair
	// list returns the elements for ipairs; nil = keyed collections yield nothing.
	list func(o *object) []lua.LValue
	len  func(o *object) int
	// visit, if set, is called when pairs begins; what it returns is told of each element as the loop gets
	// to it, and nil at the end.
	visit func(o *object) func(element lua.LValue)
	// readOnly refuses script fields.
	readOnly bool
}

type pair struct{ key, value lua.LValue }

// defineCollection adds what collections have to the members and the metatable of their class.
func (e *Engine) defineCollection(c *class, set func(string, lua.LGFunction)) {
	L := e.L
	with := func(f func(o *object, L *lua.LState) int) lua.LGFunction {
		return func(L *lua.LState) int {
			if o := e.check(L, 1, c); o != nil {
				return f(o, L)
			}
			return 0
		}
	}
	pairs := with(func(o *object, L *lua.LState) int {
		if c.coll.visit != nil {
			return pushVisited(L, c.coll.pairs(o), c.coll.visit(o))
		}
		return pushPairs(L, c.coll.pairs(o))
	})
	ipairs := with(func(o *object, L *lua.LState) int { return pushList(L, e.listOf(o)) })
	set("__pairs", pairs)
	set("__ipairs", ipairs)
	set("__next", with(func(o *object, L *lua.LState) int { return nextPair(L, c.coll.pairs(o), L.Get(2)) }))
	set("__len", with(func(o *object, L *lua.LState) int {
		L.Push(lua.LNumber(c.coll.len(o)))
		return 1
	}))
	if c.call == nil {
		c.call = func(o *object, L *lua.LState) int {
			n := L.GetTop()
			for i := 2; i <= n; i++ {
				v := c.coll.get(o, L.Get(i))
				if v == nil {
					v = lua.LNil
				}
				L.Push(v)
			}
			return n - 1
		}
	}
	if c.members == nil {
		c.members = make(map[string]member)
	}
	c.members["pairs"] = member{fn: L.NewFunction(pairs)}
	c.members["ipairs"] = member{fn: L.NewFunction(ipairs)}
	if _, ok := c.members["count"]; !ok {
		c.members["count"] = prop(func(o *object) lua.LValue { return lua.LNumber(c.coll.len(o)) })
	}
}

func (e *Engine) listOf(o *object) []lua.LValue {
	if o.class.coll.list == nil {
		return nil
	}
	return o.class.coll.list(o)
}

// pushPairs pushes an iterator over a snapshot, for the generic for.
func pushPairs(L *lua.LState, list []pair) int {
	return pushVisited(L, list, func(lua.LValue) {})
}

func pushVisited(L *lua.LState, list []pair, visit func(element lua.LValue)) int {
	i := 0
	L.Push(L.NewFunction(func(L *lua.LState) int {
		if i >= len(list) {
			visit(nil)
			L.Push(lua.LNil)
			return 1
		}
		i++
		visit(list[i-1].value)
		L.Push(list[i-1].key)
		L.Push(list[i-1].value)
		return 2
	}))
	return 1
}

func pushList(L *lua.LState, list []lua.LValue) int {
	pairs := make([]pair, len(list))
	for i, v := range list {
		pairs[i] = pair{lua.LNumber(i + 1), v}
	}
	return pushPairs(L, pairs)
}

// nextPair is next(c, key): the pair after key, in the order of pairs.
func nextPair(L *lua.LState, list []pair, key lua.LValue) int {
	i := 0
	if key != lua.LNil {
		for i < len(list) && !L.RawEqual(list[i].key, key) {
			i++
		}
		i++
	}
	if i >= len(list) {
		L.Push(lua.LNil)
		return 1
	}
	L.Push(list[i].key)
	L.Push(list[i].value)
	return 2
}

// pairsTable pushes an iterator over a plain table.
func (e *Engine) pairsTable(L *lua.LState, t *lua.LTable) int {
	var list []pair
	t.ForEach(func(k, v lua.LValue) { list = append(list, pair{k, v}) })
	return pushPairs(L, list)
}

// newChildren makes the collection children of an application: those that are loaded, by name. Called
// with a name it opens one.
func (e *Engine) newChildren(a *App) lua.LValue {
	return e.newObject(e.classes.children, a).ud
}

func (e *Engine) childrenClass() *class {
	app := func(o *object) *App { return o.v.(*App) }
	return &class{
		name: "children",
		coll: &collection{
			readOnly: true,
			get: func(o *object, key lua.LValue) lua.LValue {
				if c := app(o).children[key.String()]; c != nil {
					return c.env
				}
				return nil
			},
			pairs: func(o *object) []pair {
				var list []pair
				for _, name := range sortedKeys(app(o).children) {
					list = append(list, pair{lua.LString(name), app(o).children[name].env})
				}
				return list
			},
			len: func(o *object) int { return len(app(o).children) },
		},
		call: func(o *object, L *lua.LState) int {
			path, ok := childPath(app(o), L.CheckString(2))
			if !ok {
				e.complain(zerolog.ErrorLevel, "children: no path of an application")
				L.Push(lua.LNil)
				return 1
			}
			c, err := e.openApp(path)
			if err != nil {
				e.complain(zerolog.ErrorLevel, "application "+path+": "+errorText(err))
				L.Push(lua.LNil)
				return 1
			}
			L.Push(c.env)
			return 1
		},
	}
}
