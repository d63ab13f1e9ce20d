package rtmfp

import "slices"

type recvState uint8

const (
	recvOpen recvState = iota
	recvRejected
	recvEnded // RF_COMPLETE_LINGER: only acknowledges
)

// RecvFlow is a receiving flow (RFC 7016 §3.6.3). It belongs to the goroutine of its endpoint.
type RecvFlow struct {
	// User is the application's; the core does not touch it.
	User any

	s     *Session
	id    uint64
	state recvState
	meta  []byte
	assoc *SendFlow
	code  uint64 // EXCEPTION_CODE

	seen     seqSet
	final    uint64 // RF_FINAL_SN, 0 = not known
	frags    []recvFragment
	asm      *Buffer // the message in progress, of an in-order flow
	next     uint64  // first sequence number not yet delivered or skipped
	buffered int     // bytes held, with overhead
	capacity int

	silent     bool // the application rejected it: no more events
	suspended  bool
	arrival    bool
	shouldAck  bool
	advertised bool   // PREV_RWND has a value
	lastBlocks uint64 // PREV_RWND
	lingerEnd  Time
}

type recvFragment struct {
	seq  uint64
	fra  uint8
	data *Buffer
}

// ID returns the flow id, unique among the receiving flows of the session.
func (f *RecvFlow) ID() uint64 { return f.id }

// Session returns the session of the flow.
func (f *RecvFlow) Session() *Session { return f.s }

// Metadata returns what the sender said the flow is for. It must not be modified.
func (f *RecvFlow) Metadata() []byte { return f.meta }

// Assoc returns our sending flow that this one answers, or nil.
func (f *RecvFlow) Assoc() *SendFlow { return f.assoc }

// SetCapacity sets BUFFER_CAPACITY in bytes, from which the advertised window follows.
func (f *RecvFlow) SetCapacity(n int) { f.capacity = n }

// SetArrivalOrder makes messages come as soon as they are complete, whatever their order.
func (f *RecvFlow) SetArrivalOrder(on bool) {
	if on && f.asm != nil {
		f.frags = slices.Insert(f.frags, 0, recvFragment{f.next - 1, fragBegin, f.asm})
		f.asm = nil
	}
	f.arrival = on
}

// Suspend holds delivery: messages stay in the receive buffer and the window closes.
func (f *RecvFlow) Suspend() { f.suspended = true }

// Resume ends Suspend.
func (f *RecvFlow) Resume(now Time) {
	if !f.suspended {
		return
	}
	f.suspended = false
	f.deliver()
	f.s.wantAck(f, true)
	f.checkComplete(now)
	f.s.wake()
}

// Reject tells the sender that the flow is not wanted (RFC 7016 §3.6.3.7). No event of the flow follows.
func (f *RecvFlow) Reject(now Time, code uint64) {
	f.silent = true
	f.reject(code)
}

func (f *RecvFlow) reject(code uint64) {
	if f.state != recvOpen {
		return
	}
	f.state = recvRejected
	f.code = code
	f.discard()
	f.s.openRecv--
	f.s.wantAck(f, true)
	f.s.wake()
}

func (f *RecvFlow) charge(n int) {
	f.buffered += n
	f.s.buffered += n
}

func (f *RecvFlow) dropAssembly() {
	if f.asm != nil {
		f.charge(-f.asm.Len())
		f.asm.Release()
		f.asm = nil
	}
}

// discard empties the receive buffer.
func (f *RecvFlow) discard() {
	f.dropAssembly()
	for _, fr := range f.frags {
		if fr.data != nil {
			fr.data.Release()
		}
	}
	f.frags = nil
	f.charge(-f.buffered)
}

// receive processes one User Data chunk (RFC 7016 §3.6.3.2, steps 3 to 16).
func (f *RecvFlow) receive(now Time, c *userData) {
	s := f.s
	now0 := f.state != recvOpen || c.abandon || f.seen.hasGaps() ||
		(f.advertised && f.lastBlocks < 2)
	s.wantAck(f, now0)
	dup := f.seen.contains(c.seq)
	if dup {
		s.ackNow = true
		s.e.counters.DuplicateFragments.Add(1)
	} else {
		if f.state == recvOpen && !c.abandon && !f.admits(c) {
			s.e.counters.ReceiveBufferFull.Add(1)
			return // as if it was lost
		}
		if c.seq > maxSequence || !f.seen.add(c.seq) {
			return
		}
		if !c.abandon {
			s.stats.FragmentsReceived++
		}
		if c.final && f.final == 0 {
			f.final = c.seq
			s.ackNow = true
		}
	}
	if c.fsn > f.seen.cum {
		s.stats.FragmentsSkipped += f.seen.missing(c.fsn)
		f.seen.addUpTo(c.fsn)
	}
	if !dup && f.state == recvOpen && !c.abandon {
		f.store(c)
	}
	if f.seen.hasGaps() || f.capacity-f.buffered < 1024 {
		s.ackNow = true
	}
	f.deliver()
	f.checkComplete(now)
}

// admits reports whether there is room for the fragment. What completes the message in progress is
// always welcome: otherwise a full buffer would never drain (RFC 7016 §3.6.3.5).
func (f *RecvFlow) admits(c *userData) bool {
	if f.s.buffered+len(c.data) > f.s.e.cfg.MaxBuffered {
		return false
	}
	inOrder := c.seq == f.next && len(f.frags) == 0 && !f.suspended
	return inOrder || f.buffered+len(c.data)+fragmentCharge <= f.capacity+initialWindow
}

// store keeps the data of a fragment that was not seen before, or uses it at once when it is the next.
func (f *RecvFlow) store(c *userData) {
	if !f.arrival && !f.suspended && c.seq == f.next && len(f.frags) == 0 {
		f.next++
		f.feed(c.fragment, c.data, nil)
		return
	}
	fr := recvFragment{c.seq, c.fragment, CopyBuffer(c.data)}
	f.charge(len(c.data) + fragmentCharge)
	i := len(f.frags)
	for i > 0 && f.frags[i-1].seq > c.seq {
		i--
	}
	f.frags = slices.Insert(f.frags, i, fr)
}

// deliver hands complete messages to the application (RFC 7016 §3.6.3.3).
func (f *RecvFlow) deliver() {
	if f.state != recvOpen || f.suspended {
		return
	}
	if f.arrival {
		f.deliverComplete()
		return
	}
	n := 0
	for n < len(f.frags) && f.frags[n].seq <= f.seen.cum && f.state == recvOpen {
		fr := f.frags[n]
		f.frags[n].data = nil // feed takes it over
		n++
		if fr.seq != f.next {
			f.dropAssembly() // the sender gave up what is missing
		}
		f.next = fr.seq + 1
		f.charge(-fr.data.Len() - fragmentCharge)
		f.feed(fr.fra, fr.data.Bytes(), fr.data)
	}
	if f.state != recvOpen {
		return
	}
	if n > 0 {
		clear(f.frags[:n])
		f.frags = append(f.frags[:0], f.frags[n:]...)
		if len(f.frags) == 0 && cap(f.frags) > 64 {
			f.frags = nil
		}
	}
	if f.next <= f.seen.cum {
		f.dropAssembly()
		f.next = f.seen.cum + 1
	}
}

// feed appends a fragment, the next in order, to the message in progress. It takes over own, the
// buffer of data, if that is not nil.
func (f *RecvFlow) feed(fra uint8, data []byte, own *Buffer) {
	if fra == fragWhole {
		f.dropAssembly()
		if own == nil {
			own = CopyBuffer(data)
		}
		f.message(own)
		return
	}
	if own != nil {
		defer own.Release()
	}
	if fra == fragBegin {
		f.dropAssembly()
		f.asm = NewBuffer(0)
	}
	if f.asm == nil {
		return // the beginning was abandoned
	}
	if f.asm.Len()+len(data) > MaxMessageSize {
		f.s.e.counters.MessagesTooLong.Add(1)
		f.rejectOpen(0)
		return
	}
	f.asm = f.asm.append(data)
	f.charge(len(data))
	if fra == fragEnd {
		b := f.asm
		f.charge(-b.Len())
		f.asm = nil
		f.message(b)
	}
}

func (f *RecvFlow) message(b *Buffer) {
	f.s.e.counters.MessagesReceived.Add(1)
	f.s.e.emit(Event{Kind: EventMessage, Session: f.s, Recv: f, Message: b})
}

// rejectOpen rejects a flow the application knows of, for a reason of the protocol.
func (f *RecvFlow) rejectOpen(code uint64) {
	f.reject(code)
	f.s.e.emit(Event{Kind: EventFlowEnd, Session: f.s, Recv: f, Err: errFlowProtocol})
}

// deliverComplete serves a flow in arrival order: every complete run of fragments goes out at once.
func (f *RecvFlow) deliverComplete() {
	for i := 0; i < len(f.frags); {
		end := f.segment(i)
		first, last := f.frags[i], f.frags[end-1]
		complete := first.fra == fragWhole || (first.fra == fragBegin && last.fra == fragEnd)
		switch {
		case complete:
			f.deliverSegment(i, end)
		case last.seq < f.seen.cum || (first.seq <= f.seen.cum && first.fra != fragBegin):
			f.dropSegment(i, end) // can never be completed
		default:
			i = end
		}
	}
}

// segment returns the end of the run of fragments of one message that starts at i.
func (f *RecvFlow) segment(i int) int {
	end := i + 1
	if fra := f.frags[i].fra; fra == fragWhole || fra == fragEnd {
		return end
	}
	for end < len(f.frags) && f.frags[end].seq == f.frags[end-1].seq+1 {
		switch f.frags[end].fra {
		case fragMiddle:
			end++
		case fragEnd:
			return end + 1
		default:
			return end
		}
	}
	return end
}

func (f *RecvFlow) deliverSegment(i, end int) {
	b := f.frags[i].data.Retain()
	if end > i+1 {
		b.Release()
		n := 0
		for _, fr := range f.frags[i:end] {
			n += fr.data.Len()
		}
		b = NewBuffer(n)
		n = 0
		for _, fr := range f.frags[i:end] {
			n += copy(b.b[n:], fr.data.b)
		}
	}
	f.dropSegment(i, end)
	f.message(b)
}

func (f *RecvFlow) dropSegment(i, end int) {
	for _, fr := range f.frags[i:end] {
		f.charge(-fr.data.Len() - fragmentCharge)
		fr.data.Release()
	}
	f.frags = slices.Delete(f.frags, i, end)
}

// checkComplete ends the flow when every number up to the final one was seen (RFC 7016 §3.6.3.8).
func (f *RecvFlow) checkComplete(now Time) {
	if f.state == recvEnded || f.final == 0 || f.seen.cum < f.final {
		return
	}
	if f.state == recvOpen {
		if f.suspended && len(f.frags) > 0 {
			return
		}
		f.discard()
		f.s.openRecv--
		f.state = recvEnded
		f.s.e.emit(Event{Kind: EventFlowEnd, Session: f.s, Recv: f})
		f.s.checkIdle()
	}
	f.state = recvEnded
	f.lingerEnd = now.Add(recvFlowLinger)
	f.s.lingerAt = sooner(f.s.lingerAt, f.lingerEnd)
	f.s.wantAck(f, true)
}

// blocks returns the window to advertise, in units of 1024 bytes (RFC 7016 §3.6.3.5). Zero on an open
// flow is fatal for old clients, so it is said only of a suspended or closed one.
func (f *RecvFlow) blocks() uint64 {
	switch f.state {
	case recvRejected:
		return 0
	case recvEnded:
		return initialWindow >> 10
	}
	n := max(f.capacity-f.buffered, 0)
	b := uint64(n+1023) / 1024
	if b == 0 && f.capacity > 0 && !f.suspended {
		b = 1
	}
	return b
}
