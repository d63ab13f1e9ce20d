package script

import (
	"net/netip"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/mesh"
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
	// Send calls a function of the other side, one way; payload are its arguments in AMF, which nobody
	// changes any more. m is not zero if they are a packet of a stream, which may be dropped and waits for Flush. The error is
	// net.ErrClosed, or why the link does not take the message.
	Send(handler string, payload []byte, m mesh.Media) error
	// Flush sends the packets that Send was given.
	Flush()
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
	busy       bool
	introduced bool // the applications have seen the connection
	held       []func()
	parted     map[*App]bool // saw the disconnection; nil before it
}

const (
	serverEventSize = 256

	// maxCallShare bounds what one call of another server takes of the queue: the links bound all calls of a
	// server themselves, and a large one must not keep the calls of clients out.
	maxCallShare = maxQueueBytes / 4
)

// ServerConnected tells that a server said hello.
func (e *Engine) ServerConnected(link ServerLink) {
	e.post("", serverEventSize, true, func() { e.serverConnected(link) })
}

// ServerChanged tells that a server said hello again, with other parameters.
func (e *Engine) ServerChanged(link ServerLink) {
	e.onServer(link, func(s *server) { s.readParams() })
}

// ServerDisconnected tells that a link ended; err is nil if the other side closed it.
func (e *Engine) ServerDisconnected(link ServerLink, err error) {
	e.onServer(link, func(s *server) { e.serverDisconnected(s, err) })
}

// ServerCall calls a function that scripts put on the server object. size is what the arguments take in
// memory. False means that the applications are too far behind; otherwise done is called once, when the call
// has run or is dropped. It does not wait and is called by the script goroutine.
func (e *Engine) ServerCall(link ServerLink, name string, args []amf.Value, size int, done func()) bool {
	return e.post("", serverEventSize+min(size, maxCallShare), false, func() {
		switch s := e.objects.links[link]; {
		case s == nil:
			done()
		case !s.busy:
			e.serverCall(s, name, args)
			done()
		case len(s.held) < e.cfg.MaxQueue:
			s.held = append(s.held, func() {
				e.serverCall(s, name, args)
				done()
			})
		default:
			done()
			e.complain(warnLevel, "server "+s.addr.String()+": too many calls while applications see its connection, some are dropped")
		}
	})
}

// OpenApplication opens an application because another server has started its own: it loads the
// application or looks whether its file changed. Unknown ones are ignored.
func (e *Engine) OpenApplication(path string) {
	if e.exists(path) {
		e.post(path, serverEventSize, false, func() { e.openApp(path) })
	}
}

// onServer queues an event of a connected server, after those it had before. It is never lost.
func (e *Engine) onServer(link ServerLink, f func(s *server)) {
	e.post("", serverEventSize, true, func() {
		s := e.objects.links[link]
		switch {
		case s == nil:
		case s.busy:
			s.held = append(s.held, func() { f(s) })
		default:
			f(s)
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

// serverCall calls the function that scripts stored on the server. What the server object itself can do,
// and events, are not for the other side to call.
func (e *Engine) serverCall(s *server, name string, args []amf.Value) {
	if s.rejected {
		return
	}
	fn := s.obj.function(name)
	if fn == nil || serverEvents[name] {
		if e.log.GetLevel() <= zerolog.DebugLevel {
			e.complain(zerolog.DebugLevel, "server "+s.addr.String()+" calls "+name+", which no application defines")
		}
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
