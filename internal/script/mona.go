package script

import (
	"net/netip"
	"strings"
	"time"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/script/value"
)

// Bans is the blacklist: nothing from a banned address reaches any protocol.
type Bans interface {
	Ban(netip.Prefix)
	Unban(netip.Prefix)
}

// mona is the object mona of one application: what the application stores on it is its own, and what it
// makes with it ends with the application.
type mona struct {
	app       *App
	groups    *object
	arguments *lua.LTable
}

func (e *Engine) newMona(a *App) lua.LValue {
	m := &mona{app: a, groups: e.newObject(e.classes.groups, a), arguments: e.L.NewTable()}
	for name, text := range e.cfg.Arguments {
		m.arguments.RawSetString(name, value.Typed(text))
	}
	return e.newObject(e.classes.mona, m).ud
}

func (e *Engine) monaClass() *class {
	shared := func(f func() *object) member { return prop(func(*object) lua.LValue { return f().ud }) }
	own := func(f func(m *mona) lua.LValue) member {
		return prop(func(o *object) lua.LValue { return f(o.v.(*mona)) })
	}
	// made wraps what makes things that belong to the application.
	made := func(f func(a *App, L *lua.LState) int) member {
		return method(func(o *object, L *lua.LState) int {
			before := e.running
			e.running = o.v.(*mona).app
			defer func() { e.running = before }()
			return f(e.running, L)
		})
	}
	environment := shared(func() *object { return e.objects.environment })
	return &class{
		name: "mona",
		members: map[string]member{
			"clients":      shared(func() *object { return e.objects.allClients }),
			"publications": shared(func() *object { return e.objects.publications }),
			"servers":      shared(func() *object { return e.objects.serverSets[allServers] }),
			"configs":      shared(func() *object { return e.objects.configs }),
			"environment":  environment,
			"environments": environment,
			"groups":       own(func(m *mona) lua.LValue { return m.groups.ud }),
			"arguments":    own(func(m *mona) lua.LValue { return m.arguments }),

			"publish": made(func(_ *App, L *lua.LState) int { return e.publish(L) }),
			"handle":  made(e.handle),
			"joinGroup": made(func(a *App, L *lua.LState) int {
				return pushMember(L, e.joinVirtual(a, L.Get(2), L.Get(3)))
			}),
			"createTCPClient": made(func(a *App, L *lua.LState) int {
				L.Push(e.newTCPClient(a).obj.ud)
				return 1
			}),
			"createTCPServer": made(func(a *App, L *lua.LState) int {
				L.Push(e.newTCPServer(a).obj.ud)
				return 1
			}),
			"createUDPSocket": made(func(a *App, L *lua.LState) int {
				L.Push(e.newUDPSocket(a, L.OptBool(2, false)).obj.ud)
				return 1
			}),

			"createIPAddress":            method(e.createIP(noNames)),
			"createIPAddressWithDNS":     method(e.createIP(e.dnsWait())),
			"createSocketAddress":        method(e.createAddress(noNames)),
			"createSocketAddressWithDNS": method(e.createAddress(e.dnsWait())),
			"addToBlacklist":             method(e.blacklist(Bans.Ban)),
			"removeFromBlacklist":        method(e.blacklist(Bans.Unban)),

			"time": method(func(_ *object, L *lua.LState) int {
				L.Push(lua.LNumber(time.Now().UnixMilli()))
				return 1
			}),
			"absolutePath": method(e.absolutePath),
			"listPaths":    method(e.listPaths),
			"split":        method(e.split),
			"md5":          method(e.digests(value.MD5)),
			"sha256":       method(e.digests(value.SHA256)),
			"toAMF":        method(e.toAMF(value.Mesh)),
			"toAMF0":       method(e.toAMF(value.ObjectEncoding0)),
			"fromAMF":      method(e.fromAMF),
			"toJSON":       method(e.toText("toJSON", e.conv.ToJSON)),
			"fromJSON":     method(e.fromText("fromJSON", e.conv.FromJSON)),
			"toQuery":      method(e.toText("toQuery", e.conv.ToQuery)),
			"fromQuery":    method(e.fromText("fromQuery", e.conv.FromQuery)),
			"toXML":        method(e.toXML),
			"fromXML":      method(e.fromXML),
			"dump":         method(e.dump),
		},
		index: func(_ *object, key lua.LValue) lua.LValue { return e.classes.params.coll.get(e.objects.configs, key) },
	}
}

// dnsWait is how long a script waits for a host name; it is part of its time budget.
func (e *Engine) dnsWait() time.Duration { return min(dnsWait, e.cfg.Budget/2) }

// errorFunction takes an optional function in front of the arguments: it is told of errors, which
// otherwise are logged.
func errorFunction(args []lua.LValue) (*lua.LFunction, []lua.LValue) {
	if len(args) > 0 {
		if fn, ok := args[0].(*lua.LFunction); ok {
			return fn, args[1:]
		}
	}
	return nil, args
}

// failed tells the script's error function, or else the log, of an error. Its result is nil.
func (e *Engine) failed(L *lua.LState, fn *lua.LFunction, what string, err error) int {
	if fn == nil {
		e.complain(zerolog.ErrorLevel, what+": "+err.Error())
	} else {
		L.Push(fn)
		L.Push(lua.LString(err.Error()))
		L.Call(1, 0)
	}
	L.Push(lua.LNil)
	return 1
}

// createIP is mona:createIPAddress([error function,] address).
func (e *Engine) createIP(wait time.Duration) func(o *object, L *lua.LState) int {
	return func(_ *object, L *lua.LState) int {
		onError, args := errorFunction(arguments(L, 2))
		ip := netip.IPv4Unspecified()
		if len(args) > 0 {
			var err error
			if ip, err = e.ipOf(args[0], wait); err != nil {
				return e.failed(L, onError, "createIPAddress", err)
			}
		}
		L.Push(e.newIP(ip))
		return 1
	}
}

// createAddress is mona:createSocketAddress([error function,] address[, port]).
func (e *Engine) createAddress(wait time.Duration) func(o *object, L *lua.LState) int {
	return func(_ *object, L *lua.LState) int {
		onError, args := errorFunction(arguments(L, 2))
		var a netip.AddrPort
		if len(args) > 0 {
			var err error
			if a, _, err = e.addressOf(args, wait); err != nil {
				return e.failed(L, onError, "createSocketAddress", err)
			}
		}
		L.Push(e.newAddress(a))
		return 1
	}
}

// blacklist is mona:addToBlacklist(ip, …) and its reverse. A text may name a network: "10.0.0.0/8".
func (e *Engine) blacklist(do func(Bans, netip.Prefix)) func(o *object, L *lua.LState) int {
	return func(_ *object, L *lua.LState) int {
		if e.cfg.Bans == nil {
			e.complain(zerolog.WarnLevel, "this server has no blacklist")
			return 0
		}
		for _, v := range arguments(L, 2) {
			if s, ok := v.(lua.LString); ok && strings.Contains(string(s), "/") {
				if p, err := netip.ParsePrefix(strings.TrimSpace(string(s))); err == nil {
					do(e.cfg.Bans, p.Masked())
					continue
				}
			}
			ip, err := e.ipOf(v, noNames)
			if err != nil {
				e.complain(zerolog.ErrorLevel, "blacklist: "+err.Error())
				continue
			}
			ip = ip.Unmap()
			do(e.cfg.Bans, netip.PrefixFrom(ip, ip.BitLen()))
		}
		return 0
	}
}
