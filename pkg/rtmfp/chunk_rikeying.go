package rtmfp

import "encoding/binary"

// rikeying is a Responder Initial Keying (RFC 7016 §2.3.8).
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                        responderSessionID                       |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	+-------------/-+-----------------------------------------------+
//	| skrcLength \ |           sessionKeyResponderComponent           |
//	+-------------/-+-----------------------------------------------/
//	+---------------------------------------------------------------+
//	|                            signature                            |
//	+---------------------------------------------------------------/
type rikeying struct {
	responderSID uint32
	skrc         []byte
	signature    []byte
}

// appendRIKeying appends the payload of c.
func appendRIKeying(b []byte, c rikeying) []byte {
	b = binary.BigEndian.AppendUint32(b, c.responderSID)
	return append(appendBlock(b, c.skrc), c.signature...)
}

// consumeRIKeying reads a payload.
func consumeRIKeying(p []byte) (c rikeying, ok bool) {
	if len(p) < 4 {
		return rikeying{}, false
	}
	skrc, n := consumeBlock(p[4:])
	if n == 0 {
		return rikeying{}, false
	}
	c.responderSID = binary.BigEndian.Uint32(p)
	c.skrc, c.signature = skrc, p[4+n:]
	return c, true
}
