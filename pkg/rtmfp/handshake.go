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

// sendStartup queues a startup packet with one chunk: flags 0b, timestamp, chunk, as old peers expect
// it byte for byte.
func (e *Endpoint) sendStartup(now Time, to netip.AddrPort, sid uint32, typ byte, payload []byte) {
	b := e.defSend.begin(e.scratch[:0])
	b = appendPacketHeader(b, packetHeader{mode: modeStartup, hasTimestamp: true, timestamp: ticks(now)})
	b = appendChunk(b, typ, payload)
	b = e.defSend.seal(b, 0, sid)
	e.scratch = b[:0]
	e.queueDatagram(to, b)
}

// openStartup decrypts a startup packet, leaving the datagram as it is, and returns its only chunk.
func (e *Endpoint) openStartup(b []byte) (typ byte, payload []byte, ok bool) {
	if len(b) > maxStartupDatagram {
		e.counters.BadPackets.Add(1)
		return 0, nil, false
	}
	pkt, err := e.defRecv.open(append([]byte(nil), b...))
	if err != nil {
		e.countOpenError(err)
		return 0, nil, false
	}
	h, n := consumePacketHeader(pkt)
	if n == 0 || h.mode != modeStartup {
		e.counters.BadPackets.Add(1)
		return 0, nil, false
	}
	if typ, payload, _, ok = nextChunk(pkt[n:]); !ok {
		e.counters.BadPackets.Add(1)
	}
	return typ, payload, ok
}

// handleStartup processes a packet to session id 0.
func (e *Endpoint) handleStartup(now Time, b []byte, from netip.AddrPort) {
	typ, p, ok := e.openStartup(b)
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
