package mesh

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// The memory of an address is bounded over all its connections, and comes back with them.
func TestAccountMemory(t *testing.T) {
	s := newAccounts(500, new(budget))
	open := func(a string) *tenant {
		t.Helper()
		x, err := s.open(netip.MustParseAddr(a), true)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	one, two := open("2001:db8::1"), open("2001:db8::2") // one /64
	other := open("2001:db8:0:1::1")
	if one.keep(memoryEach-400) != nil || two.keep(400) != nil {
		t.Fatal("what fits is refused")
	}
	if err := two.keep(1); !errors.Is(err, errMemory) {
		t.Errorf("beyond the limit: %v", err)
	}
	if err := other.keep(memoryEach); err != nil {
		t.Errorf("another address: %v", err)
	}
	one.close()
	one.close()
	if two.keep(memoryEach-400) != nil || two.keep(1) == nil {
		t.Error("a closed connection does not return what it held, or returns it twice")
	}
	if !two.out.take(500) || two.out.take(1) || !other.out.take(1) {
		t.Error("what waits to be sent is not bounded by address")
	}
}

// An address has only so many connections, and says hello only so often; those that this server dialled are
// neither.
func TestAccountConnections(t *testing.T) {
	s := newAccounts(1000, new(budget))
	a := netip.MustParseAddr("::ffff:192.0.2.1")
	now := time.Unix(0, 0)
	var list []*tenant
	for i := range maxLinksEach {
		x, err := s.open(a, true)
		if err != nil {
			t.Fatalf("connection %d: %v", i+1, err)
		}
		if err := x.admit(now); (err != nil) != (i >= hellosBurst) {
			t.Errorf("hello %d: %v", i+1, err)
		}
		list = append(list, x)
	}
	if _, err := s.open(netip.MustParseAddr("192.0.2.1"), true); !errors.Is(err, errTooMany) {
		t.Errorf("one more connection: %v", err)
	}
	if err := list[0].admit(now); !errors.Is(err, errTooOften) {
		t.Errorf("one more hello: %v", err)
	}
	if err := list[0].admit(now.Add(time.Second)); err != nil {
		t.Errorf("a hello later: %v", err)
	}
	own, err := s.open(a, false)
	if err != nil || own.admit(now) != nil {
		t.Errorf("dialled: %v", err)
	}
	list[0].close()
	if _, err := s.open(a, true); err != nil {
		t.Errorf("after one has gone: %v", err)
	}
}

// Addresses that are gone are forgotten when there are many.
func TestAccountsForgotten(t *testing.T) {
	s := newAccounts(1000, new(budget))
	stays, _ := s.open(netip.MustParseAddr("192.0.2.1"), true)
	for i := range 3 * keptAccounts {
		x, _ := s.open(netip.MustParseAddr(fmt.Sprintf("2001:db8:0:%x::1", i)), true)
		x.close()
	}
	if n := len(s.byAddr); n > keptAccounts {
		t.Errorf("%d addresses are remembered", n)
	}
	if again, _ := s.open(netip.MustParseAddr("192.0.2.1"), true); again.account != stays.account {
		t.Error("an address with a connection was forgotten")
	}
}
