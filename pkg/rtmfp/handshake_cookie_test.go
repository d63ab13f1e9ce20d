package rtmfp_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// TestHellosLeaveNoState: an initiator hello creates nothing at the responder (RFC 7016 §3.5.1.1.2).
func TestHellosLeaveNoState(t *testing.T) {
	w := newWorld(t, worldConfig{shards: 2})
	answers := 0
	w.net.Filter = func(from, to netip.AddrPort, data []byte) bool { answers++; return true }
	hello := rtmfp.MakeIHello(rtmfp.EPDForURI("rtmfp://192.0.2.1/test"), []byte("sixteen byte tag"))
	const n = 10_000
	for i := range n {
		w.net.Inject(stranger(i), w.server.Addr(), rtmfp.ForgeStartup(w.net.Now(), 0, hello))
	}
	w.net.Run(time.Second)
	if answers != n {
		t.Errorf("%d answers to %d hellos", answers, n)
	}
	empty(t, w.server, 2)
	s, _ := w.open()
	if !s.IsOpen() {
		t.Error("no session after the hellos")
	}
}

// TestCookieVerdicts: what is forged or expired is dropped without a word (RFC 7016 §3.5.1.1.2); what was
// made for another address gets a Cookie Change and creates nothing (§3.5.1.2).
func TestCookieVerdicts(t *testing.T) {
	w := newWorld(t, worldConfig{})
	l := tap(w.net)
	a, b := stranger(1), stranger(2)
	keying := keyingOf(t, testClient)
	keying.SID = 0x01020304
	bad := w.server.Endpoint().Counters().BadCookies.Load
	silent := func(what string, cookie []byte) {
		t.Helper()
		before := bad()
		k := keying
		k.Cookie = cookie
		if got := w.ask(l, a, k.Chunk()); len(got) != 0 || bad() != before+1 {
			t.Errorf("%s: %d answers, %d bad cookies more", what, len(got), bad()-before)
		}
		empty(t, w.server, 1)
	}
	good := w.cookie(l, a)
	for i := range 32 { // the part that proves who made it
		c := bytes.Clone(good)
		c[i] ^= 1 << (i % 8)
		silent(fmt.Sprintf("bit of byte %d changed", i), c)
	}
	silent("empty", nil)
	silent("short", good[:63])
	silent("long", append(bytes.Clone(good), 0))
	silent("zeros", make([]byte, 64))
	silent("of another server", rtmfp.NewCookieJar([32]byte{1}).MakeCookie(w.net.Now(), rtmfp.Address{AddrPort: a}))

	for i := 32; i < 64; i++ { // the part that proves for whom: as good as another address
		k := keying
		k.Cookie = bytes.Clone(good)
		k.Cookie[i] ^= 0x10
		got := w.ask(l, a, k.Chunk())
		if len(got) != 1 || !got[0].is(rtmfp.ChunkCookieChange) {
			t.Fatalf("byte %d changed: %d answers", i, len(got))
		}
	}

	k := keying
	k.Cookie = good
	got := w.ask(l, b, k.Chunk())
	if len(got) != 1 || !got[0].is(rtmfp.ChunkCookieChange) || got[0].pkt.SID != keying.SID || got[0].pkt.Flags != 0x0b {
		t.Fatalf("cookie of another address: %d answers", len(got))
	}
	old, fresh, ok := rtmfp.ParseCookieChange(got[0].pkt.Chunks[0].Payload)
	if !ok || !bytes.Equal(old, good) || len(fresh) != 64 || bytes.Equal(old, fresh) {
		t.Fatal("malformed Cookie Change")
	}
	empty(t, w.server, 1)
	k.Cookie = fresh
	if got := w.ask(l, b, k.Chunk()); len(got) != 1 || !got[0].is(rtmfp.ChunkRIKeying) {
		t.Fatal("the new cookie is not accepted")
	}

	// Cookies live for 95 seconds at least, the time an initiator tries.
	young, old := w.cookie(l, a), w.cookie(l, stranger(3))
	w.net.Run(95 * time.Second)
	k.Cookie = young
	if got := w.ask(l, a, k.Chunk()); len(got) != 1 || !got[0].is(rtmfp.ChunkRIKeying) {
		t.Error("cookie refused after 95 seconds")
	}
	w.net.Run(time.Second)
	k.Cookie = old
	before := bad()
	if got := w.ask(l, stranger(3), k.Chunk()); len(got) != 0 || bad() != before+1 {
		t.Errorf("expired cookie: %d answers", len(got))
	}
}

// TestCookieChangeOpens: an initiator whose address changes between hello and keying opens after one Cookie
// Change (RFC 7016 §3.5.1.2).
func TestCookieChangeOpens(t *testing.T) {
	w := newEchoWorld(t, worldConfig{shards: 2})
	l := tap(w.net)
	lost := false
	l.pass = func(p *wirePacket) bool {
		if p.is(rtmfp.ChunkIIKeying) && !lost {
			lost = true
			return false
		}
		return true
	}
	s := w.dial()
	w.net.Run(500 * time.Millisecond)
	w.client.Rebind("198.51.100.7:50001")
	if !w.net.RunUntil(s.IsOpen, 10*time.Second) {
		t.Fatal("did not open")
	}
	if n := len(l.chunks(rtmfp.ChunkCookieChange)); n != 1 {
		t.Errorf("%d cookie changes", n)
	}
	w.exchange(s, "from another address")
	if open, all := numSessions(w.server, 2); open != 1 || all != 1 {
		t.Errorf("%d sessions, %d open", all, open)
	}
}

// TestCookieChangesOnce: the initiator takes one Cookie Change that quotes its cookie and comes from the
// responder, and no second one (RFC 7016 §3.5.1.2).
func TestCookieChangesOnce(t *testing.T) {
	w := newWorld(t, worldConfig{})
	l := tap(w.net)
	l.pass = func(p *wirePacket) bool { return !p.is(rtmfp.ChunkIIKeying) }
	w.dial()
	w.net.Run(100 * time.Millisecond)
	keyings := func() (cookies [][]byte) {
		for _, p := range l.chunks(rtmfp.ChunkIIKeying) {
			k, _ := rtmfp.ParseIIKeying(p.pkt.Chunks[0].Payload)
			cookies = append(cookies, k.Cookie)
		}
		return cookies
	}
	k, _ := rtmfp.ParseIIKeying(l.chunks(rtmfp.ChunkIIKeying)[0].pkt.Chunks[0].Payload)
	first, second, third := k.Cookie, bytes.Repeat([]byte{2}, 64), bytes.Repeat([]byte{3}, 64)
	change := func(from netip.AddrPort, old, fresh []byte) {
		w.net.Inject(from, w.client.Addr(), rtmfp.ForgeStartup(w.net.Now(), k.SID, rtmfp.MakeCookieChange(old, fresh)))
		w.net.Run(10 * time.Millisecond)
	}
	change(stranger(1), first, third)
	change(w.server.Addr(), third, second)
	if got := keyings(); len(got) != 1 {
		t.Fatalf("%d IIKeyings after foreign cookie changes", len(got))
	}
	change(w.server.Addr(), first, second)
	got := keyings()
	if len(got) != 2 || !bytes.Equal(got[1], second) {
		t.Fatalf("%d IIKeyings after a cookie change", len(got))
	}
	change(w.server.Addr(), second, third)
	change(w.server.Addr(), first, third)
	w.net.Run(10 * time.Second)
	for i, c := range keyings()[2:] {
		if !bytes.Equal(c, second) {
			t.Errorf("IIKeying %d has cookie %x", i+2, c[:4])
		}
	}
}

// TestCookiesOfAllShards: a cookie made by one shard is good at every other (they share the jar).
func TestCookiesOfAllShards(t *testing.T) {
	w := newWorld(t, worldConfig{shards: 3})
	next := 0
	w.server.Pick = func(netip.AddrPort) int { next++; return next % 3 }
	s, _ := w.open()
	if open, all := numSessions(w.server, 3); open != 1 || all != 1 || !s.IsOpen() {
		t.Errorf("%d sessions, %d open", all, open)
	}
}

// TestRepeatedIIKeying: a copy of the IIKeying gets the same RIKeying and makes no second session
// (RFC 7016 §3.5.1.1.2), at the same shard or another, after the session opened or while its key
// agreement runs. Once the initiator has shown that it has the answer, nothing is kept to repeat it.
func TestRepeatedIIKeying(t *testing.T) {
	for _, delay := range []time.Duration{0, 300 * time.Millisecond} {
		for shards := 1; shards <= 3; shards++ {
			w := newEchoWorld(t, worldConfig{shards: shards})
			w.net.KeyDelay = delay
			l := tap(w.net)
			at := 0
			w.server.Pick = func(netip.AddrPort) int { return at }
			copies := func() {
				keying := l.chunks(rtmfp.ChunkIIKeying)[0]
				for at = range shards {
					for range 3 {
						w.net.Inject(keying.from, keying.to, keying.data)
					}
				}
				at = 0
			}
			s := w.dial()
			w.net.RunUntil(func() bool { return len(l.chunks(rtmfp.ChunkIIKeying)) > 0 }, time.Second)
			w.net.Run(2 * time.Millisecond) // it is there
			copies()
			if !w.net.RunUntil(s.IsOpen, 5*time.Second) {
				t.Fatal("did not open")
			}
			copies()
			w.net.Run(time.Second)
			copies()
			w.net.Run(time.Second)
			replies := l.chunks(rtmfp.ChunkRIKeying)
			if want := 6*shards + 1; len(replies) < want {
				t.Errorf("%d shards: %d RIKeyings, want %d", shards, len(replies), want)
			}
			w.exchange(s, "before")
			copies()
			w.net.Run(time.Second)
			if n := len(l.chunks(rtmfp.ChunkRIKeying)); n != len(replies) {
				t.Errorf("%d shards: %d RIKeyings of a session in use", shards, n-len(replies))
			}
			for _, p := range replies {
				if !bytes.Equal(p.pkt.Chunks[0].Payload, replies[0].pkt.Chunks[0].Payload) || p.pkt.SID != s.ID() {
					t.Errorf("%d shards: RIKeyings differ", shards)
				}
			}
			if open, all := numSessions(w.server, shards); open != 1 || all != 1 {
				t.Errorf("%d shards: %d sessions, %d open", shards, all, open)
			}
			if n := len(w.shards[0].sessions); n != 1 || len(w.shards[0].closed) != 0 {
				t.Errorf("%d shards: %d sessions opened, closed %v", shards, n, w.shards[0].closed)
			}
			w.exchange(s, "after")
			sound(t, w.server, shards)
		}
	}
}

// TestCopiesToTwoShardsAtOnce: copies of one IIKeying that reach two shards before either has begun.
func TestCopiesToTwoShardsAtOnce(t *testing.T) {
	w := newWorld(t, worldConfig{shards: 2})
	w.net.KeyDelay = 50 * time.Millisecond
	l := tap(w.net)
	a := stranger(4)
	k := keyingOf(t, testClient)
	k.SID, k.Cookie = 77, w.cookie(l, a)
	for i := range 2 {
		w.server.Pick = func(netip.AddrPort) int { return i }
		w.net.Inject(a, w.server.Addr(), rtmfp.ForgeStartup(w.net.Now(), 0, k.Chunk()))
	}
	w.net.Run(time.Second)
	if open, all := numSessions(w.server, 2); open != 1 || all != 1 {
		t.Errorf("%d sessions, %d open", all, open)
	}
	if n := len(l.chunks(rtmfp.ChunkRIKeying)); n != 1 {
		t.Errorf("%d RIKeyings", n)
	}
}

// restart replaces the client by another process at the same address, which has never heard of its sessions.
func (w *world) restart(id *rtmfp.Identity) {
	w.client.Remove()
	w.cli = new(recorder)
	w.client = w.net.AddNode(w.client.Addr().String(), rtmfp.Config{Identity: id}, func(s *simnet.Shard) simnet.Handler {
		w.cli.shard = s
		return w.cli
	})
}

// TestOverrideSameIdentity: a new IIKeying of the same certificate from the same address replaces the session
// (RFC 7016 §3.5.1.1.2, RFC 7425 §4.3.7).
func TestOverrideSameIdentity(t *testing.T) {
	for shards := 1; shards <= 2; shards++ {
		w := newEchoWorld(t, worldConfig{shards: shards})
		_, old := w.open()
		f := w.flow(old, rtmfp.FlowOptions{})
		w.restart(testClient)
		s := w.dial()
		if !w.net.RunUntil(s.IsOpen, 2*time.Second) {
			t.Fatal("did not open")
		}
		var r *recorder
		for _, x := range w.shards {
			if len(x.sessions) > 0 {
				r = x
			}
		}
		if len(r.closed) != 1 || !errors.Is(r.closed[0], rtmfp.ErrOverridden) || len(r.sendEnds) != 1 || old.IsOpen() {
			t.Errorf("old session: closed %v, flows %v", r.closed, r.sendEnds)
		}
		if _, err := f.Write(w.net.Now(), rtmfp.Message{}); !errors.Is(err, rtmfp.ErrClosed) {
			t.Errorf("write to the old session: %v", err)
		}
		if open, all := numSessions(w.server, shards); open != 1 || all != 1 {
			t.Errorf("%d sessions, %d open", all, open)
		}
		w.exchange(s, "the new one")
		ref, ok := w.server.Endpoint().Directory().Peer(testClient.PeerID())
		if ss := w.server.Shard(ref.Shard).Endpoint().Session(ref.Session); !ok || ss == nil || ss.FarID() != s.ID() {
			t.Error("the directory does not know the new session")
		}
		sound(t, w.server, shards)
	}
}

// TestOverrideOtherIdentity: another certificate at the address of an open session is ignored
// (RFC 7016 §3.5.1.1.2). The old session is pinged, so that the newcomer waits no longer than it takes to
// find it dead; also when the application turned keepalives off.
func TestOverrideOtherIdentity(t *testing.T) {
	for _, keepalive := range []bool{true, false} {
		w := newEchoWorld(t, worldConfig{})
		_, old := w.open()
		if !keepalive {
			old.SetKeepalive(0)
		}
		l := tap(w.net)
		client := w.client.Addr()
		w.restart(otherPeer)
		start := w.net.Now()
		s := w.dial()
		w.net.Run(time.Second / 2)
		if s.IsOpen() || !old.IsOpen() {
			t.Fatal("another identity replaced the session")
		}
		pings := l.only(func(p *wirePacket) bool { return !p.startup && p.to == client })
		if len(pings) != 1 {
			t.Errorf("keepalive %v: %d packets to the old session at once", keepalive, len(pings))
		}
		if !w.net.RunUntil(s.IsOpen, 95*time.Second) {
			t.Fatalf("keepalive %v: the newcomer never got in: %v", keepalive, w.cli.closed)
		}
		if d := w.net.Now().Sub(start); d > 45*time.Second {
			t.Errorf("keepalive %v: the newcomer waited %v", keepalive, d)
		}
		if len(w.srv.closed) != 1 || !errors.Is(w.srv.closed[0], rtmfp.ErrPeerGone) {
			t.Errorf("old session: %v", w.srv.closed)
		}
		w.exchange(s, "in the end")
	}
}

// TestOverrideAttemptLeavesLiveSession: while the old session answers pings, a stranger behind its address
// gets nothing and the session goes on.
func TestOverrideAttemptLeavesLiveSession(t *testing.T) {
	w := newEchoWorld(t, worldConfig{})
	s, ss := w.open()
	ss.SetKeepalive(0)
	l := tap(w.net)
	k := keyingOf(t, otherPeer)
	k.SID = 5
	for range 10 {
		k.Cookie = w.server.Endpoint().CookieFor(w.net.Now(), w.client.Addr())
		w.ask(l, w.client.Addr(), k.Chunk())
		w.net.Run(5 * time.Second)
	}
	if n := len(l.chunks(rtmfp.ChunkRIKeying)); n != 0 || !ss.IsOpen() {
		t.Errorf("%d RIKeyings, session open: %v", n, ss.IsOpen())
	}
	w.net.Run(50 * time.Second)
	w.exchange(s, "still here")
}

// TestLateIIKeyingOfFormerSession: a copy of an IIKeying that is older than the session of its address does
// not replace it, although it has the same certificate and a cookie that is still good.
func TestLateIIKeyingOfFormerSession(t *testing.T) {
	w := newEchoWorld(t, worldConfig{})
	l := tap(w.net)
	first, _ := w.open()
	late := l.chunks(rtmfp.ChunkIIKeying)[0]
	first.Close(w.net.Now())
	w.client.Wake()
	w.net.Run(time.Second)

	second, ss := w.open()
	for range 3 {
		w.net.Inject(late.from, late.to, late.data)
		w.net.Run(time.Second)
	}
	if len(w.srv.sessions) != 2 || !ss.IsOpen() || !second.IsOpen() {
		t.Errorf("%d sessions opened, %v", len(w.srv.sessions), w.srv.closed)
	}
	w.exchange(second, "not disturbed")
}

// TestReopenWhileLingering: the session that lingers after a Close is no obstacle for the next one from the
// same address, whoever it is (RFC 7016 §3.5.1.1.2 speaks of open sessions only).
func TestReopenWhileLingering(t *testing.T) {
	for _, id := range []*rtmfp.Identity{testClient, otherPeer} {
		for _, far := range []bool{false, true} {
			w := newEchoWorld(t, worldConfig{})
			cs, ss := w.open()
			if far {
				ss.Close(w.net.Now())
			} else {
				cs.Close(w.net.Now())
			}
			w.server.Wake()
			w.client.Wake()
			w.net.Run(2 * time.Second)
			w.restart(id)
			s := w.dial()
			if !w.net.RunUntil(s.IsOpen, 3*time.Second) {
				t.Fatalf("far %v: the lingering session is in the way", far)
			}
			w.exchange(s, "again")
			w.net.Run(100 * time.Second)
			if open, all := numSessions(w.server, 1); open != 1 || all != 1 {
				t.Errorf("%d sessions, %d open", all, open)
			}
			sound(t, w.server, 1)
		}
	}
}

// TestBorrowedCertificate: certificates are public, so a session alone proves nobody's identity. One that somebody
// opened in the name of a peer, without its private key, takes nothing from that peer: the directory goes on naming
// the real one, and it can still be dialled.
func TestBorrowedCertificate(t *testing.T) {
	w := newEchoWorld(t, worldConfig{})
	l := tap(w.net)
	_, ss := w.open()
	w.exchange(w.cli.sessions[0], "known")
	dir := w.server.Endpoint().Directory()
	borrow := func() {
		if !w.keyed(l, keyingOf(t, testClient), stranger(1)) {
			t.Fatal("no session")
		}
	}
	borrow()
	if ref, ok := dir.Peer(testClient.PeerID()); !ok || ref.Session != ss.ID() {
		t.Error("the directory names the session of a stranger")
	}
	w.client.Remove()
	ss.Abort(w.net.Now(), rtmfp.ErrClosed)
	if _, ok := dir.Peer(testClient.PeerID()); ok {
		t.Error("the directory names a session that proved nothing")
	}
	p := addPeer(w.net, "198.51.100.44:5", rtmfp.Config{Identity: testClient})
	s, err := w.server.Endpoint().Dial(w.net.Now(), rtmfp.DialConfig{
		EPD: rtmfp.EPDForPeer(testClient.PeerID()), Addrs: addrs("198.51.100.44:5"),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.server.Wake()
	if !w.net.RunUntil(s.IsOpen, 5*time.Second) {
		t.Errorf("the peer cannot be dialled: %v", w.srv.closed)
	}
	if p.open() == nil {
		t.Error("the peer has no session")
	}
	sound(t, w.server, 1)
}
