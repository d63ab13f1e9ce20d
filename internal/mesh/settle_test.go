package mesh

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// cutConn is a connection that can be cut without either end noticing.
type cutConn struct {
	net.Conn
	cut atomic.Bool
}

func (c *cutConn) Write(b []byte) (int, error) {
	if c.cut.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// Close of a cut connection reaches nobody.
func (c *cutConn) Close() error {
	if c.cut.Load() {
		return c.Conn.SetDeadline(time.Now())
	}
	return c.Conn.Close()
}

var errTest = errors.New("lost")

// One side loses the link and dials again while the other still believes in the old one: the new link takes its
// place, whoever dialled and whoever decides.
func TestHalfOpen(t *testing.T) {
	for _, tc := range []struct{ name, dialler, listener string }{{"lower dials", "a", "b"}, {"higher dials", "b", "a"}} {
		t.Run(tc.name, func(t *testing.T) {
			b := startID(t, tc.listener, nil)
			var first *cutConn
			a := startID(t, tc.dialler, func(c *Config) {
				c.Targets = []Target{b.target()}
				c.Dial = func(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
					conn, err := dial(ctx, addr)
					if first == nil && err == nil {
						first = &cutConn{Conn: conn}
						return first, nil
					}
					return conn, err
				}
			})
			a.wait("open /live")
			b.wait("open /live")
			la := a.linked()[0]
			first.cut.Store(true)
			t.Cleanup(func() { _ = first.Conn.Close() })
			la.end(errTest)
			a.wait("-lost")
			a.wait("+target")
			b.wait("-" + errReplaced.Error())
			b.wait("+initiator")
			if err := a.linked()[0].Send("f", nil, Media{}); err != nil {
				t.Error(err)
			}
			b.wait("f()")
			if n, m := len(a.linked()), len(b.linked()); n != 1 || m != 1 {
				t.Errorf("%d and %d links", n, m)
			}
		})
	}
}

// Servers that all have all others among their targets make one link for each pair, and again after one of
// them was away.
func TestMeshOfThree(t *testing.T) {
	var ports [3]uint16
	for i := range ports {
		ports[i] = freePort(t)
	}
	run := func(i int) *server {
		return start(t, func(c *Config) {
			c.Listen = netip127(ports[i])
			c.Params["servers.port"] = portText(ports[i])
			for j, p := range ports {
				if i != j {
					c.Targets = append(c.Targets, Target{Host: "localhost", Port: p})
				}
			}
			c.Resolve = func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}, nil
			}
		})
	}
	var s [3]*server
	for i := range s {
		s[i] = run(i)
	}
	whole := func() {
		t.Helper()
		for limit := time.Now().Add(patience); ; {
			ok := true
			for _, x := range s {
				ok = ok && len(x.linked()) == 2 && x.connections() == 2
			}
			if ok {
				return
			}
			if time.Now().After(limit) {
				t.Fatalf("not whole:\n%s\n%s\n%s", s[0].logs, s[1].logs, s[2].logs)
			}
			<-time.After(5 * time.Millisecond)
		}
	}
	whole()
	for round := range 3 {
		s[round].stop()
		s[round] = run(round)
		whole()
	}
	for i, x := range s {
		if n := x.counters.Connections.Load(); n > 2+2*3 {
			t.Errorf("server %d saw %d connections", i, n)
		}
	}
}

// A second link found later, from another of our addresses or theirs, is given up; the first stays.
func TestSecondEntry(t *testing.T) {
	for _, id := range []string{"a", "z"} {
		b := startID(t, "m", nil)
		later := make(chan struct{})
		a := startID(t, id, func(c *Config) {
			c.Targets = []Target{b.target(Property{"first", "1"}), {Host: "other", Port: b.port(), Properties: []Property{{"second", "2"}}}}
			c.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
				if host != "other" {
					return resolve(ctx, host)
				}
				<-later
				return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 2})}, nil
			}
			c.Dial = func(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
				return dial(ctx, netip127(addr.Port()))
			}
		})
		a.wait("open /live")
		b.wait("open /live")
		close(later)
		a.wait("changed")
		b.wait("changed")
		la, lb := settled(t, a, b)
		for _, l := range []*Link{la, lb} {
			if p := l.Params(); p["first"] != "1" || p["second"] != "2" {
				t.Errorf("%s: %v", id, p)
			}
		}
		if !strings.Contains(a.logs.String(), "second link to the same server") {
			t.Error("not logged")
		}
		la.end(errTest) // both are dialled again
		a.wait("+target")
		settled(t, a, b)
	}
}

// Links with a server of another implementation are not settled, but told of.
func TestDoubleWithOther(t *testing.T) {
	port := freePort(t)
	s := start(t, func(c *Config) { c.Targets = []Target{{Host: "127.0.0.1", Port: port}} })
	for limit := time.Now().Add(patience); s.counters.Failures.Load() == 0; {
		if time.Now().After(limit) {
			t.Fatal("the target is not dialled")
		}
		<-time.After(time.Millisecond)
	}
	w := s.connect(t)
	payload := appendHello(nil, []pair{{"servers.port", portText(port)}})
	head, _ := new(frameWriter).appendHeader(nil, "", len(payload))
	_, _ = w.conn.Write(append(head, payload...))
	s.wait("+initiator")
	if !strings.Contains(s.logs.String(), "is a target and connects here as well") {
		t.Error(s.logs)
	}
}
