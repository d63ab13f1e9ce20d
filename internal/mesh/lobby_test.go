package mesh

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
)

type fakeConn struct{ closed bool }

func (c *fakeConn) Close() error {
	c.closed = true
	return nil
}

// Whoever fills the lobby loses its own oldest connections; another address still finds room.
func TestLobbyPerAddress(t *testing.T) {
	l := newLobby(3, 100)
	good := &fakeConn{}
	neighbour := l.enter(netip.MustParseAddr("192.0.2.1"), good)
	var conns []*fakeConn
	for range 10 {
		c := &fakeConn{}
		l.enter(netip.MustParseAddr("::ffff:203.0.113.9"), c)
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
		l.enter(netip.MustParseAddr(fmt.Sprintf("2001:db8:0:%x::1", i)), &fakeConn{})
		if i%100 == 50 && !l.enter(netip.MustParseAddr("192.0.2.1"), &fakeConn{}).leave() {
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
	first := l.enter(a, &fakeConn{})
	second := l.enter(a, &fakeConn{})
	if first.leave() || !second.leave() || second.leave() {
		t.Error("leave does not tell who was in the lobby")
	}
	if n, _ := l.stats(); n != 0 || len(l.perAddr) != 0 {
		t.Errorf("%d wait, addresses %v", n, l.perAddr)
	}
}

// The memory of an address is bounded over all its connections, and comes back with them.
func TestAccounts(t *testing.T) {
	s := newAccounts(1000, 3)
	a, b := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2") // one /64
	open := func(a netip.Addr) *tenant {
		t.Helper()
		x, err := s.open(a)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	one, two, three := open(a), open(b), open(b)
	if _, err := s.open(a); !errors.Is(err, errTooMany) {
		t.Errorf("fourth connection: %v", err)
	}
	if one.hold(600) != nil || two.hold(400) != nil {
		t.Fatal("what fits is refused")
	}
	if err := three.hold(1); !errors.Is(err, errTooMuch) {
		t.Errorf("beyond the limit: %v", err)
	}
	other := open(netip.MustParseAddr("2001:db8:0:1::1"))
	if err := other.hold(1000); err != nil {
		t.Errorf("another address: %v", err)
	}
	one.give(100)
	if three.hold(100) != nil {
		t.Error("what was given back is not there")
	}
	one.close()
	one.close()
	one.give(500)
	if err := one.hold(1); err == nil {
		t.Error("a closed connection holds more")
	}
	if two.hold(500) != nil || two.hold(1) == nil {
		t.Error("a closed connection does not return what it held, or returns it twice")
	}
	two.close()
	three.close()
	other.close()
	if len(s.byAddr) != 0 {
		t.Errorf("accounts remain: %v", s.byAddr)
	}
}
