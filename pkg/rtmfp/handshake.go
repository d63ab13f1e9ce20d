package rtmfp

import (
	"io"
	"net/netip"
)

const (
	tagLen      = 16 // the first byte is the shard
	firstFlowID = 2  // as deployed clients number theirs
	// signatureNone stands for a signature: the profile makes them optional and nobody sends one.
	signatureNone = 'X'
)

func (e *Endpoint) random(b []byte) {
	if _, err := io.ReadFull(e.cfg.Rand, b); err != nil {
		panic("rtmfp: no randomness: " + err.Error())
	}
}

// sendStartup queues a startup packet with one chunk, in fragments if it is too large for one datagram.
func (e *Endpoint) sendStartup(now Time, to netip.AddrPort, sid uint32, typ byte, payload []byte) {
	packet := e.startupPacket(now, typ, payload)
	if len(packet) > maxDatagram-sessionIDLen-checksumLen {
		e.sendFragmented(now, to, sid, packet)
		return
	}
	e.sendStartupPacket(to, sid, packet)
}

// startupPacket makes a plain packet: flags 0b, timestamp, chunk, as old peers expect it byte for byte. It is valid
// until the next one is made.
func (e *Endpoint) startupPacket(now Time, typ byte, payload []byte) []byte {
	b := appendPacketHeader(e.plain[:0], packetHeader{mode: modeStartup, hasTimestamp: true, timestamp: ticks(now)})
	e.plain = appendChunk(b, typ, payload)
	return e.plain
}

// sendStartupPacket seals a plain packet with the default key and queues it.
func (e *Endpoint) sendStartupPacket(to netip.AddrPort, sid uint32, packet []byte) {
	e.dumpSent(to, 0, packet)
	e.queueDatagram(to, e.localFor(to), e.sealStartup(sid, packet))
}

func (e *Endpoint) sealStartup(sid uint32, packet []byte) []byte {
	b := append(e.defSend.begin(e.scratch[:0]), packet...)
	b = e.defSend.seal(b, 0, sid)
	e.scratch = b[:0]
	return b
}

// openStartup decrypts a startup packet to a session id of ours (0: none yet), leaving the datagram as it
// is, and returns its only chunk, which is valid until the next packet. A fragment gives nothing until the last one of its packet arrived;
// whole is then a datagram with all of it.
func (e *Endpoint) openStartup(now Time, b []byte, sid uint32, from netip.AddrPort) (typ byte, payload, whole []byte, ok bool) {
	if len(b) > maxStartupDatagram {
		e.counters.BadPackets.Add(1)
		return 0, nil, nil, false
	}
	e.opened = append(e.opened[:0], b...)
	pkt, err := e.defRecv.open(e.opened)
	if err != nil {
		e.countOpenError(err)
		return 0, nil, nil, false
	}
	e.dumpReceived(from, 0, pkt)
	typ, payload, ok = startupChunk(pkt)
	if ok && typ == chunkFragment {
		f, isFragment := consumeFragment(payload)
		if !isFragment {
			e.counters.BadPackets.Add(1)
			return 0, nil, nil, false
		}
		pkt, complete := e.partials.add(now, partialKey{from: from, sid: sid}, modeStartup, f)
		if !complete {
			return 0, nil, nil, false
		}
		b = append([]byte(nil), e.sealStartup(sid, pkt)...)
		typ, payload, ok = startupChunk(pkt)
		ok = ok && typ != chunkFragment
	}
	if !ok {
		e.counters.BadPackets.Add(1)
	}
	return typ, payload, b, ok
}

// startupChunk returns the chunk of a plain startup packet.
func startupChunk(pkt []byte) (typ byte, payload []byte, ok bool) {
	h, n := consumePacketHeader(pkt)
	if n == 0 || h.mode != modeStartup {
		return 0, nil, false
	}
	typ, payload, _, ok = nextChunk(pkt[n:])
	return typ, payload, ok
}

// handleStartup processes a packet to session id 0.
func (e *Endpoint) handleStartup(now Time, b []byte, from netip.AddrPort) {
	typ, p, b, ok := e.openStartup(now, b, 0, from)
	if !ok {
		return
	}
	switch typ {
	case chunkIHello:
		var c ihello
		if c, ok = consumeIHello(p); ok {
			e.hello(now, c.epd, c.tag, from)
		}
	case chunkIIKeying:
		var c iikeying
		if c, ok = consumeIIKeying(p); ok {
			e.handleIIKeying(now, &c, b, from)
		}
	case chunkRHello:
		var c rhello
		if c, ok = consumeRHello(p); ok {
			if s := e.dialling(c.tagEcho, b, from); s != nil {
				s.handleRHello(now, &c, from)
			}
		}
	case chunkRedirect:
		var c redirect
		if c, ok = consumeRedirect(p); ok {
			if s := e.dialling(c.tagEcho, b, from); s != nil {
				s.handleRedirect(now, &c, from)
			}
		}
	default:
		ok = false
	}
	if !ok {
		e.counters.BadPackets.Add(1)
	}
}

// dialling finds the opening session of a tag, or passes the datagram to the shard that has it.
func (e *Endpoint) dialling(tag, datagram []byte, from netip.AddrPort) *Session {
	if len(tag) != tagLen {
		return nil
	}
	if shard := int(tag[0]); shard != e.cfg.Shard {
		e.forward(shard, datagram, from)
		return nil
	}
	return e.tags[[tagLen]byte(tag)]
}
