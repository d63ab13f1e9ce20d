package netconn

import "encoding/binary"

// Message types of RTMP messages in TC flows.
const (
	typeUserControl = 4
	typeAudio       = 8
	typeVideo       = 9
	typeDataAMF3    = 15 // a format byte (0), then AMF0 values that may switch to AMF3
	typeCommandAMF3 = 17 // likewise
	typeData        = 18
	typeCommand     = 20
)

// User control events, the first two bytes of a user control message.
const (
	eventStreamBegin  = 0
	eventStreamEOF    = 1
	eventBufferLength = 3
	eventPingRequest  = 6
	eventPingResponse = 7
	eventFlowSync     = 34 // RFC 7425 §5.2
	eventSetKeepalive = 41 // RFC 7425 §5.3.4
)

// headerSize is the length of the type and timestamp in front of every RTMP message in a TC flow.
const headerSize = 5

// maxStreamID is the largest stream ID: RTMP has 24 bits for it.
const maxStreamID = 1<<24 - 1

// Flow metadata (RFC 7425 §5.1.1).
const (
	flagStreamID     = 0x04
	flagArrivalOrder = 0x01
)

type flowKind uint8

const (
	flowUnknown flowKind = iota
	flowTC               // RTMP messages of one stream
	flowGC               // group control
)

// flowMetadata is what a flow's metadata says.
type flowMetadata struct {
	kind         flowKind
	stream       uint32
	arrivalOrder bool
}

// parseFlowMetadata reads the metadata of a flow; the kind is flowUnknown for anything a NetConnection
// does not carry.
//
//	"TC" flags(1) VLU(stream ID)      "GC"
func parseFlowMetadata(b []byte) flowMetadata {
	switch {
	case len(b) >= 2 && b[0] == 'G' && b[1] == 'C':
		return flowMetadata{kind: flowGC}
	case len(b) < 4 || b[0] != 'T' || b[1] != 'C' || b[2]&flagStreamID == 0:
		return flowMetadata{}
	}
	id, n := consumeVLU(b[3:])
	if n == 0 || id > maxPeerStreamID {
		return flowMetadata{}
	}
	return flowMetadata{kind: flowTC, stream: uint32(id), arrivalOrder: b[2]&flagArrivalOrder != 0}
}

// maxPeerStreamID bounds the stream IDs read from metadata; those beyond maxStreamID exist nowhere and
// are refused as unknown.
const maxPeerStreamID = 1<<32 - 1

// appendFlowMetadata appends the metadata of a flow that carries stream in sequence order: old servers
// know no other flags.
func appendFlowMetadata(b []byte, stream uint32) []byte {
	return appendVLU(append(b, 'T', 'C', flagStreamID), uint64(stream))
}

var groupMetadata = []byte("GC")

// appendVLU appends a variable length unsigned integer (RFC 7016 §2.1.2).
func appendVLU(b []byte, v uint64) []byte {
	n := 1
	for x := v >> 7; x != 0; x >>= 7 {
		n++
	}
	for n--; n > 0; n-- {
		b = append(b, byte(v>>(7*n))|0x80)
	}
	return append(b, byte(v)&0x7f)
}

// consumeVLU reads a variable length unsigned integer; n is 0 when it is cut short or overflows.
func consumeVLU(b []byte) (v uint64, n int) {
	for i, c := range b {
		if v > 1<<57-1 {
			return 0, 0
		}
		v = v<<7 | uint64(c&0x7f)
		if c&0x80 == 0 {
			return v, i + 1
		}
	}
	return 0, 0
}

// appendHeader appends the type and timestamp of a message.
func appendHeader(b []byte, typ uint8, ts uint32) []byte {
	return binary.BigEndian.AppendUint32(append(b, typ), ts)
}

// parseHeader splits the type and timestamp from a message. A message shorter than that means nothing:
// an empty one only moves the flow's sequence numbers.
func parseHeader(b []byte) (typ uint8, ts uint32, ok bool) {
	if len(b) < headerSize {
		return 0, 0, false
	}
	return b[0], binary.BigEndian.Uint32(b[1:]), true
}

// userControl is a user control message: an event and up to two numbers, as every event used here has.
type userControl struct {
	event uint16
	a, b  uint32
	n     int // numbers present
}

func parseUserControl(p []byte) (u userControl, ok bool) {
	if len(p) < 2 {
		return u, false
	}
	u.event = binary.BigEndian.Uint16(p)
	if p = p[2:]; len(p) >= 4 {
		u.a, u.n = binary.BigEndian.Uint32(p), 1
	}
	if len(p) >= 8 {
		u.b, u.n = binary.BigEndian.Uint32(p[4:]), 2
	}
	return u, true
}

func appendUserControl(b []byte, u userControl) []byte {
	b = binary.BigEndian.AppendUint16(appendHeader(b, typeUserControl, 0), u.event)
	if u.n > 0 {
		b = binary.BigEndian.AppendUint32(b, u.a)
	}
	if u.n > 1 {
		b = binary.BigEndian.AppendUint32(b, u.b)
	}
	return b
}
