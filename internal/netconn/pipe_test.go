package netconn

import (
	"net/netip"
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// pipeNet connects parties without a protocol in between: flows are ordered and lossless, and everything
// written is delivered by run, one event after the other, on a virtual clock.
type pipeNet struct {
	t     *testing.T
	now   rtmfp.Time
	queue []func()
	ends  []*pipeEnd
}

func newPipeNet(t *testing.T) *pipeNet {
	return &pipeNet{t: t, now: rtmfp.Time(time.Hour)}
}

func (n *pipeNet) do(f func()) { n.queue = append(n.queue, f) }

// run delivers everything that is under way.
func (n *pipeNet) run() {
	for i := 0; len(n.queue) > 0; i++ {
		if i > 1_000_000 {
			n.t.Fatal("endless exchange")
		}
		f := n.queue[0]
		n.queue = n.queue[1:]
		f()
	}
}

// advance lets time pass, with timers.
func (n *pipeNet) advance(d time.Duration) {
	end := n.now.Add(d)
	for n.run(); ; n.run() {
		var next *pipeEnd
		for _, e := range n.ends {
			if e.wake != 0 && e.wake <= end && (next == nil || e.wake < next.wake) {
				next = e
			}
		}
		if next == nil {
			break
		}
		n.now = max(n.now, next.wake)
		next.wake = 0
		next.party.expire(n.now)
	}
	n.now = end
}

// pipeEnd is one end of a session.
type pipeEnd struct {
	net       *pipeNet
	party     party
	peer      *pipeEnd
	id        rtmfp.PeerID
	wake      rtmfp.Time
	rtt       time.Duration
	heard     rtmfp.Time
	keepalive time.Duration
	sends     []*pipeSend
	over      bool
	silent    bool // dead: nothing it sends arrives any more
	aborted   error
}

// connect returns the two ends of a new session; the ids are of the near ends.
func (n *pipeNet) connect(a, b rtmfp.PeerID) (*pipeEnd, *pipeEnd) {
	x, y := &pipeEnd{net: n, id: a}, &pipeEnd{net: n, id: b}
	x.peer, y.peer = y, x
	n.ends = append(n.ends, x, y)
	return x, y
}

func (e *pipeEnd) PeerID() rtmfp.PeerID { return e.peer.id }
func (e *pipeEnd) Addr() netip.AddrPort { return netip.MustParseAddrPort("192.0.2.1:50000") }
func (e *pipeEnd) RTT() time.Duration   { return e.rtt }
func (e *pipeEnd) lastReceived() rtmfp.Time {
	if e.keepalive > 0 && !e.peer.silent && !e.peer.over {
		return e.net.now // pings are answered
	}
	return e.heard
}
func (e *pipeEnd) WakeAt(t rtmfp.Time)          { e.wake = t }
func (e *pipeEnd) SetKeepalive(d time.Duration) { e.keepalive = d }

func (e *pipeEnd) Close(now rtmfp.Time) { e.end(rtmfp.ErrClosed, rtmfp.ErrPeerClosed) }

func (e *pipeEnd) Abort(now rtmfp.Time, err error) {
	e.aborted = err
	e.end(err, rtmfp.ErrPeerClosed)
}

func (e *pipeEnd) end(near, far error) {
	for _, x := range []struct {
		e   *pipeEnd
		err error
	}{{e, near}, {e.peer, far}} {
		if x.e.over {
			continue
		}
		x.e.over = true
		x.e.net.do(func() {
			for _, f := range x.e.sends {
				if !f.ended {
					f.ended = true
					x.e.party.sendEnded(x.e.net.now, f.user, f)
				}
			}
			x.e.party.over(x.e.net.now, x.err)
		})
	}
}

func (e *pipeEnd) open(now rtmfp.Time, metadata []byte, assoc recvFlow, p rtmfp.Priority, critical bool, user *outFlow) (sendFlow, error) {
	if e.over {
		return nil, rtmfp.ErrClosed
	}
	f := &pipeSend{end: e, metadata: append([]byte(nil), metadata...), user: user, priority: p, critical: critical, notifyAt: -1}
	if r, ok := assoc.(*pipeRecv); ok {
		f.assoc = r.send
	}
	e.sends = append(e.sends, f)
	return f, nil
}

// pipeSend is a sending flow.
type pipeSend struct {
	end      *pipeEnd
	metadata []byte
	assoc    *pipeSend // the flow of the peer that it answers
	user     *outFlow
	priority rtmfp.Priority
	critical bool
	recv     *pipeRecv // nil before the first message
	in       *inFlow
	closed   bool
	ended    bool
	rejected bool
	last     rtmfp.MessageID
	msgs     []rtmfp.Message // as written, without bodies

	stuck    bool // nothing is acknowledged
	queued   int
	notifyAt int
	gone     uint64
	goneLast rtmfp.MessageID
	expired  []rtmfp.MessageID // from, to of calls to Expire
}

func (f *pipeSend) Write(now rtmfp.Time, m rtmfp.Message) (rtmfp.MessageID, error) {
	b := append([]byte(nil), m.Head[:m.HeadLen]...)
	if m.Body != nil {
		b = append(b, m.Body.Bytes()...)
		m.Body.Release()
		m.Body = nil
	}
	if f.closed || f.ended || f.end.over {
		return 0, rtmfp.ErrClosed
	}
	f.last++
	f.msgs = append(f.msgs, m)
	if f.stuck {
		f.queued += len(b)
	}
	f.deliver(func(p party) { p.incoming(f.end.net.now, f.in, rtmfp.CopyBuffer(b)) })
	return f.last, nil
}

// deliver runs do at the peer, announcing the flow first.
func (f *pipeSend) deliver(do func(party)) {
	peer := f.end.peer
	f.end.net.do(func() {
		if peer.over || f.end.silent {
			return
		}
		peer.heard = f.end.net.now
		if f.recv == nil {
			f.recv = &pipeRecv{send: f}
			var assoc sendFlow
			if f.assoc != nil {
				assoc = f.assoc
			}
			f.in = peer.party.flow(f.end.net.now, f.recv, assoc)
		}
		if f.in != nil && !f.rejected {
			do(peer.party)
		}
	})
}

func (f *pipeSend) Close(now rtmfp.Time) {
	if f.closed {
		return
	}
	f.closed = true
	f.deliver(func(p party) { p.flowEnded(f.end.net.now, f.in, nil) })
	f.end.net.do(func() {
		if !f.ended && !f.stuck && !f.end.over {
			f.ended = true
			f.end.party.sendEnded(f.end.net.now, f.user, f)
		}
	})
}

func (f *pipeSend) Expire(from, to rtmfp.MessageID, startBy, finishBy rtmfp.Time) {
	f.expired = append(f.expired, from, to)
}

func (f *pipeSend) Backlog() (int, rtmfp.Time) {
	if f.queued > 0 {
		return f.queued, f.end.net.now
	}
	return 0, 0
}
func (f *pipeSend) Abandoned() uint64              { return f.gone }
func (f *pipeSend) LastAbandoned() rtmfp.MessageID { return f.goneLast }
func (f *pipeSend) Queued() int                    { return f.queued }

func (f *pipeSend) NotifyBelow(n int) {
	f.notifyAt = n
	f.check()
}

// acknowledge takes everything written as arrived.
func (f *pipeSend) acknowledge() {
	f.stuck, f.queued = false, 0
	f.check()
}

func (f *pipeSend) check() {
	if f.notifyAt >= 0 && f.queued <= f.notifyAt {
		f.notifyAt = -1
		f.end.net.do(func() { f.end.party.sendReady(f.end.net.now, f.user) })
	}
}

// pipeRecv is the other end of a pipeSend.
type pipeRecv struct {
	send     *pipeSend
	arrival  bool
	capacity int
	code     uint64
}

func (r *pipeRecv) Metadata() []byte        { return r.send.metadata }
func (r *pipeRecv) SetArrivalOrder(on bool) { r.arrival = on }
func (r *pipeRecv) SetCapacity(n int)       { r.capacity = n }

func (r *pipeRecv) Reject(now rtmfp.Time, code uint64) {
	f := r.send
	if f.rejected {
		return
	}
	f.rejected, r.code = true, code
	e := f.end
	e.net.do(func() {
		if !f.ended && !e.over {
			e.party.sendRejected(e.net.now, f.user, f)
			f.ended, f.closed = true, true
		}
	})
}
