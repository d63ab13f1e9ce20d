package script

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/script/value"
)

// maxRedirections bounds the addresses of one redirection; maxRedirectDepth the tables around them.
const (
	maxRedirections  = 64
	maxRedirectDepth = 16
)

// redirection collects the addresses that the values of a script stand for.
type redirection struct {
	e        *Engine
	protocol string
	self     netip.AddrPort // what "myself" stands for
	hello    bool           // the wildcard stands for it too
	list     []netip.AddrPort
}

// redirections turns what onHandshake (hello) or onRendezVousUnknown returned into addresses, in order and
// each once. What stands for none is logged and left out.
func (e *Engine) redirections(values []lua.LValue, protocol string, self netip.AddrPort, hello bool) []netip.AddrPort {
	if !self.IsValid() || self.Port() == 0 || self.Addr().IsUnspecified() {
		self, _ = netip.ParseAddrPort(e.cfg.Params[protocol+".publicAddress"])
	}
	r := &redirection{e: e, protocol: protocol, self: self, hello: hello}
	flat := flatten(nil, values, 0)
	for len(flat) > 0 && len(r.list) < maxRedirections {
		flat = flat[r.value(flat):]
	}
	return r.list
}

// flatten replaces tables by their values.
func flatten(list, values []lua.LValue, depth int) []lua.LValue {
	for _, v := range values {
		t, ok := v.(*lua.LTable)
		if !ok {
			list = append(list, v)
			continue
		}
		if depth == maxRedirectDepth {
			continue
		}
		var inner []lua.LValue
		for k, v := t.Next(lua.LNil); k != lua.LNil && len(list)+len(inner) < 4*maxRedirections; k, v = t.Next(k) {
			inner = append(inner, v)
		}
		list = flatten(list, inner, depth+1)
	}
	return list
}

// value reads one value at the start of the list, or two that belong together; it returns how many.
func (r *redirection) value(values []lua.LValue) (used int) {
	switch v := values[0].(type) {
	case *lua.LNilType:
		return 1
	case lua.LString:
		switch strings.ToLower(string(v)) {
		case "myself", "again":
			r.add(r.self)
			return 1
		}
		if _, isPort := portOf(v); isPort {
			r.wrong(fmt.Errorf("%s is no address", string(v)))
			return 1
		}
	case *lua.LUserData:
		if o := objectOf(v); o != nil && !o.gone {
			switch t := o.v.(type) {
			case *server:
				r.server(t)
				return 1
			case serverSet:
				for _, s := range r.e.serversOf(t) {
					r.server(s)
				}
				return 1
			}
		}
	default:
		r.wrong(fmt.Errorf("a %s is no address", v.Type()))
		return 1
	}
	a, used, err := r.e.addressOf(values, noWait)
	switch {
	case errors.Is(err, errNoAddress):
		r.wrong(fmt.Errorf("%s is no address", r.e.text(values[0])))
	case err != nil:
		r.wrong(fmt.Errorf("%s: %w", r.e.text(values[0]), err))
	case a.Port() == 0:
		r.wrong(fmt.Errorf("%s: %w", a, errNoPort))
	case a.Addr().IsUnspecified():
		if r.hello {
			r.add(r.self)
		}
	default:
		r.add(a)
	}
	return used
}

func (r *redirection) server(s *server) {
	a, err := r.e.publicAddress(s, r.protocol)
	if err != nil {
		r.wrong(err)
		return
	}
	r.add(a)
}

func (r *redirection) add(a netip.AddrPort) {
	if !a.IsValid() {
		r.wrong(errors.New("the address of this server is not known"))
		return
	}
	a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	if !slices.Contains(r.list, a) && len(r.list) < maxRedirections {
		r.list = append(r.list, a)
	}
}

func (r *redirection) wrong(err error) {
	r.e.complain(zerolog.ErrorLevel, "redirection: "+err.Error())
}

// HandshakeRequest is a client that wants to connect, before any session.
type HandshakeRequest struct {
	Protocol string
	Address  netip.AddrPort
	Path     string
	Query    string         // of the URL
	Attempts int            // from 1
	Self     netip.AddrPort // where the client reached this server, as far as its URL says
}

// DecidesHandshakes reports whether the application of a path has, or may have, an onHandshake. Any
// goroutine: it spares hellos the way to the script where nobody cares.
func (e *Engine) DecidesHandshakes(path string) bool {
	if _, silent := e.silent.Load(path); silent {
		return false
	}
	return e.exists(path)
}

// Handshake asks the onHandshake of an application where a client is to go. done is called with the
// addresses on the script goroutine; without any the client is accepted here. False means that the
// application is too far behind.
func (e *Engine) Handshake(r HandshakeRequest, done func([]netip.AddrPort)) bool {
	if !e.exists(r.Path) {
		done(nil)
		return true
	}
	return e.post(r.Path, 512, false, func() { done(e.handshake(r)) })
}

func (e *Engine) handshake(r HandshakeRequest) []netip.AddrPort {
	a, err := e.openApp(r.Path)
	if err != nil {
		return nil
	}
	v := e.L.GetField(a.env, "onHandshake")
	fn, ok := v.(*lua.LFunction)
	more := e.handlersOf("onHandshake")
	if !ok && len(more) == 0 {
		if v == lua.LNil { // one that a script assigns later is noticed
			e.silent.Store(r.Path, true)
		}
		return nil
	}
	var list []netip.AddrPort
	if ok {
		list = e.askHandshake(a, fn, r)
	}
	for _, h := range more {
		if len(list) > 0 {
			break
		}
		list = e.askHandshake(h.app, h.fns["onHandshake"], r)
	}
	return list
}

// askHandshake asks one onHandshake.
func (e *Engine) askHandshake(a *App, fn *lua.LFunction, r HandshakeRequest) (list []netip.AddrPort) {
	e.do(a, func() {
		args := []lua.LValue{
			lua.LString(r.Address.String()), lua.LString(r.Path),
			e.newObject(e.classes.params, value.ParseQuery(r.Query)).ud, lua.LNumber(r.Attempts),
		}
		protocol := lua.LString(r.Protocol)
		if protocolFirst(fn) {
			args = slices.Insert(args, 0, lua.LValue(protocol))
		} else {
			args = append(args, protocol)
		}
		results, err := e.call(fn, args...)
		if err != nil {
			e.scriptError(a, "onHandshake", err)
			return
		}
		list = e.redirections(results, r.Protocol, r.Self, true)
	})
	return list
}

// protocolFirst reports whether an onHandshake expects the arguments in the order of MonaServer 1.x.
func protocolFirst(fn *lua.LFunction) bool {
	p := fn.Proto
	if p == nil || p.NumParameters == 0 {
		return false
	}
	return p.NumParameters >= 5 || (len(p.DbgLocals) > 0 && p.DbgLocals[0].Name == "protocol")
}

// RendezvousUnknown asks the root application where a peer that is not connected here may be. done is
// called with the addresses on the script goroutine. False means that the application is too far behind.
func (e *Engine) RendezvousUnknown(protocol, peerID string, done func([]netip.AddrPort)) bool {
	return e.post("", 256, false, func() { done(e.rendezvousUnknown(protocol, peerID)) })
}

func (e *Engine) rendezvousUnknown(protocol, peerID string) []netip.AddrPort {
	const event = "onRendezVousUnknown"
	args := []lua.LValue{lua.LString(protocol), lua.LString(peerID)}
	var values []lua.LValue
	if fn, ok := e.L.GetField(e.root.env, event).(*lua.LFunction); ok {
		own := args
		if p := fn.Proto; p != nil && p.NumParameters == 1 && p.IsVarArg == 0 {
			own = args[1:] // as older versions called it
		}
		results, err := e.call(fn, own...)
		if err != nil {
			e.scriptError(e.root, event, err)
		}
		values = results
	}
	for _, h := range e.handlersOf(event) {
		results, _ := h.call(event, args...) // logged
		values = append(values, results...)
	}
	return e.redirections(values, protocol, netip.AddrPort{}, false)
}
