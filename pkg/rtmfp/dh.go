package rtmfp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math/bits"
	"sync"

	"filippo.io/bigmod"
)

// Diffie-Hellman groups of the profile (RFC 7425 §4.2). The generator is 2.
const (
	dhGroup2  = 2  // 1024 bits, the only one that old peers do
	dhGroup5  = 5  // 1536 bits: announced by old servers, done by none
	dhGroup14 = 14 // 2048 bits
	dhGroup16 = 16 // 4096 bits
)

// dhMinExcess is the log2 of the least distance of a public key from 0 and from the prime; dhMinBits the
// least number of one bits and of zero bits in it (RFC 7425 §4.6.2).
const (
	dhMinExcess = 24
	dhMinBits   = 16
)

// maxKeyDraws is how often a key pair is drawn until its public key will do. A source of randomness that
// needs more is broken.
const maxKeyDraws = 32

var (
	errGroup     = errors.New("rtmfp: Diffie-Hellman group not available")
	errPublicKey = errors.New("rtmfp: Diffie-Hellman public key not acceptable")
	errRandom    = errors.New("rtmfp: source of randomness is broken")
)

// dhGroup is a group's parameters, shared by all goroutines and never changed.
type dhGroup struct {
	modulus *bigmod.Modulus
	maximum []byte // the largest acceptable public key, full width
	// exponent is the size of private keys in bytes, as the protocol's author has them: at least twice
	// the strength of the group (80, 112 and about 150 bits), beyond which longer ones only cost time.
	exponent int
}

// size returns the width of the group in bytes.
func (g *dhGroup) size() int { return len(g.maximum) }

var (
	loadGroup2  = sync.OnceValue(func() *dhGroup { return loadGroup(primeGroup2, 224/8) })
	loadGroup14 = sync.OnceValue(func() *dhGroup { return loadGroup(primeGroup14, 320/8) })
	loadGroup16 = sync.OnceValue(func() *dhGroup { return loadGroup(primeGroup16, 480/8) })
)

func loadGroup(primeHex string, exponent int) *dhGroup {
	prime, err := hex.DecodeString(primeHex)
	if err != nil {
		panic(err)
	}
	modulus, err := bigmod.NewModulus(prime)
	if err != nil {
		panic(err)
	}
	// The low 64 bits of the primes are ones, so that subtracting 2^24 borrows nothing.
	prime[len(prime)-1-dhMinExcess/8]--
	return &dhGroup{modulus: modulus, maximum: prime, exponent: exponent}
}

// lookUpGroup returns the parameters of a group, nil if it is not implemented.
func lookUpGroup(id uint64) *dhGroup {
	switch id {
	case dhGroup2:
		return loadGroup2()
	case dhGroup14:
		return loadGroup14()
	case dhGroup16:
		return loadGroup16()
	}
	return nil
}

// dhKeyPair is a private key and its public key. Making one and using it takes from half a millisecond
// (group 2) to tens (group 16): not on a shard.
type dhKeyPair struct {
	group   uint64
	public  []byte // big-endian
	private []byte // big-endian exponent
	users   int    // of a pair for several sessions; its source's
}

// generateKeyPair draws a key pair. Its public key has the full width of the group, because deployed
// clients take it from a fixed place; one draw in 256 is thrown away for that.
func generateKeyPair(rand io.Reader, group uint64) (*dhKeyPair, error) {
	g := lookUpGroup(group)
	if g == nil {
		return nil, errGroup
	}
	private := make([]byte, g.exponent)
	for range maxKeyDraws {
		if _, err := io.ReadFull(rand, private); err != nil {
			return nil, err
		}
		kp, err := newKeyPair(group, private)
		if err != nil {
			return nil, err
		}
		if kp.public[0] != 0 && checkPublicKey(group, kp.public) == nil {
			return kp, nil
		}
	}
	return nil, errRandom
}

// newKeyPair returns the key pair of a given exponent, which it takes over. The public key has the full
// width of the group, with leading zeros if it must.
func newKeyPair(group uint64, private []byte) (*dhKeyPair, error) {
	g := lookUpGroup(group)
	if g == nil {
		return nil, errGroup
	}
	two, err := bigmod.NewNat().SetBytes([]byte{2}, g.modulus)
	if err != nil {
		return nil, err
	}
	public := bigmod.NewNat().Exp(two, private, g.modulus).Bytes(g.modulus)
	return &dhKeyPair{group: group, public: public, private: private}, nil
}

// wipe destroys the private key.
func (kp *dhKeyPair) wipe() { clear(kp.private) }

// checkPublicKey tells whether the far end's public key may be used (RFC 7425 §4.6.2). Leading zeros
// may be there or not.
func checkPublicKey(group uint64, public []byte) error {
	g := lookUpGroup(group)
	if g == nil {
		return errGroup
	}
	if len(public) > g.size() {
		return errPublicKey
	}
	public = trimZeros(public)
	if len(public) <= dhMinExcess/8 {
		return errPublicKey
	}
	if len(public) == g.size() && bytes.Compare(public, g.maximum) > 0 {
		return errPublicKey
	}
	ones := 0
	for _, c := range public {
		ones += bits.OnesCount8(c)
	}
	zeros := 8*len(public) - bits.LeadingZeros8(public[0]) - ones
	if ones < dhMinBits || zeros < dhMinBits {
		return errPublicKey
	}
	return nil
}

// sharedSecret returns DH_SECRET, without leading zeros (RFC 7425 §4.6.2). The caller wipes it.
func sharedSecret(kp *dhKeyPair, peerPublic []byte) ([]byte, error) {
	if err := checkPublicKey(kp.group, peerPublic); err != nil {
		return nil, err
	}
	g := lookUpGroup(kp.group)
	y, err := bigmod.NewNat().SetBytes(trimZeros(peerPublic), g.modulus)
	if err != nil {
		return nil, errPublicKey
	}
	return trimZeros(bigmod.NewNat().Exp(y, kp.private, g.modulus).Bytes(g.modulus)), nil
}

// trimZeros returns b without its leading zero octets.
func trimZeros(b []byte) []byte { return bytes.TrimLeft(b, "\x00") }
