package script

import (
	"encoding/hex"
	"slices"

	lua "github.com/yuin/gopher-lua"
)

// groupsClass is mona.groups.
func (e *Engine) groupsClass() *class {
	// present are the groups with members, by id.
	present := func() []*group {
		var list []*group
		for _, raw := range sortedKeys(e.objects.groups) {
			if g := e.objects.groups[raw]; len(g.members) > 0 {
				list = append(list, g)
			}
		}
		return list
	}
	return &class{
		name: "groups",
		members: map[string]member{
			"join": method(func(o *object, L *lua.LState) int {
				return pushMember(L, e.joinVirtual(o.v.(*App), L.Get(2), L.Get(3)))
			}),
		},
		coll: &collection{
			readOnly: true,
			get: func(_ *object, key lua.LValue) lua.LValue {
				if g := e.objects.groups[rawID(key)]; g != nil && len(g.members) > 0 {
					return g.obj.ud
				}
				return nil
			},
			pairs: func(*object) []pair {
				var list []pair
				for _, g := range present() {
					list = append(list, pair{lua.LString(g.id), g.obj.ud})
				}
				return list
			},
			len: func(*object) int { return len(present()) },
			// Inside a loop over mona.groups, ipairs(mona.groups) gives the members of the group that
			// loop is at: the published sample that shares groups between servers needs it.
			list: func(*object) []lua.LValue {
				if g := e.objects.currentGroup; g != nil {
					return g.values()
				}
				return nil
			},
			visit: func(*object) func(element lua.LValue) {
				before := e.objects.currentGroup
				if !e.objects.groupLoop {
					e.objects.groupLoop = true
					e.atEnd(func() { e.objects.groupLoop, e.objects.currentGroup = false, nil })
				}
				return func(element lua.LValue) {
					if e.objects.currentGroup = before; element != nil {
						e.objects.currentGroup, _ = objectOf(element).v.(*group)
					}
				}
			},
		},
	}
}

// groupClass is a group. It is a collection of its members too.
func (e *Engine) groupClass() *class {
	text := func(f func(g *group) string) member {
		return prop(func(o *object) lua.LValue { return lua.LString(f(o.v.(*group))) })
	}
	coll := memberCollection()
	coll.readOnly = false
	return &class{
		name: "group",
		text: func(o *object) string { return "group " + o.v.(*group).id },
		members: map[string]member{
			"id":      text(func(g *group) string { return g.id }),
			"rawId":   text(func(g *group) string { return g.raw }),
			"members": prop(func(o *object) lua.LValue { return o.v.(*group).list.ud }),
			"size": method(func(o *object, L *lua.LState) int {
				L.Push(lua.LNumber(len(o.v.(*group).members)))
				return 1
			}),
		},
		coll: coll,
	}
}

// membersClass is group.members.
func (e *Engine) membersClass() *class {
	return &class{name: "members", coll: memberCollection()}
}

// memberCollection is the members of a group, by id.
func memberCollection() *collection {
	return &collection{
		readOnly: true,
		get: func(o *object, key lua.LValue) lua.LValue {
			g := o.v.(*group)
			if n, ok := key.(lua.LNumber); ok {
				if list := g.values(); n >= 1 && int(n) <= len(list) {
					return list[int(n)-1]
				}
				return nil
			}
			if ms := g.members[rawID(key)]; ms != nil {
				return ms.value()
			}
			return nil
		},
		pairs: func(o *object) []pair {
			g := o.v.(*group)
			var list []pair
			for _, raw := range sortedKeys(g.members) {
				list = append(list, pair{lua.LString(hex.EncodeToString([]byte(raw))), g.members[raw].value()})
			}
			return list
		},
		list: func(o *object) []lua.LValue { return o.v.(*group).values() },
		len:  func(o *object) int { return len(o.v.(*group).members) },
	}
}

// values are the members in the order of their ids.
func (g *group) values() []lua.LValue {
	list := make([]lua.LValue, 0, len(g.members))
	for _, raw := range sortedKeys(g.members) {
		list = append(list, g.members[raw].value())
	}
	return slices.Clip(list)
}

// memberClass is a virtual member.
func (e *Engine) memberClass() *class {
	return &class{
		name: "member",
		text: func(o *object) string { return "member " + hex.EncodeToString([]byte(o.v.(*virtualMember).raw)) },
		members: map[string]member{
			"id": prop(func(o *object) lua.LValue {
				return lua.LString(hex.EncodeToString([]byte(o.v.(*virtualMember).raw)))
			}),
			"rawId": prop(func(o *object) lua.LValue { return lua.LString(o.v.(*virtualMember).raw) }),
			"release": method(func(o *object, _ *lua.LState) int {
				e.releaseMember(o.v.(*virtualMember))
				return 0
			}),
		},
	}
}

// pushMember returns a virtual member to a script; nil gives nil.
func pushMember(L *lua.LState, m *virtualMember) int {
	if m == nil {
		L.Push(lua.LNil)
	} else {
		L.Push(m.obj.ud)
	}
	return 1
}
