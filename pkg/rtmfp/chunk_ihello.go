package rtmfp

// ihello is an Initiator Hello (RFC 7016 §2.3.2). The slices of all consumed chunks alias the packet.
//
//	+-------------/-+-----------------------------------------------+
//	| epdLength \ |       endpointDiscriminator (epdLength bytes)     |
//	+-------------/-+-----------------------------------------------/
//	+---------------------------------------------------------------+
//	|                               tag                               |
//	+---------------------------------------------------------------/
type ihello struct {
	epd []byte
	tag []byte
}

// appendIHello appends the payload of c.
func appendIHello(b []byte, c ihello) []byte {
	return append(appendBlock(b, c.epd), c.tag...)
}

// consumeIHello reads a payload.
func consumeIHello(p []byte) (c ihello, ok bool) {
	epd, n := consumeBlock(p)
	if n == 0 {
		return ihello{}, false
	}
	c.epd, c.tag = epd, p[n:]
	return c, true
}
