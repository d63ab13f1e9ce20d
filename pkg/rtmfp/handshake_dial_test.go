package rtmfp_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// backoff is when hellos and IIKeyings go out, in seconds: one second, then 1.5 more each time, for 95
// seconds (RFC 7016 §3.5.1.1.1).
var backoff = []float64{0, 1, 3.5, 7.5, 13, 20, 28.5, 38.5, 50, 63, 77.5, 93.5}

func TestDialTimeout(t *testing.T) {
	w := newWorld(t, worldConfig{})
	l := tap(w.net)
	w.server.Remove()
	start := w.net.Now()
	w.dial()
	w.net.Run(95*time.Second - 1)
	if len(w.cli.closed) != 0 {
		t.Error("gave up before 95 seconds")
	}
	w.net.Run(1)
	if len(w.cli.closed) != 1 || w.cli.closed[0] != rtmfp.ErrOpenTimeout {
		t.Errorf("after 95 seconds: %v", w.cli.closed)
	}
	if got := seconds(start, l.chunks(rtmfp.ChunkIHello)); !slices.Equal(got, backoff) {
		t.Errorf("hellos at %v, want %v", got, backoff)
	}
	empty(t, w.client, 1)
	w.net.Run(time.Hour)
	if len(l.sent) != len(backoff) || len(w.cli.closed) != 1 {
		t.Errorf("%d packets and %d events in the end", len(l.sent), len(w.cli.closed))
	}
}

// TestKeyingTimeout: the IIKeying has the same schedule from the responder hello on, and the limit counts from
// the beginning (RFC 7016 §3.5.1.1.1).
func TestKeyingTimeout(t *testing.T) {
	w := newWorld(t, worldConfig{})
	l := tap(w.net)
	l.pass = func(p *wirePacket) bool { return !p.is(rtmfp.ChunkIIKeying) }
	start := w.net.Now()
	s := w.dial()
	if !w.net.RunUntil(func() bool { return len(l.chunks(rtmfp.ChunkIIKeying)) > 0 }, time.Second) {
		t.Fatal("no IIKeying")
	}
	keying := w.net.Now()
	w.net.Run(start.Add(95 * time.Second).Sub(w.net.Now()))
	if got := seconds(keying, l.chunks(rtmfp.ChunkIIKeying)); !slices.Equal(got, backoff) {
		t.Errorf("IIKeyings at %v, want %v", got, backoff)
	}
	first := l.chunks(rtmfp.ChunkIIKeying)[0].pkt.Chunks[0].Payload
	for _, p := range l.chunks(rtmfp.ChunkIIKeying) {
		if !bytes.Equal(p.pkt.Chunks[0].Payload, first) {
			t.Error("repeated IIKeyings differ")
		}
	}
	if n := len(l.chunks(rtmfp.ChunkIHello)); n != 1 {
		t.Errorf("%d hellos", n)
	}
	if len(w.cli.closed) != 1 || w.cli.closed[0] != rtmfp.ErrOpenTimeout || s.IsOpen() {
		t.Errorf("after 95 seconds: %v", w.cli.closed)
	}
	empty(t, w.client, 1)
	empty(t, w.server, 1)
}

func TestDialOwnTimeoutAndClose(t *testing.T) {
	w := newWorld(t, worldConfig{})
	w.server.Remove()
	d := rtmfp.DialConfig{EPD: rtmfp.EPDForURI("/x"), Addrs: addrs("192.0.2.1:1935"), Timeout: 2 * time.Second, User: 42}
	ep := w.client.Endpoint()
	s, err := ep.Dial(w.net.Now(), d)
	if err != nil || s.User != 42 || !s.Initiator() {
		t.Fatalf("%v, %v", s, err)
	}
	w.client.Wake()
	w.net.Run(2 * time.Second)
	if len(w.cli.closed) != 1 || w.cli.closed[0] != rtmfp.ErrOpenTimeout {
		t.Errorf("after two seconds: %v", w.cli.closed)
	}
	for _, end := range []func(*rtmfp.Session){
		func(s *rtmfp.Session) { s.Close(w.net.Now()) },
		func(s *rtmfp.Session) { s.Abort(w.net.Now(), rtmfp.ErrClosed) },
	} {
		w.cli.closed = nil
		if s, err = ep.Dial(w.net.Now(), d); err != nil {
			t.Fatal(err)
		}
		end(s)
		w.client.Wake()
		w.net.Run(time.Second)
		if len(w.cli.closed) != 1 || w.cli.closed[0] != rtmfp.ErrClosed {
			t.Errorf("closed while dialling: %v", w.cli.closed)
		}
		empty(t, w.client, 1)
	}
}

func TestDialRefusesNonsense(t *testing.T) {
	n := simnet.New(1)
	ep := n.AddNode("198.51.100.7:50000", rtmfp.Config{Identity: testClient}, nil).Endpoint()
	nobody := n.AddNode("198.51.100.8:50000", rtmfp.Config{}, nil).Endpoint()
	good := addrs("192.0.2.1:1935")
	for _, tt := range []struct {
		what string
		ep   *rtmfp.Endpoint
		d    rtmfp.DialConfig
	}{
		{"no address", ep, rtmfp.DialConfig{EPD: rtmfp.EPDForURI("/x")}},
		{"no usable address", ep, rtmfp.DialConfig{EPD: rtmfp.EPDForURI("/x"), Addrs: addrs("192.0.2.1:0")}},
		{"malformed discriminator", ep, rtmfp.DialConfig{EPD: []byte{5, 1}, Addrs: good}},
		{"no identity", nobody, rtmfp.DialConfig{EPD: rtmfp.EPDForURI("/x"), Addrs: good}},
	} {
		if s, err := tt.ep.Dial(n.Now(), tt.d); err == nil || s != nil {
			t.Errorf("%s: %v", tt.what, err)
		}
		if got := tt.ep.Tables(); got != (rtmfp.Tables{}) {
			t.Errorf("%s: %+v", tt.what, got)
		}
	}
}

// TestPacketToUnopenedSession: the id of a session that still says hello is not known to anybody; whoever hits
// it by chance changes nothing.
func TestPacketToUnopenedSession(t *testing.T) {
	w := newEchoWorld(t, worldConfig{})
	l := tap(w.net)
	l.pass = func(p *wirePacket) bool { return !p.is(rtmfp.ChunkRHello) }
	s := w.dial()
	w.net.Run(100 * time.Millisecond)
	c := w.client.Endpoint().Counters()
	for i := range 100 {
		_, skrc, _ := rtmfp.ParseRIKeying(rtmfp.MakeRIKeying(1, bytes.Repeat([]byte{byte(i)}, i)).Payload)
		w.net.Inject(w.server.Addr(), w.client.Addr(), rtmfp.ForgeStartup(w.net.Now(), s.ID(), rtmfp.MakeRIKeying(9, skrc)))
		b := make([]byte, 20+16*i)
		copy(b, rtmfp.ForgeStartup(w.net.Now(), s.ID(), rtmfp.Chunk{Type: rtmfp.ChunkPing})[:20])
		w.net.Inject(w.server.Addr(), w.client.Addr(), b)
	}
	if n := c.UnknownSession.Load(); n != 200 {
		t.Errorf("%d packets to an unknown session", n)
	}
	l.pass = nil
	if !w.net.RunUntil(s.IsOpen, 10*time.Second) {
		t.Fatal("did not open")
	}
	w.exchange(s, "unharmed")
}

// TestEarlyPackets: packets under session keys that overtake the RIKeying are kept, up to 18, and delivered
// when the session opens.
func TestEarlyPackets(t *testing.T) {
	for _, n := range []int{1, 10, 40} {
		w := newWorld(t, worldConfig{link: simnet.Link{Delay: 10 * time.Millisecond}})
		l := tap(w.net)
		held := 0
		l.pass = func(p *wirePacket) bool {
			if p.is(rtmfp.ChunkRIKeying) {
				if held++; held == 1 {
					return l.hold(p, 500*time.Millisecond)
				}
			}
			return true
		}
		w.srv.onOpen = func(now rtmfp.Time, s *rtmfp.Session) {
			f, _ := s.Open(now, []byte("early"), rtmfp.FlowOptions{})
			for i := range n {
				f.Write(now, rtmfp.Message{Body: rtmfp.CopyBuffer([]byte(numbered(i, 1000)))})
			}
		}
		w.dial()
		var atOnce int
		w.cli.onOpen = func(now rtmfp.Time, _ *rtmfp.Session) {
			w.net.After(0, func() { atOnce = len(w.cli.all) })
		}
		w.net.RunUntil(func() bool { return len(w.cli.all) == n }, time.Minute)
		if len(w.cli.all) != n {
			t.Fatalf("%d of %d messages arrived", len(w.cli.all), n)
		}
		for i, m := range w.cli.all {
			if number(m) != i {
				t.Errorf("message %d is number %d", i, number(m))
			}
		}
		w.net.Run(time.Second)
		if atOnce == 0 {
			t.Errorf("%d messages: none was there when the session opened", n)
		}
		if len(w.srv.sessions) != 1 || len(w.cli.sessions) != 1 {
			t.Errorf("%d and %d sessions", len(w.srv.sessions), len(w.cli.sessions))
		}
	}
}

// TestEarlyPacketsBounded: however much arrives before the RIKeying, no more than 18 packets are kept, and only
// from the responder.
func TestEarlyPacketsBounded(t *testing.T) {
	w := newEchoWorld(t, worldConfig{})
	l := tap(w.net)
	l.pass = func(p *wirePacket) bool { return !p.is(rtmfp.ChunkIIKeying) }
	s := w.dial()
	w.net.Run(100 * time.Millisecond)
	junk := func(i int) []byte {
		b := make([]byte, 4+1184)
		for k := range b {
			b[k] = byte(w.net.Rand().Uint32())
		}
		// The id of the session, scrambled as always.
		for k := range 4 {
			b[k] = byte(s.ID()>>(24-8*k)) ^ b[4+k] ^ b[8+k]
		}
		return b
	}
	for i := range 5000 {
		from := w.server.Addr()
		if i%2 == 0 {
			from = stranger(i)
		}
		w.net.Inject(from, w.client.Addr(), junk(i))
	}
	if n := s.NumEarly(); n != 18 {
		t.Errorf("%d early packets kept", n)
	}
	l.pass = nil
	if !w.net.RunUntil(s.IsOpen, 10*time.Second) {
		t.Fatal("did not open")
	}
	w.exchange(s, "after the junk")
}

// TestForgedRIKeying: an RIKeying that does not fit, or is not from the responder, does not end the attempt
// (RFC 7016 §3.5.1.1.1).
func TestForgedRIKeying(t *testing.T) {
	group2 := func(key []byte) []byte { // an option with a public key of group 2
		n := len(key) + 2
		return append([]byte{0x80 | byte(n>>7), byte(n & 0x7f), 0x0d, 0x02}, key...)
	}
	forgeries := map[string][]byte{
		"empty":              nil,
		"no key":             {0x03, 0x1a, 0x00, 0x00, 0x02, 0x1e, 0x00},
		"malformed":          {0x7f, 0x0d},
		"group unknown":      {0x05, 0x0d, 0x05, 1, 2, 3},
		"key zero":           group2(make([]byte, 128)),
		"key one":            group2(append(make([]byte, 127), 1)),
		"key all ones":       group2(bytes.Repeat([]byte{0xff}, 128)),
		"key short":          group2([]byte{1, 2, 3}),
		"key long":           group2(bytes.Repeat([]byte{0x5a}, 129)),
		"HMAC of 3 bytes":    append([]byte{0x03, 0x1a, 0x07, 0x03}, group2(bytes.Repeat([]byte{0x5a}, 128))...),
		"HMAC of 33 bytes":   append([]byte{0x03, 0x1a, 0x07, 0x21}, group2(bytes.Repeat([]byte{0x5a}, 128))...),
		"component too long": bytes.Repeat([]byte{0x02, 0x0e, 0x00}, 800),
	}
	for name, skrc := range forgeries {
		for _, delay := range []time.Duration{0, 20 * time.Millisecond} {
			w := newEchoWorld(t, worldConfig{})
			w.net.KeyDelay = delay
			l := tap(w.net)
			l.pass = func(p *wirePacket) bool {
				if p.is(rtmfp.ChunkIIKeying) {
					k, _ := rtmfp.ParseIIKeying(p.pkt.Chunks[0].Payload)
					forged := rtmfp.ForgeStartup(w.net.Now(), k.SID, rtmfp.MakeRIKeying(0x99, skrc))
					w.net.After(0, func() {
						w.net.Inject(w.server.Addr(), w.client.Addr(), forged)
						w.net.Inject(stranger(1), w.client.Addr(), forged)
					})
				}
				return true
			}
			s := w.dial()
			if !w.net.RunUntil(s.IsOpen, 10*time.Second) {
				t.Fatalf("%s: did not open", name)
			}
			w.exchange(s, "genuine")
			if n := w.client.Endpoint().Counters().KeyingsFailed.Load(); n == 0 && name != "component too long" {
				t.Errorf("%s: no failed keying counted", name)
			}
			if len(w.cli.closed) != 0 || len(w.cli.sessions) != 1 {
				t.Errorf("%s: %d sessions, closed %v", name, len(w.cli.sessions), w.cli.closed)
			}
		}
	}
}

// TestGroups: the initiator takes its first key agreement group that the responder can do (RFC 7425 §4.2), and
// tries its identities in order.
func TestGroups(t *testing.T) {
	client := func(groups ...uint64) *rtmfp.Identity {
		return must(rtmfp.NewClientIdentity(simnet.New(11).Reader(), groups...))
	}
	c2, c14, c16, c14and2 := client(2), client(14), client(16), client(14, 2)
	for _, tt := range []struct {
		server []uint64
		client []*rtmfp.Identity
		used   int // index into client, -1 = none
	}{
		{[]uint64{2}, []*rtmfp.Identity{c2}, 0},
		{[]uint64{14}, []*rtmfp.Identity{c14}, 0},
		{[]uint64{16}, []*rtmfp.Identity{c16}, 0},
		{nil, []*rtmfp.Identity{c16}, 0},
		{nil, []*rtmfp.Identity{c2}, 0},
		{[]uint64{2}, []*rtmfp.Identity{c14and2}, 0},
		{[]uint64{2}, []*rtmfp.Identity{c16, c14, c2}, 2},
		{[]uint64{14, 2}, []*rtmfp.Identity{c16, c14, c2}, 1},
		{[]uint64{14}, []*rtmfp.Identity{c2}, -1},
		{[]uint64{2}, []*rtmfp.Identity{c16, c14}, -1},
	} {
		id := must(rtmfp.NewServerIdentity(simnet.New(12).Reader(), "", tt.server...))
		w := newEchoWorld(t, worldConfig{server: rtmfp.Config{Identity: id}})
		s, err := w.client.Endpoint().Dial(w.net.Now(), rtmfp.DialConfig{
			EPD: rtmfp.EPDForURI("/x"), Addrs: addrs(w.server.Addr().String()), Identities: tt.client,
		})
		if err != nil {
			t.Fatal(err)
		}
		w.client.Wake()
		what := fmt.Sprintf("server groups %v, %d client identities", tt.server, len(tt.client))
		if tt.used < 0 {
			w.net.Run(95 * time.Second)
			if len(w.cli.closed) != 1 || !errors.Is(w.cli.closed[0], rtmfp.ErrNoCommonGroup) {
				t.Errorf("%s: %v", what, w.cli.closed)
			}
			empty(t, w.server, 1)
			continue
		}
		if !w.net.RunUntil(s.IsOpen, 5*time.Second) {
			t.Errorf("%s: did not open", what)
			continue
		}
		if ss := w.srv.sessions[0]; ss.PeerID() != tt.client[tt.used].PeerID() || s.NearID() != ss.PeerID() ||
			s.PeerID() != id.PeerID() || ss.NearID() != id.PeerID() {
			t.Errorf("%s: peer ids do not agree", what)
		}
		sn, sf := w.srv.sessions[0].Nonces()
		if cn, cf := s.Nonces(); cn != sf || cf != sn || cn == cf {
			t.Errorf("%s: nonces do not agree (RFC 7425 §4.6.5)", what)
		}
		w.exchange(s, "agreed")
	}
}

// TestEphemeralInitiator: an endpoint whose identity has no key of its own dials as well; making one is work
// for others than the endpoint's goroutine.
func TestEphemeralInitiator(t *testing.T) {
	for _, delay := range []time.Duration{0, 200 * time.Millisecond} {
		id := must(rtmfp.NewServerIdentity(simnet.New(14).Reader(), "", 14, 2))
		w := newEchoWorld(t, worldConfig{client: rtmfp.Config{Identity: id}})
		w.net.KeyDelay = delay
		l := tap(w.net)
		start := w.net.Now()
		s := w.dial()
		if !w.net.RunUntil(s.IsOpen, 5*time.Second) {
			t.Fatal("did not open")
		}
		if at := seconds(start, l.chunks(rtmfp.ChunkIIKeying)); at[0] < delay.Seconds() {
			t.Errorf("the IIKeying went out after %v s although its key takes %v", at[0], delay)
		}
		if n := len(l.chunks(rtmfp.ChunkIHello)); n != 1 {
			t.Errorf("%d hellos", n)
		}
		w.exchange(s, "ephemeral")
	}
	// Closed while the key is being made.
	id := must(rtmfp.NewServerIdentity(simnet.New(14).Reader(), "", 2))
	w := newWorld(t, worldConfig{client: rtmfp.Config{Identity: id}})
	w.net.KeyDelay = time.Second
	s := w.dial()
	w.net.Run(500 * time.Millisecond)
	s.Close(w.net.Now())
	w.net.Run(5 * time.Second)
	if len(w.cli.closed) != 1 {
		t.Errorf("closed %v", w.cli.closed)
	}
	empty(t, w.client, 1)
	empty(t, w.server, 1)
}

// TestSecurityCombinations: what both ends want of HMACs and session sequence numbers, and what each direction
// gets (RFC 7425 §4.6.4). Either feature is negotiated for itself.
func TestSecurityCombinations(t *testing.T) {
	const none, request, require = 0, 1, 2
	// The responder asks only who asked or promised first, because old initiators take no other answer.
	expect := func(client, server int) (toServer, toClient bool) {
		switch {
		case client == require, server == require, client == request && server == request:
			return true, true
		case client == request: // it is given, but not asked for
			return false, true
		}
		return false, false
	}
	security := func(hmac, sseq, length int) rtmfp.Security {
		return rtmfp.Security{
			RequestHMAC: hmac == request, RequireHMAC: hmac == require,
			RequestSSEQ: sseq == request, RequireSSEQ: sseq == require, HMACLength: length,
		}
	}
	for ch := range 3 {
		for sh := range 3 {
			for cs := range 3 {
				for ss := range 3 {
					c := worldConfig{}
					c.client.Security, c.server.Security = security(ch, cs, 4), security(sh, ss, 32)
					w := newEchoWorld(t, c)
					client, server := w.open()
					what := fmt.Sprintf("HMAC %d/%d, sequence numbers %d/%d", ch, sh, cs, ss)
					cSend, cRecv, cSendSeq, cRecvSeq := client.Protection()
					sSend, sRecv, sSendSeq, sRecvSeq := server.Protection()
					if cSend != sRecv || cRecv != sSend || cSendSeq != sRecvSeq || cRecvSeq != sSendSeq {
						t.Fatalf("%s: the ends disagree", what)
					}
					up, down := expect(ch, sh)
					if (cSend == 4) != up || (sSend == 32) != down || (cSend == 0) == up || (sSend == 0) == down {
						t.Errorf("%s: HMACs of %d and %d bytes", what, cSend, sSend)
					}
					upSeq, downSeq := expect(cs, ss)
					if cSendSeq != upSeq || sSendSeq != downSeq {
						t.Errorf("%s: sequence numbers %v and %v", what, cSendSeq, sSendSeq)
					}
					all := up && down && upSeq && downSeq
					if client.Secured() != all || server.Secured() != all {
						t.Errorf("%s: secured %v and %v, want %v", what, client.Secured(), server.Secured(), all)
					}
					w.exchange(client, what)
				}
			}
		}
	}
}

// TestSecurityRefused: who requires what an old client cannot do does not answer it.
func TestSecurityRefused(t *testing.T) {
	for _, tt := range []struct {
		what   string
		sec    rtmfp.Security
		answer bool
	}{
		{"nothing", rtmfp.Security{}, true},
		{"request", rtmfp.Security{RequestHMAC: true, RequestSSEQ: true}, true},
		{"require HMAC", rtmfp.Security{RequireHMAC: true}, false},
		{"require sequence numbers", rtmfp.Security{RequireSSEQ: true}, false},
	} {
		w := newWorld(t, worldConfig{server: rtmfp.Config{Security: tt.sec}})
		l := tap(w.net)
		k := keyingOf(t, testClient)
		k.SID, k.Cookie = 7, w.cookie(l, stranger(1))
		k.SKIC = append([]byte{0x02, 0x1d, 0x02, 0x41, 0x0e}, make([]byte, 64)...) // options 1a and 1e are missing
		got := w.ask(l, stranger(1), k.Chunk())
		if (len(got) == 1) != tt.answer {
			t.Errorf("%s: %d answers", tt.what, len(got))
		}
		if !tt.answer {
			empty(t, w.server, 1)
			if w.server.Endpoint().Counters().KeyingsFailed.Load() != 1 {
				t.Errorf("%s: not counted", tt.what)
			}
			continue
		}
		_, skrc, ok := rtmfp.ParseRIKeying(got[0].pkt.Chunks[0].Payload)
		if !ok || !bytes.HasPrefix(skrc, []byte{0x03, 0x1a, 0x00, 0x00, 0x02, 0x1e, 0x00, 0x81, 0x02, 0x0d, 0x02}) {
			t.Errorf("%s: answered with % x", tt.what, skrc[:16])
		}
	}
}
