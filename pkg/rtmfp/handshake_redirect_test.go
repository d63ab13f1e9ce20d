package rtmfp_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// redirect makes a server answer every hello with these addresses.
func (w *world) redirect(r *recorder, list ...string) {
	r.onHello = func(now rtmfp.Time, h *rtmfp.Hello) {
		var to []rtmfp.Address
		for _, a := range addrs(list...) {
			to = append(to, rtmfp.Address{AddrPort: a, Origin: rtmfp.OriginRelay})
		}
		r.shard.Endpoint().RedirectHello(now, h, to)
	}
}

// redirectorWorld is a world whose server only redirects, with echoing servers at other addresses.
func redirectorWorld(t *testing.T, targets ...string) (w *world, at map[string]*peer) {
	t.Helper()
	w = newWorld(t, worldConfig{server: rtmfp.Config{DecideHello: true}})
	at = make(map[string]*peer)
	for _, a := range targets {
		p := addPeer(w.net, a, rtmfp.Config{Identity: testServer})
		echoMessages(p.recorder)
		at[a] = p
	}
	return w, at
}

func TestRedirectFirstAnswerWins(t *testing.T) {
	near, far, dead := "192.0.2.20:1935", "192.0.2.21:1935", "192.0.2.22:1935"
	w, at := redirectorWorld(t, near, far)
	w.net.SetLink(w.client, at[near].node, simnet.Link{Delay: 10 * time.Millisecond})
	w.net.SetLink(w.client, at[far].node, simnet.Link{Delay: 80 * time.Millisecond})
	w.redirect(w.srv, dead, far, near)
	l := tap(w.net)
	s := w.dial()
	if !w.net.RunUntil(s.IsOpen, time.Second) {
		t.Fatal("did not open")
	}
	if s.Addr().String() != near {
		t.Errorf("session with %v, want the first to answer", s.Addr())
	}
	w.net.Run(5 * time.Second)
	var hellos []wirePacket
	for _, p := range l.chunks(rtmfp.ChunkIHello) {
		if p.to != w.server.Addr() {
			hellos = append(hellos, p)
		}
	}
	if len(hellos) != 3 || hellos[0].at != hellos[2].at {
		t.Errorf("%d hellos to the addresses, not in parallel", len(hellos))
	}
	first := l.chunks(rtmfp.ChunkIHello)[0].pkt.Chunks[0].Payload
	for _, p := range hellos { // same tag and discriminator
		if string(p.pkt.Chunks[0].Payload) != string(first) {
			t.Error("hellos differ")
		}
	}
	if n := len(at[far].sessions); n != 0 || len(at[near].sessions) != 1 {
		t.Errorf("%d sessions at the slower server", n)
	}
	w.exchange(s, "redirected")
	empty(t, w.server, 1)
}

// TestRedirectAllDeadButOne: dead addresses cost nothing but time, also when the redirector itself falls silent.
func TestRedirectAllDeadButOne(t *testing.T) {
	alive := "192.0.2.30:1935"
	w, at := redirectorWorld(t, alive)
	list := []string{alive}
	for i := range 9 {
		list = append(list, fmt.Sprintf("192.0.2.%d:1935", 100+i))
	}
	w.redirect(w.srv, list...)
	at[alive].node.Remove()
	s := w.dial()
	w.net.Run(2 * time.Second)
	w.server.Remove()
	p := addPeer(w.net, alive, rtmfp.Config{Identity: testServer}) // up again
	echoMessages(p.recorder)
	if !w.net.RunUntil(s.IsOpen, 90*time.Second) {
		t.Fatal("did not open")
	}
	w.exchange(s, "alive")
}

// TestRedirectBounded: a session has no more than 24 candidates (REDIRECT_THRESHOLD, RFC 7016 §3.5.1.1.1), and
// addresses that cannot be anybody's are not among them.
func TestRedirectBounded(t *testing.T) {
	w, _ := redirectorWorld(t)
	n := 0
	w.srv.onHello = func(now rtmfp.Time, h *rtmfp.Hello) {
		to := []rtmfp.Address{
			{AddrPort: simnet.Addr("0.0.0.0:1935")},
			{AddrPort: simnet.Addr("224.0.0.1:1935")},
			{AddrPort: simnet.Addr("192.0.2.99:0")},
			{AddrPort: simnet.Addr("[::]:1935")},
			{AddrPort: simnet.Addr("[ff02::1]:1935")},
		}
		for range 20 {
			n++
			to = append(to, rtmfp.Address{AddrPort: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), 1935)})
		}
		w.srv.shard.Endpoint().RedirectHello(now, h, to)
	}
	l := tap(w.net)
	w.dial()
	w.net.Run(30 * time.Second)
	seen := make(map[netip.AddrPort]int)
	for _, p := range l.chunks(rtmfp.ChunkIHello) {
		seen[p.to]++
	}
	if len(seen) != 24 {
		t.Errorf("hellos to %d addresses", len(seen))
	}
	for a := range seen {
		if a.Port() == 0 || a.Addr().IsUnspecified() || a.Addr().IsMulticast() {
			t.Errorf("hello to %v", a)
		}
	}
}

// TestRedirectEmpty: no address in a Redirect means the one it came from (RFC 7016 §2.3.5), so that a responder
// can open its NAT first (§3.5.1.5, figure 15).
func TestRedirectEmpty(t *testing.T) {
	w, at := redirectorWorld(t, "192.0.2.40:1935")
	responder := at["192.0.2.40:1935"]
	w.srv.onHello = func(now rtmfp.Time, h *rtmfp.Hello) { // as if the hello was forwarded
		responder.node.Endpoint().RedirectHello(now, h, nil)
		responder.node.Wake()
	}
	s := w.dial()
	if !w.net.RunUntil(s.IsOpen, time.Second) {
		t.Fatal("did not open")
	}
	if s.Addr() != responder.node.Addr() {
		t.Errorf("session with %v", s.Addr())
	}
	w.exchange(s, "implied")
}

func TestRedirectChain(t *testing.T) {
	w, at := redirectorWorld(t, "192.0.2.53:1935")
	w.redirect(w.srv, "192.0.2.51:1935")
	for i, a := range []string{"192.0.2.51:1935", "192.0.2.52:1935"} {
		p := addPeer(w.net, a, rtmfp.Config{Identity: testServer, DecideHello: true})
		w.redirect(p.recorder, fmt.Sprintf("192.0.2.%d:1935", 52+i))
	}
	s := w.dial()
	if !w.net.RunUntil(s.IsOpen, time.Second) {
		t.Fatal("did not open")
	}
	if s.Addr() != at["192.0.2.53:1935"].node.Addr() {
		t.Errorf("session with %v", s.Addr())
	}
	w.exchange(s, "the third server")
}

// TestRedirectTooLate: after a responder hello, and with a foreign tag, Redirects are ignored.
func TestRedirectTooLate(t *testing.T) {
	w := newWorld(t, worldConfig{})
	l := tap(w.net)
	l.pass = func(p *wirePacket) bool { return !p.is(rtmfp.ChunkIIKeying) }
	w.dial()
	w.net.Run(100 * time.Millisecond)
	hello := l.chunks(rtmfp.ChunkIHello)[0].pkt.Chunks[0].Payload
	tag := hello[len(hello)-16:]
	for _, tag := range [][]byte{tag, tag[:15], make([]byte, 16), nil} {
		h := &rtmfp.Hello{Tag: tag, From: w.client.Addr()}
		w.server.Endpoint().RedirectHello(w.net.Now(), h, []rtmfp.Address{{AddrPort: simnet.Addr("10.1.1.1:1935")}})
		w.server.Wake()
		w.net.Run(3 * time.Second)
	}
	if n := len(l.to(simnet.Addr("10.1.1.1:1935"))); n != 0 {
		t.Errorf("%d packets to an address that came too late", n)
	}
}

// TestDecideHello: with DecideHello nothing is answered before the application says so, and its answer opens the
// session as usual.
func TestDecideHello(t *testing.T) {
	w := newEchoWorld(t, worldConfig{server: rtmfp.Config{DecideHello: true}})
	l := tap(w.net)
	w.srv.onHello = func(now rtmfp.Time, h *rtmfp.Hello) {
		if len(w.srv.hellos) == 2 { // the first one is ignored
			w.srv.shard.Endpoint().AnswerHello(now, h)
		}
	}
	s := w.dial()
	w.net.Run(500 * time.Millisecond)
	if n := len(l.to(w.client.Addr())); n != 0 {
		t.Errorf("%d packets before the application decided", n)
	}
	if !w.net.RunUntil(s.IsOpen, 5*time.Second) {
		t.Fatal("did not open")
	}
	h := w.srv.hellos[0]
	epd, err := rtmfp.ParseEPD(h.EPD)
	if err != nil || string(epd.Ancillary) != "rtmfp://192.0.2.1/test" || h.From != w.client.Addr() || len(h.Tag) != 16 {
		t.Errorf("hello %+v", h)
	}
	w.exchange(s, "decided")
}

// TestHelloForSomebodyElse: a hello for an unknown fingerprint is ignored, or the application's with Rendezvous.
func TestHelloForSomebodyElse(t *testing.T) {
	for _, rendezvous := range []bool{false, true} {
		w := newWorld(t, worldConfig{server: rtmfp.Config{Rendezvous: rendezvous}})
		l := tap(w.net)
		for _, epd := range [][]byte{
			rtmfp.EPDForPeer(otherPeer.PeerID()), // somebody
			nil,                                  // nobody
			{0x05, 0x00, 'h', 'o', 's', 't'},     // a host name the certificate does not have
			{0x7f}, {0x02, 0x0f, 0x01},           // malformed
		} {
			if got := w.ask(l, stranger(1), rtmfp.MakeIHello(epd, []byte("tag"))); len(got) != 0 {
				t.Errorf("discriminator % x: %d answers", epd, len(got))
			}
		}
		if len(w.srv.hellos) != 0 != rendezvous {
			t.Errorf("rendezvous %v: %d hellos reported", rendezvous, len(w.srv.hellos))
		}
		empty(t, w.server, 1)
	}
}

// introducer is a server that forwards hellos to the peers it knows, and optionally redirects too, whatever
// shards they and the hellos are on.
func introducer(t *testing.T, n *simnet.Net, addr string, shards int, redirects bool) *simnet.Node {
	t.Helper()
	var node *simnet.Node
	cfg := rtmfp.Config{Identity: testServer, Rendezvous: true}
	node = n.AddShards(addr, cfg, shards, func(s *simnet.Shard) simnet.Handler {
		return &recorder{shard: s, onHello: func(now rtmfp.Time, h *rtmfp.Hello) {
			epd, _ := rtmfp.ParseEPD(h.EPD)
			ref, ok := s.Endpoint().Directory().Peer(epd.Peer)
			if !ok {
				return
			}
			if redirects {
				s.Endpoint().RedirectHello(now, h, []rtmfp.Address{{AddrPort: ref.Addr, Origin: rtmfp.OriginObserved}})
			}
			target := node.Shard(ref.Shard).Endpoint().Session(ref.Session)
			if !target.ForwardHello(now, h, h.From, rtmfp.OriginObserved) {
				t.Error("not forwarded")
			}
			node.Wake()
		}}
	})
	return node
}

// join connects a peer with a server and makes it known there: who never sent anything is not introduced.
func join(t *testing.T, n *simnet.Net, p *peer, server *simnet.Node) *rtmfp.Session {
	t.Helper()
	s := p.dial(t, rtmfp.DialConfig{EPD: rtmfp.EPDForURI("/group"), Addrs: []netip.AddrPort{server.Addr()}})
	if !n.RunUntil(s.IsOpen, 10*time.Second) {
		t.Fatal("no session with the server")
	}
	n.Inject(p.node.Addr(), server.Addr(), s.Forge(n.Now(), rtmfp.ModeInitiator, rtmfp.Chunk{Type: rtmfp.ChunkPing}))
	return s
}

// TestForwardedHello: the responder answers the reply address of a forwarded hello and the session opens end to
// end (RFC 7016 §3.5.1.5, figure 14); also through NATs that let in only who was sent to before, with the
// Redirect that makes both ends send (§3.5.1.6).
func TestForwardedHello(t *testing.T) {
	for shards := 1; shards <= 3; shards++ {
		for _, nat := range []bool{false, true} {
			n := simnet.New(uint64(shards))
			server := introducer(t, n, "192.0.2.1:1935", shards, nat)
			a := addPeer(n, "198.51.100.7:50000", rtmfp.Config{Identity: testClient})
			b := addPeer(n, "198.51.100.8:50000", rtmfp.Config{Identity: otherPeer})
			echoMessages(b.recorder)
			join(t, n, b, server)
			if nat {
				join(t, n, a, server) // peers say hello from the port of their session
				sent := make(map[[2]netip.AddrPort]bool)
				n.Filter = func(from, to netip.AddrPort, data []byte) bool {
					sent[[2]netip.AddrPort{from, to}] = true
					return from == server.Addr() || to == server.Addr() || sent[[2]netip.AddrPort{to, from}]
				}
			}
			s := a.dialPeer(t, otherPeer, "192.0.2.1:1935")
			if !n.RunUntil(s.IsOpen, 20*time.Second) {
				t.Fatalf("%d shards, NAT %v: did not open: %v", shards, nat, a.closed)
			}
			if s.Addr() != b.node.Addr() || s.PeerID() != otherPeer.PeerID() {
				t.Errorf("session with %v at %v", s.PeerID(), s.Addr())
			}
			f, _ := s.Open(n.Now(), []byte("p2p"), rtmfp.FlowOptions{})
			f.Write(n.Now(), rtmfp.Message{Body: rtmfp.CopyBuffer([]byte("direct"))})
			a.node.Wake()
			if !n.RunUntil(func() bool { return len(a.all) == 1 }, 10*time.Second) || a.all[0] != "direct" {
				t.Errorf("peer to peer: %q", a.all)
			}
			if len(b.sessions) != 2 {
				t.Errorf("the responder has %d sessions", len(b.sessions))
			}
		}
	}
}

// TestForwardedHelloIgnored: hellos are forwarded by servers we dialled, for ourselves, to addresses that can be
// somebody's. From anybody else they would make us send to strangers.
func TestForwardedHelloIgnored(t *testing.T) {
	w := newWorld(t, worldConfig{})
	cs, ss := w.open()
	l := tap(w.net)
	victim := simnet.Addr("203.0.113.9:1935")
	reply := func(a string) rtmfp.Address {
		return rtmfp.Address{AddrPort: simnet.Addr(a), Origin: rtmfp.OriginObserved}
	}
	self, server := rtmfp.EPDForPeer(testClient.PeerID()), rtmfp.EPDForURI("/test")
	send := func(s *rtmfp.Session, to *simnet.Node, mode uint8, c rtmfp.Chunk) {
		from := w.server.Addr()
		if to == w.server {
			from = w.client.Addr()
		}
		w.net.Inject(from, to.Addr(), s.Forge(w.net.Now(), mode, c))
		w.net.Run(100 * time.Millisecond)
	}
	send(cs, w.server, rtmfp.ModeInitiator, rtmfp.MakeFIHello(server, reply(victim.String()), []byte("tag")))
	send(cs, w.server, rtmfp.ModeInitiator, rtmfp.MakeFIHello(rtmfp.EPDForPeer(testServer.PeerID()), reply(victim.String()), nil))
	for _, a := range []string{"0.0.0.0:1", "239.1.1.1:5", "203.0.113.9:0", "[ff02::1]:9"} {
		send(ss, w.client, rtmfp.ModeResponder, rtmfp.MakeFIHello(self, reply(a), []byte("tag")))
	}
	send(ss, w.client, rtmfp.ModeResponder, rtmfp.MakeFIHello(rtmfp.EPDForPeer(otherPeer.PeerID()), reply(victim.String()), nil))
	send(ss, w.client, rtmfp.ModeResponder, rtmfp.Chunk{Type: rtmfp.ChunkFIHello, Payload: []byte{1, 2}})
	for _, p := range l.sent {
		if p.startup {
			t.Errorf("chunk %02x to %v", p.pkt.Chunks[0].Type, p.to)
		}
	}
	send(ss, w.client, rtmfp.ModeResponder, rtmfp.MakeFIHello(self, reply(victim.String()), []byte("tag")))
	if got := l.to(victim); len(got) != 1 || !got[0].is(rtmfp.ChunkRHello) {
		t.Errorf("%d answers to a good forwarded hello", len(got))
	}
}

// TestForwardTooLarge: a hello that no packet can carry on is refused. It must not stand in the way of others.
func TestForwardTooLarge(t *testing.T) {
	w := newWorld(t, worldConfig{server: rtmfp.Config{Rendezvous: true}})
	_, ss := w.open()
	l := tap(w.net)
	epd := rtmfp.EPDForPeer(testClient.PeerID())
	large := &rtmfp.Hello{EPD: append(make([]byte, 0, 2000), epd...), Tag: []byte("tag"), From: stranger(1)}
	large.EPD = append(append(large.EPD, 0x8a, 0x01, 0x0a), make([]byte, 1280)...) // ancillary data, 1280 bytes
	if _, err := rtmfp.ParseEPD(large.EPD); err != nil {
		t.Fatal(err)
	}
	if ss.ForwardHello(w.net.Now(), large, stranger(1), rtmfp.OriginObserved) {
		t.Error("a hello of 1300 bytes was taken")
	}
	small := &rtmfp.Hello{EPD: epd, Tag: []byte("tag")}
	taken := 0
	for i := range 40 { // the queue is bounded
		if ss.ForwardHello(w.net.Now(), small, stranger(i), rtmfp.OriginObserved) {
			taken++
		}
	}
	w.server.Wake()
	w.net.Run(time.Second)
	if n := len(l.chunks(rtmfp.ChunkRHello)); taken == 0 || taken == 40 || n != taken {
		t.Errorf("%d forwarded hellos taken, %d answered", taken, n)
	}
}
