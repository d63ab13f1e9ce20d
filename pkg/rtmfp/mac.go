package rtmfp

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding"
	"hash"
	"sync"
)

// mac is a hash with room for what goes through it. crypto/hmac keeps 1.3 KB for each key, in seven objects; with a
// hash that all keys share, HMAC-SHA-256 (RFC 2104) needs 216 bytes for a key that is used often, and nothing for
// others.
type mac struct {
	hash  stateHash
	block [sha256.BlockSize]byte
	sum   [sha256.Size]byte
}

// stateHash is a hash whose state can be saved and restored.
type stateHash interface {
	hash.Hash
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

var (
	macs             = sync.Pool{New: func() any { return &mac{hash: sha256.New().(stateHash)} }}
	macIPad, macOPad = pad(0x36), pad(0x5c)
)

func pad(c byte) (b [sha256.BlockSize]byte) {
	for i := range b {
		b[i] = c
	}
	return b
}

// begin starts the hash with the key, masked by one of the pads.
func (m *mac) begin(key []byte, pad *[sha256.BlockSize]byte) {
	if len(key) > len(m.block) {
		m.hash.Reset()
		m.hash.Write(key)
		key = m.hash.Sum(m.sum[:0])
	}
	n := copy(m.block[:], key)
	clear(m.block[n:])
	subtle.XORBytes(m.block[:], m.block[:], pad[:])
	m.hash.Reset()
	m.hash.Write(m.block[:])
}

// release gives m back with nothing secret in it.
func (m *mac) release() {
	m.hash.Reset()
	clear(m.block[:])
	clear(m.sum[:])
	macs.Put(m)
}

// hmacSum returns the MAC of a message in two parts, under a key that is used once.
func hmacSum(key, message []byte, more ...byte) (sum [sha256.Size]byte) {
	m := macs.Get().(*mac)
	m.begin(key, &macIPad)
	m.hash.Write(message)
	m.write(more)
	m.hash.Sum(m.sum[:0])
	inner := m.sum
	m.begin(key, &macOPad)
	m.sum = inner
	m.hash.Write(m.sum[:])
	m.hash.Sum(m.sum[:0])
	sum = m.sum
	m.release()
	return sum
}

// write hashes up to a block without making b escape.
func (m *mac) write(b []byte) {
	n := copy(m.block[:], b)
	m.hash.Write(m.block[:n])
}

// macKey is a key for many messages: the states of the hash after the masked key.
type macKey struct{ inner, outer [macStateLen]byte }

// macStateLen is the size of a saved state of SHA-256: name, eight words, a block and the length.
const macStateLen = 4 + sha256.Size + sha256.BlockSize + 8

func newMACKey(key []byte) *macKey {
	k := new(macKey)
	m := macs.Get().(*mac)
	for _, half := range []struct{ state, pad []byte }{{k.inner[:0], macIPad[:]}, {k.outer[:0], macOPad[:]}} {
		m.begin(key, (*[sha256.BlockSize]byte)(half.pad))
		if b, err := m.hash.AppendBinary(half.state); err != nil || len(b) != macStateLen {
			panic("rtmfp: state of SHA-256 is not what it was")
		}
	}
	m.release()
	return k
}

// sum returns the MAC of a message.
func (k *macKey) sum(message []byte) (sum [sha256.Size]byte) {
	m := macs.Get().(*mac)
	m.restore(&k.inner)
	m.hash.Write(message)
	m.hash.Sum(m.sum[:0])
	m.restore(&k.outer)
	m.hash.Write(m.sum[:])
	m.hash.Sum(m.sum[:0])
	sum = m.sum
	macs.Put(m)
	return sum
}

func (m *mac) restore(state *[macStateLen]byte) {
	if err := m.hash.UnmarshalBinary(state[:]); err != nil {
		panic(err) // it was saved by the same code
	}
}
