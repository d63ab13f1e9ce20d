package rtmfp

// rhello is a Responder Hello (RFC 7016 §2.3.4).
//
//	+-------------/-+-----------------------------------------------+
//	| tagLength \ |               tagEcho (tagLength bytes)           |
//	+-------------/-+-----------------------------------------------/
//	+-------------/-+-----------------------------------------------+
//	| cookieLength\ |            cookie (cookieLength bytes)          |
//	+-------------/-+-----------------------------------------------/
//	+---------------------------------------------------------------+
//	|                      responderCertificate                       |
//	+---------------------------------------------------------------/
type rhello struct {
	tagEcho     []byte
	cookie      []byte
	certificate []byte
}

// appendRHello appends the payload of c.
func appendRHello(b []byte, c rhello) []byte {
	return append(appendBlock(appendBlock(b, c.tagEcho), c.cookie), c.certificate...)
}

// consumeRHello reads a payload.
func consumeRHello(p []byte) (c rhello, ok bool) {
	tag, n := consumeBlock(p)
	if n == 0 {
		return rhello{}, false
	}
	cookie, m := consumeBlock(p[n:])
	if m == 0 {
		return rhello{}, false
	}
	c.tagEcho, c.cookie, c.certificate = tag, cookie, p[n+m:]
	return c, true
}
