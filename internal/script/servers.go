package script

import (
	"slices"

	lua "github.com/yuin/gopher-lua"

	"net/netip"

	"github.com/monaserver/monaserver/internal/script/value"
	"github.com/monaserver/monaserver/pkg/amf"
)

// ServerLink is a connection to another server. Its methods may be called by any goroutine and do not
// block. It is used as a key, so it is a pointer.
type ServerLink interface {
	// IsTarget reports whether we dialled.
	IsTarget() bool
	// Addr is the address of the other end.
	Addr() netip.AddrPort
	// Params are what the other side told about itself and, above that, the properties of the target.
	Params() map[string]string
	// Send calls a function of the other side, one way. The error is net.ErrClosed, or why the link
	// does not take the message.
	Send(handler string, args []amf.Value) error
	// Reject closes the link and tells the other side why.
	Reject(reason string)
	// Ready tells that the applications accepted the server. running are the paths of those that run.
	Ready(running []string)
}

// Servers is the rest of the mesh.
type Servers interface {
	// Announce tells all connected servers that an application started or was loaded again.
	Announce(path string)
}

// server is a connected server. It belongs to the script goroutine.
type server struct {
	obj     *object
	link    ServerLink
	target  bool
	addr    netip.AddrPort
	params  *value.Params
	configs *object

	told     map[*App]uint64 // the load of each application that saw the connection and did not refuse it
	rejected bool
	// busy is set while the applications see the connection, each in its turn; what the server does
	// meanwhile waits in held.
	busy   bool
	held   []func()
	parted map[*App]bool // saw the disconnection; nil before it
}

const serverEventSize = 256

// ServerConnected tells that a server said hello.
func (e *Engine) ServerConnected(link ServerLink) {
	e.post("", serverEventSize, true, func() { e.serverConnected(link) })
}

// ServerChanged tells that a server said hello again, with other parameters.
func (e *Engine) ServerChanged(link ServerLink) {
	e.onServer(link, serverEventSize, true, func(s *server) { s.readParams() })
}

// ServerDisconnected tells that a link ended; err is nil if the other side closed it.
func (e *Engine) ServerDisconnected(link ServerLink, err error) {
	e.onServer(link, serverEventSize, true, func(s *server) { e.serverDisconnected(s, err) })
}

// ServerCall calls a function that scripts put on the server object. size is what the arguments take in
// memory. False means that the applications are too far behind.
func (e *Engine) ServerCall(link ServerLink, name string, args []amf.Value, size int) bool {
	return e.onServer(link, serverEventSize+size, false, func(s *server) { e.serverCall(s, name, args) })
}

// OpenApplication opens an application because another server has started its own: it loads the
// application or looks whether its file changed. Unknown ones are ignored.
func (e *Engine) OpenApplication(path string) {
	if e.exists(path) {
		e.post(path, serverEventSize, false, func() { e.openApp(path) })
	}
}

// onServer queues an event of a connected server, after those it had before.
func (e *Engine) onServer(link ServerLink, size int, must bool, f func(s *server)) bool {
	return e.post("", size, must, func() {
		s := e.objects.links[link]
		switch {
		case s == nil:
		case !s.busy:
			f(s)
		case must || len(s.held) < e.cfg.MaxQueue:
			s.held = append(s.held, func() { f(s) })
		default:
			e.complain(warnLevel, "server "+s.addr.String()+": too many calls while applications see its connection, some are dropped")
		}
	})
}

func (s *server) readParams() {
	s.params = foldedParams(s.link.Params())
	s.configs.v, s.configs.parts = s.params, nil
}

func (e *Engine) serverConnected(link ServerLink) {
	s := &server{link: link, target: link.IsTarget(), addr: link.Addr(), told: make(map[*App]uint64)}
	s.obj = e.newObject(e.classes.server, s)
	s.configs = e.newObject(e.classes.params, nil)
	s.readParams()
	e.objects.links[link] = s
	e.objects.servers = append(e.objects.servers, s)
	if err := e.root.broken; err != nil {
		e.rejectServer(s, err.Error())
		return
	}
	s.busy = true
	e.introduce(s)
}

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
		e.scriptError(a, "onServerConnection", err)
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

// serverCall calls the function that scripts stored on the server. What the server object itself can do,
// and events, are not for the other side to call.
func (e *Engine) serverCall(s *server, name string, args []amf.Value) {
	if s.rejected {
		return
	}
	fn := s.obj.function(name)
	if fn == nil || serverEvents[name] {
		e.complain(warnLevel, "server "+s.addr.String()+" calls "+name+", which no application defines")
		return
	}
	a := e.appOf(fn)
	e.do(a, func() {
		values := e.conv.AppendFromAMF([]lua.LValue{s.obj.ud}, args...)
		if _, err := e.call(fn, values...); err != nil {
			e.scriptError(a, "server:"+name, err)
		}
	})
}

var serverEvents = map[string]bool{"onServerConnection": true, "onServerDisconnection": true}

// appOf is the application whose script made a function; the running one if none did.
func (e *Engine) appOf(fn *lua.LFunction) *App {
	for _, a := range e.apps {
		if a.env == fn.Env {
			return a
		}
	}
	return e.running
}
