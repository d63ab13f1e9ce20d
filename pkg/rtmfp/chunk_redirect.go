package rtmfp

// maxRedirectAddresses bounds how many addresses of one Redirect are read; the rest is ignored, as a
// receiver may add none, some or all of them to its opening set (RFC 7016 §2.3.5).
const maxRedirectAddresses = 64

// redirect is a Responder Redirect (RFC 7016 §2.3.5). No address at all means the address the packet
// came from.
//
//	+-------------/-+-----------------------------------------------+
//	| tagLength \ |               tagEcho (tagLength bytes)           |
//	+-------------/-+-----------------------------------------------/
//	+~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~+
//	|                      redirectDestination 1                      |
//	+~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~/
//	                                 :
//	+~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~+
//	|                      redirectDestination N                      |
//	+~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~/
type redirect struct {
	tagEcho   []byte
	addresses []Address
}

// appendRedirect appends the payload of c.
func appendRedirect(b []byte, c redirect) []byte {
	b = appendBlock(b, c.tagEcho)
	for _, a := range c.addresses {
		b = appendAddress(b, a)
	}
	return b
}

// consumeRedirect reads a payload.
func consumeRedirect(p []byte) (c redirect, ok bool) {
	tag, n := consumeBlock(p)
	if n == 0 {
		return redirect{}, false
	}
	c.tagEcho = tag
	for p = p[n:]; len(p) > 0 && len(c.addresses) < maxRedirectAddresses; p = p[n:] {
		var a Address
		if a, n = consumeAddress(p); n == 0 {
			return redirect{}, false
		}
		c.addresses = append(c.addresses, a)
	}
	return c, true
}
