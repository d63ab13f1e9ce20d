package rtmfp_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// TestHelloLimiter: hellos are limited per IPv4 address or IPv6 /64, never for loopback.
func TestHelloLimiter(t *testing.T) {
	hello := rtmfp.MakeIHello(rtmfp.EPDForURI("/x"), []byte("tag"))
	for _, tt := range []struct {
		what string
		from func(i int) string
		want int // answers to 20 hellos at once: the burst is 5
	}{
		{"one IPv4 address, many ports", func(i int) string { return fmt.Sprintf("203.0.113.5:%d", 1000+i) }, 5},
		{"many IPv4 addresses", func(i int) string { return fmt.Sprintf("203.0.113.%d:1000", i) }, 20},
		{"one IPv6 /64", func(i int) string { return fmt.Sprintf("[2001:db8:0:1:%x::%x]:1000", i, i) }, 5},
		{"many IPv6 /64", func(i int) string { return fmt.Sprintf("[2001:db8:0:%x::1]:1000", i) }, 20},
		{"mapped and plain IPv4", func(i int) string {
			return []string{"203.0.113.6:1", "[::ffff:203.0.113.6]:1"}[i%2]
		}, 5},
		{"IPv4 loopback", func(i int) string { return fmt.Sprintf("127.0.0.1:%d", 1000+i) }, 20},
		{"IPv6 loopback", func(i int) string { return fmt.Sprintf("[::1]:%d", 1000+i) }, 20},
	} {
		w := newWorld(t, worldConfig{shards: 2, server: rtmfp.Config{Limiter: rtmfp.NewLimiter(2, 5, 1000)}})
		l := tap(w.net)
		answers := func(n int) (answers int) {
			for i := range n {
				answers += len(w.ask(l, simnet.Addr(tt.from(i)), hello))
			}
			return answers
		}
		if got := answers(20); got != tt.want {
			t.Errorf("%s: %d of 20 answered, want %d", tt.what, got, tt.want)
		}
		limited := uint64(0)
		for i := range 2 {
			limited += w.server.Shard(i).Endpoint().Counters().HellosLimited.Load()
		}
		if limited != uint64(20-tt.want) {
			t.Errorf("%s: %d counted as limited", tt.what, limited)
		}
		if tt.want == 5 {
			w.net.Run(time.Second)
			if got := answers(20); got != 2 {
				t.Errorf("%s: %d answers one second later", tt.what, got)
			}
			w.net.Run(time.Minute)
			if got := answers(20); got != 5 {
				t.Errorf("%s: %d answers one minute later", tt.what, got)
			}
		}
	}
}

// TestCookieChangeLimited: Cookie Changes answer who has no session as hellos do, so they count as hellos.
func TestCookieChangeLimited(t *testing.T) {
	w := newWorld(t, worldConfig{server: rtmfp.Config{Limiter: rtmfp.NewLimiter(1, 3, 1000)}})
	l := tap(w.net)
	k := keyingOf(t, testClient)
	k.SID, k.Cookie = 7, w.cookie(l, stranger(1))
	n := 0
	for range 20 {
		n += len(w.ask(l, simnet.Addr("203.0.113.77:99"), k.Chunk()))
	}
	if n != 3 {
		t.Errorf("%d cookie changes at once", n)
	}
}

// TestLimiterTableBounded: a flood from more addresses than the limiter remembers shares one allowance and leaves
// the known ones theirs.
func TestLimiterTableBounded(t *testing.T) {
	limiter := rtmfp.NewLimiter(2, 5, 100)
	w := newWorld(t, worldConfig{server: rtmfp.Config{Limiter: limiter}})
	l := tap(w.net)
	hello := rtmfp.MakeIHello(rtmfp.EPDForURI("/x"), []byte("tag"))
	known := simnet.Addr("198.51.100.200:1")
	if len(w.ask(l, known, hello)) != 1 {
		t.Fatal("first hello not answered")
	}
	answers := 0
	for i := range 20_000 {
		a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1000)
		answers += len(w.ask(l, a, hello))
		w.net.Run(50 * time.Microsecond)
	}
	if n := limiter.Sources(); n > 101 {
		t.Errorf("%d sources remembered", n)
	}
	if answers > 150 {
		t.Errorf("%d hellos of the flood answered", answers)
	}
	if len(w.ask(l, known, hello)) != 1 {
		t.Error("the known address suffers from the flood")
	}
	w.net.Run(10 * time.Second)
	if len(w.ask(l, simnet.Addr("10.200.0.1:1"), hello)) != 1 {
		t.Error("nothing is forgotten after the flood")
	}
	if n := limiter.Sources(); n > 3 {
		t.Errorf("%d sources remembered after the flood", n)
	}
}

// keyed sends the server an IIKeying of id with a fresh cookie from an address; it reports whether a session came
// of it.
func (w *world) keyed(l *wire, k rtmfp.IIKeying, from netip.AddrPort) bool {
	w.t.Helper()
	k.SID = 0xabcd
	k.Cookie = w.server.Endpoint().CookieFor(w.net.Now(), from)
	got := w.ask(l, from, k.Chunk())
	return len(got) == 1 && got[0].is(rtmfp.ChunkRIKeying)
}

func TestMaxSessions(t *testing.T) {
	w := newWorld(t, worldConfig{shards: 2, server: rtmfp.Config{MaxSessions: 3}})
	l := tap(w.net)
	k := keyingOf(t, otherPeer)
	for i := range 3 {
		if !w.keyed(l, k, stranger(i)) {
			t.Fatalf("session %d refused", i)
		}
	}
	if w.keyed(l, k, stranger(3)) {
		t.Error("a fourth session opened")
	}
	dropped := w.server.Shard(0).Endpoint().Counters().KeyingsDropped.Load() +
		w.server.Shard(1).Endpoint().Counters().KeyingsDropped.Load()
	if dropped != 1 {
		t.Errorf("%d keyings counted as dropped", dropped)
	}
	if !w.keyed(l, k, stranger(1)) {
		t.Error("a known address may not even replace its session")
	}
	// The strangers never answer a ping; then there is room for a client that kept trying.
	s := w.dial()
	if w.net.RunUntil(s.IsOpen, 10*time.Second) {
		t.Error("a session above the limit opened")
	}
	if !w.net.RunUntil(s.IsOpen, 80*time.Second) {
		t.Error("no room after the others were gone")
	}
	sound(t, w.server, 2)
}

// TestMaxSessionsDialling: the limit counts what the endpoint dials, too.
func TestMaxSessionsDialling(t *testing.T) {
	w := newWorld(t, worldConfig{client: rtmfp.Config{MaxSessions: 1}})
	w.open()
	p := addPeer(w.net, "192.0.2.2:1935", rtmfp.Config{Identity: must(rtmfp.NewServerIdentity(simnet.New(4).Reader(), "", 2))})
	s, err := w.client.Endpoint().Dial(w.net.Now(), rtmfp.DialConfig{
		EPD: rtmfp.EPDForURI("/x"), Addrs: addrs("192.0.2.2:1935"),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.client.Wake()
	w.net.Run(time.Second)
	if s.IsOpen() || len(w.cli.closed) != 1 || w.cli.closed[0] != rtmfp.ErrTooManySessions {
		t.Errorf("open: %v, closed %v", s.IsOpen(), w.cli.closed)
	}
	empty(t, p.node, 1)
	sound(t, w.client, 1)
}

func TestMaxSessionsPerSource(t *testing.T) {
	w := newWorld(t, worldConfig{server: rtmfp.Config{MaxSessionsPerSource: 2, MaxSessions: 100}})
	l := tap(w.net)
	k := keyingOf(t, otherPeer)
	for _, tt := range []struct {
		what string
		from func(i int) string
		want int
	}{
		{"IPv4 address", func(i int) string { return fmt.Sprintf("203.0.113.5:%d", 1000+i) }, 2},
		{"another IPv4 address", func(i int) string { return fmt.Sprintf("203.0.113.6:%d", 1000+i) }, 2},
		{"IPv6 /64", func(i int) string { return fmt.Sprintf("[2001:db8:0:1:%x::1]:1000", i) }, 2},
		{"IPv6 addresses", func(i int) string { return fmt.Sprintf("[2001:db8:0:1%x::1]:1000", i) }, 6},
		{"loopback", func(i int) string { return fmt.Sprintf("127.0.0.1:%d", 1000+i) }, 6},
		{"IPv6 loopback", func(i int) string { return fmt.Sprintf("[::1]:%d", 1000+i) }, 6},
	} {
		n := 0
		for i := range 6 {
			if w.keyed(l, k, simnet.Addr(tt.from(i))) {
				n++
			}
		}
		if n != tt.want {
			t.Errorf("%s: %d sessions, want %d", tt.what, n, tt.want)
		}
	}
}

// TestMaxHalfOpenPerSource: sessions of which nothing arrived under their keys count for themselves, and no more
// once something did.
func TestMaxHalfOpenPerSource(t *testing.T) {
	w := newEchoWorld(t, worldConfig{server: rtmfp.Config{MaxHalfOpenPerSource: 2}})
	l := tap(w.net)
	k := keyingOf(t, otherPeer)
	source := rtmfp.Address{AddrPort: w.client.Addr()}
	at := func(port int) netip.AddrPort { return netip.AddrPortFrom(source.Addr(), uint16(port)) }

	s, _ := w.open()
	w.exchange(s, "now it is whole")
	dir := w.server.Endpoint().Directory()
	if all, half := dir.HalfOpen(source); all != 1 || half != 0 {
		t.Errorf("%d sessions, %d half open", all, half)
	}
	n := 0
	for i := range 5 {
		if w.keyed(l, k, at(100+i)) {
			n++
		}
	}
	if all, half := dir.HalfOpen(source); n != 2 || all != 3 || half != 2 {
		t.Errorf("%d of 5 opened; %d sessions, %d half open", n, all, half)
	}
	for i := range 5 { // the limit is per source, and loopback has none
		if !w.keyed(l, k, simnet.Addr(fmt.Sprintf("127.0.0.1:%d", 100+i))) {
			t.Error("loopback is limited")
		}
	}
	if !w.keyed(l, k, simnet.Addr("203.0.113.1:1")) {
		t.Error("another source is limited")
	}
	w.flow(s, rtmfp.FlowOptions{}) // keeps s
	w.net.Run(100 * time.Second)
	if all, half := dir.HalfOpen(source); all != 1 || half != 0 {
		t.Errorf("in the end %d sessions, %d half open", all, half)
	}
	w.exchange(s, "still")
	sound(t, w.server, 1)
}

// TestMaxKeying: no more key agreements than MaxKeying run at a time; who is turned away gets in later.
func TestMaxKeying(t *testing.T) {
	w := newWorld(t, worldConfig{server: rtmfp.Config{MaxKeying: 3}})
	w.net.KeyDelay = 200 * time.Millisecond
	k := keyingOf(t, otherPeer)
	const n = 10
	for i := range n {
		k.SID, k.Cookie = uint32(i+1), w.server.Endpoint().CookieFor(w.net.Now(), stranger(i))
		w.net.Inject(stranger(i), w.server.Addr(), rtmfp.ForgeStartup(w.net.Now(), 0, k.Chunk()))
	}
	ep := w.server.Endpoint()
	if got := ep.Tables(); got.Keying != 3 || got.Claims != 3 || ep.Counters().KeyingsDropped.Load() != n-3 {
		t.Errorf("%d key agreements, %d claims, %d dropped", got.Keying, got.Claims, ep.Counters().KeyingsDropped.Load())
	}
	s := w.dial()
	if !w.net.RunUntil(s.IsOpen, 10*time.Second) {
		t.Error("did not open")
	}
	if got := ep.Tables(); got.Keying != 0 || got.Open != 4 {
		t.Errorf("%d key agreements, %d sessions", got.Keying, got.Open)
	}
}

// TestFailedKeyingLeavesNothing: keys that are not acceptable (RFC 7425 §4.6.2) cost a counter.
func TestFailedKeyingLeavesNothing(t *testing.T) {
	w := newWorld(t, worldConfig{})
	l := tap(w.net)
	good := keyingOf(t, testClient)
	for what, change := range map[string]func(k *rtmfp.IIKeying){
		"session id 0":         func(k *rtmfp.IIKeying) { k.SID = 0 },
		"no certificate":       func(k *rtmfp.IIKeying) { k.Certificate = nil },
		"certificate cut":      func(k *rtmfp.IIKeying) { k.Certificate = k.Certificate[:40] },
		"huge certificate":     func(k *rtmfp.IIKeying) { k.Certificate = make([]byte, 2049) },
		"public key zero":      func(k *rtmfp.IIKeying) { clear(k.Certificate[5:]) },
		"no component":         func(k *rtmfp.IIKeying) { k.SKIC = nil },
		"component cut":        func(k *rtmfp.IIKeying) { k.SKIC = k.SKIC[:10] },
		"huge component":       func(k *rtmfp.IIKeying) { k.SKIC = make([]byte, 2049) },
		"another group":        func(k *rtmfp.IIKeying) { k.SKIC[2] = 14 },
		"unknown group":        func(k *rtmfp.IIKeying) { k.SKIC[2] = 99 },
		"HMAC of two bytes":    func(k *rtmfp.IIKeying) { k.SKIC = append(k.SKIC[:69:69], 0x03, 0x1a, 0x07, 0x02) },
		"HMAC of thirty-three": func(k *rtmfp.IIKeying) { k.SKIC = append(k.SKIC[:69:69], 0x03, 0x1a, 0x07, 0x21) },
	} {
		k := good
		k.SID = 5
		k.Cookie = w.server.Endpoint().CookieFor(w.net.Now(), stranger(8))
		k.Certificate, k.SKIC = append([]byte(nil), k.Certificate...), append([]byte(nil), k.SKIC...)
		change(&k)
		before := w.server.Endpoint().Counters().KeyingsFailed.Load()
		if got := w.ask(l, stranger(8), k.Chunk()); len(got) != 0 {
			t.Errorf("%s: %d answers", what, len(got))
		}
		if w.server.Endpoint().Counters().KeyingsFailed.Load() != before+1 {
			t.Errorf("%s: not counted", what)
		}
		empty(t, w.server, 1)
	}
}
