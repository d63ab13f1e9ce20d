package rtmfp

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
	frags    fragBuffer
	asm      *Buffer // the message in progress, of an in-order flow
	next     uint64  // first sequence number not yet delivered or skipped
	buffered int     // bytes held, with overhead
	lost     int     // gaps the sender left since the last message
	capacity int

	rejected   bool // also when it is complete
	silent     bool // the application rejected it: no more events
	suspended  bool
	arrival    bool
	shouldAck  bool
	advertised bool   // PREV_RWND has a value
	lastBlocks uint64 // PREV_RWND
	lingerEnd  Time
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
	if on == f.arrival {
		return
	}
	f.arrival = on
	if !on {
		return
	}
	if f.asm != nil { // what there is of it becomes one fragment
		f.frags.place(recvFragment{seq: f.next - 1, fra: fragBegin, data: f.asm})
		f.charge(fragmentCharge)
		f.asm = nil
	}
	f.frags.rebuild()
	f.deliverWhole()
	f.deliver()
}

// Suspend holds delivery: messages stay in the receive buffer and the window closes.
func (f *RecvFlow) Suspend() { f.suspended = true }

// Resume ends Suspend.
func (f *RecvFlow) Resume(now Time) {
	if !f.suspended {
		return
	}
	f.suspended = false
	if f.s.state != stateOpen {
		return
	}
	if f.arrival {
		f.deliverWhole()
	}
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
	f.state, f.rejected = recvRejected, true
	f.code = code
	f.discard()
	f.s.openRecv--
	f.s.checkIdle()
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
	f.frags.all(func(fr *recvFragment) { fr.data.Release() })
	f.frags = fragBuffer{}
	f.charge(-f.buffered)
}

// receive processes one User Data chunk (RFC 7016 §3.6.3.2, steps 3 to 16).
func (f *RecvFlow) receive(now Time, c *userData) {
	s := f.s
	s.wantAck(f, f.state != recvOpen || c.abandon || f.seen.hasGaps() || (f.advertised && f.lastBlocks < 2))
	if c.seq > maxSequence {
		return
	}
	dup := f.seen.contains(c.seq)
	// What the sender gave up comes first: it may be what makes room for the fragment.
	if c.fsn > f.seen.cum {
		skipped := f.seen.addUpTo(c.fsn)
		if c.final && c.fsn == c.seq {
			skipped-- // the end of the flow is no loss
		}
		f.skipped(skipped)
		f.deliver()
	}
	switch {
	case dup:
		s.ackNow = true
		s.e.counters.DuplicateFragments.Add(1)
	case !f.admits(c):
		s.e.counters.ReceiveBufferFull.Add(1) // as if it was lost
	case f.seen.add(c.seq):
		if c.final && f.final == 0 {
			f.final = c.seq
			s.ackNow = true
		}
		switch {
		case c.abandon:
			if c.seq != c.fsn && !c.final {
				f.skipped(1)
			}
		default:
			s.stats.FragmentsReceived++
			if f.state == recvOpen {
				f.store(c)
			}
		}
	}
	if f.seen.hasGaps() || f.capacity-f.buffered < 1024 {
		s.ackNow = true
	}
	f.deliver()
	f.checkComplete(now)
}

// admits reports whether there is room for the fragment. The next one is always welcome, whatever is
// buffered behind it: otherwise a full buffer would never drain (RFC 7016 §3.6.3.5).
func (f *RecvFlow) admits(c *userData) bool {
	if f.state != recvOpen || c.abandon {
		return true // only its number is kept
	}
	next := c.seq == f.seen.cum+1 && !f.suspended
	n := len(c.data) + fragmentCharge
	if limit := f.s.e.cfg.MaxBuffered; f.s.buffered+n > limit {
		if next && f.buffered+n > limit { // nobody else could make room
			f.tooLong()
			return true
		}
		return false
	}
	// Beyond what the window promised: the sender does not know what a fragment costs beside its data.
	return next || f.buffered+n <= f.capacity+max(f.capacity/2, initialWindow)
}

// store keeps the data of a fragment that was not seen before, or uses it at once when it is the next.
func (f *RecvFlow) store(c *userData) {
	if !f.arrival && !f.suspended && c.seq == f.next && f.frags.empty() {
		f.next++
		f.feed(c.fragment, c.data, nil)
		return
	}
	f.charge(len(c.data) + fragmentCharge)
	fr := recvFragment{seq: c.seq, fra: c.fragment, data: CopyBuffer(c.data)}
	if !f.arrival {
		f.frags.place(fr)
		return
	}
	if first := f.frags.insert(fr); !f.suspended {
		f.deliverRun(first)
	}
}

// deliver hands complete messages to the application (RFC 7016 §3.6.3.3).
func (f *RecvFlow) deliver() {
	if f.state != recvOpen || f.suspended {
		return
	}
	if f.arrival {
		f.dropDead()
		return
	}
	for f.state == recvOpen {
		fr := f.frags.front()
		if fr == nil || fr.seq > f.seen.cum {
			break
		}
		next := f.frags.pop()
		if next.seq != f.next { // the sender gave up what is missing
			f.skip()
		}
		f.next = next.seq + 1
		f.charge(-next.data.Len() - fragmentCharge)
		f.feed(next.fra, next.data.Bytes(), next.data)
	}
	if f.state == recvOpen && f.next <= f.seen.cum {
		f.skip()
		f.next = f.seen.cum + 1
	}
}

// skipped counts fragments that the sender gave up. A flow in order finds out where they are missing.
func (f *RecvFlow) skipped(n uint64) {
	f.s.stats.FragmentsSkipped += n
	if f.arrival && n > 0 {
		f.lost = max(f.lost, 1)
	}
}

// skip passes over what will never come. All that is skipped at one place may be one message.
func (f *RecvFlow) skip() {
	if f.lost == 0 || f.asm != nil {
		f.lost++
	}
	f.dropAssembly()
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
		f.tooLong()
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
	f.s.e.emit(Event{Kind: EventMessage, Session: f.s, Recv: f, Message: b, Lost: f.lost})
	f.lost = 0
}

// rejectOpen rejects a flow the application knows of, for a reason of the protocol.
func (f *RecvFlow) rejectOpen(code uint64) {
	f.reject(code)
	f.s.e.emit(Event{Kind: EventFlowEnd, Session: f.s, Recv: f, Err: errFlowProtocol})
}

func (f *RecvFlow) tooLong() {
	f.s.e.counters.MessagesTooLong.Add(1)
	f.rejectOpen(0)
}

// deliverRun delivers the run that first begins, of a flow in arrival order, if it is a whole message.
func (f *RecvFlow) deliverRun(first *recvFragment) {
	from, to, size := first.seq, first.far, first.bytes
	if size > MaxMessageSize {
		f.tooLong()
		return
	}
	if first.fra == fragWhole {
		b := first.data.Retain()
		f.dropRun(from, to)
		f.message(b)
		return
	}
	if first.fra != fragBegin || f.frags.at(to).fra != fragEnd {
		return
	}
	b := NewBuffer(size)
	n := 0
	f.frags.remove(from, to, func(p *Buffer) {
		n += copy(b.b[n:], p.b)
		f.charge(-p.Len() - fragmentCharge)
		p.Release()
	})
	f.message(b)
}

// deliverWhole delivers the whole messages that are there already, of a flow in arrival order.
func (f *RecvFlow) deliverWhole() {
	for fr := f.frags.front(); fr != nil && f.state == recvOpen && !f.suspended; {
		next := fr.far + 1
		f.deliverRun(fr)
		fr = f.frags.from(next)
	}
}

// dropDead removes runs that can never be completed from the front of a flow in arrival order.
func (f *RecvFlow) dropDead() {
	for {
		fr := f.frags.front()
		if fr == nil || fr.seq > f.seen.cum || (fr.fra == fragBegin && fr.far == f.seen.cum) {
			return
		}
		f.dropRun(fr.seq, fr.far)
	}
}

func (f *RecvFlow) dropRun(from, to uint64) {
	f.frags.remove(from, to, func(p *Buffer) {
		f.charge(-p.Len() - fragmentCharge)
		p.Release()
	})
}

// checkComplete ends the flow when every number up to the final one was seen (RFC 7016 §3.6.3.8).
func (f *RecvFlow) checkComplete(now Time) {
	if f.state == recvEnded || f.final == 0 || f.seen.cum < f.final {
		return
	}
	if f.state == recvOpen {
		if f.suspended && !f.frags.empty() {
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
	switch {
	case f.rejected:
		return 0
	case f.state == recvEnded:
		return initialWindow >> 10
	}
	n := max(min(f.capacity-f.buffered, f.s.e.cfg.MaxBuffered-f.s.buffered), 0)
	b := uint64(n+1023) / 1024
	if b == 0 && f.capacity > 0 && !f.suspended {
		b = 1
	}
	return b
}
