package rtmfp

// timerHeap orders sessions by their next deadline. An entry may be early: a deadline that moved back
// is found out when the entry fires, so that the usual "one more packet, a little later" costs nothing.
// The deadlines are in the heap itself: looking at those of the sessions would fetch them all from memory.
type timerHeap []timerEntry

type timerEntry struct {
	at Time
	s  *Session
}

func (h timerHeap) put(i int, t timerEntry) {
	h[i] = t
	t.s.timer = i
}

// up moves t, whose place is i, to where it belongs above.
func (h timerHeap) up(i int, t timerEntry) {
	for i > 0 {
		parent := (i - 1) / 2
		if h[parent].at <= t.at {
			break
		}
		h.put(i, h[parent])
		i = parent
	}
	h.put(i, t)
}

// down moves t, whose place is i, to where it belongs below.
func (h timerHeap) down(i int, t timerEntry) {
	for {
		least := 2*i + 1
		if least >= len(h) {
			break
		}
		if r := least + 1; r < len(h) && h[r].at < h[least].at {
			least = r
		}
		if t.at <= h[least].at {
			break
		}
		h.put(i, h[least])
		i = least
	}
	h.put(i, t)
}

// set schedules s at t if that is earlier than what is scheduled.
func (h *timerHeap) set(s *Session, t Time) {
	switch {
	case s.timer < 0:
		*h = append(*h, timerEntry{})
		h.up(len(*h)-1, timerEntry{t, s})
	case t < (*h)[s.timer].at:
		h.up(s.timer, timerEntry{t, s})
	}
}

// delay moves s, which is scheduled, to t, which is later.
func (h timerHeap) delay(s *Session, t Time) { h.down(s.timer, timerEntry{t, s}) }

func (h *timerHeap) remove(s *Session) {
	i := s.timer
	if i < 0 {
		return
	}
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = timerEntry{}
	*h = (*h)[:len(*h)-1]
	s.timer = -1
	switch {
	case last.s == s:
	case i > 0 && last.at < (*h)[(i-1)/2].at:
		h.up(i, last)
	default:
		h.down(i, last)
	}
}

// nextDeadline returns the earliest time the session has something to do; 0 means never.
func (s *Session) nextDeadline() Time {
	var t Time
	consider := func(d Time) { t = sooner(t, d) }
	if o := s.opening; o != nil {
		return o.nextDeadline()
	}
	if s.state != stateOpen {
		consider(s.closeAt)
		consider(s.closeEnd)
		return t
	}
	consider(s.delackAt)
	consider(s.timeoutAt)
	consider(s.keepaliveAt)
	consider(s.wakeAt)
	consider(s.lingerAt)
	consider(s.paceAt)
	if s.waitSince != 0 {
		consider(s.waitSince.Add(s.e.cfg.RetransmitLimit))
	}
	if s.ackProgress != 0 {
		consider(s.ackProgress.Add(s.e.cfg.RetransmitLimit))
	}
	if s.idleSince != 0 {
		consider(s.idleSince.Add(s.e.cfg.IdleLimit))
	}
	if s.probing {
		for _, f := range s.sendFlows {
			consider(f.probeAt)
		}
	}
	return t
}

func (s *Session) reschedule() {
	if s.state == stateClosed {
		return
	}
	if t := s.nextDeadline(); t != 0 {
		s.e.timers.set(s, t)
	}
}

func due(t, now Time) bool { return t != 0 && t <= now }

// onTimer does everything whose time has come.
func (s *Session) onTimer(now Time) {
	if s.opening != nil {
		s.openingTimer(now)
		return
	}
	if due(s.closeEnd, now) {
		s.finish(ErrClosed)
		return
	}
	if due(s.closeAt, now) {
		s.requestClose(now)
	}
	if s.state != stateOpen {
		return
	}
	if s.defunct(now) {
		s.Abort(now, ErrPeerGone)
		return
	}
	if s.idleSince != 0 && due(s.idleSince.Add(s.e.cfg.IdleLimit), now) {
		s.beginClose(now, ErrIdle)
		return
	}
	if due(s.delackAt, now) { // RFC 7016 §3.6.3.4.4
		s.delackAt, s.ackNow = 0, true
		s.wake()
	}
	if due(s.timeoutAt, now) {
		s.onRetransmitTimeout(now)
	}
	if due(s.paceAt, now) { // one more packet
		s.paceAt, s.burst = 0, burstPackets-1
		s.wake()
	}
	if due(s.keepaliveAt, now) {
		s.sendKeepalive(now)
	}
	if due(s.lingerAt, now) {
		s.reapFlows(now)
	}
	if s.probing {
		s.sendProbes(now)
	}
	if due(s.wakeAt, now) {
		s.wakeAt = 0
		s.e.emit(Event{Kind: EventTimer, Session: s})
	}
}

// defunct reports whether the far end left a ping or data unanswered for too long.
func (s *Session) defunct(now Time) bool {
	limit := s.e.cfg.RetransmitLimit
	if s.outstanding == 0 && s.queued == 0 {
		s.ackProgress = 0
	}
	return (s.waitSince != 0 && now.Sub(s.waitSince) >= limit) ||
		(s.ackProgress != 0 && now.Sub(s.ackProgress) >= limit)
}

// onRetransmitTimeout takes everything in flight for lost (RFC 7016 §3.6.2.6).
func (s *Session) onRetransmitTimeout(now Time) {
	s.timeoutAt = 0
	wasLoss := s.inFlight != nil
	for s.inFlight != nil {
		s.lose(now, s.inFlight)
	}
	if wasLoss {
		s.rtt.backoff()
		s.e.counters.Timeouts.Add(1)
	}
	s.cong.onTimeout(wasLoss)
	s.burst, s.paceAt = 0, 0
	s.wake()
}

// sendKeepalive pings a silent far end, more slowly the longer it is silent (RFC 7016 §3.5.4.1).
func (s *Session) sendKeepalive(now Time) {
	if s.waitSince == 0 {
		s.waitSince = now
	} else {
		s.rtt.backoff()
	}
	s.control.ping = true
	s.keepaliveAt = now.Add(max(s.rtt.erto, s.keepalive/8))
	s.wake()
}

// suspect pings the far end because somebody else seems to have its address: if it is dead, that is found
// out soon.
func (s *Session) suspect(now Time) {
	if s.state == stateOpen && s.waitSince == 0 {
		s.sendKeepalive(now)
		s.reschedule()
	}
}

// sendProbes asks receivers that closed their window whether it is open again (RFC 7016 §3.6.2.9.1).
func (s *Session) sendProbes(now Time) {
	s.probing = false
	for _, f := range s.sendFlows {
		if f.probeAt == 0 {
			continue
		}
		s.probing = true
		if f.probeAt > now {
			continue
		}
		b, mark := beginChunk(nil, chunkBufferProbe)
		b = appendBufferProbe(b, f.id)
		endChunk(b, mark)
		s.control.pushRaw(b)
		f.probePeriod = min(f.probePeriod*14142/10000, max(probeMaxPeriod, s.rtt.erto))
		f.probeAt = now.Add(f.probePeriod)
		s.wake()
	}
}

// reapFlows forgets receiving flows that lingered long enough (RFC 7016 §3.6.3.8).
func (s *Session) reapFlows(now Time) {
	s.lingerAt = 0
	for id, f := range s.recvFlows {
		switch {
		case f.state != recvEnded:
		case f.lingerEnd <= now && !f.shouldAck:
			delete(s.recvFlows, id)
		default:
			s.lingerAt = sooner(s.lingerAt, max(f.lingerEnd, now.Add(delayedAck)))
		}
	}
	s.checkIdle()
}
