package rtmfp_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// pair is two nodes that may dial each other.
type pair struct {
	t    *testing.T
	net  *simnet.Net
	ends [2]*pairEnd
}

type pairEnd struct {
	node   *simnet.Node
	id     *rtmfp.Identity
	shards []*recorder
}

func (e *pairEnd) opened() (list []*rtmfp.Session) {
	for _, r := range e.shards {
		r.shard.Endpoint().Sessions(func(s *rtmfp.Session) bool { list = append(list, s); return true })
	}
	return list
}

func (e *pairEnd) messages() (list []string) {
	for _, r := range e.shards {
		list = append(list, r.all...)
	}
	return list
}

func newPair(t *testing.T, seed uint64, link simnet.Link, shards int, a, b *rtmfp.Identity) *pair {
	t.Helper()
	p := &pair{t: t, net: simnet.New(seed)}
	p.net.SetDefaultLink(link)
	for i, id := range []*rtmfp.Identity{a, b} {
		e := &pairEnd{id: id}
		e.node = p.net.AddShards(fmt.Sprintf("192.0.2.%d:1935", i+1), rtmfp.Config{Identity: id}, shards,
			func(s *simnet.Shard) simnet.Handler {
				r := &recorder{shard: s}
				e.shards = append(e.shards, r)
				return r
			})
		p.ends[i] = e
	}
	return p
}

// dial makes end i dial the other one from a shard.
func (p *pair) dial(i, shard int, peer bool) *rtmfp.Session {
	p.t.Helper()
	near, far := p.ends[i], p.ends[1-i]
	epd := rtmfp.EPDForURI("rtmfp://somewhere/x")
	if peer {
		epd = rtmfp.EPDForPeer(far.id.PeerID())
	}
	s, err := near.node.Shard(shard).Endpoint().Dial(p.net.Now(), rtmfp.DialConfig{
		EPD: epd, Addrs: []netip.AddrPort{far.node.Addr()},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	near.node.Wake()
	return s
}

// settled checks that exactly one session is left, that both ends mean the same one, and that it works.
func (p *pair) settled(what string) {
	p.t.Helper()
	a, b := p.ends[0].opened(), p.ends[1].opened()
	if len(a) != 1 || len(b) != 1 {
		p.t.Fatalf("%s: %d and %d sessions", what, len(a), len(b))
	}
	if a[0].FarID() != b[0].ID() || b[0].FarID() != a[0].ID() || a[0].Initiator() == b[0].Initiator() {
		p.t.Fatalf("%s: the ends have different sessions", what)
	}
	for i, s := range []*rtmfp.Session{a[0], b[0]} {
		text := fmt.Sprint("glare ", i)
		f, err := s.Open(p.net.Now(), []byte("x"), rtmfp.FlowOptions{})
		if err != nil {
			p.t.Fatal(err)
		}
		f.Write(p.net.Now(), rtmfp.Message{Body: rtmfp.CopyBuffer([]byte(text))})
		p.ends[i].node.Wake()
		far := p.ends[1-i]
		if !p.net.RunUntil(func() bool { return len(far.messages()) > 0 }, 30*time.Second) || far.messages()[0] != text {
			p.t.Fatalf("%s: message %d did not arrive", what, i)
		}
	}
	for _, e := range p.ends {
		sound(p.t, e.node, len(e.shards))
		for i := range e.shards {
			if got := e.node.Shard(i).Endpoint().Tables(); got.Openings+got.Awaiting+got.Tags+got.Keying != 0 || got.Claims != 1 {
				p.t.Errorf("%s: left over: %+v", what, got)
			}
		}
	}
}

// glareIdentities returns two identities, the one whose certificate is smaller first.
func glareIdentities(server bool) (small, large *rtmfp.Identity) {
	small, large = testClient, otherPeer
	if server {
		small = testServer
		large = must(rtmfp.NewServerIdentity(simnet.New(21).Reader(), "", 2))
	}
	if bytes.Compare(small.Certificate(), large.Certificate()) > 0 {
		small, large = large, small
	}
	return small, large
}

// TestGlare: both ends dial each other at the same time; one session is left, that of the smaller certificate
// (RFC 7016 §3.5.1.3, RFC 7425 §4.3.6).
func TestGlare(t *testing.T) {
	for _, server := range []bool{false, true} {
		small, large := glareIdentities(server)
		for _, order := range [][2]*rtmfp.Identity{{small, large}, {large, small}} {
			for _, delay := range []time.Duration{0, 30 * time.Millisecond} {
				what := fmt.Sprintf("servers %v, small first %v, key delay %v", server, order[0] == small, delay)
				p := newPair(t, 1, simnet.Link{Delay: 10 * time.Millisecond}, 1, order[0], order[1])
				p.net.KeyDelay = delay
				dials := [2]*rtmfp.Session{p.dial(0, 0, !server), p.dial(1, 0, !server)}
				p.net.Run(5 * time.Second)
				p.settled(what)
				winner := 0
				if order[1] == small {
					winner = 1
				}
				if !dials[winner].IsOpen() {
					t.Errorf("%s: the session of the smaller certificate did not win", what)
				}
				r := p.ends[1-winner].shards[0]
				if len(r.closed) != 1 || r.closed[0] != rtmfp.ErrDuplicate || len(r.sessions) != 1 {
					t.Errorf("%s: the other end: %d sessions, closed %v", what, len(r.sessions), r.closed)
				}
			}
		}
	}
}

// TestGlareUnderLoss varies when the ends dial and what the network does to it.
func TestGlareUnderLoss(t *testing.T) {
	for seed := range uint64(150) {
		small, large := glareIdentities(seed%2 == 0)
		p := newPair(t, seed, simnet.Link{
			Delay: 20 * time.Millisecond, Jitter: 60 * time.Millisecond, Loss: 0.2, Dup: 0.3,
			Reorder: 0.2, ReorderBy: 300 * time.Millisecond,
		}, 1, small, large)
		p.net.KeyDelay = time.Duration(p.net.Rand().IntN(3)) * 25 * time.Millisecond
		second := time.Duration(p.net.Rand().IntN(200)) * time.Millisecond
		first := p.net.Rand().IntN(2)
		p.dial(first, 0, seed%2 == 1)
		p.net.Run(second)
		p.dial(1-first, 0, seed%2 == 1)
		p.net.Run(30 * time.Second)
		p.settled(fmt.Sprintf("seed %d", seed))
	}
}

// TestGlareAcrossShards: the shard that dials is not the one that hears the other end's IIKeying.
func TestGlareAcrossShards(t *testing.T) {
	small, large := glareIdentities(true)
	for i := range 64 {
		order := [2]*rtmfp.Identity{small, large}
		if i&1 != 0 {
			order = [2]*rtmfp.Identity{large, small}
		}
		p := newPair(t, uint64(i), simnet.Link{Delay: 10 * time.Millisecond, Jitter: 5 * time.Millisecond}, 2, order[0], order[1])
		p.net.KeyDelay = 20 * time.Millisecond
		for k, e := range p.ends { // a kernel sends all packets of an address to one socket
			e.node.Pick = func(netip.AddrPort) int { return i >> (1 + k) & 1 }
		}
		p.dial(0, i>>3&1, false)
		p.net.Run(time.Duration(i>>5&1) * 15 * time.Millisecond)
		p.dial(1, i>>4&1, false)
		p.net.Run(20 * time.Second)
		p.settled(fmt.Sprintf("case %d", i))
	}
}

// TestGlareLateIIKeying: the IIKeying that lost comes once more when the winner's session is open. It has the
// certificate of that session, but it is no successor.
func TestGlareLateIIKeying(t *testing.T) {
	small, large := glareIdentities(false)
	p := newPair(t, 1, simnet.Link{Delay: 10 * time.Millisecond}, 1, small, large)
	l := tap(p.net)
	s := p.dial(0, 0, true)
	p.dial(1, 0, true)
	p.net.Run(2 * time.Second)
	n := 0
	for _, k := range l.chunks(rtmfp.ChunkIIKeying) {
		if k.from == p.ends[1].node.Addr() {
			n++
			p.net.Inject(k.from, k.to, k.data)
		}
	}
	if n == 0 {
		t.Fatal("the loser sent no IIKeying")
	}
	p.net.Run(2 * time.Second)
	if !s.IsOpen() {
		t.Error("a late copy ended the session")
	}
	p.settled("after late copies")
}

// TestDialTwice: a second session with an endpoint that has one already is a duplicate and given up in favour of
// the first (RFC 7016 §3.5.1.1.1), also if that is on another shard or still opening.
func TestDialTwice(t *testing.T) {
	small, large := glareIdentities(true)
	for _, tt := range []struct {
		what   string
		shards int
		wait   time.Duration
		shard  int // of the second
		peer   bool
	}{
		{"open", 1, time.Second, 0, false},
		{"open, by fingerprint", 1, time.Second, 0, true},
		{"still opening", 1, 0, 0, false},
		{"still opening, by fingerprint", 1, 0, 0, true},
		{"open on another shard", 2, time.Second, 1, false},
		{"still opening on another shard", 2, 0, 1, true},
	} {
		p := newPair(t, 1, simnet.Link{Delay: 10 * time.Millisecond}, tt.shards, small, large)
		p.net.KeyDelay = 50 * time.Millisecond
		for _, e := range p.ends {
			e.node.Pick = func(netip.AddrPort) int { return 0 }
		}
		first := p.dial(0, 0, tt.peer)
		p.net.Run(tt.wait)
		second := p.dial(0, tt.shard, tt.peer)
		p.net.Run(2 * time.Second)
		if !first.IsOpen() || second.IsOpen() {
			t.Errorf("%s: first open %v, second %v", tt.what, first.IsOpen(), second.IsOpen())
			continue
		}
		r := p.ends[0].shards[tt.shard]
		if len(r.closed) != 1 || r.closed[0] != rtmfp.ErrDuplicate {
			t.Errorf("%s: closed %v", tt.what, r.closed)
		}
		p.settled(tt.what)
	}
}

// TestDialSelf: nobody has a session with itself.
func TestDialSelf(t *testing.T) {
	n := simnet.New(1)
	p := addPeer(n, "192.0.2.1:1935", rtmfp.Config{Identity: testServer})
	s := p.dialPeer(t, testServer, "192.0.2.1:1935")
	n.Run(100 * time.Second)
	if s.IsOpen() || len(p.sessions) != 0 || len(p.closed) != 1 {
		t.Errorf("%d sessions with itself, closed %v", len(p.sessions), p.closed)
	}
	empty(t, p.node, 1)
}
