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

// udpSocket is a UDP socket of a script. It belongs to the script goroutine.
type udpSocket struct {
	socketOwner
	broadcast bool
	conn      *udpConn       // nil = closed
	peer      netip.AddrPort // only this one, if valid
}

const (
	maxDatagram   = 65507 // bytes
	maxDatagrams  = 256   // waiting to be sent
	maxUnhandled  = 64    // received and waiting for onPacket; more are dropped, as the network would
	udpRetry      = 100 * time.Millisecond
	udpFarewell   = 20 * time.Millisecond
	broadcastHint = "broadcast is not allowed: mona:createUDPSocket(true)"
)

var errNoPeer = errors.New("no address to send to")

func (e *Engine) newUDPSocket(a *App, broadcast bool) *udpSocket {
	s := &udpSocket{socketOwner: socketOwner{e: e, app: a}, broadcast: broadcast}
	s.obj = e.newObject(e.classes.udpSock, s)
	return s
}

func (e *Engine) udpSocketClass() *class {
	return &class{
		name: "UDPSocket",
		members: map[string]member{
			"bind":    methodOf((*udpSocket).bind),
			"connect": methodOf((*udpSocket).connect),
			"send":    methodOf((*udpSocket).send),
			"disconnect": methodOf(func(s *udpSocket, _ *lua.LState) int {
				s.peer = netip.AddrPort{}
				return 0
			}),
			"close": methodOf(func(s *udpSocket, _ *lua.LState) int {
				s.closeOwned()
				return 0
			}),
			"address": propOf(func(s *udpSocket) lua.LValue {
				if s.conn == nil {
					return e.newAddress(netip.AddrPort{})
				}
				return e.newAddress(addrPort(s.conn.pc.LocalAddr()))
			}),
			"peerAddress": propOf(func(s *udpSocket) lua.LValue { return e.newAddress(s.peer) }),
		},
	}
}

// openAt opens the socket.
func (s *udpSocket) openAt(a netip.AddrPort) error {
	if err := s.claim(s); err != nil {
		return err
	}
	pc, err := net.ListenUDP(network("udp", a), net.UDPAddrFromAddrPort(a))
	if err != nil {
		s.release(s)
		return err
	}
	s.conn = &udpConn{socket: s, pc: pc, out: make(chan datagram, maxDatagrams), quit: make(chan struct{})}
	go s.conn.read()
	go s.conn.write()
	return nil
}

func (s *udpSocket) bind(L *lua.LState) int {
	a, _, err := s.e.addressOf(arguments(L, 2), noNames)
	switch {
	case err != nil:
	case s.conn != nil:
		err = errors.New("bound already")
	default:
		err = s.openAt(a)
	}
	if err != nil {
		return s.fail(L, "bind", err)
	}
	L.Push(lua.LTrue)
	return 1
}

// connect restricts the socket to one peer.
func (s *udpSocket) connect(L *lua.LState) int {
	a, _, err := s.e.addressOf(arguments(L, 2), noNames)
	a = reachable(a)
	switch {
	case err != nil:
	case a.Port() == 0:
		err = errNoPort
	default:
		err = s.reach(a)
	}
	if err != nil {
		return pushError(L, err)
	}
	s.peer = a
	return 0
}

// reach opens the socket, unless it is open, to send to an address.
func (s *udpSocket) reach(to netip.AddrPort) error {
	if s.conn != nil {
		return nil
	}
	ip := netip.IPv4Unspecified()
	if to.Addr().Is6() {
		ip = netip.IPv6Unspecified()
	}
	return s.openAt(netip.AddrPortFrom(ip, 0))
}

func (s *udpSocket) send(L *lua.LState) int {
	data, to := L.CheckString(2), s.peer
	var err error
	if L.GetTop() > 2 {
		to, _, err = s.e.addressOf(arguments(L, 3), noNames)
		to = reachable(to)
	}
	switch {
	case err != nil:
	case !to.IsValid():
		err = errNoPeer
	case to.Port() == 0:
		err = errNoPort
	case len(data) > maxDatagram:
		err = errors.New("packet is too long")
	case !s.broadcast && isBroadcastHere(to.Addr()):
		err = errors.New(broadcastHint)
	default:
		if err = s.reach(to); err == nil {
			err = s.conn.send(datagram{data, to})
		}
	}
	if err != nil {
		return s.fail(L, "send", err)
	}
	L.Push(lua.LTrue)
	return 1
}

// isBroadcastHere reports whether an address is the broadcast address, or that of a network of this machine.
func isBroadcastHere(a netip.Addr) bool {
	if a == ipBroadcast {
		return true
	}
	if !isAnyBroadcast(a) {
		return false
	}
	list, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	for _, i := range list {
		p, err := netip.ParsePrefix(i.String())
		if err != nil || !p.Contains(a) || p.Bits() > 30 {
			continue
		}
		host := a.As4()
		ones := true
		for bit := p.Bits(); bit < 32; bit++ {
			ones = ones && host[bit/8]>>(7-bit%8)&1 == 1
		}
		if ones {
			return true
		}
	}
	return false
}

// closeOwned implements closer.
func (s *udpSocket) closeOwned() {
	if s.conn != nil {
		s.conn.close()
		s.conn = nil
	}
	s.peer = netip.AddrPort{}
	s.release(s)
}

// received is a packet for onPacket.
func (s *udpSocket) received(c *udpConn, data string, from netip.AddrPort) {
	c.unhandled.Add(-1)
	if s.conn != c || (s.peer.IsValid() && s.peer != from) {
		return
	}
	s.e.notify(s.obj, "onPacket", lua.LString(data), lua.LString(from.String()))
}

// udpConn is the open socket, with a goroutine that reads and one that writes.
type udpConn struct {
	socket    *udpSocket // only its events are used here
	pc        *net.UDPConn
	out       chan datagram
	quit      chan struct{}
	unsent    atomic.Int64 // bytes in out
	unhandled atomic.Int64
}

type datagram struct {
	data string
	to   netip.AddrPort
}

func (c *udpConn) send(d datagram) error {
	if c.unsent.Load()+int64(len(d.data)) > maxUnsent {
		return errSendBuffer
	}
	select {
	case c.out <- d:
		c.unsent.Add(int64(len(d.data)))
		return nil
	default:
		return errSendBuffer
	}
}

func (c *udpConn) read() {
	buf := make([]byte, maxDatagram+1)
	for {
		n, from, err := c.pc.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			timer := time.NewTimer(udpRetry)
			select {
			case <-timer.C:
				continue
			case <-c.quit:
				timer.Stop()
				return
			}
		}
		if c.unhandled.Load() >= maxUnhandled {
			continue
		}
		data, from := string(buf[:n]), netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		c.unhandled.Add(1)
		if !c.socket.post(n, false, func() { c.socket.received(c, data, from) }) {
			c.unhandled.Add(-1)
		}
	}
}

func (c *udpConn) write() {
	for {
		select {
		case d := <-c.out:
			c.writeOne(d)
		case <-c.quit:
			return
		}
	}
}

// close sends what is queued, which takes no time as a rule, and frees the port at once: the next script
// may want it.
func (c *udpConn) close() {
	close(c.quit)
	_ = c.pc.SetWriteDeadline(time.Now().Add(udpFarewell))
	for {
		select {
		case d := <-c.out:
			c.writeOne(d)
		default:
			c.pc.Close()
			return
		}
	}
}

func (c *udpConn) writeOne(d datagram) {
	c.unsent.Add(-int64(len(d.data)))
	if _, err := c.pc.WriteToUDPAddrPort([]byte(d.data), d.to); err != nil {
		c.socket.post(64, false, func() {
			c.socket.e.complain(zerolog.WarnLevel, "UDPSocket: "+d.to.String()+": "+errorOfNet(err))
		})
	}
}
