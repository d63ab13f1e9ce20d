package rtmfp

import "math"

// A Next User Data chunk (RFC 7016 §2.3.12) continues the User Data or Next User Data chunk before it in
// the same packet: same flow, same forward sequence number, next sequence number.
//
//	+-+-+-+-+-+-+-+-+
//	|O|r| F | r |A|F|
//	|P|s| R | s |B|I|
//	|T|v| A | v |N|N|
//	+-+-+-+-+-+-+-+-+
//	+~~~/~~~/~~~~~~~+                 +~~~/~~~/~~~~~~~+-------------/-+
//	| L \ T \    V   |... options ...| L \ T \    V   |       0     \ |
//	\~~~/~~~/~~~~~~~+    [if(OPT)]    +~~~/~~~/~~~~~~~+-------------/-/
//	+~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~+
//	|                              userData                           |
//	+~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~/

// appendNextUserDataHeader appends the payload of c up to its data. The numbers of c are implied by the
// chunk before and not written.
func appendNextUserDataHeader(b []byte, c *userData) []byte {
	return c.appendOptions(c.appendFlags(b))
}

// consumeNextUserData reads a payload into c, which holds the chunk before it and is undefined if the
// result is false.
func consumeNextUserData(p []byte, c *userData) bool {
	if len(p) == 0 || c.seq == 0 || c.seq == math.MaxUint64 {
		return false
	}
	c.setFlags(p[0])
	c.seq++
	return c.setBody(p[1:])
}
