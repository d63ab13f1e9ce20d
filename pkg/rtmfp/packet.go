package rtmfp

import "encoding/binary"

// Packet modes (RFC 7016 §2.2.4).
const (
	modeForbidden uint8 = iota
	modeInitiator       // sent by the initiator of the session
	modeResponder       // sent by the responder of the session
	modeStartup
)

const (
	packetFlagTimeCritical        = 0x80
	packetFlagTimeCriticalReverse = 0x40
	packetFlagTimestamp           = 0x08
	packetFlagEcho                = 0x04
	packetModeMask                = 0x03
)

// Chunk types (RFC 7016 §2.3).
const (
	chunkPadding       byte = 0x00
	chunkPing          byte = 0x01
	chunkClose         byte = 0x0c
	chunkFIHello       byte = 0x0f
	chunkUserData      byte = 0x10
	chunkNextUserData  byte = 0x11
	chunkBufferProbe   byte = 0x18
	chunkIHello        byte = 0x30
	chunkIIKeying      byte = 0x38
	chunkPingReply     byte = 0x41
	chunkCloseAck      byte = 0x4c
	chunkBitmapAck     byte = 0x50
	chunkRangeAck      byte = 0x51
	chunkFlowException byte = 0x5e
	chunkRHello        byte = 0x70
	chunkRedirect      byte = 0x71
	chunkRIKeying      byte = 0x78
	chunkCookieChange  byte = 0x79
	chunkFragment      byte = 0x7f
	chunkPaddingFF     byte = 0xff
)

// chunkHeaderLen is the size of a chunk's type and length in bytes.
const chunkHeaderLen = 3

// packetHeader is the head of a plain packet (RFC 7016 §2.2.4). The timestamps count 4 ms ticks.
//
//	 0 1 2 3 4 5 6 7
//	+-+-+-+-+-+-+-+-+
//	|T|T| r |T|T| M |
//	|C|C| s |S|S| O |
//	| |R| v | |E| D |
//	+-+-+-+-+-+-+-+-+
//	+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+
//	|         if(TS) timestamp       |     if(TSE) timestampEcho      |
//	+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+
type packetHeader struct {
	mode                uint8
	timeCritical        bool // this packet carries real-time user data
	timeCriticalReverse bool // the sender receives such packets on other sessions
	hasTimestamp        bool
	timestamp           uint16
	hasEcho             bool
	echo                uint16
}

// appendPacketHeader appends h: 1 to 5 bytes.
func appendPacketHeader(b []byte, h packetHeader) []byte {
	flags := h.mode & packetModeMask
	if h.timeCritical {
		flags |= packetFlagTimeCritical
	}
	if h.timeCriticalReverse {
		flags |= packetFlagTimeCriticalReverse
	}
	if h.hasTimestamp {
		flags |= packetFlagTimestamp
	}
	if h.hasEcho {
		flags |= packetFlagEcho
	}
	b = append(b, flags)
	if h.hasTimestamp {
		b = binary.BigEndian.AppendUint16(b, h.timestamp)
	}
	if h.hasEcho {
		b = binary.BigEndian.AppendUint16(b, h.echo)
	}
	return b
}

// consumePacketHeader reads the header of a plain packet; its first chunk begins at b[n:]. n is 0 if b is
// too short or has the forbidden mode, which MUST be discarded (RFC 7016 §2.2.4).
func consumePacketHeader(b []byte) (h packetHeader, n int) {
	if len(b) == 0 {
		return packetHeader{}, 0
	}
	flags := b[0]
	h = packetHeader{
		mode:                flags & packetModeMask,
		timeCritical:        flags&packetFlagTimeCritical != 0,
		timeCriticalReverse: flags&packetFlagTimeCriticalReverse != 0,
		hasTimestamp:        flags&packetFlagTimestamp != 0,
		hasEcho:             flags&packetFlagEcho != 0,
	}
	if h.mode == modeForbidden {
		return packetHeader{}, 0
	}
	n = 1
	if h.hasTimestamp {
		if len(b) < n+2 {
			return packetHeader{}, 0
		}
		h.timestamp = binary.BigEndian.Uint16(b[n:])
		n += 2
	}
	if h.hasEcho {
		if len(b) < n+2 {
			return packetHeader{}, 0
		}
		h.echo = binary.BigEndian.Uint16(b[n:])
		n += 2
	}
	return h, n
}

// nextChunk splits the first chunk off b; payload and rest alias b. ok is false when only padding is
// left: fewer than three bytes, or a length that reaches beyond b (RFC 7016 §2.2.4).
//
//	 0 1 2 3 4 5 6 7|0 1 2 3 4 5 6 7|0 1 2 3 4 5 6 7|0 1 2 3 4 5 6 7
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|    chunkType   |          chunkLength          |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	+~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~+
//	|         chunkPayload (chunkLength bytes, may be zero)           |
//	+~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~/
func nextChunk(b []byte) (typ byte, payload, rest []byte, ok bool) {
	if len(b) < chunkHeaderLen {
		return 0, nil, nil, false
	}
	end := chunkHeaderLen + int(binary.BigEndian.Uint16(b[1:]))
	if end > len(b) {
		return 0, nil, nil, false
	}
	return b[0], b[chunkHeaderLen:end:end], b[end:], true
}

// beginChunk appends a chunk header whose length endChunk fills in; the payload is appended after it.
func beginChunk(b []byte, typ byte) ([]byte, int) {
	return append(b, typ, 0, 0), len(b)
}

// endChunk ends the chunk that beginChunk started at mark: all of b after its header is payload, at most
// 65535 bytes.
func endChunk(b []byte, mark int) {
	binary.BigEndian.PutUint16(b[mark+1:], uint16(len(b)-mark-chunkHeaderLen))
}
