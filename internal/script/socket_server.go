package script

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"
)

// tcpServer accepts TCP connections for a script.
type tcpServer struct {
	socketOwner
	listener *net.TCPListener // nil = not running
	quit     chan struct{}    // of that listener
}

// acceptRetry is how long to wait when connections cannot be accepted.
const acceptRetry = 100 * time.Millisecond

func (e *Engine) newTCPServer(a *App) *tcpServer {
	s := &tcpServer{socketOwner: socketOwner{e: e, app: a}}
	s.obj = e.newObject(e.classes.tcpServer, s)
	return s
}

func (e *Engine) tcpServerClass() *class {
	return &class{
		name: "TCPServer",
		members: map[string]member{
			"start": methodOf((*tcpServer).start),
			"stop": methodOf(func(s *tcpServer, _ *lua.LState) int {
				s.closeOwned()
				return 0
			}),
			"running": propOf(func(s *tcpServer) lua.LValue { return lua.LBool(s.listener != nil) }),
			"address": propOf(func(s *tcpServer) lua.LValue {
				if s.listener == nil {
					return e.newAddress(netip.AddrPort{})
				}
				return e.newAddress(addrPort(s.listener.Addr()))
			}),
		},
	}
}

func (s *tcpServer) start(L *lua.LState) int {
	a, _, err := s.e.addressOf(arguments(L, 2), noNames)
	switch {
	case err != nil:
	case s.listener != nil:
		err = errors.New("running already")
	default:
		if err = s.claim(s); err == nil {
			if s.listener, err = net.ListenTCP(network("tcp", a), net.TCPAddrFromAddrPort(a)); err != nil {
				s.listener = nil
				s.release(s)
			}
		}
	}
	if err != nil {
		return s.fail(L, "start", err)
	}
	s.quit = make(chan struct{})
	go s.accept(s.listener, s.quit)
	L.Push(lua.LTrue)
	return 1
}

// accept posts connections, one at a time.
func (s *tcpServer) accept(l *net.TCPListener, quit chan struct{}) {
	for {
		nc, err := l.AcceptTCP()
		switch {
		case err == nil:
			var taken atomic.Bool
			next := make(chan struct{})
			s.post(256, true, func() {
				defer close(next)
				if taken.CompareAndSwap(false, true) {
					s.accepted(l, nc)
				}
			})
			select {
			case <-next:
			case <-quit: // the event may never run
				if taken.CompareAndSwap(false, true) {
					nc.Close()
				}
			}
		case errors.Is(err, net.ErrClosed):
			return
		default: // out of file descriptors, as a rule: others must end first
			s.post(64, false, func() { s.e.complain(zerolog.WarnLevel, "TCPServer: "+errorOfNet(err)) })
			timer := time.NewTimer(acceptRetry)
			select {
			case <-timer.C:
			case <-quit:
				timer.Stop()
			}
		}
	}
}

// accepted shows a connection to the script. It is read once onConnection returned and onData is set.
func (s *tcpServer) accepted(l *net.TCPListener, nc *net.TCPConn) {
	if s.listener != l || s.obj.function("onConnection") == nil {
		nc.Close()
		return
	}
	c := s.e.newTCPClient(s.app)
	if err := c.claim(c); err != nil {
		nc.Close()
		s.e.complain(zerolog.WarnLevel, "TCPServer: connection refused: "+err.Error())
		return
	}
	conn := newTCPConn(c, addrPort(nc.RemoteAddr()), nc)
	c.conn = conn
	s.e.notify(s.obj, "onConnection", c.obj.ud)
	go conn.run()
}

// closeOwned implements closer. Connections that were accepted go on.
func (s *tcpServer) closeOwned() {
	if s.listener != nil {
		close(s.quit)
		s.listener.Close()
		s.listener = nil
	}
	s.release(s)
}
