package cbc

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"testing"
)

// Appendix A.1 and B of FIPS 197: a packet of one block with a zero vector is the plain cipher.
func TestFIPS197(t *testing.T) {
	key := [KeySize]byte{0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6, 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c}
	text, _ := hex.DecodeString("3243f6a8885a308d313198a2e0370734")
	var k Key
	k.Expand(&key)
	Encrypt([]Packet{{&k, text}})
	if got := hex.EncodeToString(text); got != "3925841d02dc09fbdc118597196a0b32" {
		t.Errorf("got %s", got)
	}
}

// Whatever the number and lengths of the packets, they are what the standard library makes of them.
func TestEncryptLikeStandardLibrary(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		check(t, r, r.IntN(11), func() int { return r.IntN(80) })
	}
}

func check(t *testing.T, r *rand.Rand, n int, length func() int) {
	t.Helper()
	packets := make([]Packet, n)
	keys := make([]Key, n)
	want := make([][]byte, n)
	for i := range packets {
		var key [KeySize]byte
		for j := range key {
			key[j] = byte(r.Uint32())
		}
		keys[i].Expand(&key)
		text := make([]byte, 16*length())
		for j := range text {
			text[j] = byte(r.Uint32())
		}
		packets[i] = Packet{&keys[i], text}
		b, err := aes.NewCipher(key[:])
		if err != nil {
			t.Fatal(err)
		}
		want[i] = bytes.Clone(text)
		cipher.NewCBCEncrypter(b, make([]byte, 16)).CryptBlocks(want[i], want[i])
	}
	Encrypt(packets)
	for i := range packets {
		if !bytes.Equal(packets[i].Text, want[i]) {
			t.Fatalf("packet %d of %d, %d blocks: wrong", i, n, len(want[i])/16)
		}
	}
}

// The scratch memory of empty lanes and the ends of packets are not overrun.
func TestEncryptStaysInside(t *testing.T) {
	var k Key
	k.Expand(new([KeySize]byte))
	for n := range 70 {
		mem := make([]byte, 16*n+32)
		Encrypt([]Packet{{&k, mem[16 : 16+16*n]}})
		if !bytes.Equal(mem[:16], make([]byte, 16)) || !bytes.Equal(mem[16+16*n:], make([]byte, 16)) {
			t.Fatalf("%d blocks: wrote outside", n)
		}
	}
}

// BenchmarkEncrypt encrypts packets of 1040 bytes; "standard library" is what one costs there.
func BenchmarkEncrypt(b *testing.B) {
	const size = 1040
	for _, n := range []int{1, 4, 32} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			keys := make([]Key, n)
			packets := make([]Packet, n)
			for i := range packets {
				keys[i].Expand(&[KeySize]byte{byte(i)})
				packets[i] = Packet{&keys[i], make([]byte, size)}
			}
			b.ReportAllocs()
			for b.Loop() {
				Encrypt(packets)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/packet")
		})
	}
	b.Run("standard library", func(b *testing.B) {
		g := newGeneric(new([KeySize]byte))
		text := make([]byte, size)
		b.ReportAllocs()
		for b.Loop() {
			g.encrypt(text)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/packet")
	})
}
