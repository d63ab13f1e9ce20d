package rtmfp

// flowException is a Flow Exception Report (RFC 7016 §2.3.16). Code 0 is a rejection by the protocol
// itself, all others belong to the application.
//
//	+-------------/-+-------------/-+
//	|    flowID    \ | exception \ |
//	+-------------/-+-------------/-+
type flowException struct {
	flowID uint64
	code   uint64
}

// appendFlowException appends the payload of c.
func appendFlowException(b []byte, c flowException) []byte {
	return appendVLU(appendVLU(b, c.flowID), c.code)
}

// consumeFlowException reads a payload.
func consumeFlowException(p []byte) (c flowException, ok bool) {
	flowID, n := consumeVLU(p)
	if n == 0 {
		return flowException{}, false
	}
	code, m := consumeVLU(p[n:])
	if m == 0 {
		return flowException{}, false
	}
	c.flowID, c.code = flowID, code
	return c, true
}
