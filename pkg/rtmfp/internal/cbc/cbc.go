// Package cbc encrypts several packets at once with AES-128 in CBC mode. Within one packet each block waits
// for the one before, so that the processor is idle for most of the time; packets of different keys do not
// wait for each other.
package cbc

import "crypto/aes"

// KeySize is the size of a key in bytes.
const KeySize = 16

// Lanes is how many packets are encrypted in the time of one.
const Lanes = 4

// Packet is a packet to encrypt in place, with an initialisation vector of zeros.
type Packet struct {
	Key  *Key
	Text []byte // whole blocks of 16 bytes
}

// Encrypt encrypts packets, in whatever order is fast.
func Encrypt(packets []Packet) {
	for len(packets) > 0 {
		n := min(len(packets), Lanes)
		if accelerated {
			encryptFast(packets[:n])
		} else {
			for _, p := range packets[:n] {
				p.Key.encrypt(p.Text)
			}
		}
		packets = packets[n:]
	}
}

func blocks(text []byte) int {
	if len(text)%aes.BlockSize != 0 {
		panic("cbc: not whole blocks")
	}
	return len(text) / aes.BlockSize
}
