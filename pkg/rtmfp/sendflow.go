package rtmfp

import "time"

// Priority orders the flows of a session: a packet takes the data of higher ones first.
type Priority uint8

// Priorities, lowest first.
const (
	PriorityBackground Priority = iota
	PriorityBulk
	PriorityData
	PriorityVideo
	PriorityAudio
	PriorityCommand
	numPriorities
)

// FlowOptions are the choices of Session.Open.
type FlowOptions struct {
	Assoc        *RecvFlow // the flow this one answers (RFC 7016 §2.3.11.1.2), or nil
	Priority     Priority
	TimeCritical bool // marks packets with its data (RFC 7016 §2.2.4) and so affects congestion control
}

type sendState uint8

const (
	sendOpen sendState = iota
	sendClosing
	sendEnded
)

// SendFlow is a sending flow (RFC 7016 §3.6.2). It belongs to the goroutine of its endpoint.
type SendFlow struct {
	// User is the application's; the core does not touch it.
	User any

	s            *Session
	id           uint64
	state        sendState
	priority     Priority
	timeCritical bool
	exception    bool
	rejected     error  // why, as a *RejectedError
	finalSent    bool   // the closing fragment exists
	startup      []byte // STARTUP_OPTIONS; nil once acknowledged

	msgs, msgTail *sendMessage // written and not yet acknowledged or abandoned, by id
	unsent        *sendMessage // the first one not cut to its end
	frags, fragTl *fragment    // SEND_QUEUE, by sequence number
	idle          int          // fragments in it that are not in flight
	nextSeq       uint64
	nextMsg       MessageID
	lastGone      MessageID // newest abandoned message

	outstanding int // F_OUTSTANDING_BYTES
	window      int // RX_BUFFER_SIZE
	queued      int // bytes written, not acknowledged, not abandoned
	unstarted   int // bytes of messages of which nothing was sent
	abandoned   uint64
	notifyAt    int // EventSendReady when queued falls to this; -1 = off

	probeAt     Time // next buffer probe; 0 = not suspended
	probePeriod time.Duration

	inReady  bool // linked into the session's list of its priority
	readyNxt *SendFlow
}

// ID returns the flow id, unique among the sending flows of the session.
func (f *SendFlow) ID() uint64 { return f.id }

// Session returns the session of the flow.
func (f *SendFlow) Session() *Session { return f.s }

// Abandoned returns how many messages were given up so far.
func (f *SendFlow) Abandoned() uint64 { return f.abandoned }

// LastAbandoned returns the newest message that was given up, 0 if none was.
func (f *SendFlow) LastAbandoned() MessageID { return f.lastGone }

// Queued returns the bytes written and neither acknowledged nor abandoned.
func (f *SendFlow) Queued() int { return f.queued }

// Backlog returns the bytes of messages of which nothing was sent yet, and when the oldest was written
// (0 if there is none).
func (f *SendFlow) Backlog() (bytes int, oldest Time) {
	for m := f.unsent; m != nil; m = m.next {
		if m.cut == 0 {
			return f.unstarted, m.queued
		}
	}
	return 0, 0
}

// NotifyBelow asks for one EventSendReady as soon as Queued is at most n.
func (f *SendFlow) NotifyBelow(n int) {
	f.notifyAt = n
	f.checkReady()
}

func (f *SendFlow) checkReady() {
	if f.notifyAt >= 0 && f.queued <= f.notifyAt && f.state != sendEnded {
		f.notifyAt = -1
		f.s.e.emit(Event{Kind: EventSendReady, Session: f.s, Send: f})
	}
}

// Write queues a message and takes over one reference to its body, also when it fails. It fails with
// an error that is net.ErrClosed when the flow is closed (a *RejectedError if the far end wanted that),
// ErrQueueFull when the session holds too much.
func (f *SendFlow) Write(now Time, m Message) (MessageID, error) {
	size := int(m.HeadLen)
	if m.Body != nil {
		size += m.Body.Len()
	}
	var err error
	switch {
	case f.rejected != nil:
		err = f.rejected
	case f.state != sendOpen:
		err = ErrClosed
	case f.s.queued+size+messageCharge*(f.s.messages+1) > f.s.e.cfg.MaxQueued:
		f.s.e.counters.QueueFull.Add(1)
		err = ErrQueueFull
	}
	if err != nil {
		if m.Body != nil {
			m.Body.Release()
		}
		return 0, err
	}
	f.nextMsg++
	id := f.nextMsg
	if m.Chain && id > 1 && f.lastGone == id-1 {
		f.lastGone = id
		f.abandoned++
		f.s.e.counters.MessagesAbandoned.Add(1)
		if m.Body != nil {
			m.Body.Release()
		}
		return id, nil
	}
	sm := f.s.e.slab.message()
	sm.id, sm.body, sm.head, sm.headLen = id, m.Body, m.Head, m.HeadLen
	sm.unreliable, sm.chain = m.Unreliable, m.Chain
	sm.size, sm.queued, sm.startBy, sm.finishBy = size, now, m.StartBy, m.FinishBy
	f.pushMessage(sm)
	f.s.activate(f)
	return id, nil
}

func (f *SendFlow) pushMessage(m *sendMessage) {
	m.prev = f.msgTail
	if f.msgTail != nil {
		f.msgTail.next = m
	} else {
		f.msgs = m
	}
	f.msgTail = m
	if f.unsent == nil {
		f.unsent = m
	}
	f.queued += m.size
	f.s.queued += m.size
	f.s.messages++
	f.unstarted += m.size
}

// Expire shortens the deadlines of the messages from..to that are not yet acknowledged. It never
// lengthens one, and a zero deadline changes nothing.
func (f *SendFlow) Expire(from, to MessageID, startBy, finishBy Time) {
	for m := f.msgTail; m != nil && m.id >= from; m = m.prev {
		if m.id > to {
			continue
		}
		m.startBy = sooner(m.startBy, startBy)
		m.finishBy = sooner(m.finishBy, finishBy)
	}
}

func sooner(a, b Time) Time {
	if a == 0 || (b != 0 && b < a) {
		return b
	}
	return a
}

// Close ends the flow after what is queued. EventSendEnd follows when everything is acknowledged.
func (f *SendFlow) Close(now Time) {
	if f.state != sendOpen {
		return
	}
	f.state = sendClosing
	f.s.activate(f)
}

// abandon gives up a message (RFC 7016 §3.6.2.7) and those that chain to it.
func (f *SendFlow) abandon(m *sendMessage) {
	for m != nil && !m.abandoned {
		next := m.next
		id := m.id
		f.abandonOne(m)
		if next == nil || !next.chain || next.id != id+1 {
			return
		}
		m = next
	}
}

func (f *SendFlow) abandonOne(m *sendMessage) {
	f.abandoned++
	f.s.e.counters.MessagesAbandoned.Add(1)
	f.lastGone = max(f.lastGone, m.id)
	m.abandoned = true
	waiting := m.size - m.cut // not acknowledged
	if m.unacked > 0 {
		for fr := f.frags; fr != nil; fr = fr.next {
			if fr.msg == m {
				fr.abandoned = true
				waiting += fr.size
			}
		}
	}
	f.dropQueued(waiting)
	started := m.started()
	if !started {
		f.unstarted -= m.size
	}
	if !started || m.cut < m.size {
		f.leaveGap()
	}
	if f.unsent == m {
		f.unsent = m.next
	}
	m.cut = m.size
	if m.body != nil {
		m.body.Release()
		m.body = nil
	}
	if m.unacked == 0 {
		f.removeMessage(m)
	}
	f.s.activate(f)
}

// leaveGap uses a sequence number for what is not sent: the receiver must be able to tell that something
// is missing (RFC 7016 §3.6.1.2), and must not take the next message for the rest of this one. One is
// enough for all that is missing at the same place.
func (f *SendFlow) leaveGap() {
	if t := f.fragTl; t != nil && t.msg == nil && !t.final && !t.inFlight {
		return
	}
	f.pushFragment(f.newFragment(nil, 0, 0)).abandoned = true
}

func (f *SendFlow) dropQueued(n int) {
	f.queued -= n
	f.s.queued -= n
	f.checkReady()
}

func (f *SendFlow) removeMessage(m *sendMessage) {
	if m.prev != nil {
		m.prev.next = m.next
	} else {
		f.msgs = m.next
	}
	if m.next != nil {
		m.next.prev = m.prev
	} else {
		f.msgTail = m.prev
	}
	if f.unsent == m {
		f.unsent = m.next
	}
	if m.body != nil {
		m.body.Release()
	}
	f.s.messages--
	f.s.e.slab.putMessage(m)
}

// end releases everything the flow holds; the session is done with it.
func (f *SendFlow) end(err error) {
	if f.state == sendEnded {
		return
	}
	f.state = sendEnded
	for fr := f.frags; fr != nil; {
		next := fr.next
		if fr.inFlight {
			f.s.land(fr)
		}
		f.s.e.slab.putFragment(fr)
		fr = next
	}
	f.frags, f.fragTl, f.idle = nil, nil, 0
	for f.msgs != nil {
		f.removeMessage(f.msgs)
	}
	f.unsent = nil
	f.s.queued -= f.queued
	f.queued, f.unstarted = 0, 0
	f.s.e.emit(Event{Kind: EventSendEnd, Session: f.s, Send: f, Err: err})
}
