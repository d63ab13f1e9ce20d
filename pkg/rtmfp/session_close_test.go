package rtmfp_test

import (
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// TestCloseRepeats: a Close Request goes out at once and every 5 seconds until somebody answers or 90 seconds have
// passed (RFC 7016 §3.5.5).
func TestCloseRepeats(t *testing.T) {
	w := newWorld(t, worldConfig{})
	cs, ss := w.open()
	f := w.flow(ss, rtmfp.FlowOptions{})
	w.net.Run(time.Second)
	l := tap(w.net)
	w.client.Remove()
	start := w.net.Now()
	ss.Close(start)
	w.server.Wake()
	w.net.Run(0)
	if len(w.srv.closed) != 1 || w.srv.closed[0] != rtmfp.ErrClosed || !errors.Is(w.srv.closed[0], net.ErrClosed) {
		t.Errorf("closed %v", w.srv.closed)
	}
	if len(w.srv.sendEnds) != 1 || w.srv.sendEnds[0] != rtmfp.ErrClosed || ss.IsOpen() {
		t.Errorf("flows ended %v", w.srv.sendEnds)
	}
	if _, err := f.Write(start, rtmfp.Message{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
	if _, err := ss.Open(start, nil, rtmfp.FlowOptions{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("open after close: %v", err)
	}
	if w.server.Endpoint().Session(ss.ID()) != nil {
		t.Error("a closing session is handed out")
	}
	ss.Close(w.net.Now()) // once is enough
	w.net.Run(90*time.Second - 1)
	if _, all := numSessions(w.server, 1); all != 1 {
		t.Error("gone before 90 seconds")
	}
	w.net.Run(1)
	var want []float64
	for s := 0; s < 90; s += 5 {
		want = append(want, float64(s))
	}
	if got := seconds(start, l.in(cs, rtmfp.ChunkClose)); !slices.Equal(got, want) {
		t.Errorf("close requests at %v", got)
	}
	if len(w.srv.closed) != 1 {
		t.Errorf("closed %v", w.srv.closed)
	}
	empty(t, w.server, 1)
}

// TestCloseAnswered: the other end acknowledges, reports the end, and lingers 19 seconds to answer repetitions
// (RFC 7016 §3.5.5).
func TestCloseAnswered(t *testing.T) {
	w := newWorld(t, worldConfig{})
	cs, ss := w.open()
	w.write(w.flow(cs, rtmfp.FlowOptions{}), rtmfp.Message{}, "x")
	w.net.Run(time.Second)
	l := tap(w.net)
	lost := 0
	l.pass = func(p *wirePacket) bool {
		if pkt, ok := cs.TakeApart(p.data); ok && p.to == w.client.Addr() && pkt.Has(rtmfp.ChunkCloseAck) {
			lost++
			return lost > 3
		}
		return true
	}
	start := w.net.Now()
	cs.Close(start)
	w.client.Wake()
	w.net.Run(100 * time.Millisecond)
	if len(w.srv.closed) != 1 || w.srv.closed[0] != rtmfp.ErrPeerClosed || len(w.srv.ended) != 1 {
		t.Errorf("server: closed %v, flows %v", w.srv.closed, w.srv.ended)
	}
	if w.server.Endpoint().Session(ss.ID()) != nil || ss.IsOpen() {
		t.Error("a lingering session is handed out")
	}
	w.net.Run(14 * time.Second)
	if open, all := numSessions(w.client, 1); all != 1 || open != 0 {
		t.Errorf("client: %d sessions, %d open", all, open)
	}
	w.net.Run(2 * time.Second) // the fourth acknowledgement arrives
	empty(t, w.client, 1)
	if got, want := seconds(start, l.in(cs, rtmfp.ChunkCloseAck)), []float64{0.001, 5.001, 10.001, 15.001}; !slices.Equal(got, want) {
		t.Errorf("acknowledged at %v, want %v", got, want)
	}
	w.net.Run(start.Add(19 * time.Second).Sub(w.net.Now()))
	if _, all := numSessions(w.server, 1); all != 1 {
		t.Error("the server forgot the session before 19 seconds")
	}
	w.net.Run(time.Millisecond)
	empty(t, w.server, 1)
	if len(w.srv.closed) != 1 || len(w.cli.closed) != 1 {
		t.Errorf("closed %v and %v", w.srv.closed, w.cli.closed)
	}
}

// TestCloseFromBothEnds: requests that cross are answered like any other.
func TestCloseFromBothEnds(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(t, worldConfig{seed: seed, link: simnet.Link{Delay: 20 * time.Millisecond, Loss: float64(seed%4) * 0.15}})
		cs, ss := w.open()
		cs.Close(w.net.Now())
		ss.Close(w.net.Now())
		w.client.Wake()
		w.server.Wake()
		w.net.Run(90 * time.Second) // for the end whose acknowledgement was lost and that has nobody to ask again
		empty(t, w.client, 1)
		empty(t, w.server, 1)
		if len(w.cli.closed) != 1 || w.cli.closed[0] != rtmfp.ErrClosed || len(w.srv.closed) != 1 || w.srv.closed[0] != rtmfp.ErrClosed {
			t.Errorf("seed %d: closed %v and %v", seed, w.cli.closed, w.srv.closed)
		}
	}
}

// TestAbort: an abrupt close sends one Close Acknowledgement and forgets; the far end that hears it closes too
// (RFC 7016 §3.5.5).
func TestAbort(t *testing.T) {
	reason := errors.New("enough")
	w := newWorld(t, worldConfig{})
	cs, ss := w.open()
	w.write(w.flow(cs, rtmfp.FlowOptions{}), rtmfp.Message{}, "x")
	w.net.Run(time.Second)
	l := tap(w.net)
	ss.Abort(w.net.Now(), reason)
	w.server.Wake()
	w.net.Run(time.Second)
	empty(t, w.server, 1)
	empty(t, w.client, 1)
	if len(w.srv.closed) != 1 || w.srv.closed[0] != reason || len(w.cli.closed) != 1 || w.cli.closed[0] != rtmfp.ErrPeerClosed {
		t.Errorf("closed %v and %v", w.srv.closed, w.cli.closed)
	}
	if n := len(l.in(cs, rtmfp.ChunkCloseAck)); n != 1 {
		t.Errorf("%d close acknowledgements", n)
	}
	ss.Abort(w.net.Now(), reason)
	cs.Close(w.net.Now())
	w.net.Run(time.Second)
	if len(w.srv.closed) != 1 || len(w.cli.closed) != 1 {
		t.Error("the end is reported twice")
	}

	// A lost acknowledgement leaves the far end to find out.
	w = newWorld(t, worldConfig{})
	cs, ss = w.open()
	w.flow(cs, rtmfp.FlowOptions{})
	tap(w.net).pass = func(p *wirePacket) bool { return p.from != w.server.Addr() }
	ss.Abort(w.net.Now(), reason)
	w.server.Wake()
	w.net.Run(50 * time.Second)
	if len(w.cli.closed) != 1 || w.cli.closed[0] != rtmfp.ErrPeerGone {
		t.Errorf("client closed %v", w.cli.closed)
	}
}

// TestCloseInOnePacket: a Close and a Close Acknowledgement together end the session, and the far end, which may
// not have heard ours, gets its answer.
func TestCloseInOnePacket(t *testing.T) {
	w := newWorld(t, worldConfig{})
	cs, ss := w.open()
	l := tap(w.net)
	w.net.Inject(w.client.Addr(), w.server.Addr(), cs.Forge(w.net.Now(), rtmfp.ModeInitiator,
		rtmfp.Chunk{Type: rtmfp.ChunkClose}, rtmfp.Chunk{Type: rtmfp.ChunkCloseAck}))
	w.net.Run(time.Second)
	if len(w.srv.closed) != 1 || ss.IsOpen() {
		t.Errorf("server closed %v", w.srv.closed)
	}
	if n := len(l.in(cs, rtmfp.ChunkCloseAck)); n != 1 {
		t.Errorf("%d acknowledgements", n)
	}
	empty(t, w.server, 1)
}

// scriptedIDs is a source of randomness that draws session ids from a list, then none but the last.
type scriptedIDs struct {
	io.Reader
	ids  [][4]byte
	next int
}

func (r *scriptedIDs) Read(p []byte) (int, error) {
	if len(p) != 4 {
		return r.Reader.Read(p)
	}
	id := r.ids[min(r.next, len(r.ids)-1)]
	r.next++
	return copy(p, id[:]), nil
}

// TestSessionIDNotReused: the id of a lingering session is not given to a new one.
func TestSessionIDNotReused(t *testing.T) {
	ids := &scriptedIDs{Reader: simnet.New(5).Reader(), ids: [][4]byte{
		{1, 1, 1}, {0, 0, 0} /* zero is no id */, {1, 1, 1}, {1, 1, 1, 1}, {2, 2, 2}, {1, 1, 1}, {3, 3, 3},
	}}
	w := newWorld(t, worldConfig{server: rtmfp.Config{Rand: ids}})
	cs, first := w.open()
	cs.Close(w.net.Now())
	w.client.Wake()
	w.net.Run(2 * time.Second)
	p := addPeer(w.net, "198.51.100.9:1", rtmfp.Config{Identity: otherPeer})
	join(t, w.net, p, w.server)
	second := w.srv.sessions[1]
	if first.ID() != 0x01010100 || second.ID() != 0x02020200 {
		t.Errorf("session ids %08x and %08x", first.ID(), second.ID())
	}
	w.net.Run(30 * time.Second) // now it may be
	p = addPeer(w.net, "198.51.100.10:1", rtmfp.Config{Identity: testClient})
	join(t, w.net, p, w.server)
	if id := w.srv.sessions[2].ID(); id != first.ID() {
		t.Errorf("third session id %08x", id)
	}
}

// TestClosingSessionHasNoOtherTimers: deadlines of an open session, set before or after the close, neither fire nor
// keep the endpoint busy when they pass.
func TestClosingSessionHasNoOtherTimers(t *testing.T) {
	for _, far := range []bool{false, true} {
		w := newWorld(t, worldConfig{})
		cs, ss := w.open()
		f := w.flow(cs, rtmfp.FlowOptions{})
		w.write(f, rtmfp.Message{}, "x")
		f.Close(w.net.Now())
		w.client.Wake()
		w.net.Run(time.Second) // the receiving flow lingers for 120 seconds from here on
		w.flow(cs, rtmfp.FlowOptions{})
		w.flow(ss, rtmfp.FlowOptions{})
		w.net.Run(105 * time.Second)
		ss.WakeAt(w.net.Now().Add(3 * time.Second))
		closing := ss
		if far {
			closing = cs
		}
		closing.Close(w.net.Now())
		w.server.Wake()
		w.client.Remove()
		if far {
			w.net.Inject(w.client.Addr(), w.server.Addr(), cs.Forge(w.net.Now(), rtmfp.ModeInitiator, rtmfp.Chunk{Type: rtmfp.ChunkClose}))
		}
		w.net.Run(time.Second)
		ss.WakeAt(w.net.Now().Add(2 * time.Second))
		ss.SetKeepalive(time.Second)
		w.server.Wake()
		steps := countTimeouts(w, 100*time.Second)
		if w.srv.timers != 0 {
			t.Errorf("far %v: %d timer events of a closed session", far, w.srv.timers)
		}
		if steps > 30 {
			t.Errorf("far %v: %d timeouts in 100 seconds", far, steps)
		}
		empty(t, w.server, 1)
	}
}

// countTimeouts lets d pass and returns at how many different times the server had something to do.
func countTimeouts(w *world, d time.Duration) (n int) {
	end := w.net.Now().Add(d)
	for w.net.Now() < end {
		t := w.server.Endpoint().NextTimeout()
		if t == 0 || t > end {
			break
		}
		n++
		w.net.Run(max(t.Sub(w.net.Now()), 1))
		if n > 1000 {
			break
		}
	}
	w.net.Run(end.Sub(w.net.Now()))
	return n
}
