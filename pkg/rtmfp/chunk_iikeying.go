package rtmfp

import "encoding/binary"

// iikeying is an Initiator Initial Keying (RFC 7016 §2.3.7).
//
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|                        initiatorSessionID                       |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	+-------------/-+-----------------------------------------------+
//	| cookieLength\ |                   cookieEcho                    |
//	+-------------/-+-----------------------------------------------/
//	+-------------/-+-----------------------------------------------+
//	| certLength \ |               initiatorCertificate               |
//	+-------------/-+-----------------------------------------------/
//	+-------------/-+-----------------------------------------------+
//	| skicLength \ |            sessionKeyInitiatorComponent          |
//	+-------------/-+-----------------------------------------------/
//	+---------------------------------------------------------------+
//	|                            signature                            |
//	+---------------------------------------------------------------/
type iikeying struct {
	initiatorSID uint32
	cookie       []byte
	certificate  []byte
	skic         []byte
	signature    []byte
	signed       []byte // set by consume only: the payload up to the signature
}

// appendIIKeying appends the payload of c.
func appendIIKeying(b []byte, c iikeying) []byte {
	b = binary.BigEndian.AppendUint32(b, c.initiatorSID)
	b = appendBlock(b, c.cookie)
	b = appendBlock(b, c.certificate)
	b = appendBlock(b, c.skic)
	return append(b, c.signature...)
}

// consumeIIKeying reads a payload.
func consumeIIKeying(p []byte) (c iikeying, ok bool) {
	if len(p) < 4 {
		return iikeying{}, false
	}
	n := 4
	for _, f := range [...]*[]byte{&c.cookie, &c.certificate, &c.skic} {
		block, m := consumeBlock(p[n:])
		if m == 0 {
			return iikeying{}, false
		}
		*f = block
		n += m
	}
	c.initiatorSID = binary.BigEndian.Uint32(p)
	c.signed, c.signature = p[:n:n], p[n:]
	return c, true
}
