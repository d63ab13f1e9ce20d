package rtmfp

import "net/netip"

// controlQueue holds what a session owes the far end beside user data and acknowledgements. It is
// bounded: a ping that arrives before the last two were answered replaces the older one.
type controlQueue struct {
	ping     bool      // send a keepalive ping
	replies  [2][]byte // ping messages to echo
	nReplies int
	close    bool
	closeAck bool
	raw      [][]byte // whole chunks: forwarded hellos, probes
}

const (
	maxPingEcho  = 512 // bytes of a ping message that are echoed
	maxRawChunks = 16
	maxRawChunk  = 1024 // bytes: one that fits no packet would hold up the others for ever
)

func (q *controlQueue) pending() bool {
	return q.ping || q.nReplies > 0 || q.close || q.closeAck || len(q.raw) > 0
}

func (q *controlQueue) pingReply(msg []byte) {
	if len(msg) > maxPingEcho {
		return
	}
	i := min(q.nReplies, len(q.replies)-1)
	q.replies[i] = append(q.replies[i][:0], msg...)
	q.nReplies = i + 1
}

// pushRaw queues a chunk; false means the queue is full or the chunk too large.
func (q *controlQueue) pushRaw(chunk []byte) bool {
	if len(q.raw) >= maxRawChunks || len(chunk) > maxRawChunk {
		return false
	}
	q.raw = append(q.raw, chunk)
	return true
}

// append writes what fits below limit bytes and forgets it.
func (q *controlQueue) append(b []byte, limit int) []byte {
	for q.nReplies > 0 && len(b)+chunkHeaderLen+len(q.replies[0]) <= limit {
		b = appendChunk(b, chunkPingReply, q.replies[0])
		q.replies[0], q.replies[1] = q.replies[1], q.replies[0]
		q.nReplies--
	}
	if q.ping {
		b = appendChunk(b, chunkPing, nil)
		q.ping = false
	}
	if q.close {
		b = appendChunk(b, chunkClose, nil)
		q.close = false
	}
	if q.closeAck {
		b = appendChunk(b, chunkCloseAck, nil)
		q.closeAck = false
	}
	for len(q.raw) > 0 && len(b)+len(q.raw[0]) <= limit {
		b = append(b, q.raw[0]...)
		q.raw[0] = nil
		if q.raw = q.raw[1:]; len(q.raw) == 0 {
			q.raw = nil
		}
	}
	return b
}

func appendChunk(b []byte, typ byte, payload []byte) []byte {
	b, mark := beginChunk(b, typ)
	b = append(b, payload...)
	endChunk(b, mark)
	return b
}

// ForwardHello introduces an initiator to the far end of s: its hello goes on as an FIHello, and the
// far end answers the initiator directly (RFC 7016 §3.5.1.5). reply is where the initiator is reached.
// It reports whether the hello goes out: not if too many wait, or if it is too large for a packet.
func (s *Session) ForwardHello(now Time, h *Hello, reply netip.AddrPort, origin Origin) bool {
	if s.state != stateOpen {
		return false
	}
	b, mark := beginChunk(nil, chunkFIHello)
	b = appendFIHello(b, fihello{epd: h.EPD, reply: Address{AddrPort: reply, Origin: origin}, tag: h.Tag})
	endChunk(b, mark)
	if !s.control.pushRaw(b) {
		return false
	}
	s.wake()
	return true
}
