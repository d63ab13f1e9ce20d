package rtmfp

import (
	"errors"
	"io"
	"slices"
)

// randomnessLen is the size of extra randomness in certificates and keying components, in bytes.
const randomnessLen = 64

// Identity is an endpoint's certificate with what is needed to act as its owner. It is immutable and may
// be shared by goroutines.
type Identity struct {
	cert *certificate
	// static holds the key pairs of a static certificate, in the order of the certificate.
	static []*dhKeyPair
	// ephemeral supplies the key pairs of an ephemeral one.
	ephemeral keyPairSource
}

// NewServerIdentity returns an identity with an ephemeral certificate: key pairs are made for each
// session, and random bytes make the certificate unique. hostname may be empty. Without groups the
// certificate lists 16, 14 and 2; the initiator chooses among them by its own preference.
func NewServerIdentity(rand io.Reader, hostname string, groups ...uint64) (*Identity, error) {
	if len(groups) == 0 {
		groups = []uint64{dhGroup16, dhGroup14, dhGroup2}
	}
	if err := checkGroups(groups); err != nil {
		return nil, err
	}
	var unique [randomnessLen]byte
	if _, err := io.ReadFull(rand, unique[:]); err != nil {
		return nil, err
	}
	var raw []byte
	if hostname != "" {
		raw = appendOption(raw, certOptionHostname, []byte(hostname))
	}
	raw = appendOption(raw, certOptionAncillary, nil)
	for _, g := range groups {
		raw = appendGroup(raw, certOptionEphemeralGroup, g)
	}
	raw = appendOption(raw, certOptionRandom, unique[:])
	return newIdentity(raw, nil)
}

// NewClientIdentity returns an identity with a static certificate: one key pair per group, drawn now.
// Without groups it has one of group 2 only, as Flash Player's had.
func NewClientIdentity(rand io.Reader, groups ...uint64) (*Identity, error) {
	if len(groups) == 0 {
		groups = []uint64{dhGroup2}
	}
	if err := checkGroups(groups); err != nil {
		return nil, err
	}
	var (
		raw   []byte
		pairs []*dhKeyPair
	)
	for _, g := range groups {
		kp, err := generateKeyPair(rand, g)
		if err != nil {
			return nil, err
		}
		raw = appendGroupKey(raw, certOptionStaticKey, g, kp.public)
		pairs = append(pairs, kp)
	}
	return newIdentity(raw, pairs)
}

func newIdentity(raw []byte, static []*dhKeyPair) (*Identity, error) {
	cert, err := parseCertificate(raw)
	if err != nil {
		return nil, err
	}
	return &Identity{cert: cert, static: static, ephemeral: freshKeyPairs{}}, nil
}

func checkGroups(groups []uint64) error {
	for i, g := range groups {
		if lookUpGroup(g) == nil {
			return errGroup
		}
		if slices.Contains(groups[:i], g) {
			return errors.New("rtmfp: Diffie-Hellman group named twice")
		}
	}
	return nil
}

// Certificate returns the encoded certificate, which must not be changed.
func (id *Identity) Certificate() []byte { return id.cert.raw }

// PeerID returns the fingerprint of the certificate.
func (id *Identity) PeerID() PeerID { return id.cert.fingerprint }

// isStatic tells whether the certificate carries the keys.
func (id *Identity) isStatic() bool { return len(id.static) > 0 }

// staticPair returns the key pair of a group, nil if there is none.
func (id *Identity) staticPair(group uint64) *dhKeyPair {
	for _, kp := range id.static {
		if kp.group == group {
			return kp
		}
	}
	return nil
}

// commonGroup returns the first group of the identity that the owner of cert can do, 0 if there is none.
func (id *Identity) commonGroup(cert *certificate) uint64 {
	for _, g := range id.groups() {
		if cert.supports(g) {
			return g
		}
	}
	return 0
}

// groups returns the groups of the certificate in order of preference.
func (id *Identity) groups() []uint64 {
	if !id.isStatic() {
		return id.cert.ephemeral
	}
	groups := make([]uint64, len(id.static))
	for i, kp := range id.static {
		groups[i] = kp.group
	}
	return groups
}
