package script

import (
	"strings"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"
)

// serverSet is which servers a collection has.
type serverSet int

const (
	allServers serverSet = iota
	targets
	initiators
)

// serversOf are the servers of a set, by order of connection.
func (e *Engine) serversOf(set serverSet) []*server {
	var list []*server
	for _, s := range e.objects.servers {
		if set == allServers || (set == targets) == s.target {
			list = append(list, s)
		}
	}
	return list
}

// findServer looks a server up by its number from 1, its "ip:port", its IP or its public host.
func findServer(list []*server, key lua.LValue) *server {
	switch key := key.(type) {
	case lua.LNumber:
		if i := int(key); key == lua.LNumber(i) && i >= 1 && i <= len(list) {
			return list[i-1]
		}
	case lua.LString:
		for _, is := range []func(s *server) string{
			func(s *server) string { return s.addr.String() },
			func(s *server) string { return s.addr.Addr().String() },
			func(s *server) string { return s.host() },
			func(s *server) string { host, _, _ := splitPort(s.host()); return host },
			func(s *server) string { text, _ := s.params.Text("publicHost"); return text },
		} {
			for _, s := range list {
				if strings.EqualFold(is(s), string(key)) {
					return s
				}
			}
		}
	}
	return nil
}

// serversClass is mona.servers, and its parts targets and initiators.
func (e *Engine) serversClass() *class {
	list := func(o *object) []*server { return e.serversOf(o.v.(serverSet)) }
	return &class{
		name: "servers",
		members: map[string]member{
			"targets":    prop(func(*object) lua.LValue { return e.objects.serverSets[targets].ud }),
			"initiators": prop(func(*object) lua.LValue { return e.objects.serverSets[initiators].ud }),
			"broadcast": method(func(o *object, L *lua.LState) int {
				m, err := e.serverMessage(L)
				if err != nil {
					e.complain(zerolog.ErrorLevel, "broadcast: "+err.Error())
					return 0
				}
				for _, s := range list(o) {
					e.sendTo(s, "broadcast", m)
				}
				return 0
			}),
		},
		coll: &collection{
			readOnly: true,
			get: func(o *object, key lua.LValue) lua.LValue {
				if s := findServer(list(o), key); s != nil {
					return s.obj.ud
				}
				return nil
			},
			pairs: func(o *object) []pair {
				var pairs []pair
				for _, s := range list(o) {
					pairs = append(pairs, pair{lua.LString(s.addr.String()), s.obj.ud})
				}
				return pairs
			},
			list: func(o *object) []lua.LValue {
				var values []lua.LValue
				for _, s := range list(o) {
					values = append(values, s.obj.ud)
				}
				return values
			},
			len: func(o *object) int { return len(list(o)) },
		},
	}
}

func (e *Engine) serverClass() *class {
	get := func(f func(s *server) lua.LValue) member {
		return prop(func(o *object) lua.LValue { return f(o.v.(*server)) })
	}
	return &class{
		name: "server",
		text: func(o *object) string { return o.v.(*server).addr.String() },
		members: map[string]member{
			"isTarget":      get(func(s *server) lua.LValue { return lua.LBool(s.target) }),
			"address":       get(func(s *server) lua.LValue { return lua.LString(s.addr.Addr().String()) }),
			"port":          get(func(s *server) lua.LValue { return lua.LNumber(s.addr.Port()) }),
			"socketAddress": get(func(s *server) lua.LValue { return lua.LString(s.addr.String()) }),
			"host":          get(func(s *server) lua.LValue { return lua.LString(s.host()) }),
			"publicAddress": get(func(s *server) lua.LValue {
				a, err := e.publicAddress(s, "RTMFP")
				if err != nil {
					return lua.LNil
				}
				return lua.LString(a.String())
			}),
			"configs": get(func(s *server) lua.LValue { return s.configs.ud }),
			"send":    method(e.serverSend),
			"reject": method(func(o *object, L *lua.LState) int {
				e.rejectServer(o.v.(*server), L.OptString(2, "unknown error"))
				return 0
			}),
		},
		index: func(o *object, key lua.LValue) lua.LValue {
			return e.classes.params.coll.get(o.v.(*server).configs, key)
		},
	}
}
