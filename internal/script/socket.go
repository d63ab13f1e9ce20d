package script

import (
	"errors"
	"net"
	"net/netip"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"
)

// Sockets of scripts. Each has goroutines of its own that wait on the network; what happens there becomes an
// event in the queue of the application that made the socket, and no call of a script waits.

const (
	maxSockets = 256     // of one application
	maxUnsent  = 1 << 20 // bytes waiting to be sent on a socket
	maxUnread  = 1 << 20 // bytes that onData left
	readSize   = 16 << 10
)

var (
	errTooManySockets = errors.New("too many sockets in the application")
	errSendBuffer     = errors.New("send buffer is full")
	errNotConnected   = errors.New("not connected")
)

// socketOwner is what all sockets have: their application, and their place among its sockets while open.
type socketOwner struct {
	e    *Engine
	app  *App
	obj  *object
	open bool
}

// claim counts a socket that opens.
func (s *socketOwner) claim(c closer) error {
	if s.open {
		return nil
	}
	if s.e.objects.sockets[s.app] >= maxSockets {
		return errTooManySockets
	}
	s.open = true
	s.e.objects.sockets[s.app]++
	s.e.ownBy(s.app, c)
	return nil
}

// release is the end of what claim began.
func (s *socketOwner) release(c closer) {
	if !s.open {
		return
	}
	s.open = false
	if s.e.objects.sockets[s.app]--; s.e.objects.sockets[s.app] == 0 {
		delete(s.e.objects.sockets, s.app)
	}
	s.e.disown(s.app, c)
}

// post queues an event of the socket.
func (s *socketOwner) post(size int, must bool, f func()) bool {
	return s.e.post(s.app.path, size, must, f)
}

// fail logs a mistake in a call of a script that returns false for it.
func (s *socketOwner) fail(L *lua.LState, what string, err error) int {
	s.e.complain(zerolog.ErrorLevel, what+": "+errorOfNet(err))
	L.Push(lua.LFalse)
	return 1
}

// pushError returns the text of an error to the script, nothing if there is none.
func pushError(L *lua.LState, err error) int {
	if err == nil {
		return 0
	}
	L.Push(lua.LString(errorOfNet(err)))
	return 1
}

// errorOfNet is the text of a network error without the addresses, which scripts know.
func errorOfNet(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		err = op.Err
	}
	return err.Error()
}

// reachable turns the wildcard, which scripts get when they name a port only, into this machine.
func reachable(a netip.AddrPort) netip.AddrPort {
	if !a.Addr().IsUnspecified() {
		return a
	}
	if a.Addr().Is6() {
		return netip.AddrPortFrom(netip.IPv6Loopback(), a.Port())
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port())
}

// network is "tcp" or "udp" with the family of an address, so that a wildcard means that family only.
func network(name string, a netip.AddrPort) string {
	if a.Addr().Is6() {
		return name + "6"
	}
	return name + "4"
}

// addrPort is the address of a net.Addr.
func addrPort(a net.Addr) netip.AddrPort {
	var p netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		p = a.AddrPort()
	case *net.UDPAddr:
		p = a.AddrPort()
	}
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// methodOf makes the methods of sockets.
func methodOf[T any](f func(s T, L *lua.LState) int) member {
	return method(func(o *object, L *lua.LState) int { return f(o.v.(T), L) })
}

// propOf makes the properties of sockets.
func propOf[T any](f func(s T) lua.LValue) member {
	return prop(func(o *object) lua.LValue { return f(o.v.(T)) })
}
