package rtmfp

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"
)

// RFC 2104: keys shorter than a block, as long, and longer, which are hashed first.
func TestHMAC(t *testing.T) {
	rng := rand.NewChaCha8([32]byte{1})
	for _, k := range []int{0, 1, 16, 32, 63, 64, 65, 128, 300} {
		for _, n := range []int{0, 1, 55, 64, 1200} {
			key, message := make([]byte, k), make([]byte, n)
			rng.Read(key)
			rng.Read(message)
			h := hmac.New(sha256.New, key)
			h.Write(message)
			want := h.Sum(nil)
			if got := hmacSum(key, message); !hmac.Equal(got[:], want) {
				t.Errorf("key of %d bytes, message of %d: wrong", k, n)
			}
			last := message[n-min(n, 20):]
			if got := hmacSum(key, message[:n-len(last)], last...); !hmac.Equal(got[:], want) {
				t.Errorf("key of %d bytes, message of %d in two parts: wrong", k, n)
			}
			kept := newMACKey(key)
			for range 2 {
				if got := kept.sum(message); !hmac.Equal(got[:], want) {
					t.Errorf("kept key of %d bytes, message of %d: wrong", k, n)
				}
			}
		}
	}
}

// BenchmarkHMAC compares with crypto/hmac.
func BenchmarkHMAC(b *testing.B) {
	key := make([]byte, 32)
	kept := newMACKey(key)
	h := hmac.New(sha256.New, key)
	var sum [32]byte
	for _, n := range []int{48, 1168} {
		message := make([]byte, n)
		for _, c := range []struct {
			name string
			f    func()
		}{
			{"once", func() { hmacSum(key, message) }},
			{"kept", func() { kept.sum(message) }},
			{"crypto/hmac", func() {
				h.Reset()
				h.Write(message)
				h.Sum(sum[:0])
			}},
		} {
			b.Run(fmt.Sprintf("%d bytes, %s", n, c.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					c.f()
				}
			})
		}
	}
}
