package rtmfp_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// stream writes a numbered message on a flow every interval, like media, until stop is called.
type stream struct {
	f    *rtmfp.SendFlow
	sent int
	off  bool
}

func (w *world) stream(s *rtmfp.Session, node *simnet.Node, interval time.Duration) *stream {
	w.t.Helper()
	x := &stream{f: w.flow(s, rtmfp.FlowOptions{Priority: rtmfp.PriorityVideo})}
	var tick func()
	tick = func() {
		if x.off {
			return
		}
		x.f.Write(w.net.Now(), rtmfp.Message{Body: rtmfp.CopyBuffer([]byte(numbered(x.sent, 300)))})
		x.sent++
		node.Wake()
		w.net.After(interval, tick)
	}
	tick()
	return x
}

// arrived waits until r got every message of the stream, in order.
func (x *stream) arrived(w *world, r *recorder) {
	w.t.Helper()
	x.off = true
	if !w.net.RunUntil(func() bool { return len(r.all) >= x.sent }, time.Minute) {
		w.t.Errorf("%d of %d messages arrived", len(r.all), x.sent)
	}
	for i, m := range r.all {
		if number(m) != i {
			w.t.Fatalf("message %d is number %d", i, number(m))
		}
	}
}

// oldClient makes the client answer pings with nothing in them, whatever they contain, as deployed clients do.
func (w *world) oldClient(cs, ss *rtmfp.Session) func(p *wirePacket) bool {
	return func(p *wirePacket) bool {
		if p.to != w.server.Addr() {
			return true
		}
		pkt, ok := ss.TakeApart(p.data)
		if !ok || !pkt.Has(rtmfp.ChunkPingReply) {
			return true
		}
		for i := range pkt.Chunks {
			if pkt.Chunks[i].Type == rtmfp.ChunkPingReply {
				pkt.Chunks[i].Payload = nil
			}
		}
		for pad := 0; ; pad++ { // of the same length, since the filter cannot make it shorter
			d := cs.Forge(p.at, rtmfp.ModeInitiator, append(slices.Clone(pkt.Chunks), rtmfp.Chunk{Payload: make([]byte, pad)})...)
			if len(d) >= len(p.data) {
				return copy(p.data, d) == len(d)
			}
		}
	}
}

// knownAt checks that the server has the session at an address, in all its tables.
func (w *world) knownAt(ss *rtmfp.Session, a netip.AddrPort) {
	w.t.Helper()
	ref, ok := w.server.Endpoint().Directory().Peer(ss.PeerID())
	if ss.Addr() != a || !ok || ref.Addr != a || ref.Session != ss.ID() {
		w.t.Errorf("session at %v, directory says %v, want %v", ss.Addr(), ref.Addr, a)
	}
	if n, _ := w.server.Endpoint().Directory().Sizes(); n != 1 {
		w.t.Errorf("%d addresses claimed", n)
	}
	sound(w.t, w.server, len(w.shards))
}

// TestRebindWithDataFlowing: a NAT gives the client another address while data flows both ways. The server moves
// after its ping came back (RFC 7016 §3.5.4.2), and nothing is lost; also when the new address leads to another
// shard's socket, which passes everything on.
func TestRebindWithDataFlowing(t *testing.T) {
	for name, sec := range securities {
		for shards := 1; shards <= 3; shards++ {
			for _, old := range []bool{false, true} {
				if old && name == "secured" {
					continue
				}
				t.Run(fmt.Sprintf("%s/%d shards/old client %v", name, shards, old), func(t *testing.T) {
					c := worldConfig{shards: shards, link: simnet.Link{Delay: 15 * time.Millisecond, Jitter: 5 * time.Millisecond}}
					c.client.Security, c.server.Security = sec, sec
					w := newWorld(t, c)
					at := 0
					w.server.Pick = func(netip.AddrPort) int { return at }
					cs, ss := w.open()
					if old {
						tap(w.net).pass = w.oldClient(cs, ss)
					}
					up, down := w.stream(cs, w.client, 10*time.Millisecond), w.stream(ss, w.server, 10*time.Millisecond)
					w.net.Run(2 * time.Second)
					for i := range 4 {
						next := simnet.Addr(fmt.Sprintf("198.51.100.7:%d", 60000+i))
						if i == 3 {
							next = simnet.Addr("198.51.100.7:50000") // and back
						}
						at = (at + 1) % shards
						w.client.Rebind(next.String())
						w.srv.moved = 0
						w.net.Run(3 * time.Second)
						w.knownAt(ss, next)
						if w.srv.moved != 1 {
							t.Errorf("move %d: %d events", i, w.srv.moved)
						}
						if down.f.Queued() > 50_000 {
							t.Errorf("move %d: %d bytes wait for the client", i, down.f.Queued())
						}
					}
					up.arrived(w, w.srv)
					down.arrived(w, w.cli)
					w.net.Run(time.Second)
					if n := ss.Stats(); n.BytesOutstanding != 0 || len(w.srv.closed)+len(w.cli.closed) != 0 {
						t.Errorf("closed %v, %v", w.srv.closed, w.cli.closed)
					}
					if shards > 1 && w.server.Shard(1).Endpoint().Counters().Forwarded.Load() == 0 {
						t.Error("nothing was forwarded")
					}
					if open, all := numSessions(w.server, shards); open != 1 || all != 1 {
						t.Errorf("%d sessions, %d open", all, open)
					}
				})
			}
		}
	}
}

// TestRebindStrict: a server that insists on echoed pings does not follow an old client, nor does it lose the session
// to it: it goes on where it was.
func TestRebindStrict(t *testing.T) {
	w := newWorld(t, worldConfig{server: rtmfp.Config{StrictMobility: true}})
	cs, ss := w.open()
	tap(w.net).pass = w.oldClient(cs, ss)
	was := w.client.Addr()
	w.stream(cs, w.client, 100*time.Millisecond)
	w.net.Run(time.Second)
	w.client.Rebind("198.51.100.7:60000")
	w.net.Run(5 * time.Second)
	w.knownAt(ss, was)
	w.client.Rebind(was.String())
	w.net.Run(time.Second)
	w.knownAt(ss, was)
	if !cs.IsOpen() || !ss.IsOpen() || w.srv.moved != 0 {
		t.Errorf("open %v and %v, %d moves", cs.IsOpen(), ss.IsOpen(), w.srv.moved)
	}
}

// TestRebindOfSilentClient: a client that only receives is found again by its keepalive.
func TestRebindOfSilentClient(t *testing.T) {
	w := newWorld(t, worldConfig{})
	_, ss := w.open()
	x := w.stream(ss, w.server, 50*time.Millisecond)
	w.net.Run(2 * time.Second)
	w.client.Rebind("198.51.100.7:60000")
	w.net.Run(25 * time.Second)
	w.knownAt(ss, w.client.Addr())
	x.arrived(w, w.cli)
}

// TestServerMoves: the initiator follows the responder in the same way.
func TestServerMoves(t *testing.T) {
	w := newWorld(t, worldConfig{})
	cs, ss := w.open()
	x := w.stream(ss, w.server, 50*time.Millisecond)
	w.net.Run(time.Second)
	w.server.Rebind("192.0.2.77:1935")
	w.net.Run(5 * time.Second)
	if cs.Addr() != w.server.Addr() || w.cli.moved != 1 {
		t.Errorf("session with %v, %d moves", cs.Addr(), w.cli.moved)
	}
	x.arrived(w, w.cli)
	sound(t, w.client, 1)
}

// TestSpoofedSourceDoesNotMove: valid packets from other addresses only make the server ask there, once per second;
// without the right answer from there the session stays (RFC 7016 §3.5.4.2).
func TestSpoofedSourceDoesNotMove(t *testing.T) {
	for name, sec := range securities {
		c := worldConfig{}
		c.client.Security, c.server.Security = sec, sec
		w := newEchoWorld(t, c)
		cs, ss := w.open()
		w.flow(cs, rtmfp.FlowOptions{})
		l := tap(w.net)
		attacker, other := stranger(1), stranger(2)
		ping := rtmfp.Chunk{Type: rtmfp.ChunkPing, Payload: []byte("?")}
		for range 100 {
			w.net.Inject(attacker, w.server.Addr(), cs.Forge(w.net.Now(), rtmfp.ModeInitiator, ping))
			w.net.Run(50 * time.Millisecond)
		}
		probes := l.to(attacker)
		if n := len(probes); n < 4 || n > 6 {
			t.Errorf("%s: %d probes in five seconds", name, n)
		}
		var replies []rtmfp.Chunk
		for _, p := range probes {
			pkt, ok := cs.TakeApart(p.data)
			if !ok || len(pkt.Chunks) != 1 || pkt.Chunks[0].Type != rtmfp.ChunkPing || len(pkt.Chunks[0].Payload) < 25 {
				t.Fatalf("%s: %+v is not a probe", name, pkt)
			}
			replies = append(replies, rtmfp.Chunk{Type: rtmfp.ChunkPingReply, Payload: pkt.Chunks[0].Payload})
		}
		good := replies[len(replies)-1]
		changed := rtmfp.Chunk{Type: rtmfp.ChunkPingReply, Payload: slices.Clone(good.Payload)}
		send := func(from netip.AddrPort, c rtmfp.Chunk) {
			w.net.Inject(from, w.server.Addr(), cs.Forge(w.net.Now(), rtmfp.ModeInitiator, c))
			w.net.Run(time.Millisecond)
		}
		send(other, good)                                          // from another address than asked
		send(w.client.Addr(), good)                                // from the old one
		send(stranger(3), rtmfp.Chunk{Type: rtmfp.ChunkPingReply}) // nothing, from who was not asked
		send(attacker, rtmfp.Chunk{Type: rtmfp.ChunkPingReply, Payload: []byte("M")})
		for i := range changed.Payload {
			changed.Payload[i] ^= 1
			send(attacker, changed)
			changed.Payload[i] ^= 1
		}
		w.knownAt(ss, w.client.Addr())
		w.exchange(cs, "stays")
		if w.srv.moved != 0 {
			t.Errorf("%s: moved", name)
		}
		// An answer is good for 120 seconds, and once.
		w.net.Run(121 * time.Second)
		send(attacker, good)
		w.knownAt(ss, w.client.Addr())
	}
}

// TestMobilityReplyNotReusable: an answer that moved the session does not move it back later.
func TestMobilityReplyNotReusable(t *testing.T) {
	w := newWorld(t, worldConfig{})
	cs, ss := w.open()
	l := tap(w.net)
	w.stream(cs, w.client, 100*time.Millisecond)
	w.net.Run(time.Second)
	second, third := simnet.Addr("198.51.100.7:60002"), simnet.Addr("198.51.100.7:60003")
	w.client.Rebind(second.String())
	w.net.Run(2 * time.Second)
	w.knownAt(ss, second)
	var reply []byte
	for _, p := range l.sent {
		if pkt, ok := ss.TakeApart(p.data); ok && p.from == second && pkt.Has(rtmfp.ChunkPingReply) {
			reply = p.data
		}
	}
	w.client.Rebind(third.String())
	w.net.Run(2 * time.Second)
	w.knownAt(ss, third)
	for range 30 {
		w.net.Inject(second, w.server.Addr(), reply)
		w.net.Run(100 * time.Millisecond)
		if ss.Addr() != third {
			t.Fatal("a copy of an old answer moved the session")
		}
	}
}

// TestMoveToTakenAddress: an address that has another session is not taken over; when that one is gone, it is.
func TestMoveToTakenAddress(t *testing.T) {
	for shards := 1; shards <= 2; shards++ {
		w := newWorld(t, worldConfig{shards: shards})
		w.server.Pick = func(from netip.AddrPort) int { return int(from.Port()) % shards }
		cs, _ := w.open()
		ss := w.shards[int(w.client.Addr().Port())%shards].sessions[0]
		p := addPeer(w.net, "198.51.100.7:50001", rtmfp.Config{Identity: otherPeer})
		join(t, w.net, p, w.server)
		ps := w.shards[50001%shards].sessions[len(w.shards[50001%shards].sessions)-1]
		was, taken := w.client.Addr(), p.node.Addr()
		p.node.Remove()
		w.client.Rebind(taken.String())
		w.stream(cs, w.client, 100*time.Millisecond)
		w.net.Run(5 * time.Second)
		if ss.Addr() != was || ps.Addr() != taken {
			t.Errorf("%d shards: sessions at %v and %v", shards, ss.Addr(), ps.Addr())
		}
		if shards == 1 {
			ps.Close(w.net.Now()) // closing it is no obstacle, although nobody answers
		} else {
			ps.Abort(w.net.Now(), rtmfp.ErrClosed)
		}
		w.server.Wake()
		w.net.Run(5 * time.Second)
		if ss.Addr() != taken || !ss.IsOpen() {
			t.Errorf("%d shards: session at %v, open %v", shards, ss.Addr(), ss.IsOpen())
		}
		sound(t, w.server, shards)
	}
}

// TestReconnectAfterMove: after a move the new address is the session's among all shards: another handshake from
// there goes to the shard that has it and replaces it, wherever it arrives.
func TestReconnectAfterMove(t *testing.T) {
	w := newEchoWorld(t, worldConfig{shards: 2})
	at := 0
	w.server.Pick = func(netip.AddrPort) int { return at }
	cs, ss := w.open()
	w.stream(cs, w.client, 50*time.Millisecond)
	at = 1
	w.client.Rebind("198.51.100.7:60000")
	w.net.Run(3 * time.Second)
	w.knownAt(ss, w.client.Addr())
	w.restart(testClient)
	s := w.dial()
	if !w.net.RunUntil(s.IsOpen, 5*time.Second) {
		t.Fatal("did not open")
	}
	if len(w.shards[1].sessions) != 0 || len(w.srv.sessions) != 2 || len(w.srv.closed) != 1 {
		t.Errorf("%d and %d sessions opened, closed %v", len(w.srv.sessions), len(w.shards[1].sessions), w.srv.closed)
	}
	// The address it had first is free again.
	p := addPeer(w.net, "198.51.100.7:50000", rtmfp.Config{Identity: otherPeer})
	join(t, w.net, p, w.server)
	if open, all := numSessions(w.server, 2); open != 2 || all != 2 {
		t.Errorf("%d sessions, %d open", all, open)
	}
	sound(t, w.server, 2)
}
