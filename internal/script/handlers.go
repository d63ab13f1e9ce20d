package script

import (
	"net/netip"
	"slices"

	lua "github.com/yuin/gopher-lua"
)

// handlers are event functions for the whole server, which an application added with mona:handle. They run
// besides those that the applications define, in the application that added them, and end with it.
type handlers struct {
	e    *Engine
	app  *App
	obj  *object
	fns  map[string]*lua.LFunction
	told map[*server]bool // servers that it saw and did not refuse
	over bool
}

// handledEvents are the events that mona:handle takes.
var handledEvents = map[string]bool{
	"onConnection": true, "onDisconnection": true, "onAddressChanged": true,
	"onPublish": true, "onUnpublish": true, "onSubscribe": true, "onUnsubscribe": true,
	"onJoinGroup": true, "onUnjoinGroup": true,
	"onServerConnection": true, "onServerDisconnection": true,
	"onHandshake": true, "onRendezVousUnknown": true, "onManage": true,
}

// handle is mona:handle(events).
func (e *Engine) handle(a *App, L *lua.LState) int {
	h := &handlers{e: e, app: a, fns: eventTable(L, handledEvents), told: make(map[*server]bool)}
	h.obj = e.newObject(e.classes.handlers, h)
	e.objects.handlers = append(e.objects.handlers, h)
	e.ownBy(a, h)
	e.silent.Clear() // of those that thought nobody cares about hellos
	if a.loaded {    // while main.lua is run, servers wait until it has
		e.greetHandlers(a)
	}
	L.Push(h.obj.ud)
	return 1
}

// eventTable reads a table of event functions with the names in known.
func eventTable(L *lua.LState, known map[string]bool) map[string]*lua.LFunction {
	fns := make(map[string]*lua.LFunction)
	L.CheckTable(2).ForEach(func(k, v lua.LValue) {
		fn, isFunction := v.(*lua.LFunction)
		switch {
		case !known[k.String()]:
			L.ArgError(2, "there is no event "+k.String())
		case !isFunction:
			L.ArgError(2, k.String()+" is a "+v.Type().String()+", a function was expected")
		}
		fns[k.String()] = fn
	})
	return fns
}

func (e *Engine) handlersClass() *class {
	return &class{
		name: "handlers",
		members: map[string]member{
			"release": method(func(o *object, _ *lua.LState) int {
				switch h := o.v.(type) {
				case *handlers:
					h.close()
				case *tap:
					h.closeOwned()
				}
				return 0
			}),
		},
	}
}

// closeOwned implements closer.
func (h *handlers) closeOwned() { h.close() }

// close ends the handlers; servers that they saw are taken from them.
func (h *handlers) close() {
	if h.over {
		return
	}
	if h.app.loaded {
		for _, s := range slices.Clone(h.e.objects.servers) {
			h.farewell(s, s.obj.ud)
		}
	}
	h.over = true
	h.e.disown(h.app, h)
	h.e.objects.handlers = slices.DeleteFunc(h.e.objects.handlers, func(o *handlers) bool { return o == h })
	h.e.silent.Clear()
}

// handlersOf are those that have a function for an event, in the order in which they were added.
func (e *Engine) handlersOf(event string) []*handlers {
	var list []*handlers
	for _, h := range e.objects.handlers {
		if h.fns[event] != nil {
			list = append(list, h)
		}
	}
	return list
}

// call calls a function of the handlers in the application that they belong to.
func (h *handlers) call(event string, args ...lua.LValue) (results []lua.LValue, err error) {
	if h.over {
		return nil, nil
	}
	h.e.do(h.app, func() {
		if results, err = h.e.call(h.fns[event], args...); err != nil {
			h.e.scriptError(h.app, event, err)
		}
	})
	return results, err
}

// ask is call for an event with which somebody may be refused.
func (h *handlers) ask(event string, who netip.AddrPort, args ...lua.LValue) (results []lua.LValue, err error) {
	if h.over {
		return nil, nil
	}
	h.e.do(h.app, func() {
		if results, err = h.e.call(h.fns[event], args...); err != nil {
			h.e.refused(h.app, event, who, err)
		}
	})
	return results, err
}

// announceEvent tells all handlers of an event. Their values and errors change nothing.
func (e *Engine) announceEvent(event string, args ...lua.LValue) {
	for _, h := range e.handlersOf(event) {
		_, _ = h.call(event, args...) // logged
	}
}

// notifyClient raises an event of a client that nobody can refuse, on the client and then everywhere.
func (e *Engine) notifyClient(c *client, event string, args ...lua.LValue) {
	e.notify(c.obj, event, args...)
	e.announceEvent(event, append([]lua.LValue{c.obj.ud}, args...)...)
}

// askHandlers asks all handlers about what the application of a client accepted. When one refuses, those
// that accepted are told of its end.
func (e *Engine) askHandlers(c *client, event, end string, arg lua.LValue) (text string, refused bool) {
	list := e.handlersOf(event)
	for i, h := range list {
		results, err := h.ask(event, c.addr, c.obj.ud, arg)
		switch {
		case err != nil:
			text, refused = errorText(err), true
		case len(results) > 0 && lua.LVIsFalse(results[0]):
			refused = true
		}
		if !refused {
			continue
		}
		e.notify(c.obj, end, arg)
		for _, before := range list[:i] {
			if before.fns[end] != nil {
				_, _ = before.call(end, c.obj.ud, arg) // logged
			}
		}
		return text, true
	}
	return "", false
}

// greetHandlers shows the connected servers to the handlers of an application that did not see them, or
// to all handlers (nil).
func (e *Engine) greetHandlers(a *App) {
	for _, s := range slices.Clone(e.objects.servers) {
		if s.introduced {
			e.greetServer(s, a)
		}
	}
}

// greetServer shows a server to the handlers of an application, or to all (nil). An error refuses it.
func (e *Engine) greetServer(s *server, a *App) {
	for _, h := range e.handlersOf("onServerConnection") {
		if s.rejected || s.parted != nil || h.told[s] || (a != nil && h.app != a) {
			continue
		}
		h.told[s] = true
		if _, err := h.ask("onServerConnection", s.link.Addr(), s.obj.ud); err != nil {
			delete(h.told, s)
			e.rejectServer(s, errorText(err))
		}
	}
}

// farewell tells the handlers that a server is gone, or that they are.
func (h *handlers) farewell(s *server, args ...lua.LValue) {
	if !h.told[s] {
		return
	}
	delete(h.told, s)
	if h.fns["onServerDisconnection"] != nil {
		_, _ = h.call("onServerDisconnection", args...) // logged
	}
}
