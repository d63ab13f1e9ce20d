package rtmfp

// packetFragment is a Packet Fragment (RFC 7016 §2.3.1): a segment of a plain packet too large for the
// path, in practice one with a large certificate or key.
//
//	+-+-+-+-+-+-+-+-+-------------/-+-------------/-+
//	|M| reserved     |   packetID \ | fragmentNum \ |
//	+-+-+-+-+-+-+-+-+-------------/-+-------------/-+
//	+---------------------------------------------------------------+
//	|                          packetFragment                         |
//	+---------------------------------------------------------------+
type packetFragment struct {
	more     bool // further fragments follow
	packetID uint64
	number   uint64 // from 0
	data     []byte
}

const fragmentFlagMore = 0x80

// appendFragment appends the payload of c.
func appendFragment(b []byte, c packetFragment) []byte {
	var flags byte
	if c.more {
		flags = fragmentFlagMore
	}
	b = appendVLU(append(b, flags), c.packetID)
	return append(appendVLU(b, c.number), c.data...)
}

// consumeFragment reads a payload. An empty fragment is discarded (RFC 7016 §3.4).
func consumeFragment(p []byte) (c packetFragment, ok bool) {
	if len(p) == 0 {
		return packetFragment{}, false
	}
	id, n := consumeVLU(p[1:])
	if n == 0 {
		return packetFragment{}, false
	}
	number, m := consumeVLU(p[1+n:])
	if m == 0 || 1+n+m == len(p) {
		return packetFragment{}, false
	}
	c = packetFragment{more: p[0]&fragmentFlagMore != 0, packetID: id, number: number, data: p[1+n+m:]}
	return c, true
}
