package rtmfp

import (
	"net/netip"
	"time"
)

// handle processes a datagram whose session id is ours.
func (s *Session) handle(now Time, b []byte, from netip.AddrPort) {
	c := s.e.counters
	switch s.state {
	case stateHelloSent:
		c.UnknownSession.Add(1) // nobody was told the id yet
		return
	case stateKeyingSent:
		s.handleOpening(now, b, from)
		return
	}
	pkt, err := s.recv.open(b)
	if err != nil {
		s.e.countOpenError(err)
		return
	}
	s.e.dumpReceived(from, s.nearID, pkt)
	h, n := consumePacketHeader(pkt)
	// Under session keys each side has its own mode: a packet of ours that comes back is not theirs.
	want := uint8(modeInitiator)
	if s.initiator {
		want = modeResponder
	}
	if n == 0 || h.mode != want {
		c.BadPackets.Add(1)
		return
	}
	if !s.proven() {
		s.replay = nil // the far end has the answer
		s.e.cfg.Directory.confirm(s.addr)
		if s.state == stateOpen {
			s.e.cfg.Directory.setPeer(s.peer, PeerRef{s.e.cfg.Shard, s.nearID, s.addr})
		}
	}
	if from == s.addr && from == s.e.from {
		s.local = s.e.local
	}
	s.stats.PacketsReceived++
	s.warm()
	s.stats.BytesReceived += uint64(len(b))
	s.lastRecv, s.waitSince = now, 0
	if s.state == stateOpen {
		s.keepaliveAt = 0
		if s.keepalive > 0 {
			s.keepaliveAt = now.Add(s.keepalive)
		}
	}
	if h.hasTimestamp {
		s.rtt.onTimestamp(now, h.timestamp)
	}
	if h.hasEcho {
		s.rtt.onEcho(now, h.echo)
	}
	if h.timeCritical {
		s.e.tcReceived(now, s)
	}
	if h.timeCriticalReverse {
		s.tcrRecvAt = now
	}
	s.chunks(now, pkt[n:], from)
	if s.state == stateOpen && from != s.addr {
		s.probeAddress(now, from)
	}
	if s.state != stateClosed {
		s.wakeIfNeeded()
		s.reschedule()
	}
}

// proven reports whether the far end has shown that it has the session keys and so the private key of its
// certificate. Until then anybody may pretend to be anybody: certificates are public.
func (s *Session) proven() bool { return s.stats.PacketsReceived > 0 }

// wakeIfNeeded queues the session when it has something it may send.
func (s *Session) wakeIfNeeded() {
	if s.ackNow || s.control.pending() {
		s.wake()
		return
	}
	for i := range s.readyFlows {
		if s.readyFlows[i].head != nil {
			s.wake()
			return
		}
	}
}

// chunks processes the chunks of a packet under session keys.
func (s *Session) chunks(now Time, b []byte, from netip.AddrPort) {
	var (
		sum     ackSummary
		anyAcks bool
		anyData bool
		canNext bool
		ud      = &s.e.ud
	)
	sum.pre = s.outstanding
	for {
		typ, p, rest, ok := nextChunk(b)
		if !ok {
			break
		}
		b = rest
		if s.state != stateOpen && typ != chunkClose && typ != chunkCloseAck {
			continue
		}
		switch typ {
		case chunkUserData:
			if canNext = consumeUserData(p, ud); canNext {
				anyData = true
				s.userData(now, ud)
			}
		case chunkNextUserData:
			if canNext = canNext && consumeNextUserData(p, ud); canNext {
				anyData = true
				s.userData(now, ud)
			}
		case chunkRangeAck, chunkBitmapAck:
			a := &s.e.ackIn
			ok := false
			if typ == chunkRangeAck {
				ok = consumeRangeAck(p, a)
			} else {
				ok = consumeBitmapAck(p, a)
			}
			if f := s.sendFlow(a.flowID); ok && f != nil {
				anyAcks = true
				sum.acked += f.handleAck(now, a)
			}
		case chunkPing:
			s.control.pingReply(p)
		case chunkPingReply:
			s.pingReply(now, p, from)
		case chunkBufferProbe:
			if id, ok := consumeBufferProbe(p); ok {
				if f := s.recvFlows[id]; f != nil {
					s.wantAck(f, true)
				}
			}
		case chunkFlowException:
			if x, ok := consumeFlowException(p); ok {
				if f := s.sendFlows[x.flowID]; f != nil {
					f.handleException(now, x.code)
				}
			}
		case chunkFragment: // unusual in a session, but allowed (RFC 7016 §3.4)
			s.fragment(now, p, from)
		case chunkFIHello:
			s.forwardedHello(now, p)
		case chunkClose:
			s.peerClose(now)
		case chunkCloseAck:
			if s.state == stateOpen {
				s.Abort(now, ErrPeerClosed)
			} else {
				s.finish(ErrPeerClosed)
			}
		default: // padding, ECN reports and what others invent
		}
		if s.state == stateClosed {
			return
		}
	}
	if s.state != stateOpen {
		return
	}
	if anyAcks {
		s.afterAcks(now, sum)
	}
	if anyData {
		s.rxPackets++
		if s.rxPackets >= ackEvery {
			s.ackNow = true
		}
		if !s.ackNow && s.delackAt == 0 {
			s.delackAt = now.Add(delayedAck)
		}
	}
}

// sendFlow returns the flow with an id, nil if there is none.
func (s *Session) sendFlow(id uint64) *SendFlow {
	if f := s.ackedFlow; f != nil && f.id == id && f.state != sendEnded {
		return f // most acknowledgements are for the flow that carries the media
	}
	f := s.sendFlows[id]
	if f != nil {
		s.ackedFlow = f
	}
	return f
}

// peerClose answers a Close Request (RFC 7016 §3.5.5).
func (s *Session) peerClose(now Time) {
	s.control.closeAck = true
	s.wake()
	if !s.farClosed {
		s.farClosed = true
		s.e.farClosed++
	}
	switch s.state {
	case stateOpen:
		s.state = stateFarClose
		s.endFlows(ErrPeerClosed)
		s.closeAt, s.closeEnd = 0, now.Add(farCloseLinger)
	case stateNearClose:
		// Both ends close: our own request is answered in the same way, but not by servers of the time of
		// Flash, to which the request itself is the answer.
	}
}

// userData finds or opens the receiving flow of a fragment (RFC 7016 §3.6.3.1).
func (s *Session) userData(now Time, c *userData) {
	f := s.recvFlows[c.flowID]
	if f == nil {
		if f = s.openRecvFlow(now, c); f == nil {
			return
		}
	} else if f.state == recvOpen && c.optionsPresent {
		if o, ok := parseFlowOptions(c.options); !ok || o.unknown {
			f.rejectOpen(0)
		}
	}
	f.receive(now, c)
}

func (s *Session) openRecvFlow(now Time, c *userData) *RecvFlow {
	full := s.openRecv >= s.e.cfg.MaxFlows
	if full {
		s.e.counters.FlowsRefused.Add(1)
		if len(s.recvFlows) >= 4*s.e.cfg.MaxFlows {
			return nil // not even the rejected ones fit any more
		}
	}
	var o flowOptions
	ok := true
	if c.optionsPresent {
		o, ok = parseFlowOptions(c.options)
	}
	f := &RecvFlow{s: s, id: c.flowID, next: 1, capacity: s.e.cfg.RecvCapacity}
	if s.recvFlows == nil {
		s.recvFlows = make(map[uint64]*RecvFlow, 4)
	}
	s.recvFlows[f.id] = f
	s.openRecv++
	s.ackNow = true
	s.idleSince = 0
	switch {
	case full, !ok, o.unknown, o.multipleAssoc, !o.hasMetadata, len(o.metadata) > maxMetadata:
		f.silent = true
		f.reject(0)
		return f
	case o.hasAssoc:
		f.assoc = s.sendFlows[o.assoc]
		if f.assoc == nil || f.assoc.state != sendOpen {
			f.assoc, f.silent = nil, true
			f.reject(0)
			return f
		}
	}
	f.meta = append([]byte(nil), o.metadata...)
	s.e.emit(Event{Kind: EventFlow, Session: s, Recv: f})
	return f
}

// afterAcks counts negative acknowledgements, finds losses and lets the window follow
// (RFC 7016 §3.6.2.5 and App. A).
func (s *Session) afterAcks(now Time, sum ackSummary) {
	for fr := s.inFlight; fr != nil && fr.tsn < s.maxTSNAck; {
		next := fr.tnext
		sum.naks = true
		if fr.naks++; fr.naks >= lossNAKs {
			if !fr.abandoned {
				sum.lost += fr.transmit
				if fr.tsn <= s.cutTSN {
					sum.old += fr.transmit
				}
			}
			s.lose(now, fr)
		}
		fr = next
	}
	sum.fastGrow = !recent(now, s.tcrRecvAt, tcMemory) && !recent(now, s.e.tcSentAt, tcMemory)
	sum.tcSent = recent(now, s.tcSentAt, tcMemory)
	if s.cong.onAck(sum) {
		s.cutTSN = s.nextTSN
	}
	s.burst, s.paceAt = 0, 0
	if sum.acked > 0 {
		s.ackProgress = now
	}
	if s.outstanding == 0 {
		s.ackProgress = 0
	}
	if s.timeoutAt != 0 { // also if nothing is outstanding: a window that was idle for so long starts anew
		s.timeoutAt = now.Add(s.rtt.erto)
	}
	s.wake()
}

func recent(now, t Time, within time.Duration) bool { return t != 0 && now.Sub(t) < within }

// lose takes a fragment for lost: it is no longer in flight and may be sent again.
func (s *Session) lose(now Time, fr *fragment) {
	s.land(fr)
	fr.flow.idle++
	s.stats.FragmentsLost++
	s.e.counters.FragmentsLost.Add(1)
	if m := fr.msg; m != nil && !m.abandoned && (m.unreliable || m.expired(now)) {
		fr.flow.abandon(m)
	}
	s.activate(fr.flow)
}

// launch puts a fragment in flight.
func (s *Session) launch(fr *fragment, size int) {
	s.nextTSN++
	fr.tsn, fr.transmit, fr.naks, fr.inFlight, fr.sentAsGone = s.nextTSN, size, 0, true, fr.abandoned
	fr.flow.idle--
	fr.flow.outstanding += size
	s.outstanding += size
	fr.tprev = s.inFlightTail
	if s.inFlightTail != nil {
		s.inFlightTail.tnext = fr
	} else {
		s.inFlight = fr
	}
	s.inFlightTail = fr
}

// land takes a fragment out of flight: acknowledged, lost or dropped.
func (s *Session) land(fr *fragment) {
	fr.inFlight = false
	fr.flow.outstanding -= fr.transmit
	s.outstanding -= fr.transmit
	if fr.tprev != nil {
		fr.tprev.tnext = fr.tnext
	} else {
		s.inFlight = fr.tnext
	}
	if fr.tnext != nil {
		fr.tnext.tprev = fr.tprev
	} else {
		s.inFlightTail = fr.tprev
	}
	fr.tprev, fr.tnext = nil, nil
}
