package rtmfp

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

func TestChecksumVectors(t *testing.T) {
	for _, v := range loadVectors().Checksum {
		if got, want := checksum(v.Data), binary.BigEndian.Uint16(v.Checksum); got != want {
			t.Errorf("checksum of %d bytes = %04x, want %04x", len(v.Data), got, want)
		}
	}
}

// slowChecksum is the definition to the letter.
func slowChecksum(b []byte) uint16 {
	var s uint32
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		s += uint32(b[0])
	}
	s = s>>16 + s&0xffff
	s += s >> 16
	return uint16(^s)
}

func TestChecksumAgainstDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		b := make([]byte, n)
		for round := range 4 {
			for i := range b {
				switch round {
				case 0: // zeros
				case 1:
					b[i] = 0xff
				default:
					b[i] = byte(r.Uint32())
				}
			}
			if got, want := checksum(b), slowChecksum(b); got != want {
				t.Fatalf("%x: %04x, want %04x", b, got, want)
			}
		}
	}
}

func BenchmarkChecksum(b *testing.B) {
	p := make([]byte, 1200)
	b.ReportAllocs()
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		checksum(p)
	}
}
