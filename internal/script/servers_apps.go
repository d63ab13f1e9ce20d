package script

import (
	"slices"

	lua "github.com/yuin/gopher-lua"
)

// How applications see servers come and go.

// introduce shows a server to the applications, root first and each in its own queue. It goes on until one
// of them refuses the server.
func (e *Engine) introduce(s *server) {
	for !s.rejected {
		a := e.nextToSee(s)
		if a == nil {
			break
		}
		if a != e.running {
			e.post(a.path, 64, true, func() { e.introduce(s) })
			return
		}
		e.greet(a, s)
	}
	s.introduced = true
	e.greetServer(s, nil)
	if !s.rejected {
		s.link.Ready(e.runningPaths())
	}
	e.releaseHeld(s)
}

// releaseHeld runs what waited, one event each.
func (e *Engine) releaseHeld(s *server) {
	if len(s.held) == 0 {
		s.busy = false
		return
	}
	e.post("", 64, true, func() {
		f := s.held[0]
		s.held = slices.Delete(s.held, 0, 1)
		f()
		e.releaseHeld(s)
	})
}

// nextToSee is the next application that has an onServerConnection of its own and did not see s.
func (e *Engine) nextToSee(s *server) *App {
	for _, path := range sortedKeys(e.apps) {
		a := e.apps[path]
		if a.running() && s.told[a] != a.gen && a.own("onServerConnection") != nil {
			return a
		}
	}
	return nil
}

// greet calls the onServerConnection of an application, its own, for s. An error rejects the server.
func (e *Engine) greet(a *App, s *server) {
	s.told[a] = a.gen
	fn := a.own("onServerConnection")
	if fn == nil {
		return
	}
	if _, err := e.call(fn, s.obj.ud); err != nil {
		e.refused(a, "onServerConnection", s.link.Addr(), err)
		delete(s.told, a)
		e.rejectServer(s, errorText(err))
	}
}

// rejectServer closes the link. The server is of no use any more, so it leaves the collections at once.
func (e *Engine) rejectServer(s *server, reason string) {
	if s.rejected || s.parted != nil {
		return
	}
	s.rejected = true
	e.forgetServer(s)
	s.link.Reject(reason)
}

func (e *Engine) forgetServer(s *server) {
	if i := slices.Index(e.objects.servers, s); i >= 0 {
		e.objects.servers = slices.Delete(e.objects.servers, i, i+1)
	}
}

func (e *Engine) serverDisconnected(s *server, err error) {
	delete(e.objects.links, s.link)
	e.forgetServer(s)
	s.parted = make(map[*App]bool)
	args := []lua.LValue{s.obj.ud}
	if err != nil {
		args = append(args, lua.LString(err.Error()))
	}
	e.part(s, args)
}

// part shows the applications that s is gone, each in its own queue.
func (e *Engine) part(s *server, args []lua.LValue) {
	for {
		a := e.nextToPart(s)
		if a == nil {
			break
		}
		if a != e.running {
			e.post(a.path, 64, true, func() { e.part(s, args) })
			return
		}
		s.parted[a] = true
		e.farewell(a, args)
	}
	for _, h := range slices.Clone(e.objects.handlers) {
		h.farewell(s, args...)
	}
	s.obj.end()
	s.configs.end()
}

func (e *Engine) nextToPart(s *server) *App {
	for _, path := range sortedKeys(e.apps) {
		if a := e.apps[path]; a.running() && !s.parted[a] && a.sees(s) {
			return a
		}
	}
	return nil
}

// sees reports whether the application is to see the end of s: not if it refused the server, or never
// got to see it because another application did.
func (a *App) sees(s *server) bool {
	if a.own("onServerDisconnection") == nil {
		return false
	}
	return s.told[a] == a.gen || (a.own("onServerConnection") == nil && !s.rejected)
}

func (e *Engine) farewell(a *App, args []lua.LValue) {
	if _, err := e.call(a.own("onServerDisconnection"), args...); err != nil {
		e.scriptError(a, "onServerDisconnection", err)
	}
}

// announce shows the connected servers to an application that started, and the application to them.
func (e *Engine) announce(a *App) {
	if e.cfg.Servers != nil {
		e.cfg.Servers.Announce(a.path)
	}
	for _, s := range slices.Clone(e.objects.servers) {
		if !s.rejected && s.told[a] != a.gen && a.own("onServerConnection") != nil {
			e.greet(a, s)
		}
	}
	e.greetHandlers(a)
}

// retire takes the connected servers from an application that stops.
func (e *Engine) retire(a *App) {
	for _, s := range slices.Clone(e.objects.servers) {
		if a.sees(s) {
			e.farewell(a, []lua.LValue{s.obj.ud})
		}
		delete(s.told, a)
	}
}

func (e *Engine) runningPaths() []string {
	var list []string
	for _, path := range sortedKeys(e.apps) {
		if e.apps[path].running() {
			list = append(list, path)
		}
	}
	return list
}
