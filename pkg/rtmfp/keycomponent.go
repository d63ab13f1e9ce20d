package rtmfp

import "errors"

// Options of session keying components (RFC 7425 §4.6).
const (
	keyOptionPublicKey = 0x0d // ephemeral: group and public key
	keyOptionRandom    = 0x0e
	keyOptionHMAC      = 0x1a // flags and length
	keyOptionGroup     = 0x1d // group of a static key
	keyOptionSSEQ      = 0x1e // flags
)

var errKeying = errors.New("rtmfp: session keying component not acceptable")

// keyComponent is a parsed SKIC or SKRC, an option list. The first option of each type counts.
type keyComponent struct {
	hasPublic   bool // ephemeral key
	publicGroup uint64
	public      []byte
	hasGroup    bool // selection of a static key
	group       uint64
	hasHMAC     bool
	hmac        negotiationFlags
	hmacLen     uint64 // bytes that the sender appends to its own packets
	hasSSEQ     bool
	sseq        negotiationFlags
}

// parseKeyComponent reads what precedes the first marker. Slices alias b.
func parseKeyComponent(b []byte) (*keyComponent, error) {
	if len(b) > maxHandshakeField {
		return nil, errKeying
	}
	c := new(keyComponent)
	if _, ok := eachOption(b, c.setOption); !ok {
		return nil, errKeying
	}
	return c, nil
}

func (c *keyComponent) setOption(typ uint64, value []byte) (ok bool) {
	switch {
	case typ == keyOptionPublicKey && !c.hasPublic:
		c.publicGroup, c.public, c.hasPublic = consumeGroupKey(value)
		return c.hasPublic
	case typ == keyOptionGroup && !c.hasGroup:
		group, n := consumeVLU(value)
		c.group, c.hasGroup = group, n != 0
		return c.hasGroup
	case typ == keyOptionHMAC && !c.hasHMAC:
		if len(value) == 0 {
			return false
		}
		length, n := consumeVLU(value[1:])
		c.hmac, c.hmacLen, c.hasHMAC = negotiationFlags(value[0])&negotiateMask, length, n != 0
		return c.hasHMAC
	case typ == keyOptionSSEQ && !c.hasSSEQ:
		if len(value) == 0 {
			return false
		}
		c.sseq, c.hasSSEQ = negotiationFlags(value[0])&negotiateMask, true
	}
	return true
}

// appendNegotiation appends the HMAC and SSEQ options, in the order and form that strict deployed
// clients insist on.
func (c *keyComponent) appendNegotiation(b []byte) []byte {
	var v [2]byte
	v[0] = byte(c.hmac)
	b = appendOption(b, keyOptionHMAC, appendVLU(v[:1], c.hmacLen))
	v[0] = byte(c.sseq)
	return appendOption(b, keyOptionSSEQ, v[:1])
}
