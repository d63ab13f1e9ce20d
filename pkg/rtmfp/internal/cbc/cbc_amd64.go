//go:build !purego

package cbc

import (
	"crypto/aes"

	"golang.org/x/sys/cpu"
)

var accelerated = cpu.X86.HasAES && cpu.X86.HasAVX

// Key is an expanded key.
type Key struct {
	schedule [11 * aes.BlockSize]byte // round keys, if accelerated
	generic                           // if not
}

// Expand makes k the expanded form of key.
func (k *Key) Expand(key *[KeySize]byte) {
	if accelerated {
		expand(key, &k.schedule)
	} else {
		k.generic = newGeneric(key)
	}
}

// lane is where the assembler finds a packet.
type lane struct {
	schedule *[11 * aes.BlockSize]byte
	text     *byte
}

// encryptFast encrypts up to Lanes packets: all of them up to the end of the shortest, then the rest of the
// others, and so on. Lanes without a packet work on a scratch block of their own.
func encryptFast(packets []Packet) {
	var (
		lanes [Lanes]lane
		chain [Lanes][aes.BlockSize]byte // the block before
		spare [Lanes][spareBlocks * aes.BlockSize]byte
	)
	for done := 0; ; {
		next := 0 // end of the shortest packet that is not done
		for _, p := range packets {
			if n := blocks(p.Text); n > done && (next == 0 || n < next) {
				next = n
			}
		}
		if next == 0 {
			return
		}
		busy := len(packets)
		for i, p := range packets {
			if len(p.Text) <= done*aes.BlockSize {
				busy--
				continue
			}
			lanes[i] = lane{&p.Key.schedule, &p.Text[done*aes.BlockSize]}
		}
		if busy < Lanes {
			next = min(next, done+spareBlocks)
		}
		for i := range lanes {
			if i >= len(packets) || len(packets[i].Text) <= done*aes.BlockSize {
				lanes[i] = lane{&packets[0].Key.schedule, &spare[i][0]}
			}
		}
		encrypt(&lanes, &chain, next-done)
		done = next
	}
}

// spareBlocks is how many blocks are encrypted at once when lanes are empty.
const spareBlocks = 16

// expand computes the round keys (FIPS 197 §5.2).
//
//go:noescape
func expand(key *[KeySize]byte, schedule *[11 * aes.BlockSize]byte)

// encrypt encrypts n blocks of every lane and leaves the last one of each in chain.
//
//go:noescape
func encrypt(lanes *[Lanes]lane, chain *[Lanes][aes.BlockSize]byte, n int)
