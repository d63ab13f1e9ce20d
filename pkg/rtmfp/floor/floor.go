// Package floor encrypts packets as sessions do (RFC 7425 §4.6) and does nothing else: what a sender of RTMFP cannot
// avoid, to measure how much more it does.
package floor

import (
	"crypto/aes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"hash"

	"github.com/monaserver/monaserver/pkg/rtmfp/internal/cbc"
)

const (
	// idSize is the session id in front, which is not encrypted.
	idSize = 4
	// header is what a packet has before a message of one fragment: its own header, that of the chunk and
	// of the message.
	header  = 24
	macSize = 16
	padding = 0xff
)

// Session has the keys of one direction of a session that does not exist.
type Session struct {
	key cbc.Key
	mac hash.Hash // nil = no HMAC
	sum [sha256.Size]byte
}

// NewSession draws keys.
func NewSession(withHMAC bool) *Session {
	var key [cbc.KeySize]byte
	rand.Read(key[:])
	s := new(Session)
	s.key.Expand(&key)
	if withHMAC {
		var secret [sha256.Size]byte
		rand.Read(secret[:])
		s.mac = hmac.New(sha256.New, secret[:])
	}
	return s
}

// Sealer seals packets in batches. Its zero value is ready for use.
type Sealer struct {
	sessions []*Session
	packets  [][]byte
	texts    []cbc.Packet
}

// Add appends to b the packet with which s sends a message, still open.
func (x *Sealer) Add(s *Session, b, message []byte) {
	start := len(b)
	b = append(b, make([]byte, idSize+header)...)
	b = append(b, message...)
	for (len(b)-start-idSize)%aes.BlockSize != 0 {
		b = append(b, padding)
	}
	x.sessions = append(x.sessions, s)
	x.packets = append(x.packets, b)
	x.texts = append(x.texts, cbc.Packet{Key: &s.key, Text: b[start+idSize:]})
}

// Seal encrypts and authenticates what was added and returns it, in order, valid until the next Add.
func (x *Sealer) Seal() [][]byte {
	cbc.Encrypt(x.texts)
	for i, s := range x.sessions {
		if s.mac != nil {
			s.mac.Reset()
			s.mac.Write(x.texts[i].Text)
			x.packets[i] = append(x.packets[i], s.mac.Sum(s.sum[:0])[:macSize]...)
		}
	}
	sealed := x.packets
	x.sessions, x.packets, x.texts = x.sessions[:0], x.packets[:0], x.texts[:0]
	return sealed
}
