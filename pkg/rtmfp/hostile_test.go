package rtmfp_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// hostile makes datagrams that no honest peer sends, out of nothing and out of what honest peers sent.
type hostile struct {
	rng      *rand.Rand
	now      func() rtmfp.Time
	captured []wirePacket
	ids      []uint32 // of live sessions
}

func (h *hostile) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(h.rng.Uint32())
	}
	return b
}

// address puts a session id on a datagram.
func address(b []byte, id uint32) []byte {
	for i := range 4 {
		b[i] = byte(id>>(24-8*i)) ^ b[4+i] ^ b[8+i]
	}
	return b
}

func (h *hostile) flip(b []byte, n int) []byte {
	for range n {
		if len(b) > 0 {
			b[h.rng.IntN(len(b))] ^= 1 << h.rng.IntN(8)
		}
	}
	return b
}

var startupChunks = []byte{
	rtmfp.ChunkIHello, rtmfp.ChunkRHello, rtmfp.ChunkRedirect, rtmfp.ChunkIIKeying, rtmfp.ChunkRIKeying,
	rtmfp.ChunkCookieChange, rtmfp.ChunkFIHello, rtmfp.ChunkPing, 0x7f, 0x00, 0xff, 0x55,
}

// datagram returns one of the kinds below and where it pretends to come from and goes to.
func (h *hostile) datagram(kind int) (b []byte, from, to netip.AddrPort) {
	p := h.captured[h.rng.IntN(len(h.captured))]
	from, to = p.from, p.to
	if h.rng.IntN(2) == 0 {
		from = stranger(h.rng.IntN(100_000))
	}
	b = append([]byte(nil), p.data...)
	id := h.ids[h.rng.IntN(len(h.ids))]
	switch kind {
	case 0: // noise
		b = h.bytes(h.rng.IntN(1500))
	case 1: // noise to a live session
		b = address(h.bytes(20+h.rng.IntN(1200)), id)
	case 2: // noise of the right length to a live session
		b = address(h.bytes(4+16*(1+h.rng.IntN(74))+16*h.rng.IntN(2)), id)
	case 3: // to a session that does not exist, perhaps on a shard that does not
		b = address(h.bytes(20+16*h.rng.IntN(70)), h.rng.Uint32())
	case 4: // bits flipped
		b = h.flip(b, 1+h.rng.IntN(8))
	case 5: // cut
		b = b[:h.rng.IntN(len(b))]
	case 6: // replayed
	case 7: // longer than it was
		b = append(b, h.bytes(1+h.rng.IntN(64))...)
	case 8: // two parts of different datagrams
		q := h.captured[h.rng.IntN(len(h.captured))].data
		b = append(b[:h.rng.IntN(len(b))], q[h.rng.IntN(len(q)):]...)
	case 9: // a startup packet with a good checksum and nonsense in it
		var list []rtmfp.Chunk
		for range 1 + h.rng.IntN(3) {
			list = append(list, rtmfp.Chunk{Type: startupChunks[h.rng.IntN(len(startupChunks))], Payload: h.bytes(h.rng.IntN(300))})
		}
		sid := uint32(0)
		if h.rng.IntN(3) == 0 {
			sid = id
		}
		b = rtmfp.ForgeStartup(h.now(), sid, list...)
	case 10: // a startup packet changed here and there, with a good checksum
		for !p.startup {
			p = h.captured[h.rng.IntN(len(h.captured))]
		}
		from, to = p.from, p.to
		if h.rng.IntN(2) == 0 {
			from = stranger(h.rng.IntN(100_000))
		}
		c := rtmfp.Chunk{Type: p.pkt.Chunks[0].Type, Payload: append([]byte(nil), p.pkt.Chunks[0].Payload...)}
		switch h.rng.IntN(3) {
		case 0:
			c.Payload = h.flip(c.Payload, 1+h.rng.IntN(5))
		case 1:
			c.Payload = c.Payload[:h.rng.IntN(len(c.Payload))]
		case 2:
			c.Payload = append(c.Payload, h.bytes(h.rng.IntN(3000))...)
		}
		b = rtmfp.ForgeStartup(h.now(), p.pkt.SID, c)
	}
	return b, from, to
}

const hostileKinds = 11

// liveClient is a client with a session on which a message goes each way in every round.
type liveClient struct {
	*peer
	s       *rtmfp.Session
	f       *rtmfp.SendFlow
	written int
	echoed  int
}

func (c *liveClient) write(t *testing.T, now rtmfp.Time) {
	if _, err := c.f.Write(now, rtmfp.Message{Body: rtmfp.CopyBuffer([]byte(numbered(c.written, 40+c.written%3*700)))}); err != nil {
		t.Fatalf("%v: %v", c.node.Addr(), err)
	}
	c.written++
	c.node.Wake()
}

// check counts the echoes that came since the last time; they come in order.
func (c *liveClient) check(t *testing.T) {
	for _, m := range c.all {
		if number(m) != c.echoed {
			t.Fatalf("%v: echo %d is number %d", c.node.Addr(), c.echoed, number(m))
		}
		c.echoed++
	}
	c.all, c.messages = nil, nil
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestHostileDatagrams: a hundred thousand malformed, truncated, bit-flipped and replayed datagrams, also to the ids
// of live sessions, change nothing but counters: the sessions exchange every message, memory stays flat, and a fresh
// client connects afterwards.
func TestHostileDatagrams(t *testing.T) {
	for shards := 1; shards <= 2; shards++ {
		t.Run(fmt.Sprintf("%d shards", shards), func(t *testing.T) { bombard(t, shards, uint64(40+shards)) })
	}
}

func bombard(t *testing.T, shards int, seed uint64) {
	w := newEchoWorld(t, worldConfig{seed: seed, shards: shards, server: rtmfp.Config{
		Security: rtmfp.Security{RequestHMAC: true, RequestSSEQ: true}, Rendezvous: true,
	}})
	for _, r := range w.shards { // answer without remembering
		echo := r.onMessage
		r.onMessage = func(now rtmfp.Time, f *rtmfp.RecvFlow, b []byte) {
			echo(now, f, b)
			r.all, r.messages = nil, nil
		}
		r.onHello = func(rtmfp.Time, *rtmfp.Hello) { r.hellos = nil }
	}
	h := &hostile{rng: w.net.Rand(), now: w.net.Now}
	if shards > 1 { // anything arrives anywhere
		w.server.Pick = func(netip.AddrPort) int { return h.rng.IntN(shards) }
	}
	l := tap(w.net)
	var live []*liveClient
	for i := range 4 {
		cfg := rtmfp.Config{Identity: must(rtmfp.NewClientIdentity(w.net.Reader(), 2))}
		if i%2 == 0 {
			cfg.Security = securities["secured"]
		}
		c := &liveClient{peer: addPeer(w.net, fmt.Sprintf("198.51.100.%d:5000", 10+i), cfg)}
		c.s = join(t, w.net, c.peer, w.server)
		var err error
		if c.f, err = c.s.Open(w.net.Now(), []byte("live"), rtmfp.FlowOptions{}); err != nil {
			t.Fatal(err)
		}
		live = append(live, c)
	}
	// One that dials an address where nobody is, all the time.
	dialler := addPeer(w.net, "198.51.100.20:5000", rtmfp.Config{Identity: testClient})
	ds := dialler.dial(t, rtmfp.DialConfig{EPD: rtmfp.EPDForURI("/x"), Addrs: addrs("192.0.2.250:1935"), Timeout: time.Hour})
	for range 20 {
		for _, c := range live {
			c.write(t, w.net.Now())
		}
		w.net.Run(20 * time.Millisecond)
	}
	h.captured = l.sent
	w.net.Filter = nil
	h.ids = append(h.ids, ds.ID())
	for _, c := range live {
		h.ids = append(h.ids, c.s.ID(), c.s.FarID())
	}

	var before uint64
	const total, perRound = 100_000, 50
	for i := range total / perRound {
		for k := range perRound {
			b, from, to := h.datagram((i*perRound + k) % hostileKinds)
			if h.rng.IntN(20) == 0 {
				to = dialler.node.Addr()
			}
			w.net.Inject(from, to, b)
		}
		for _, c := range live {
			c.write(t, w.net.Now())
		}
		w.net.Run(15 * time.Millisecond)
		for _, c := range live {
			c.check(t)
		}
		if i == total/perRound/10 {
			before = heapInUse()
		}
	}
	w.net.Run(5 * time.Second)
	if after := heapInUse(); after > before+1<<20 {
		t.Errorf("heap grew from %d to %d bytes", before, after)
	}
	for _, c := range live {
		c.check(t)
		if c.echoed != c.written || !c.s.IsOpen() || len(c.closed) != 0 || len(c.sessions) != 1 {
			t.Errorf("%v: %d of %d messages came back, closed %v", c.node.Addr(), c.echoed, c.written, c.closed)
		}
		sound(t, c.node, 1)
	}
	opened, sum := 0, make(map[string]uint64)
	for i, r := range w.shards {
		opened += len(r.sessions)
		if len(r.closed) != 0 {
			t.Errorf("server closed %v", r.closed)
		}
		n := w.server.Shard(i).Endpoint().Counters()
		sum["bad packets"] += n.BadPackets.Load()
		sum["bad integrity"] += n.BadIntegrity.Load()
		sum["replayed"] += n.Replayed.Load()
		sum["unknown session"] += n.UnknownSession.Load() + n.Forwarded.Load()
		sum["bad cookies"] += n.BadCookies.Load()
		sum["cookie changes"] += n.CookieChanges.Load()
		sum["keyings repeated"] += n.KeyingsRepeated.Load()
		sum["keyings dropped"] += n.KeyingsDropped.Load()
		sum["hellos"] += n.Hellos.Load()
	}
	if open, all := numSessions(w.server, shards); opened != len(live) || open != opened || all != open {
		t.Errorf("%d sessions opened; %d, %d open, in the end", opened, all, open)
	}
	for what, n := range sum { // else this tests less than it seems
		if n == 0 {
			t.Errorf("%s: none", what)
		}
	}
	if got := dialler.node.Endpoint().Tables(); got.Sessions != 1 || got.Openings != 1 || len(dialler.closed) != 0 {
		t.Errorf("the dialler: %+v, closed %v", got, dialler.closed)
	}
	sound(t, w.server, shards)
	fresh, _ := w.open()
	w.exchange(fresh, "after all that")
}

// TestHostileFlowChunks: packets of a peer that has the keys, with nonsense in every chunk, cost at worst its own
// session. Nothing panics, tables stay bounded and others are not disturbed.
func TestHostileFlowChunks(t *testing.T) {
	kinds := []byte{
		rtmfp.ChunkPing, rtmfp.ChunkPingReply, rtmfp.ChunkFIHello, rtmfp.ChunkUserData, 0x11, 0x18, 0x50, 0x51, 0x5e,
		0x00, 0x7f, 0xec, 0x4d, rtmfp.ChunkIHello, rtmfp.ChunkIIKeying,
	}
	for seed := range uint64(4) {
		w := newEchoWorld(t, worldConfig{seed: seed, server: rtmfp.Config{MaxFlows: 16, MaxBuffered: 1 << 20, MaxQueued: 1 << 20}})
		good := addPeer(w.net, "198.51.100.30:5000", rtmfp.Config{Identity: otherPeer})
		gs := join(t, w.net, good, w.server)
		gf, _ := gs.Open(w.net.Now(), []byte("good"), rtmfp.FlowOptions{})
		cs, ss := w.open()
		h := &hostile{rng: w.net.Rand()}
		for i := range 5000 {
			if !ss.IsOpen() {
				t.Fatalf("seed %d: closed after %d packets: %v", seed, i, w.srv.closed)
			}
			var list []rtmfp.Chunk
			for range 1 + h.rng.IntN(6) {
				payload := h.bytes(h.rng.IntN(120))
				if len(payload) > 4 && h.rng.IntN(2) == 0 { // small numbers are more often sensible
					for i := range payload[:4] {
						payload[i] &= 0x1f
					}
				}
				list = append(list, rtmfp.Chunk{Type: kinds[h.rng.IntN(len(kinds))], Payload: payload})
			}
			w.net.Inject(w.client.Addr(), w.server.Addr(), cs.Forge(w.net.Now(), rtmfp.ModeInitiator, list...))
			if i%100 == 0 {
				gf.Write(w.net.Now(), rtmfp.Message{Body: rtmfp.CopyBuffer([]byte(numbered(i/100, 100)))})
				good.node.Wake()
				w.net.Run(50 * time.Millisecond)
			}
		}
		w.net.Run(5 * time.Second)
		if len(good.all) != 50 || !gs.IsOpen() {
			t.Errorf("seed %d: the other client got %d of 50 echoes", seed, len(good.all))
		}
		sound(t, w.server, 1)
		ss.Abort(w.net.Now(), rtmfp.ErrClosed)
		p := addPeer(w.net, "198.51.100.31:1", rtmfp.Config{Identity: must(rtmfp.NewClientIdentity(simnet.New(seed+7).Reader(), 2))})
		join(t, w.net, p, w.server)
	}
}
