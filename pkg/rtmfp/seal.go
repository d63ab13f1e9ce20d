package rtmfp

import (
	"crypto/aes"
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"github.com/monaserver/monaserver/pkg/rtmfp/internal/cbc"
)

// defaultSessionKey protects startup packets (RFC 7425 §4.1). Everybody knows it.
const defaultSessionKey = "Adobe Systems 02"

const (
	sessionIDLen   = 4 // the scrambled session ID in front of the ciphertext
	checksumLen    = 2
	paddingByte    = 0xff
	aesKeyLen      = 16
	minHMACLen     = 4
	maxHMACLen     = sha256.Size
	defaultHMACLen = 16
)

// Why a datagram was not opened. Nobody but counters should care.
var (
	errShort    = errors.New("rtmfp: datagram of impossible length")
	errMAC      = errors.New("rtmfp: wrong message authentication code")
	errReplay   = errors.New("rtmfp: session sequence number seen before")
	errChecksum = errors.New("rtmfp: wrong checksum")
	errSequence = errors.New("rtmfp: malformed session sequence number")
)

// directionKey is what both directions of a session share: AES-128-CBC with a zero IV for every packet
// and, optionally, a truncated HMAC-SHA-256 of the ciphertext (RFC 7425 §4.6.4). The expanded state,
// the larger part by far, is made on first use and can be dropped with shrink.
type directionKey struct {
	aes     [aesKeyLen]byte
	hmac    [sha256.Size]byte
	hmacLen uint8 // 0 = no HMAC but a checksum
	sseq    bool  // packets carry session sequence numbers

	mac  *macKey // nil until needed often
	once bool    // it was needed once
}

func newDirectionKey(aes16, hmacKey []byte, hmacLen int, sseq bool) directionKey {
	k := directionKey{hmacLen: uint8(hmacLen), sseq: sseq}
	copy(k.aes[:], aes16)
	copy(k.hmac[:], hmacKey)
	return k
}

// shrink frees the expanded state of an idle key; the next packet makes it anew.
func (k *directionKey) shrink() { k.mac, k.once = nil, false }

// authenticate returns the MAC of p, of which hmacLen bytes are used.
func (k *directionKey) authenticate(p []byte) [sha256.Size]byte {
	switch {
	case k.mac != nil:
	case !k.once: // of a session that only shows that it is alive
		k.once = true
		return hmacSum(k.hmac[:], p)
	default:
		k.mac = newMACKey(k.hmac[:])
	}
	return k.mac.sum(p)
}

// sendKey seals the packets of one direction. It belongs to the goroutine of its session.
type sendKey struct {
	directionKey
	cipher *cbc.Key // nil until needed
	next   uint64   // session sequence number of the next packet
}

// newSendKey returns a key for aes16 (16 bytes) that appends hmacLen bytes of HMAC under hmacKey (32
// bytes), or uses the checksum if hmacLen is 0, and numbers its packets if sseq is set.
func newSendKey(aes16, hmacKey []byte, hmacLen int, sseq bool) *sendKey {
	return &sendKey{directionKey: newDirectionKey(aes16, hmacKey, hmacLen, sseq)}
}

func (k *sendKey) shrink() {
	k.directionKey.shrink()
	k.cipher = nil
}

// expanded returns the expanded AES key.
func (k *sendKey) expanded() *cbc.Key {
	if k.cipher == nil {
		k.cipher = new(cbc.Key)
		k.cipher.Expand(&k.aes)
	}
	return k.cipher
}

// newDefaultSendKey returns a key for startup packets.
func newDefaultSendKey() *sendKey { return newSendKey([]byte(defaultSessionKey), nil, 0, false) }

// overhead returns the most bytes that sealing the next packet adds to it.
func (k *sendKey) overhead() int {
	n := sessionIDLen + aes.BlockSize - 1
	if k.sseq {
		n += vluLen(k.next)
	}
	if k.hmacLen == 0 {
		return n + checksumLen
	}
	return n + int(k.hmacLen)
}

// begin appends what precedes the plain packet in a datagram; the packet is appended next.
//
//	scrambled ID (4) | sequence number (VLU) | checksum (2) | packet | ff padding | MAC
//	                  \________________ ciphertext _______________________________/
//
// The sequence number is there if negotiated, the checksum and the MAC instead of each other.
func (k *sendKey) begin(b []byte) []byte {
	b = append(b, 0, 0, 0, 0)
	if k.sseq {
		b = appendVLU(b, k.next)
	}
	if k.hmacLen == 0 {
		b = append(b, 0, 0)
	}
	return b
}

// seal turns b[start:], which begin started, into a datagram for the session the far end calls sid. It
// encrypts in place and uses up the sequence number. Packets that go out together are sealed together, see
// sealer.
func (k *sendKey) seal(b []byte, start int, sid uint32) []byte {
	return append(b[:start], k.encrypt(k.pad(b[start:]), sid)...)
}

// encrypt makes b, which pad made ready, a datagram for the session the far end calls sid.
func (k *sendKey) encrypt(b []byte, sid uint32) []byte {
	cbc.Encrypt([]cbc.Packet{{Key: k.expanded(), Text: b[sessionIDLen:]}})
	return k.finish(b, sid)
}

// pad makes the plain text in b, which begin started, ready for encryption and uses up its sequence number.
func (k *sendKey) pad(b []byte) []byte {
	for (len(b)-sessionIDLen)%aes.BlockSize != 0 {
		b = append(b, paddingByte)
	}
	if k.hmacLen == 0 {
		at := sessionIDLen
		if k.sseq {
			at += vluLen(k.next)
		}
		binary.BigEndian.PutUint16(b[at:], checksum(b[at+checksumLen:]))
	}
	if k.sseq {
		k.next++
	}
	return b
}

// finish makes b, whose text is encrypted, a datagram for the session the far end calls sid.
func (k *sendKey) finish(b []byte, sid uint32) []byte {
	text := b[sessionIDLen:]
	binary.BigEndian.PutUint32(b, sid^scramble(text))
	if k.hmacLen != 0 {
		mac := k.authenticate(text)
		b = append(b, mac[:k.hmacLen]...)
	}
	return b
}

// sealer encrypts the packets of a batch together.
type sealer struct {
	keys  []*sendKey
	sids  []uint32
	texts []cbc.Packet
}

// add notes a packet that k padded.
func (x *sealer) add(k *sendKey, sid uint32, b []byte) {
	x.keys, x.sids = append(x.keys, k), append(x.sids, sid)
	x.texts = append(x.texts, cbc.Packet{Key: k.expanded(), Text: b[sessionIDLen:]})
}

// seal makes the packets that were added, in their order, datagrams.
func (x *sealer) seal(packets []Datagram) {
	cbc.Encrypt(x.texts)
	for i, k := range x.keys {
		packets[i].Data = k.finish(packets[i].Data, x.sids[i])
	}
	clear(x.keys)
	clear(x.texts)
	x.keys, x.sids, x.texts = x.keys[:0], x.sids[:0], x.texts[:0]
}

// scramble returns the mask of the session ID: the first two words of the ciphertext (RFC 7016 §2.2.2).
func scramble(ciphertext []byte) uint32 {
	return binary.BigEndian.Uint32(ciphertext) ^ binary.BigEndian.Uint32(ciphertext[4:])
}

// unscrambleID returns the session ID of a datagram (RFC 7016 §2.2.2). ok is false if it is too short to
// hold a packet of this cryptography profile, one cipher block.
func unscrambleID(datagram []byte) (sid uint32, ok bool) {
	if len(datagram) < sessionIDLen+aes.BlockSize {
		return 0, false
	}
	return binary.BigEndian.Uint32(datagram) ^ scramble(datagram[sessionIDLen:]), true
}
