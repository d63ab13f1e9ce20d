package mesh

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// names is a resolver whose answers a test changes.
type names struct {
	mu sync.Mutex
	m  map[string][]netip.Addr
}

func (n *names) set(name string, last ...byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.m == nil {
		n.m = map[string][]netip.Addr{}
	}
	n.m[name] = nil
	for _, b := range last {
		n.m[name] = append(n.m[name], netip.AddrFrom4([4]byte{127, 0, 0, b}))
	}
}

func (n *names) resolve(_ context.Context, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ips, ok := n.m[host]
	if !ok {
		return nil, errors.New("no such host")
	}
	return ips, nil
}

// All addresses of a name are targets, those that join later too, and those that leave are forgotten.
func TestNamesOfTargets(t *testing.T) {
	port := freePort(t)
	run := func(last byte) *server {
		return start(t, func(c *Config) { c.Listen = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, last}), port) })
	}
	one, two := run(1), run(2)
	var dns names
	a := start(t, func(c *Config) {
		c.Targets = []Target{{Host: "mesh.test", Port: port, Properties: []Property{{"type", "mesh"}}}}
		c.Resolve = dns.resolve
	})
	for limit := time.Now().Add(patience); !strings.Contains(a.logs.String(), "no such host"); {
		if time.Now().After(limit) {
			t.Fatal(a.logs)
		}
		<-time.After(time.Millisecond)
	}
	dns.set("mesh.test", 1, 2)
	a.wait("+target")
	a.wait("+target")
	one.wait("+initiator")
	two.wait("+initiator")
	three := run(3)
	dns.set("mesh.test", 1, 3)
	three.wait("+initiator")
	a.wait("+target")
	if n := len(a.linked()); n != 3 {
		t.Errorf("%d links: what is connected stays", n)
	}
	two.stop()
	for limit := time.Now().Add(patience); ; {
		a.Node.mu.Lock()
		n := len(a.dialers)
		a.Node.mu.Unlock()
		if n == 2 {
			break
		}
		if time.Now().After(limit) {
			t.Fatal("the address that has gone is still dialled")
		}
		<-time.After(time.Millisecond)
	}
}

// A target that is there twice is dialled once.
func TestSameTarget(t *testing.T) {
	b := start(t, nil)
	var dns names
	dns.set("127.0.0.1", 1)
	dns.set("b.test", 1)
	a := start(t, func(c *Config) {
		c.Targets = []Target{b.target(), b.target(), {Host: "b.test", Port: b.port()}}
		c.Resolve = dns.resolve
	})
	a.wait("+target")
	settled(t, a, b)
	if text := a.logs.String(); !strings.Contains(text, "is there twice") {
		t.Error(text)
	}
	for limit := time.Now().Add(patience); !strings.Contains(a.logs.String(), "two entries are the same server"); {
		if time.Now().After(limit) {
			t.Fatal(a.logs)
		}
		<-time.After(time.Millisecond)
	}
}

// An address stays a target as long as one entry has it, whichever of them dialled it first.
func TestSameTargetMoves(t *testing.T) {
	port := freePort(t)
	run := func() *server { return start(t, func(c *Config) { c.Listen = netip127(port) }) }
	b := run()
	var dns names
	dns.set("b.test", 1)
	a := start(t, func(c *Config) {
		c.Targets = []Target{{Host: "127.0.0.1", Port: port}, {Host: "b.test", Port: port}}
		c.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			if host == "127.0.0.1" {
				<-time.After(100 * time.Millisecond) // the name is first
				return resolve(ctx, host)
			}
			return dns.resolve(ctx, host)
		}
	})
	a.wait("+target")
	a.waitLog("two entries are the same server")
	dns.set("b.test", 9)
	b.stop()
	a.waitLog("b.test no longer has the address 127.0.0.1")
	b = run()
	b.wait("+initiator")
}

// A server that went away is found again when it is back, one that rejected when it does not any more.
func TestComesBack(t *testing.T) {
	port := freePort(t)
	run := func(accept func(*Link) string) *server {
		return startWith(t, func(c *Config) { c.Listen = netip127(port) }, accept)
	}
	a := start(t, func(c *Config) { c.Targets = []Target{{Host: "127.0.0.1", Port: port}} })
	b := run(func(*Link) string { return "not yet" })
	a.wait("+target")
	b.wait("+initiator")
	a.wait("-")
	a.wait("+target") // tries again
	if !strings.Contains(a.logs.String(), "server, not yet") {
		t.Error(a.logs)
	}
	b.stop()
	b = run(nil)
	b.wait("+initiator")
	a.wait("open /live")
	b.stop()
	began := time.Now()
	b = run(nil)
	b.wait("+initiator")
	if d := time.Since(began); d > 1500*time.Millisecond {
		t.Errorf("found again after %v", d)
	}
}

// An address that does not answer costs nothing else.
func TestDialFails(t *testing.T) {
	b := start(t, nil)
	a := start(t, func(c *Config) {
		c.Targets = []Target{{Host: "192.0.2.1", Port: 1}, b.target()}
		c.Dial = func(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
			if addr.Port() == 1 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return dial(ctx, addr)
		}
	})
	a.wait("open /live")
	b.wait("open /live")
}

// The public address is told as an address, whatever it is configured as.
func TestPublicAddress(t *testing.T) {
	var dns names
	dns.set("www.a.test", 9)
	for configured, want := range map[string]string{
		"": "", "203.0.113.1:1935": "203.0.113.1:1935", "www.a.test:1935": "127.0.0.9:1935",
		"unknown.test:1935": "127.0.0.1:1935", "[2001:db8::1]:5": "[2001:db8::1]:5",
	} {
		n, err := New(Config{Params: map[string]string{keyPublicAddress: configured}, Resolve: dns.resolve})
		if err != nil {
			t.Fatal(err)
		}
		if got := n.publicText(); got != want {
			t.Errorf("%s: %s", configured, got)
		}
	}
}

// The secret and TLS of both sides must go together.
func TestSecuredLinks(t *testing.T) {
	ca, other := newAuthority(t, "mesh"), newAuthority(t, "other")
	for _, tc := range []struct {
		name string
		a, b func(*Config)
		why  string // in the log of a; "" = connected
	}{
		{name: "secret", a: secret("x"), b: secret("x")},
		{name: "wrong secret", a: secret("x"), b: secret("y"), why: errSecret.Error()},
		{name: "only a has a secret", a: secret("x"), b: secret(""), why: errOneSecret.Error()},
		{name: "only b has a secret", a: secret(""), b: secret("x"), why: errOneSecret.Error()},
		{name: "TLS", a: certified(ca.issue("a", nil, "127.0.0.1")), b: certified(ca.issue("b", nil, "127.0.0.1"))},
		{name: "TLS of another authority", a: certified(ca.issue("a2", nil, "127.0.0.1")), b: certified(other.issue("b2", nil, "127.0.0.1")), why: "certificate"},
		{name: "only a has TLS", a: certified(ca.issue("a3", nil, "127.0.0.1")), b: secret(""), why: "no connection with"},
		{name: "not allowed", a: secret(""), b: func(c *Config) { c.Allow = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} }, why: "no connection with"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := start(t, tc.b)
			a := start(t, func(c *Config) {
				c.Targets = []Target{b.target(Property{"type", "x"})}
				tc.a(c)
			})
			if tc.why == "" {
				a.wait("open /live")
				b.wait("open /live")
				if p := b.linked()[0].Params(); p["type"] != "x" || p["host"] != "www.hostA.com" || p[keyProof] != "" {
					t.Error(p)
				}
				b.stop()
				a.wait("-")
				return
			}
			for limit := time.Now().Add(patience); !strings.Contains(a.logs.String(), tc.why); {
				if time.Now().After(limit) {
					t.Fatalf("%s\n%s", a.logs, b.logs)
				}
				<-time.After(time.Millisecond)
			}
			if len(a.seen())+len(b.seen()) > 0 {
				t.Error(a.seen(), b.seen())
			}
		})
	}
}

func secret(s string) func(*Config)      { return func(c *Config) { c.Secret = s } }
func certified(f TLSFiles) func(*Config) { return func(c *Config) { c.TLS = f } }
