package script

import (
	lua "github.com/yuin/gopher-lua"
)

// publicationsClass is the collection of the running publications of the server, by name.
func (e *Engine) publicationsClass() *class {
	return &class{
		name: "publications",
		coll: &collection{
			readOnly: true,
			get: func(_ *object, key lua.LValue) lua.LValue {
				name, _ := key.(lua.LString)
				if n, ok := key.(lua.LNumber); ok {
					name = lua.LString(n.String())
				}
				if p := e.pubs[string(name)]; p != nil && p.running() {
					return p.obj.ud
				}
				return nil
			},
			pairs: func(*object) []pair {
				var list []pair
				for _, name := range sortedKeys(e.pubs) {
					if p := e.pubs[name]; p.running() {
						list = append(list, pair{lua.LString(name), p.obj.ud})
					}
				}
				return list
			},
			len: func(*object) int {
				n := 0
				for _, p := range e.pubs {
					if p.running() {
						n++
					}
				}
				return n
			},
		},
	}
}
