package rtmfp

// A Buffer Probe (RFC 7016 §2.3.15) asks for an acknowledgement of one flow.
//
//	+-------------/-+
//	|    flowID    \ |
//	+-------------/-+

// appendBufferProbe appends the payload.
func appendBufferProbe(b []byte, flowID uint64) []byte { return appendVLU(b, flowID) }

// consumeBufferProbe reads a payload.
func consumeBufferProbe(p []byte) (flowID uint64, ok bool) {
	flowID, n := consumeVLU(p)
	return flowID, n != 0
}
