package rtmfp

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
)

// Options of certificates (RFC 7425 §4.3).
const (
	certOptionHostname       = 0x00
	certOptionAncillary      = 0x0a // accepts ancillary data in endpoint discriminators
	certOptionRandom         = 0x0e
	certOptionEphemeralGroup = 0x15
	certOptionStaticKey      = 0x1d
)

var errCertificate = errors.New("rtmfp: malformed certificate")

// PeerID is the fingerprint of an endpoint's certificate: the SHA-256 of its canonical section.
type PeerID [sha256.Size]byte

// String returns 64 lower-case hexadecimal digits.
func (id PeerID) String() string { return hex.EncodeToString(id[:]) }

// ParsePeerID reads 64 hexadecimal digits.
func ParsePeerID(s string) (PeerID, error) {
	var id PeerID
	if len(s) != hex.EncodedLen(len(id)) {
		return PeerID{}, errors.New("rtmfp: a peer ID has 64 hexadecimal digits")
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return PeerID{}, err
	}
	return id, nil
}

// staticKey is a Diffie-Hellman public key that a certificate carries.
type staticKey struct {
	group  uint64
	public []byte
}

// certificate is a parsed certificate, an option list. It is immutable.
type certificate struct {
	raw              []byte // as received
	hasHostname      bool
	hostname         []byte
	acceptsAncillary bool
	// Exactly one of these two is not empty (RFC 7425 §4.3.4).
	ephemeral   []uint64 // groups in order of preference
	static      []staticKey
	fingerprint PeerID
}

// parseCertificate reads a certificate, of which it keeps a copy. Only the canonical section, up to the
// first marker, means anything; unknown options are ignored. No signature is checked: there is none, the
// key agreement proves possession of a static key.
func parseCertificate(b []byte) (*certificate, error) {
	if len(b) > maxHandshakeField {
		return nil, errCertificate
	}
	c := &certificate{raw: bytes.Clone(b)}
	n, ok := eachOption(c.raw, c.setOption)
	if !ok || (len(c.ephemeral) == 0) == (len(c.static) == 0) {
		return nil, errCertificate
	}
	// The section is hashed with its marker, if any, as the protocol's author does.
	c.fingerprint = sha256.Sum256(c.raw[:n])
	return c, nil
}

func (c *certificate) setOption(typ uint64, value []byte) bool {
	switch typ {
	case certOptionHostname:
		c.hasHostname, c.hostname = true, value
	case certOptionAncillary:
		c.acceptsAncillary = true
	case certOptionEphemeralGroup:
		group, n := consumeVLU(value)
		if n == 0 || n != len(value) {
			return false
		}
		c.ephemeral = append(c.ephemeral, group)
	case certOptionStaticKey:
		group, public, ok := consumeGroupKey(value)
		if !ok {
			return false
		}
		if c.staticKey(group) == nil {
			c.static = append(c.static, staticKey{group, public})
		}
	}
	return true
}

// staticKey returns the public key of a group, nil if the certificate has none.
func (c *certificate) staticKey(group uint64) []byte {
	for _, k := range c.static {
		if k.group == group {
			return k.public
		}
	}
	return nil
}

// supports tells whether the owner of the certificate can agree on keys in group. A certificate that
// lists group 5 belongs to an old server, which can do group 2 only, whatever else it lists.
func (c *certificate) supports(group uint64) bool {
	legacy, listed := false, c.staticKey(group) != nil
	for _, g := range c.ephemeral {
		legacy = legacy || g == dhGroup5
		listed = listed || g == group
	}
	return listed && (!legacy || group == dhGroup2)
}

// consumeGroupKey splits the value of an option that holds a group and a public key of it.
func consumeGroupKey(value []byte) (group uint64, public []byte, ok bool) {
	group, n := consumeVLU(value)
	if n == 0 || n == len(value) {
		return 0, nil, false
	}
	return group, value[n:], true
}

// appendGroupKey appends such an option.
func appendGroupKey(b []byte, typ, group uint64, public []byte) []byte {
	b = appendVLU(b, uint64(vluLen(typ)+vluLen(group)+len(public)))
	b = appendVLU(b, typ)
	b = appendVLU(b, group)
	return append(b, public...)
}

// appendGroup appends an option that holds a group.
func appendGroup(b []byte, typ, group uint64) []byte { return appendGroupKey(b, typ, group, nil) }

// glareNearWins decides which of two sessions that two endpoints open to each other at the same time
// lives: the one of the endpoint with the lexicographically smaller certificate (RFC 7425 §4.3.6).
func glareNearWins(near, far []byte) bool { return bytes.Compare(near, far) <= 0 }
