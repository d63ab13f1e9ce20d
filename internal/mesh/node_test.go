package mesh

import (
	"strings"
	"testing"
	"time"
)

// settled waits until two nodes have one link and no other connection.
func settled(t *testing.T, a, b *server) (la, lb *Link) {
	t.Helper()
	for limit := time.Now().Add(patience); ; {
		x, y := a.linked(), b.linked()
		if len(x) == 1 && len(y) == 1 && a.connections() == 1 && b.connections() == 1 {
			return x[0], y[0]
		}
		if time.Now().After(limit) {
			t.Fatalf("%d and %d links, %d and %d connections\n%s\n%s", len(x), len(y), a.connections(), b.connections(), a.logs, b.logs)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func (s *server) connections() int {
	s.Node.mu.Lock()
	defer s.Node.mu.Unlock()
	return len(s.all)
}

func TestConnect(t *testing.T) {
	b := start(t, nil)
	a := start(t, func(c *Config) { c.Targets = []Target{b.target(Property{"type", "master"})} })
	a.wait("+target")
	b.wait("+initiator")
	a.wait("open ")
	a.wait("open /live")
	b.wait("open /live")
	la, lb := settled(t, a, b)
	if p := lb.Params(); p["type"] != "master" || p["host"] != "www.hostA.com" || p["application.dir"] != "" || p["RTMFP.publicAddress"] != "203.0.113.1:1935" {
		t.Error(p)
	}
	if p := la.Params(); p["type"] != "master" || p[keyNodeID] != b.id {
		t.Error(p)
	}
	if err := la.Send("f", []byte{0x11, 0x06, 0x03, 'x', 0x05}, Media{}); err != nil {
		t.Error(err)
	}
	b.wait("f(x {})")
	a.Announce("/game")
	b.wait("open /game")
	b.stop()
	a.wait("-")
	if !strings.Contains(a.logs.String(), "server, Server is stopping") {
		t.Error(a.logs)
	}
}

// What a target tells about itself does not change what servers.targets says about it.
func TestPropertiesOfTargets(t *testing.T) {
	b := start(t, func(c *Config) { c.Params["TYPE"], c.Params["type"], c.Params["zone"] = "slave", "slave", "x" })
	a := start(t, func(c *Config) { c.Targets = []Target{b.target(Property{"Type", "master"})} })
	a.wait("+target")
	p := a.linked()[0].Params()
	if p["Type"] != "master" || p["TYPE"] != "" || p["type"] != "" || p["zone"] != "x" {
		t.Error(p)
	}
}

// Two servers that have each other among their targets see each other once, on the link of the lower one, with
// the properties of both.
func TestDoubleConnection(t *testing.T) {
	for _, first := range []string{"lower", "higher", "together"} {
		t.Run(first, func(t *testing.T) {
			ports := [2]uint16{freePort(t), freePort(t)}
			ids := [2]string{"a", "b"}
			run := func(i int) *server {
				return startID(t, ids[i], func(c *Config) {
					c.Listen = netip127(ports[i])
					c.Params["servers.port"] = portText(ports[i])
					c.Targets = []Target{{Host: "127.0.0.1", Port: ports[1-i], Properties: []Property{{ids[i], "1"}}}}
				})
			}
			var s [2]*server
			if first == "higher" {
				s[1] = run(1)
				<-time.After(50 * time.Millisecond)
				s[0] = run(0)
			} else {
				s[0] = run(0)
				if first == "lower" {
					<-time.After(50 * time.Millisecond)
				}
				s[1] = run(1)
			}
			s[0].wait("+target")
			s[1].wait("+initiator")
			la, lb := settled(t, s[0], s[1])
			for _, l := range []*Link{la, lb} {
				if p := l.Params(); p["a"] != "1" || p["b"] != "1" {
					t.Errorf("target %v: %v", l.IsTarget(), p)
				}
			}
			<-time.After(1500 * time.Millisecond) // no further attempt
			settled(t, s[0], s[1])
			for i := range s {
				if log := s[i].seen(); strings.Contains(strings.Join(log, " "), "+") || strings.Contains(strings.Join(log, " "), "-") {
					t.Errorf("%d: %q\n%s", i, log, s[i].logs)
				}
			}
		})
	}
}

func TestMyself(t *testing.T) {
	port := freePort(t)
	s := start(t, func(c *Config) {
		c.Listen = netip127(port)
		c.Targets = []Target{{Host: "127.0.0.1", Port: port}}
	})
	for limit := time.Now().Add(patience); !strings.Contains(s.logs.String(), "is this server itself"); {
		if time.Now().After(limit) {
			t.Fatal(s.logs)
		}
		<-time.After(5 * time.Millisecond)
	}
	<-time.After(1200 * time.Millisecond)
	if n := s.counters.Attempts.Load(); n != 1 || len(s.seen()) > 0 {
		t.Errorf("%d attempts, %q", n, s.seen())
	}
}
