package rendezvous

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// behind adds a client behind a NAT of its own, which tells its private address.
func behind(t *testing.T, net *simnet.Net, r *simnet.NAT, private string, to *server) *peer {
	t.Helper()
	a := newPeer(t, net, private, to, simnet.Addr(private))
	r.Put(a.node)
	return a
}

// meet reports whether a reaches b through the server before a client gives up.
func meet(t *testing.T, net *simnet.Net, srv *server, a, b *peer) bool {
	t.Helper()
	if !net.RunUntil(connected(a, b), time.Minute) {
		t.Fatal("clients did not connect")
	}
	net.Run(time.Second) // for setPeerInfo
	s := a.dial(t, net, b.id, srv)
	return net.RunUntil(s.IsOpen, 90*time.Second)
}

// Two clients behind NATs meet directly whenever theory allows; where it does not, the server says why.
// Mappings are shorter lived than a client's silence towards the server.
func TestNATPairs(t *testing.T) {
	kinds := []simnet.NATKind{simnet.FullCone, simnet.AddressRestricted, simnet.PortRestricted, simnet.Symmetric}
	for _, from := range kinds {
		for _, to := range kinds {
			for seed := range uint64(3) {
				t.Run(fmt.Sprintf("%v to %v/%d", from, to, seed), func(t *testing.T) {
					net := simnet.New(seed)
					net.SetDefaultLink(simnet.Link{Delay: 15 * time.Millisecond, Jitter: 40 * time.Millisecond, Loss: 0.02 * float64(seed)})
					srv := newServer(t, net, "192.0.2.1:1935", 2, nil)
					var log bytes.Buffer
					srv.intro.log = newThrottle(zerolog.New(&log))
					// The same private address on both sides, as it happens.
					a := behind(t, net, net.AddNAT("198.51.100.1", from), "192.168.1.5:4001", srv)
					b := behind(t, net, net.AddNAT("198.51.100.2", to), "192.168.1.5:4001", srv)
					symmetric, other := from == simnet.Symmetric, to
					if to == simnet.Symmetric {
						symmetric, other = true, from
					}
					want := !symmetric || other == simnet.FullCone || other == simnet.AddressRestricted
					if got := meet(t, net, srv, a, b); got != want {
						t.Fatalf("met: %v, want %v", got, want)
					}
					if want {
						return
					}
					if n := srv.intro.Counters().NoAnswer.Load(); n != 1 {
						t.Errorf("counted %d failures, want 1", n)
					}
					if !strings.Contains(log.String(), "symmetric") {
						t.Errorf("log: %s", log.String())
					}
				})
			}
		}
	}
}

// A NAT forgets; who is behind it stays reachable because clients keep their sessions alive.
func TestNATMappingKeptAlive(t *testing.T) {
	net := simnet.New(1)
	srv := newServer(t, net, "192.0.2.1:1935", 1, nil)
	one, two := net.AddNAT("198.51.100.1", simnet.PortRestricted), net.AddNAT("198.51.100.2", simnet.PortRestricted)
	one.Lifetime, two.Lifetime = 30*time.Second, 30*time.Second
	a := behind(t, net, one, "192.168.1.5:4001", srv)
	b := behind(t, net, two, "10.0.0.7:4001", srv)
	net.RunUntil(connected(a, b), time.Minute)
	net.Run(10 * time.Minute)
	if !meet(t, net, srv, a, b) {
		t.Fatal("the peers did not meet")
	}
}

// Two clients behind one NAT that does not lead back in meet at their private addresses.
func TestSameNAT(t *testing.T) {
	for _, kind := range []simnet.NATKind{simnet.FullCone, simnet.Symmetric} {
		net := simnet.New(1)
		srv := newServer(t, net, "192.0.2.1:1935", 2, nil)
		r := net.AddNAT("198.51.100.1", kind)
		a := behind(t, net, r, "192.168.1.5:4001", srv)
		b := behind(t, net, r, "192.168.1.6:4001", srv)
		if !meet(t, net, srv, a, b) {
			t.Errorf("%v: the peers did not meet", kind)
		}
		if got := b.visitors[0].Addr(); got != a.node.Addr() {
			t.Errorf("%v: met at %v", kind, got)
		}
	}
}

// A peer behind a NAT that is also inside the asker's NAT: the server is in the same network, and sees
// private addresses of both.
func TestServerInside(t *testing.T) {
	net := simnet.New(1)
	srv := newServer(t, net, "192.168.1.1:1935", 1, nil)
	a := newPeer(t, net, "192.168.1.5:4001", srv)
	b := newPeer(t, net, "192.168.1.6:4001", srv, simnet.Addr("10.1.2.3:4001"))
	if !meet(t, net, srv, a, b) {
		t.Fatal("the peers did not meet")
	}
}

// IPv6 clients meet each other, and nobody is sent addresses of the version it does not have.
func TestFamilies(t *testing.T) {
	net := simnet.New(1)
	srv := newServer(t, net, "[2001:db8::1]:1935", 2, nil)
	a := newPeer(t, net, "[2001:db8::a]:4001", srv)
	b := newPeer(t, net, "[2001:db8::b]:4002", srv)
	if !meet(t, net, srv, a, b) {
		t.Fatal("the peers did not meet")
	}

	// A server with both: the hello comes by IPv4, the peer is known by IPv6 only.
	four := simnet.Addr("198.51.100.9:4009")
	dual := newServer(t, net, "[2001:db8::2]:1935", 1, nil)
	c := newPeer(t, net, "[2001:db8::c]:4001", dual)
	net.RunUntil(connected(c), time.Minute)
	var log bytes.Buffer
	dual.intro.log = newThrottle(zerolog.New(&log))
	dual.hello(net, four, c.id, "0123456789abcdef")
	if n := dual.intro.Counters().NoCommonFamily.Load(); n != 1 || !strings.Contains(log.String(), "IP version") {
		t.Errorf("counted %d, log %s", n, log.String())
	}

	// It told an IPv4 address: then both can meet there, and it answers to the IPv4 address.
	d := newPeer(t, net, "[2001:db8::d]:4001", dual, simnet.Addr("198.51.100.7:4001"))
	net.RunUntil(connected(d), time.Minute)
	net.Run(time.Second)
	list := addressesFor(four, dual.conn(d.id))
	if len(list) != 1 || list[0].AddrPort != simnet.Addr("198.51.100.7:4001") {
		t.Errorf("told %v", list)
	}
}

// A peer that is there but never answers: hellos keep coming, and the sixth makes the server say so.
func TestSilentPeer(t *testing.T) {
	net := simnet.New(1)
	srv := newServer(t, net, "192.0.2.1:1935", 1, nil)
	a := newPeer(t, net, "198.51.100.1:4001", srv)
	b := newPeer(t, net, "198.51.100.2:4002", srv)
	net.RunUntil(connected(a, b), time.Minute)
	net.Filter = func(from, to netip.AddrPort, _ []byte) bool { return from != b.node.Addr() || to == srv.node.Addr() }
	if meet(t, net, srv, a, b) {
		t.Fatal("met a peer that does not answer")
	}
	c := srv.intro.Counters()
	if c.NoAnswer.Load() != 1 || c.Repeated.Load() < 5 || c.Introductions.Load() != c.Repeated.Load()+1 {
		t.Errorf("no answer %d, repeated %d, introductions %d", c.NoAnswer.Load(), c.Repeated.Load(), c.Introductions.Load())
	}
}

// A peer that left in order is unknown at once, one that vanished when its session ended.
func TestPeerGone(t *testing.T) {
	net := simnet.New(1)
	srv := newServer(t, net, "192.0.2.1:1935", 2, nil)
	a := newPeer(t, net, "198.51.100.1:4001", srv)
	b := newPeer(t, net, "198.51.100.2:4002", srv)
	net.RunUntil(connected(a, b), time.Minute)
	b.client.Close(net.Now())
	b.node.Wake()
	net.Run(5 * time.Second)
	if meet := a.dial(t, net, b.id, srv); net.RunUntil(meet.IsOpen, 30*time.Second) {
		t.Fatal("met a peer that left")
	}
	if c := srv.intro.Counters(); c.UnknownPeer.Load() == 0 || c.Introductions.Load() != 0 {
		t.Errorf("unknown %d, introductions %d", c.UnknownPeer.Load(), c.Introductions.Load())
	}
}

// hello gives the first shard a hello that looks for id, as if it came from an address.
func (s *server) hello(net *simnet.Net, from netip.AddrPort, id rtmfp.PeerID, tag string) {
	sh := s.node.Shard(0)
	s.intro.Hello(net.Now(), 0, sh.Endpoint(), &rtmfp.Hello{EPD: rtmfp.EPDForPeer(id), Tag: []byte(tag), From: from})
	s.node.Wake()
	net.Run(100 * time.Millisecond)
}
