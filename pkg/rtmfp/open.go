package rtmfp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
)

var zeroIV [aes.BlockSize]byte

// cbcMode is a cipher.BlockMode that can start over.
type cbcMode interface {
	cipher.BlockMode
	SetIV(iv []byte)
}

// recvKey opens the packets of one direction. It belongs to the goroutine of its session.
type recvKey struct {
	directionKey
	cbc    cbcMode // nil until needed
	window replayWindow
}

func (k *recvKey) shrink() {
	k.directionKey.shrink()
	k.cbc = nil
}

// newRecvKey is the counterpart of newSendKey.
func newRecvKey(aes16, hmacKey []byte, hmacLen int, sseq bool) *recvKey {
	return &recvKey{directionKey: newDirectionKey(aes16, hmacKey, hmacLen, sseq)}
}

// newDefaultRecvKey returns a key for startup packets.
func newDefaultRecvKey() *recvKey { return newRecvKey([]byte(defaultSessionKey), nil, 0, false) }

// block returns the expanded AES key.
func (k *recvKey) block() cipher.Block {
	b, err := aes.NewCipher(k.aes[:])
	if err != nil {
		panic(err) // the length is fixed
	}
	return b
}

// open decrypts a datagram in place and returns the plain packet, padding included, which aliases it.
// Checks that cost less come first; the sequence number is recorded only when all of them passed. A
// datagram that is refused after its MAC was found right is left decrypted.
func (k *recvKey) open(datagram []byte) (packet []byte, err error) {
	n := len(datagram) - sessionIDLen - int(k.hmacLen)
	if n <= 0 || n%aes.BlockSize != 0 {
		return nil, errShort
	}
	text := datagram[sessionIDLen : sessionIDLen+n]
	if k.hmacLen != 0 {
		mac := k.authenticate(text)
		if subtle.ConstantTimeCompare(mac[:k.hmacLen], datagram[sessionIDLen+n:]) != 1 {
			return nil, errMAC
		}
	}
	if k.cbc == nil {
		k.cbc = cipher.NewCBCDecrypter(k.block(), zeroIV[:]).(cbcMode)
	} else {
		k.cbc.SetIV(zeroIV[:])
	}
	k.cbc.CryptBlocks(text, text)

	packet = text
	var seq uint64
	if k.sseq {
		var m int
		if seq, m = consumeVLU(packet); m == 0 {
			return nil, errSequence
		}
		if !k.window.fresh(seq) {
			return nil, errReplay
		}
		packet = packet[m:]
	}
	if k.hmacLen == 0 {
		if len(packet) < checksumLen || binary.BigEndian.Uint16(packet) != checksum(packet[checksumLen:]) {
			return nil, errChecksum
		}
		packet = packet[checksumLen:]
	}
	if k.sseq {
		k.window.record(seq)
	}
	return packet, nil
}
