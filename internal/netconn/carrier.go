package netconn

import (
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// carrier maps the streams of one NetConnection to the flows of its session, in both directions. Conn and
// Client build on it. It keeps messages back while their stream is blocked or their flow waits for a flow
// sync, and passes everything else on in order.
type carrier struct {
	link     link
	owner    owner
	limits   *Limits
	counters *Counters

	control     lane
	peerControl *inFlow // the far end's first flow of stream 0
	flows       int     // incoming flows
	heldBytes   int
	barriers    []*barrier
	nextSync    uint32
	closed      bool
}

// owner is what a carrier serves.
type owner interface {
	// lane returns the flows of a stream, or nil if there is no such stream.
	lane(id uint32) *lane
	// deliver handles a message; it takes over the reference. The buffer starts with the header.
	deliver(now rtmfp.Time, l *lane, typ uint8, ts uint32, m *rtmfp.Buffer)
	// overflow reports that a message was dropped because too much is held back.
	overflow(now rtmfp.Time, l *lane)
	// wakeAt asks for a call of expire at t, or earlier.
	wakeAt(t rtmfp.Time)
}

// lane is the flows of one stream. Either end may use several, by convention one for audio, one for video
// and one for everything else; which of them a message came in on means nothing.
type lane struct {
	id      uint32
	in      []*inFlow
	out     [outKinds]*outFlow // nil: never used
	blocked bool               // a request of this stream waits for its answer; what follows waits behind it
	held    []heldMessage

	draining bool
}

// inFlow is an incoming flow.
type inFlow struct {
	recv    recvFlow
	lane    *lane       // nil when the flow is done with
	group   *Membership // a group control flow
	arrival bool        // messages come out of order
	barrier *barrier    // waits for the other flows of a flow sync
	held    int         // messages of it in lane.held
	kept    bool        // during drain: an earlier message of it stays
}

type heldMessage struct {
	in *inFlow
	m  *rtmfp.Buffer
}

func newLane(id uint32) lane { return lane{id: id} }

// attach makes recv a flow of l.
func (c *carrier) attach(l *lane, recv recvFlow, md flowMetadata) *inFlow {
	in := &inFlow{recv: recv, lane: l, arrival: md.arrivalOrder}
	l.in = append(l.in, in)
	c.flows++
	recv.SetArrivalOrder(md.arrivalOrder)
	if l.id != 0 {
		recv.SetCapacity(c.limits.StreamWindow)
	}
	return in
}

// detach forgets a flow that ended. What it brought before stays to be delivered.
func (c *carrier) detach(now rtmfp.Time, in *inFlow) {
	l := in.lane
	if l == nil {
		return
	}
	for i, f := range l.in {
		if f == in {
			l.in = append(l.in[:i], l.in[i+1:]...)
			c.flows--
			break
		}
	}
	// RFC 7425 §5.2: the flows that wait for one that will not come any more go on.
	c.releaseLane(now, l)
	in.lane = nil
}

// message takes a message from a flow; it takes over the reference.
func (c *carrier) message(now rtmfp.Time, in *inFlow, m *rtmfp.Buffer) {
	l := in.lane
	if c.closed || l == nil {
		m.Release()
		return
	}
	if l.blocked || in.barrier != nil || in.held > 0 {
		c.hold(now, in, m)
		return
	}
	c.process(now, l, in, m)
}

// process handles a message whose turn has come.
func (c *carrier) process(now rtmfp.Time, l *lane, in *inFlow, m *rtmfp.Buffer) {
	b := m.Bytes()
	typ, ts, ok := parseHeader(b)
	if !ok {
		m.Release()
		return
	}
	if typ == typeUserControl {
		if u, ok := parseUserControl(b[headerSize:]); ok && u.event == eventFlowSync {
			m.Release()
			if u.n == 2 {
				c.sync(now, in, u.a, u.b)
			}
			return
		}
	}
	c.owner.deliver(now, l, typ, ts, m)
}

// hold keeps a message back. When that becomes too much, flow syncs are given up first, as order is
// worth less than data; then the newest message is dropped.
func (c *carrier) hold(now rtmfp.Time, in *inFlow, m *rtmfp.Buffer) {
	l := in.lane
	size := m.Len() + heldOverhead
	if c.heldBytes+size > c.limits.HeldBytes && len(c.barriers) > 0 {
		c.counters.SyncTimeouts.Add(1)
		c.releaseAll(now)
		if in.lane == nil || c.closed {
			m.Release()
			return
		}
		if !l.blocked && in.held == 0 {
			c.process(now, l, in, m)
			return
		}
	}
	if c.heldBytes+size > c.limits.HeldBytes {
		c.counters.HeldDropped.Add(1)
		m.Release()
		c.owner.overflow(now, l)
		return
	}
	c.heldBytes += size
	in.held++
	l.held = append(l.held, heldMessage{in, m})
}

// heldOverhead is charged for each message held, so that empty ones are not free.
const heldOverhead = 64

// unblock ends the wait of a stream and delivers what came meanwhile.
func (c *carrier) unblock(now rtmfp.Time, l *lane) {
	l.blocked = false
	c.drain(now, l)
}

// drain delivers the held messages of l whose turn has come, in the order in which they arrived.
func (c *carrier) drain(now rtmfp.Time, l *lane) {
	if l.draining {
		return // the loop below looks again
	}
	l.draining = true
	defer func() { l.draining = false }()
	for progress := true; progress && len(l.held) > 0 && !l.blocked && !c.closed; {
		progress = false
		queue := l.held
		l.held = nil
		for i, h := range queue {
			if c.closed {
				releaseHeld(queue[i:])
				break
			}
			if l.blocked || h.in.barrier != nil || h.in.kept {
				h.in.kept = true
				l.held = append(l.held, h)
				continue
			}
			progress = true
			h.in.held--
			c.heldBytes -= h.m.Len() + heldOverhead
			c.process(now, l, h.in, h.m)
		}
		for _, h := range l.held {
			h.in.kept = false
		}
	}
}

func releaseHeld(queue []heldMessage) {
	for _, h := range queue {
		h.m.Release()
	}
}

// dropHeld forgets what is held for l.
func (c *carrier) dropHeld(l *lane) {
	for _, h := range l.held {
		h.in.held--
		c.heldBytes -= h.m.Len() + heldOverhead
	}
	releaseHeld(l.held)
	l.held = nil
}
