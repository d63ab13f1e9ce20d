package rtmfp

// cookieChange is an RHello Cookie Change (RFC 7016 §2.3.6).
//
//	+-------------/-+-----------------------------------------------+
//	| oldCookieLen\ |         oldCookie (oldCookieLen bytes)          |
//	+-------------/-+-----------------------------------------------/
//	+---------------------------------------------------------------+
//	|                            newCookie                            |
//	+---------------------------------------------------------------/
type cookieChange struct {
	oldCookie []byte
	newCookie []byte
}

// appendCookieChange appends the payload of c.
func appendCookieChange(b []byte, c cookieChange) []byte {
	return append(appendBlock(b, c.oldCookie), c.newCookie...)
}

// consumeCookieChange reads a payload.
func consumeCookieChange(p []byte) (c cookieChange, ok bool) {
	old, n := consumeBlock(p)
	if n == 0 {
		return cookieChange{}, false
	}
	c.oldCookie, c.newCookie = old, p[n:]
	return c, true
}
