package rtmfp

import "time"

const maxHeaderLen = 5 // flags, timestamp, echo

// packetRoom returns how long the plain packet, after the key's begin, may get.
func (s *Session) packetRoom() int {
	k := s.send
	mac := int(k.hmacLen)
	text := (maxDatagram - sessionIDLen - mac) &^ 15
	return sessionIDLen + text
}

// build assembles the next packet of the session, which is still to be sealed, into b; ok is false if there is nothing to
// send now. Whether there is something and what it is have one answer: the packet is built, and
// dropped if it stayed empty.
func (s *Session) build(now Time, b []byte) (_ []byte, ok bool) {
	if s.send == nil {
		return b, false
	}
	limit := s.packetRoom()
	b, at := s.beginPacket(now, b)
	body := len(b)
	b = s.control.append(b, limit)
	if s.ackNow {
		b = s.appendAcks(b, limit, len(b) == body)
	}
	tc := false
	if s.state == stateOpen && s.maySend() {
		before := len(b)
		if b, tc = s.appendData(now, b, limit); len(b) > before {
			s.sentData(now, tc)
		}
	}
	if len(b) == body {
		return b, false
	}
	if len(s.ackFlows) > 0 {
		b = s.appendAcks(b, limit, false) // opportunistic, RFC 7016 §3.6.3.4.6
	}
	if tc {
		b[at] |= packetFlagTimeCritical
	}
	s.e.dumpSent(s.addr, s.nearID, b[at:])
	return s.padPacket(b), true
}

// beginPacket writes the packet header, its flags at b[at]. A timestamp is always there: old peers read one without
// looking at the flag.
func (s *Session) beginPacket(now Time, b []byte) (_ []byte, at int) {
	b = s.send.begin(b[:0])
	at = len(b)
	h := packetHeader{mode: modeResponder, hasTimestamp: true, timestamp: ticks(now)}
	if s.initiator {
		h.mode = modeInitiator
	}
	h.echo, h.hasEcho = s.rtt.echo(now)
	h.timeCriticalReverse = s.e.tcElsewhere(now, s)
	return appendPacketHeader(b, h), at
}

// padPacket ends a packet, which is sealed later.
func (s *Session) padPacket(b []byte) []byte {
	b = s.send.pad(b)
	s.stats.PacketsSent++
	s.warm()
	s.stats.BytesSent += uint64(len(b) + int(s.send.hmacLen))
	return b
}

// maySend reports whether window and burst limit allow user data now.
func (s *Session) maySend() bool {
	if s.outstanding >= s.cong.cwnd {
		return false
	}
	return s.burst < burstPackets || (s.rtt.measured && s.rtt.srtt < pacingMinRTT)
}

// sentData updates alarms and pacing after a packet with user data (RFC 7016 §3.5.2.3 and §3.6.2.6).
func (s *Session) sentData(now Time, tc bool) {
	if s.burst++; s.burst >= burstPackets {
		// RFC 7016 allows six packets between acknowledgements. With a large window that would stop
		// senders whose receivers acknowledge late, so what follows is paced over the round trip.
		if s.rtt.measured && s.rtt.srtt >= pacingMinRTT {
			s.paceAt = now.Add(s.rtt.srtt * segmentSize / time.Duration(s.cong.cwnd))
		}
	}
	if s.ackProgress == 0 {
		s.ackProgress = now
	}
	s.timeoutAt = now.Add(s.rtt.erto)
	if tc {
		s.tcSentAt = now
		s.e.tcSentAt = now
	}
}

// appendAcks writes acknowledgements of the flows that owe one, as many as fit. The first is cut to fit
// if truncate is set, the others wait for the next packet (RFC 7016 §3.6.3.4.2).
func (s *Session) appendAcks(b []byte, limit int, truncate bool) []byte {
	n := 0
	for _, f := range s.ackFlows {
		before := len(b)
		if f.rejected {
			x := flowException{flowID: f.id, code: f.code}
			if len(b)+chunkHeaderLen+vluLen(x.flowID)+vluLen(x.code) > limit {
				break
			}
			var mark int
			b, mark = beginChunk(b, chunkFlowException)
			b = appendFlowException(b, x)
			endChunk(b, mark)
		}
		blocks := f.blocks()
		a := ack{flowID: f.id, bufferBlocks: blocks, cumulative: f.seen.cum, ranges: f.seen.runs}
		at := len(b)
		if !truncate && a.size() > limit-at {
			b = b[:before]
			break
		}
		if b = appendAck(b, &a, limit-at); len(b) == at {
			b = b[:before]
			break
		}
		truncate = false
		f.shouldAck, f.advertised, f.lastBlocks = false, true, blocks
		n++
	}
	s.ackFlows = s.ackFlows[:copy(s.ackFlows, s.ackFlows[n:])]
	if len(s.ackFlows) == 0 {
		s.ackNow, s.rxPackets, s.delackAt = false, 0, 0
	}
	return b
}

// appendData fills the packet with fragments, flows of higher priority first and in turn within one
// priority (RFC 7016 §3.6.2.3).
func (s *Session) appendData(now Time, b []byte, limit int) (_ []byte, timeCritical bool) {
	for p := int(numPriorities) - 1; p >= 0; p-- {
		l := &s.readyFlows[p]
		for l.head != nil {
			f := l.pop() // but it stays inReady: what is abandoned meanwhile must not link it, too
			var n int
			var full bool
			b, n, full = s.appendFlow(now, b, limit, f)
			timeCritical = timeCritical || (n > 0 && f.timeCritical)
			if f.inReady = f.state != sendEnded && f.ready(); f.inReady {
				l.push(f)
			}
			if full {
				return b, timeCritical
			}
			if n == 0 && f.inReady {
				break // nothing of it fits although it is ready: leave the rest to the next packet
			}
		}
	}
	return b, timeCritical
}

// appendFlow writes fragments of one flow until it has no more or the packet is full.
func (s *Session) appendFlow(now Time, b []byte, limit int, f *SendFlow) (_ []byte, n int, full bool) {
	c := userData{flowID: f.id}
	for f.ready() {
		options := 0
		if n == 0 && f.startup != nil {
			options = len(f.startup) + 1
		}
		// Room for data: chunk header, flags, flow id, sequence number and offset, options.
		head := chunkHeaderLen + 1 + vluLen(f.id) + 2*vluLen(f.nextSeq) + options
		room := limit - len(b) - head
		if room < 0 {
			return b, n, true
		}
		// A fragment must also fit as the first of its flow in a later packet.
		largest := limit - sessionIDLen - 12 - maxHeaderLen - head - (len(f.startup) + 1 - options)
		fr := f.pick(now, room, largest)
		if fr == nil {
			return b, n, f.state != sendEnded && f.ready()
		}
		follows := n > 0 && fr.seq == c.seq+1 && f.fsn() == c.fsn
		at := len(b)
		c.seq, c.fsn = fr.seq, f.fsn()
		c.fragment, c.abandon, c.final = fr.fra, fr.abandoned, fr.final
		c.optionsPresent, c.options = options > 0, f.startup
		var mark int
		if follows {
			b, mark = beginChunk(b, chunkNextUserData)
			b = appendNextUserDataHeader(b, &c)
		} else {
			b, mark = beginChunk(b, chunkUserData)
			b = appendUserDataHeader(b, &c)
		}
		if !fr.abandoned {
			if len(b)+fr.size > limit {
				return b[:at], n, true
			}
			b = fr.msg.appendTo(b, fr.off, fr.size)
		}
		endChunk(b, mark)
		s.launch(fr, len(b)-at)
		s.stats.FragmentsSent++
		n++
		if s.outstanding >= s.cong.cwnd {
			return b, n, true
		}
	}
	return b, n, false
}

// sendLast queues one more packet of a session that is about to be forgotten.
func (s *Session) sendLast(now Time) {
	if b, ok := s.build(now, s.e.scratch[:0]); ok {
		s.e.queueDatagram(s.addr, s.local, s.send.encrypt(b, s.farID))
	}
}
