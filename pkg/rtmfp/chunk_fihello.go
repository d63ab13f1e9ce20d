package rtmfp

// fihello is a Forwarded Initiator Hello (RFC 7016 §2.3.3).
//
//	+-------------/-+-----------------------------------------------+
//	| epdLength \ |       endpointDiscriminator (epdLength bytes)     |
//	+-------------/-+-----------------------------------------------/
//	+---------------------------------------------------------------+
//	|                           replyAddress                          |
//	+---------------------------------------------------------------/
//	+---------------------------------------------------------------+
//	|                               tag                               |
//	+---------------------------------------------------------------/
type fihello struct {
	epd   []byte
	reply Address
	tag   []byte
}

// appendFIHello appends the payload of c.
func appendFIHello(b []byte, c fihello) []byte {
	return append(appendAddress(appendBlock(b, c.epd), c.reply), c.tag...)
}

// consumeFIHello reads a payload.
func consumeFIHello(p []byte) (c fihello, ok bool) {
	epd, n := consumeBlock(p)
	if n == 0 {
		return fihello{}, false
	}
	reply, m := consumeAddress(p[n:])
	if m == 0 {
		return fihello{}, false
	}
	c.epd, c.reply, c.tag = epd, reply, p[n+m:]
	return c, true
}
