package rtmfp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"errors"
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

var zeroIV [aes.BlockSize]byte

// cbcMode is a cipher.BlockMode that can start over.
type cbcMode interface {
	cipher.BlockMode
	SetIV(iv []byte)
}

// directionKey is what both directions of a session share: AES-128-CBC with a zero IV for every packet
// and, optionally, a truncated HMAC-SHA-256 of the ciphertext (RFC 7425 §4.6.4). The expanded state,
// the larger part by far, is made on first use and can be dropped with shrink.
type directionKey struct {
	aes     [aesKeyLen]byte
	hmac    [sha256.Size]byte
	hmacLen uint8 // 0 = no HMAC but a checksum
	sseq    bool  // packets carry session sequence numbers

	cbc cbcMode // nil until needed
	mac *macKey
}

func newDirectionKey(aes16, hmacKey []byte, hmacLen int, sseq bool) directionKey {
	k := directionKey{hmacLen: uint8(hmacLen), sseq: sseq}
	copy(k.aes[:], aes16)
	copy(k.hmac[:], hmacKey)
	return k
}

// shrink frees the expanded state of an idle key; the next packet makes it anew.
func (k *directionKey) shrink() { k.cbc, k.mac = nil, nil }

// block returns the expanded AES key.
func (k *directionKey) block() cipher.Block {
	b, err := aes.NewCipher(k.aes[:])
	if err != nil {
		panic(err) // the length is fixed
	}
	return b
}

// authenticate returns the MAC of p, of which hmacLen bytes are used.
func (k *directionKey) authenticate(p []byte) [sha256.Size]byte {
	if k.mac == nil {
		k.mac = newMACKey(k.hmac[:])
	}
	return k.mac.sum(p)
}

// sendKey seals the packets of one direction. It belongs to the goroutine of its session.
type sendKey struct {
	directionKey
	next uint64 // session sequence number of the next packet
}

// newSendKey returns a key for aes16 (16 bytes) that appends hmacLen bytes of HMAC under hmacKey (32
// bytes), or uses the checksum if hmacLen is 0, and numbers its packets if sseq is set.
func newSendKey(aes16, hmacKey []byte, hmacLen int, sseq bool) *sendKey {
	return &sendKey{directionKey: newDirectionKey(aes16, hmacKey, hmacLen, sseq)}
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
// encrypts in place and uses up the sequence number.
func (k *sendKey) seal(b []byte, start int, sid uint32) []byte {
	text := start + sessionIDLen
	for (len(b)-text)%aes.BlockSize != 0 {
		b = append(b, paddingByte)
	}
	if k.hmacLen == 0 {
		at := text
		if k.sseq {
			at += vluLen(k.next)
		}
		binary.BigEndian.PutUint16(b[at:], checksum(b[at+checksumLen:]))
	}
	if k.sseq {
		k.next++
	}
	if k.cbc == nil {
		k.cbc = cipher.NewCBCEncrypter(k.block(), zeroIV[:]).(cbcMode)
	} else {
		k.cbc.SetIV(zeroIV[:])
	}
	k.cbc.CryptBlocks(b[text:], b[text:])
	binary.BigEndian.PutUint32(b[start:], sid^scramble(b[text:]))
	if k.hmacLen != 0 {
		mac := k.authenticate(b[text:])
		b = append(b, mac[:k.hmacLen]...)
	}
	return b
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
