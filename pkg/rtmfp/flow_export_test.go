package rtmfp

// This file opens the package to the tests of flows: what is on the wire, and what must always be true.

// Limits and times that the tests of flows name.
const (
	MaxDatagram   = maxDatagram
	BurstPackets  = burstPackets
	CwndInit      = cwndInit
	SegmentSize   = segmentSize
	InitialWindow = initialWindow
	MaxAckRanges  = maxAckRanges
	MessageCharge = messageCharge
	DelayedAck    = delayedAck

	ChunkNextUserData  = chunkNextUserData
	ChunkBufferProbe   = chunkBufferProbe
	ChunkRangeAck      = chunkRangeAck
	ChunkBitmapAck     = chunkBitmapAck
	ChunkFlowException = chunkFlowException

	FragWhole  = fragWhole
	FragBegin  = fragBegin
	FragEnd    = fragEnd
	FragMiddle = fragMiddle

	FlagTimeCritical        = packetFlagTimeCritical
	FlagTimeCriticalReverse = packetFlagTimeCriticalReverse
)

// FlowChunk is a chunk about a flow that was taken apart.
type FlowChunk struct {
	Type byte
	Flow uint64
	// User data
	Seq, FSN       uint64
	Fragment       uint8
	Abandon, Final bool
	Options        []byte
	Data           []byte
	Size           int // of the whole chunk
	// Acknowledgements
	Blocks, Cumulative uint64
	Ranges             [][2]uint64
	// Exceptions
	Code uint64
}

// IsData reports whether the chunk is User Data or Next User Data.
func (c *FlowChunk) IsData() bool { return c.Type == chunkUserData || c.Type == chunkNextUserData }

// IsAck reports whether the chunk is an acknowledgement.
func (c *FlowChunk) IsAck() bool { return c.Type == chunkRangeAck || c.Type == chunkBitmapAck }

// FlowChunks parses the chunks of a packet that are about flows; ok is false if one is malformed.
func (p Packet) FlowChunks() (list []FlowChunk, ok bool) {
	var ud userData
	next := false
	for _, c := range p.Chunks {
		fc := FlowChunk{Type: c.Type, Size: chunkHeaderLen + len(c.Payload)}
		switch c.Type {
		case chunkUserData, chunkNextUserData:
			if c.Type == chunkUserData {
				next = consumeUserData(c.Payload, &ud)
			} else {
				next = next && consumeNextUserData(c.Payload, &ud)
			}
			if !next {
				return nil, false
			}
			fc.Flow, fc.Seq, fc.FSN = ud.flowID, ud.seq, ud.fsn
			fc.Fragment, fc.Abandon, fc.Final = ud.fragment, ud.abandon, ud.final
			fc.Options, fc.Data = ud.options, ud.data
		case chunkRangeAck, chunkBitmapAck:
			var a ack
			consume := consumeRangeAck
			if c.Type == chunkBitmapAck {
				consume = consumeBitmapAck
			}
			if !consume(c.Payload, &a) {
				return nil, false
			}
			fc.Flow, fc.Blocks, fc.Cumulative = a.flowID, a.bufferBlocks, a.cumulative
			for _, r := range a.ranges {
				fc.Ranges = append(fc.Ranges, [2]uint64{r.from, r.to})
			}
		case chunkFlowException:
			x, ok := consumeFlowException(c.Payload)
			if !ok {
				return nil, false
			}
			fc.Flow, fc.Code = x.flowID, x.code
		case chunkBufferProbe:
			if fc.Flow, ok = consumeBufferProbe(c.Payload); !ok {
				return nil, false
			}
		default:
			continue
		}
		list = append(list, fc)
	}
	return list, true
}

// MakeUserData returns a User Data chunk; FSN must be below Seq unless Abandon is set.
func MakeUserData(c FlowChunk) Chunk {
	ud := userData{
		optionsPresent: c.Options != nil, options: c.Options, fragment: c.Fragment, abandon: c.Abandon, final: c.Final,
		flowID: c.Flow, seq: c.Seq, fsn: c.FSN,
	}
	return Chunk{chunkUserData, append(appendUserDataHeader(nil, &ud), c.Data...)}
}

// MakeRangeAck returns an acknowledgement.
func MakeRangeAck(c FlowChunk) Chunk {
	a := ack{flowID: c.Flow, bufferBlocks: c.Blocks, cumulative: c.Cumulative}
	for _, r := range c.Ranges {
		a.ranges = append(a.ranges, ackRange{r[0], r[1]})
	}
	b := appendAck(nil, &a, 1<<16)
	return Chunk{b[0], b[chunkHeaderLen:]}
}

// MakeBufferProbe returns a buffer probe.
func MakeBufferProbe(flow uint64) Chunk { return Chunk{chunkBufferProbe, appendBufferProbe(nil, flow)} }

// MetadataOption returns the option list of a flow with that metadata.
func MetadataOption(metadata string) []byte {
	return appendOption(nil, optionMetadata, []byte(metadata))
}

// OptionOf returns an option of any type.
func OptionOf(typ uint64, value []byte) []byte { return appendOption(nil, typ, value) }

// AssociationOption returns the option of a return flow association.
func AssociationOption(flow uint64) []byte {
	return appendOption(nil, optionAssociation, appendVLU(nil, flow))
}

// Congestion is what the session's congestion control holds.
type Congestion struct{ Window, Threshold, Outstanding, Burst int }

// Congestion returns the state of the session's congestion control.
func (s *Session) Congestion() Congestion {
	return Congestion{s.cong.cwnd, s.cong.ssthresh, s.outstanding, s.burst}
}

// Window returns what the receiver of the flow advertised last, in bytes.
func (f *SendFlow) Window() int { return f.window }

// Outstanding returns the bytes of the flow in the network.
func (f *SendFlow) Outstanding() int { return f.outstanding }

// Entries returns the length of SEND_QUEUE.
func (f *SendFlow) Entries() (n int) {
	for fr := f.frags; fr != nil; fr = fr.next {
		n++
	}
	return n
}

// Buffered returns what the receive buffers of the session hold, in bytes with overhead.
func (s *Session) Buffered() int { return s.buffered }

// QueuedTotal returns the bytes in all send queues of the session.
func (s *Session) QueuedTotal() int { return s.queued }

// RecvFlows returns how many receiving flows the session remembers, and how many of them are open.
func (s *Session) RecvFlows() (all, open int) { return len(s.recvFlows), s.openRecv }

// SendFlows returns how many sending flows the session has.
func (s *Session) SendFlows() int { return len(s.sendFlows) }

// ERTO returns the retransmission timeout in nanoseconds.
func (s *Session) ERTO() Time { return Time(s.rtt.erto) }

// CheckFlows returns what is wrong with the session's flows, "" if nothing.
func (s *Session) CheckFlows() string {
	outstanding, queued, flying, messages := 0, 0, 0, 0
	for _, f := range s.sendFlows {
		for m := f.msgs; m != nil; m = m.next {
			messages++
		}
		if bad := f.check(); bad != "" {
			return bad
		}
		outstanding += f.outstanding
		queued += f.queued
		for fr := f.frags; fr != nil; fr = fr.next {
			if fr.inFlight {
				flying++
			}
		}
	}
	if outstanding != s.outstanding || queued != s.queued || messages != s.messages {
		return "outstanding or queued bytes of the session are not the sum of its flows'"
	}
	var prev *fragment
	for fr := s.inFlight; fr != nil; prev, fr = fr, fr.tnext {
		if flying--; fr.tprev != prev || !fr.inFlight || (prev != nil && prev.tsn >= fr.tsn) {
			return "transmission list broken"
		}
	}
	if flying != 0 || s.inFlightTail != prev {
		return "transmission list incomplete"
	}
	ready := map[*SendFlow]bool{}
	for p := range s.readyFlows {
		var last *SendFlow
		for f := s.readyFlows[p].head; f != nil; last, f = f, f.readyNxt {
			if ready[f] || int(f.priority) != p {
				return "flow twice in the ready lists"
			}
			ready[f] = true
		}
		if s.readyFlows[p].tail != last {
			return "ready list without its tail"
		}
	}
	for _, f := range s.sendFlows {
		if f.inReady != ready[f] || (f.ready() && !f.inReady) {
			return "flow that is ready but not in its list, or the other way round"
		}
	}
	if s.state != stateOpen {
		return "" // nothing is received any more
	}
	return s.checkReceiving()
}

func (s *Session) checkReceiving() string {
	buffered, open := 0, 0
	for _, f := range s.recvFlows {
		held := 0
		f.frags.all(func(fr *recvFragment) { held += fr.data.Len() + fragmentCharge })
		if f.asm != nil {
			held += f.asm.Len()
		}
		if held != f.buffered {
			return "receive buffer holds other than what it counts"
		}
		buffered += held
		if f.state == recvOpen {
			open++
		}
	}
	if buffered != s.buffered || open != s.openRecv {
		return "receive buffers of the session are not the sum of its flows'"
	}
	return ""
}

func (f *SendFlow) check() string {
	outstanding, idle, waiting := 0, 0, map[*sendMessage]int{}
	var prev *fragment
	for fr := f.frags; fr != nil; prev, fr = fr, fr.next {
		if fr.prev != prev || (prev != nil && prev.seq >= fr.seq) || fr.flow != f || fr.seq >= f.nextSeq {
			return "send queue broken"
		}
		if fr.inFlight {
			outstanding += fr.transmit
		} else {
			idle++
		}
		if fr.msg != nil {
			waiting[fr.msg]++
		}
	}
	if f.fragTl != prev || outstanding != f.outstanding || idle != f.idle {
		return "send queue counts wrong"
	}
	queued, unstarted := 0, 0
	var last *sendMessage
	for m := f.msgs; m != nil; last, m = m, m.next {
		if m.prev != last || (last != nil && last.id >= m.id) || m.unacked != waiting[m] {
			return "message list broken"
		}
		if m.abandoned {
			continue
		}
		queued += m.size - m.cut
		for fr := f.frags; fr != nil; fr = fr.next {
			if fr.msg == m {
				queued += fr.size
			}
		}
		if !m.started() {
			unstarted += m.size
		}
	}
	if f.msgTail != last || queued != f.queued || unstarted != f.unstarted {
		return "message bytes counted wrong"
	}
	// RFC 7016 §3.6.2.3: the FSN must not be beyond any number outstanding, nor equal to one that was not
	// abandoned when it was sent.
	for fr := f.frags; fr != nil; fr = fr.next {
		if fsn := f.fsn(); fsn > fr.seq || (fr.inFlight && !fr.sentAsGone && fsn == fr.seq) {
			return "forward sequence number too high"
		}
	}
	return ""
}

// Refs returns the number of references to the buffer.
func (b *Buffer) Refs() int { return int(b.refs.Load()) }
