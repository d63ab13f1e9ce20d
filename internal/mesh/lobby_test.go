package mesh

import (
	"fmt"
	"net/netip"
	"testing"
)

type fakeConn struct{ closed bool }

func (c *fakeConn) close() { c.closed = true }

// Whoever fills the lobby loses its own oldest connections; another address still finds room.
func TestLobbyPerAddress(t *testing.T) {
	l := newLobby(3, 100)
	good := &fakeConn{}
	neighbour := l.enter(netip.MustParseAddr("192.0.2.1"), good.close)
	var conns []*fakeConn
	for range 10 {
		c := &fakeConn{}
		l.enter(netip.MustParseAddr("::ffff:203.0.113.9"), c.close)
		conns = append(conns, c)
	}
	for i, c := range conns {
		if c.closed != (i < 7) {
			t.Errorf("connection %d of 10 closed: %v", i+1, c.closed)
		}
	}
	if waiting, evicted := l.stats(); waiting != 4 || evicted != 7 {
		t.Errorf("%d wait, %d had to go", waiting, evicted)
	}
	if good.closed || !neighbour.leave() {
		t.Error("a neighbour of another address had to go")
	}
}

// From many addresses, those that wait longest go; a server that says hello at once gets through.
func TestLobbyTotal(t *testing.T) {
	l := newLobby(4, 16)
	for i := range 1000 {
		l.enter(netip.MustParseAddr(fmt.Sprintf("2001:db8:0:%x::1", i)), new(fakeConn).close)
		if i%100 == 50 && !l.enter(netip.MustParseAddr("192.0.2.1"), new(fakeConn).close).leave() {
			t.Fatalf("after %d connections a server was kept out", i)
		}
	}
	if waiting, _ := l.stats(); waiting > 16 {
		t.Errorf("%d wait", waiting)
	}
	if len(l.perAddr) > 16 {
		t.Errorf("%d addresses are remembered", len(l.perAddr))
	}
}

// Leaving twice, or after having been shown out, changes nothing.
func TestLobbyLeave(t *testing.T) {
	l := newLobby(1, 1)
	a := netip.MustParseAddr("192.0.2.1")
	first := l.enter(a, new(fakeConn).close)
	second := l.enter(a, new(fakeConn).close)
	if first.leave() || !second.leave() || second.leave() {
		t.Error("leave does not tell who was in the lobby")
	}
	if n, _ := l.stats(); n != 0 || len(l.perAddr) != 0 {
		t.Errorf("%d wait, addresses %v", n, l.perAddr)
	}
}

// stats returns how many wait, and how many had to go since the start.
func (l *lobby) stats() (waiting int, evicted uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting.Len(), l.evicted
}
