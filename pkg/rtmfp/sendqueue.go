package rtmfp

func (f *SendFlow) newFragment(m *sendMessage, off, size int) *fragment {
	fr := f.s.e.slab.fragment()
	fr.flow, fr.msg, fr.off, fr.size = f, m, off, size
	fr.seq = f.nextSeq
	f.nextSeq++
	return fr
}

func (f *SendFlow) pushFragment(fr *fragment) *fragment {
	fr.prev = f.fragTl
	if f.fragTl != nil {
		f.fragTl.next = fr
	} else {
		f.frags = fr
	}
	f.fragTl = fr
	f.idle++
	return fr
}

// removeFragment takes fr out of SEND_QUEUE: acknowledged, or abandoned and trimmed.
func (f *SendFlow) removeFragment(fr *fragment) {
	if fr.inFlight {
		f.s.land(fr)
	} else {
		f.idle--
	}
	if fr.prev != nil {
		fr.prev.next = fr.next
	} else {
		f.frags = fr.next
	}
	if fr.next != nil {
		fr.next.prev = fr.prev
	} else {
		f.fragTl = fr.prev
	}
	if m := fr.msg; m != nil {
		m.unacked--
		if !m.abandoned {
			f.dropQueued(fr.size)
		}
		if m.unacked == 0 && m.cut == m.size {
			f.removeMessage(m)
		}
	}
	f.s.e.slab.putFragment(fr)
}

// handleAck takes the acknowledged fragments out of the queue (RFC 7016 §3.6.2.4) and returns the
// bytes that left the network.
func (f *SendFlow) handleAck(now Time, a *ack) (acked int) {
	before := f.outstanding
	f.startup = nil
	wasShut := f.window == 0
	f.window = int(min(a.bufferBlocks, 1<<20)) << 10
	fr := f.frags
	for fr != nil && fr.seq <= a.cumulative {
		next := fr.next
		f.acknowledge(fr)
		fr = next
	}
	for i := 0; fr != nil && i < len(a.ranges); {
		switch r := a.ranges[i]; {
		case fr.seq < r.from:
			fr = fr.next
		case fr.seq > r.to:
			i++
		default:
			next := fr.next
			f.acknowledge(fr)
			fr = next
		}
	}
	f.updateProbe(now, wasShut)
	f.s.activate(f)
	return before - f.outstanding
}

func (f *SendFlow) acknowledge(fr *fragment) {
	if fr.inFlight {
		f.s.maxTSNAck = max(f.s.maxTSNAck, fr.tsn)
	}
	f.removeFragment(fr)
}

// updateProbe starts or stops probing for a window that the receiver closed (RFC 7016 §3.6.2.9.1).
func (f *SendFlow) updateProbe(now Time, wasShut bool) {
	switch {
	case f.window > 0 || f.exception || f.state == sendEnded:
		f.probeAt = 0
	case !wasShut || f.probeAt == 0:
		f.probePeriod = max(probeMinPeriod, f.s.rtt.erto)
		f.probeAt = now.Add(f.probePeriod)
		f.s.probing = true
	}
}

// handleException closes the flow because the receiver rejected it (RFC 7016 §3.6.2.10).
func (f *SendFlow) handleException(now Time, code uint64) {
	if f.exception {
		return
	}
	f.exception, f.rejected = true, &RejectedError{code}
	f.probeAt = 0
	for m := f.msgs; m != nil; {
		next := m.next
		if !m.abandoned {
			f.abandonOne(m)
		}
		m = next
	}
	for fr := f.frags; fr != nil; fr = fr.next {
		fr.abandoned = true
	}
	if f.state == sendOpen {
		f.s.e.emit(Event{Kind: EventSendRejected, Session: f.s, Send: f, Code: code})
		f.Close(now)
	}
	f.s.activate(f)
}

// complete reports whether the closing flow has everything acknowledged.
func (f *SendFlow) complete() bool {
	return f.state == sendClosing && f.finalSent && f.frags == nil && f.msgs == nil
}

// pick returns what to send next: a fragment to repeat, or a new one cut to fit room bytes of data;
// nil if there is nothing or no room. Trimming follows RFC 7016 §3.6.2.3, except that abandoned
// entries leave the front only when something else will carry the forward sequence number: otherwise
// a receiver could wait for ever for what was dropped.
func (f *SendFlow) pick(now Time, room, maxFragment int) *fragment {
	for fr := f.frags; fr != nil && f.idle > 0; fr = fr.next {
		if fr.inFlight || (fr.abandoned && !fr.final) {
			continue
		}
		if fr.msg != nil && fr.msg.expired(now) {
			f.abandon(fr.msg) // marks fr; the list itself only grows at its end
			continue
		}
		f.trim(fr)
		return fr
	}
	for f.unsent != nil && f.unsent.expired(now) {
		f.abandon(f.unsent)
	}
	if m := f.unsent; m != nil {
		n := m.size - m.cut
		room = min(room, maxFragment)
		if n > room {
			if room < fragmentFloor {
				return nil
			}
			n = room
		}
		f.trim(nil)
		return f.cut(m, n)
	}
	if f.state == sendClosing && !f.finalSent {
		f.finalSent = true
		f.trim(nil)
		fr := f.newFragment(nil, 0, 0)
		fr.abandoned, fr.final = true, true
		return f.pushFragment(fr)
	}
	if fr := f.frags; fr != nil && fr.abandoned && !fr.inFlight {
		for fr.next != nil && fr.next.abandoned && !fr.next.inFlight {
			next := fr.next
			f.removeFragment(fr)
			fr = next
		}
		return fr // a forward sequence number update (RFC 7016 §3.6.2.7.1)
	}
	return nil
}

// trim removes abandoned entries from the front, up to keep.
func (f *SendFlow) trim(keep *fragment) {
	for fr := f.frags; fr != nil && fr != keep && fr.abandoned && !fr.inFlight && !fr.final; {
		next := fr.next
		f.removeFragment(fr)
		fr = next
	}
}

func (f *SendFlow) cut(m *sendMessage, n int) *fragment {
	if m.cut == 0 {
		f.unstarted -= m.size
	}
	fr := f.newFragment(m, m.cut, n)
	first, last := m.cut == 0, m.cut+n == m.size
	switch {
	case first && last:
		fr.fra = fragWhole
	case first:
		fr.fra = fragBegin
	case last:
		fr.fra = fragEnd
	default:
		fr.fra = fragMiddle
	}
	m.cut += n
	m.unacked++
	if last {
		f.unsent = m.next
	}
	return f.pushFragment(fr)
}

// fsn returns the forward sequence number to send with any chunk of the flow (RFC 7016 §3.6.2.3).
func (f *SendFlow) fsn() uint64 {
	fr := f.frags
	if fr == nil {
		return f.nextSeq - 1
	}
	if !fr.abandoned || (fr.inFlight && !fr.sentAsGone) {
		return fr.seq - 1
	}
	return fr.seq
}

// ready reports whether the flow may send something now.
func (f *SendFlow) ready() bool {
	if !f.exception && f.window <= f.outstanding {
		return false
	}
	if f.unsent != nil || (f.state == sendClosing && !f.finalSent) {
		return true
	}
	if f.idle == 0 {
		return false
	}
	for fr := f.frags; fr != nil; fr = fr.next {
		if !fr.inFlight && (!fr.abandoned || fr.final || fr == f.frags) {
			return true
		}
	}
	return false
}
