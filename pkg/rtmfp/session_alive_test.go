package rtmfp_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// TestKeepalive: a silent far end is pinged with an empty message after Keepalive, and its reply is enough
// (RFC 7016 §3.5.4.1).
func TestKeepalive(t *testing.T) {
	for _, keepalive := range []time.Duration{0, 40 * time.Second} {
		want := rtmfp.DefaultKeepalive
		if keepalive != 0 {
			want = keepalive
		}
		w := newWorld(t, worldConfig{
			server: rtmfp.Config{Keepalive: keepalive}, client: rtmfp.Config{Keepalive: time.Hour, IdleLimit: time.Hour},
		})
		cs, ss := w.open()
		w.flow(ss, rtmfp.FlowOptions{})
		l := tap(w.net)
		start := w.net.Now()
		w.net.Run(10 * time.Minute)
		pings, replies := l.in(cs, rtmfp.ChunkPing), l.in(ss, rtmfp.ChunkPingReply)
		if n := int(10 * time.Minute / want); len(pings) < n-1 || len(pings) > n || len(replies) != len(pings) {
			t.Errorf("%d pings and %d replies in ten minutes", len(pings), len(replies))
		}
		last := start
		for i, p := range pings {
			if d := p.at.Sub(last); d < want-10*time.Millisecond || d > want+10*time.Millisecond {
				t.Errorf("ping %d after %v", i, d)
			}
			if len(p.pkt.Chunks) != 1 || len(p.pkt.Chunks[0].Payload) != 0 {
				t.Errorf("ping %d is not just an empty ping", i)
			}
			last = p.at
		}
		if !ss.IsOpen() || !cs.IsOpen() {
			t.Error("closed")
		}
	}
}

// TestKeepaliveChanged: SetKeepalive counts from the last packet; 0 turns pings off.
func TestKeepaliveChanged(t *testing.T) {
	w := newWorld(t, worldConfig{client: rtmfp.Config{Keepalive: time.Hour, IdleLimit: time.Hour}, server: rtmfp.Config{IdleLimit: time.Hour}})
	cs, ss := w.open()
	l := tap(w.net)
	pings := func(d time.Duration) int {
		l.reset()
		w.server.Wake()
		w.net.Run(d)
		return len(l.in(cs, rtmfp.ChunkPing))
	}
	ss.SetKeepalive(0)
	if n := pings(5 * time.Minute); n != 0 {
		t.Errorf("%d pings with keepalive off", n)
	}
	ss.SetKeepalive(2 * time.Second)
	if n := pings(60 * time.Second); n < 29 || n > 31 {
		t.Errorf("%d pings in a minute with a keepalive of 2 s", n)
	}
	w.client.Remove()
	w.net.Run(5 * time.Second) // a ping is unanswered
	ss.SetKeepalive(0)
	w.net.Run(5 * time.Minute)
	if !ss.IsOpen() {
		t.Error("closed for a ping that nobody may repeat")
	}
}

// TestDeadPeer: a far end that leaves pings unanswered for RetransmitLimit is gone; pings come more slowly, never
// faster than the retransmission timeout (RFC 7016 §3.5.4.1).
func TestDeadPeer(t *testing.T) {
	for _, limit := range []time.Duration{0, 12 * time.Second, 100 * time.Second} {
		want := rtmfp.DefaultRetransmitLimit
		if limit != 0 {
			want = limit
		}
		w := newWorld(t, worldConfig{server: rtmfp.Config{RetransmitLimit: limit}})
		cs, ss := w.open()
		w.exchangeNothing(cs)
		w.flow(ss, rtmfp.FlowOptions{})
		l := tap(w.net)
		w.client.Remove()
		heard := ss.Stats().LastReceived
		if !w.net.RunUntil(func() bool { return len(w.srv.closed) > 0 }, 5*time.Minute) {
			t.Fatal("never found dead")
		}
		if w.srv.closed[0] != rtmfp.ErrPeerGone {
			t.Errorf("closed %v", w.srv.closed)
		}
		if got := w.net.Now().Sub(heard); got != rtmfp.DefaultKeepalive+want {
			t.Errorf("limit %v: dead after %v", want, got)
		}
		pings := l.in(cs, rtmfp.ChunkPing)
		if len(pings) < 3 {
			t.Errorf("limit %v: %d pings", want, len(pings))
		}
		gap := 250 * time.Millisecond
		for i := 1; i < len(pings); i++ {
			d := pings[i].at.Sub(pings[i-1].at)
			if d < gap || d > 10*time.Second+10*time.Millisecond {
				t.Errorf("limit %v: ping %d after %v, the one before after %v", want, i, d, gap)
			}
			gap = d
		}
		w.net.Run(0)
		if acks := l.in(cs, rtmfp.ChunkCloseAck); len(acks) != 1 {
			t.Errorf("limit %v: %d close acknowledgements to who is gone", want, len(acks))
		}
		empty(t, w.server, 1)
	}
}

// exchangeNothing makes the round trip known, so that pings follow a short timeout.
func (w *world) exchangeNothing(s *rtmfp.Session) {
	f := w.flow(s, rtmfp.FlowOptions{})
	for range 5 {
		w.write(f, rtmfp.Message{}, "x")
		w.net.Run(50 * time.Millisecond)
	}
}

// TestDeadPeerWithData: data unacknowledged for RetransmitLimit means the same, without waiting for a ping; progress
// starts the limit again.
func TestDeadPeerWithData(t *testing.T) {
	w := newWorld(t, worldConfig{})
	cs, _ := w.open()
	f := w.flow(cs, rtmfp.FlowOptions{})
	w.exchangeNothing(cs)
	w.write(f, rtmfp.Message{}, numbered(0, 100_000))
	start := w.net.Now()
	l := tap(w.net)
	next := start
	l.pass = func(p *wirePacket) bool { // one packet in twelve seconds gets through
		if p.from == w.client.Addr() {
			if p.at < next {
				return false
			}
			next = p.at.Add(12 * time.Second)
		}
		return true
	}
	w.net.Run(5 * time.Minute)
	if !cs.IsOpen() {
		t.Fatalf("closed in spite of progress: %v", w.cli.closed)
	}
	if n := len(w.srv.all); n > 6 {
		t.Fatal("the large message is through already")
	}
	l.pass = func(*wirePacket) bool { return false }
	start = w.net.Now()
	if !w.net.RunUntil(func() bool { return len(w.cli.closed) > 0 }, time.Minute) {
		t.Fatal("never found dead")
	}
	if d := w.net.Now().Sub(start); d > 30*time.Second || w.cli.closed[0] != rtmfp.ErrPeerGone {
		t.Errorf("%v after %v", w.cli.closed, d)
	}
}

// TestIdleLimit: a session without flows closes after IdleLimit, in an orderly way, and not while there is a flow in
// either direction (RFC 7016 §3.5.5).
func TestIdleLimit(t *testing.T) {
	w := newWorld(t, worldConfig{client: rtmfp.Config{IdleLimit: time.Hour}})
	cs, ss := w.open()
	opened := ss.Stats().Opened
	if !w.net.RunUntil(func() bool { return len(w.srv.closed) > 0 }, 10*time.Minute) {
		t.Fatal("never closed")
	}
	if d := w.net.Now().Sub(opened); d != rtmfp.DefaultIdleLimit || w.srv.closed[0] != rtmfp.ErrIdle {
		t.Errorf("%v after %v", w.srv.closed, d)
	}
	w.net.Run(time.Second)
	if len(w.cli.closed) != 1 || w.cli.closed[0] != rtmfp.ErrPeerClosed || cs.IsOpen() {
		t.Errorf("client closed %v", w.cli.closed)
	}
	empty(t, w.server, 1)

	for _, side := range []string{"client", "server"} {
		w := newWorld(t, worldConfig{client: rtmfp.Config{IdleLimit: time.Hour}})
		cs, ss := w.open()
		s := cs
		if side == "server" {
			s = ss
		}
		f := w.flow(s, rtmfp.FlowOptions{})
		w.write(f, rtmfp.Message{}, "x")
		w.net.Run(10 * time.Minute)
		if !ss.IsOpen() {
			t.Errorf("a flow of the %s does not keep the session: %v", side, w.srv.closed)
		}
		f.Close(w.net.Now())
		w.client.Wake()
		w.server.Wake()
		w.net.Run(rtmfp.DefaultIdleLimit - time.Second)
		if !ss.IsOpen() {
			t.Errorf("idle too early after a flow of the %s", side)
		}
		w.net.Run(2 * time.Second)
		if ss.IsOpen() {
			t.Errorf("still open after the flow of the %s is gone", side)
		}
	}
}

// TestIdleAfterRejectedFlow: a flow that the application does not want does not count.
func TestIdleAfterRejectedFlow(t *testing.T) {
	w := newWorld(t, worldConfig{client: rtmfp.Config{IdleLimit: time.Hour}})
	cs, ss := w.open()
	w.srv.onFlow = func(now rtmfp.Time, f *rtmfp.RecvFlow) { f.Reject(now, 7) }
	w.write(w.flow(cs, rtmfp.FlowOptions{}), rtmfp.Message{}, "x")
	w.net.Run(5 * time.Second)
	if len(w.srv.flows) != 1 || len(w.cli.rejected) != 1 {
		t.Fatalf("%d flows, rejected %v", len(w.srv.flows), w.cli.rejected)
	}
	w.net.Run(rtmfp.DefaultIdleLimit)
	if ss.IsOpen() {
		t.Error("still open")
	}
}

// TestWakeAt: one event at the time asked for last.
func TestWakeAt(t *testing.T) {
	w := newWorld(t, worldConfig{})
	cs, ss := w.open()
	w.flow(ss, rtmfp.FlowOptions{})
	w.flow(cs, rtmfp.FlowOptions{})
	at := func(d time.Duration) rtmfp.Time { return w.net.Now().Add(d) }
	wake := func(t rtmfp.Time) { ss.WakeAt(t); w.server.Wake() }
	count := func(d time.Duration) int {
		w.srv.timers = 0
		w.net.Run(d)
		return w.srv.timers
	}
	wake(at(100 * time.Millisecond))
	if early, late := count(99*time.Millisecond), count(time.Millisecond); early != 0 || late != 1 {
		t.Errorf("%d before the time, %d at it", early, late)
	}
	if n := count(10 * time.Second); n != 0 {
		t.Errorf("%d events more", n)
	}
	wake(at(time.Second))
	wake(at(5 * time.Second)) // later replaces
	if early, late := count(4*time.Second), count(2*time.Second); early != 0 || late != 1 {
		t.Errorf("moved back: %d and %d", early, late)
	}
	wake(at(5 * time.Second))
	wake(at(time.Second)) // earlier replaces
	if early, late := count(2*time.Second), count(10*time.Second); early != 1 || late != 0 {
		t.Errorf("moved forward: %d and %d", early, late)
	}
	wake(at(time.Second))
	wake(0)
	if n := count(5 * time.Second); n != 0 {
		t.Errorf("cancelled: %d", n)
	}
	wake(w.net.Now() - 5) // the past
	if n := count(0); n != 1 {
		t.Errorf("in the past: %d", n)
	}

	// Asked for while dialling it comes when the session is open.
	w = newWorld(t, worldConfig{link: simnet.Link{Delay: 200 * time.Millisecond}})
	s := w.dial()
	s.WakeAt(w.net.Now().Add(100 * time.Millisecond))
	w.net.Run(300 * time.Millisecond)
	if w.cli.timers != 0 {
		t.Error("timer event of a session that is not open")
	}
	w.net.Run(2 * time.Second)
	if w.cli.timers != 1 {
		t.Errorf("%d timer events", w.cli.timers)
	}
}

// TestWrongMode: under session keys each end takes packets of the other end's mode only (RFC 7016 §2.2.4).
func TestWrongMode(t *testing.T) {
	w := newWorld(t, worldConfig{})
	cs, ss := w.open()
	l := tap(w.net)
	bad := func(n *simnet.Node) uint64 { return n.Endpoint().Counters().BadPackets.Load() }
	send := func(from, to *simnet.Node, s *rtmfp.Session, mode uint8) {
		w.net.Inject(from.Addr(), to.Addr(), s.Forge(w.net.Now(), mode, rtmfp.Chunk{Type: rtmfp.ChunkPing, Payload: []byte("hi")}))
		w.net.Run(10 * time.Millisecond)
	}
	for mode := range uint8(4) {
		l.reset()
		before := bad(w.server)
		send(w.client, w.server, cs, mode)
		if ok := mode == rtmfp.ModeInitiator; (len(l.in(cs, rtmfp.ChunkPingReply)) == 1) != ok || (bad(w.server) == before) != ok {
			t.Errorf("server, mode %d: %d replies", mode, len(l.in(cs, rtmfp.ChunkPingReply)))
		}
		before = bad(w.client)
		send(w.server, w.client, ss, mode)
		if ok := mode == rtmfp.ModeResponder; (len(l.in(ss, rtmfp.ChunkPingReply)) == 1) != ok || (bad(w.client) == before) != ok {
			t.Errorf("client, mode %d: %d replies", mode, len(l.in(ss, rtmfp.ChunkPingReply)))
		}
	}
}

// TestPingEchoed: a ping is answered at once with its message (RFC 7016 §3.5.4).
func TestPingEchoed(t *testing.T) {
	w := newWorld(t, worldConfig{})
	cs, _ := w.open()
	l := tap(w.net)
	for _, n := range []int{0, 1, 25, 500} {
		l.reset()
		msg := []byte(numbered(n, n))[:n]
		w.net.Inject(w.client.Addr(), w.server.Addr(), cs.Forge(w.net.Now(), rtmfp.ModeInitiator, rtmfp.Chunk{Type: rtmfp.ChunkPing, Payload: msg}))
		got := l.in(cs, rtmfp.ChunkPingReply)
		if len(got) != 1 || string(got[0].pkt.Chunks[0].Payload) != string(msg) {
			t.Errorf("ping of %d bytes: %d replies at once", n, len(got))
		}
	}
}

// TestReplayedDatagrams: with session sequence numbers a datagram counts once. Without, the flows see to it that
// copies of data change nothing.
func TestReplayedDatagrams(t *testing.T) {
	for name, sec := range securities {
		c := worldConfig{}
		c.client.Security, c.server.Security = sec, sec
		w := newEchoWorld(t, c)
		l := tap(w.net)
		cs, ss := w.open()
		f := w.flow(cs, rtmfp.FlowOptions{})
		for i := range 50 {
			w.write(f, rtmfp.Message{}, numbered(i, 500))
		}
		w.net.Run(time.Second)
		if len(w.cli.all) != 50 {
			t.Fatalf("%s: %d of 50 echoes", name, len(w.cli.all))
		}
		n := uint64(0)
		stats := ss.Stats()
		for _, p := range append([]wirePacket(nil), l.sent...) {
			if !p.startup {
				n++
				w.net.Inject(p.from, p.to, p.data)
			}
		}
		w.net.Run(time.Second)
		replayed := w.server.Endpoint().Counters().Replayed.Load() + w.client.Endpoint().Counters().Replayed.Load()
		if name == "secured" && (replayed != n || ss.Stats().PacketsReceived != stats.PacketsReceived) {
			t.Errorf("%d of %d copies counted as replayed", replayed, n)
		}
		if len(w.srv.all) != 50 || len(w.cli.all) != 50 || len(w.srv.flows) != 1 || len(w.cli.flows) != 1 {
			t.Errorf("%s: after the copies: %d and %d messages, %d and %d flows", name, len(w.srv.all), len(w.cli.all),
				len(w.srv.flows), len(w.cli.flows))
		}
		w.exchange(cs, "goes on")
	}
}

// TestSessionEndsAreClosed: every end of a session is a net.ErrClosed.
func TestSessionEndsAreClosed(t *testing.T) {
	for _, err := range []error{rtmfp.ErrClosed, rtmfp.ErrPeerClosed, rtmfp.ErrPeerGone, rtmfp.ErrIdle, rtmfp.ErrOverridden} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v is not net.ErrClosed", err)
		}
	}
}
