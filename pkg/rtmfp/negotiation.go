package rtmfp

// Security is what an endpoint wants of its session keys beyond the simple checksum, which only detects
// accidents. The zero value accepts everything and asks for nothing, as Flash Player did.
type Security struct {
	// RequireHMAC refuses far ends that do not authenticate their packets, and authenticates ours.
	RequireHMAC bool
	// RequireSSEQ does the same with session sequence numbers, which detect replayed packets.
	RequireSSEQ bool
	// RequestHMAC and RequestSSEQ ask for the same without refusing a far end that declines. A responder
	// asks only initiators that asked or promised first, because old ones reject such an answer.
	RequestHMAC bool
	RequestSSEQ bool
	// HMACLength is the size of our message authentication codes in bytes, 4 to 32. 0 means 16.
	HMACLength int
}

func (s *Security) hmacLength() int {
	if s.HMACLength == 0 {
		return defaultHMACLen
	}
	return min(max(s.HMACLength, minHMACLen), maxHMACLen)
}

func (s *Security) hmac() wish { return wish{require: s.RequireHMAC, request: s.RequestHMAC} }
func (s *Security) sseq() wish { return wish{require: s.RequireSSEQ, request: s.RequestSSEQ} }

// negotiationFlags is the first byte of an HMAC or SSEQ negotiation option (RFC 7425 §4.6.4).
type negotiationFlags byte

const (
	negotiateRequest negotiationFlags = 1 << iota // REQ: the other end must send it
	negotiateOffer                                // SOR: the sender will send it if asked
	negotiateSend                                 // SND: the sender will send it in any case

	negotiateMask = negotiateRequest | negotiateOffer | negotiateSend
)

// wish is what one end wants of one feature, HMAC or SSEQ.
type wish struct {
	require bool
	request bool
}

// offer returns the flags of an initiator.
func (w wish) offer() negotiationFlags {
	switch {
	case w.require:
		return negotiateSend | negotiateOffer | negotiateRequest
	case w.request:
		return negotiateOffer | negotiateRequest
	}
	return negotiateOffer
}

// answer returns the flags of a responder. They are 0, the one answer that old initiators accept, if
// neither end insists. ok is false if the far end cannot do what is required.
func (w wish) answer(far negotiationFlags) (near negotiationFlags, ok bool) {
	if w.require && far&(negotiateSend|negotiateOffer) == 0 {
		return 0, false
	}
	if !w.require && far&(negotiateSend|negotiateRequest) == 0 {
		return 0, true
	}
	near = negotiateOffer
	if w.require || far&negotiateRequest != 0 {
		near |= negotiateSend
	}
	if w.require || far&negotiateSend != 0 || (w.request && far&negotiateOffer != 0) {
		near |= negotiateRequest
	}
	return near, true
}

// sends tells whether the end that said near uses the feature towards the end that said far.
func (near negotiationFlags) sends(far negotiationFlags) bool {
	return near&negotiateSend != 0 || (far&negotiateRequest != 0 && near&negotiateOffer != 0)
}

// agreement is the outcome for both directions. HMAC lengths are in bytes, 0 for none.
type agreement struct {
	sendHMAC, recvHMAC int
	sendSSEQ, recvSSEQ bool
}

// agree combines both ends' components. ok is false if the far end withholds what sec requires or
// announces an impossible HMAC length.
func agree(sec *Security, near, far *keyComponent) (a agreement, ok bool) {
	if near.hmac.sends(far.hmac) {
		a.sendHMAC = int(near.hmacLen)
	}
	if far.hmac.sends(near.hmac) {
		if far.hmacLen < minHMACLen || far.hmacLen > maxHMACLen {
			return agreement{}, false
		}
		a.recvHMAC = int(far.hmacLen)
	}
	a.sendSSEQ = near.sseq.sends(far.sseq)
	a.recvSSEQ = far.sseq.sends(near.sseq)
	ok = !(sec.RequireHMAC && a.recvHMAC == 0) && !(sec.RequireSSEQ && !a.recvSSEQ)
	return a, ok
}
