package rtmfp

import (
	"bytes"
	"math"
	"testing"
)

func TestVLUVectors(t *testing.T) {
	for _, v := range loadVectors().VLU {
		if got := appendVLU(nil, v.Value); !bytes.Equal(got, v.Hex) {
			t.Errorf("appendVLU(%d) = %x, want %x", v.Value, got, v.Hex)
		}
		if got := vluLen(v.Value); got != len(v.Hex) {
			t.Errorf("vluLen(%d) = %d, want %d", v.Value, got, len(v.Hex))
		}
		if got, n := consumeVLU(append(v.Hex, 0xff)); got != v.Value || n != len(v.Hex) {
			t.Errorf("consumeVLU(%x) = %d, %d, want %d, %d", v.Hex, got, n, v.Value, len(v.Hex))
		}
		for i := range v.Hex {
			if _, n := consumeVLU(v.Hex[:i]); n != 0 {
				t.Errorf("prefix %x of %x accepted", v.Hex[:i], v.Hex)
			}
		}
	}
}

func TestVLUEdges(t *testing.T) {
	for _, tt := range []struct {
		hex  string
		want uint64
		n    int
	}{
		{"8000", 0, 2},                                         // leading zero digits
		{"80808080808080808080808005", 5, 13},                  // more digits than 64 bits need
		{"81ffffffffffffffff7f", math.MaxUint64, 10},           // largest
		{"82808080808080808000", 0, 0},                         // 2^64
		{"ffffffffffffffffff7f", 0, 0},                         // 70 bits
		{"808181818181818181818101", 0, 0},                     // too many significant digits
		{"ffffffffffffffffffffffffffffffffffffffffffff", 0, 0}, // endless
	} {
		if got, n := consumeVLU(unhex(tt.hex)); got != tt.want || n != tt.n {
			t.Errorf("consumeVLU(%s) = %d, %d, want %d, %d", tt.hex, got, n, tt.want, tt.n)
		}
	}
	for shift := range 64 {
		for _, v := range []uint64{1 << shift, 1<<shift - 1, 1<<shift + 1} {
			b := appendVLU(nil, v)
			if got, n := consumeVLU(b); got != v || n != len(b) || n != vluLen(v) {
				t.Errorf("%d: encoded %x, decoded %d (%d bytes)", v, b, got, n)
			}
		}
	}
}

func TestConsumeBlock(t *testing.T) {
	b := appendBlock(nil, make([]byte, 200))
	if p, n := consumeBlock(append(b, 1, 2)); len(p) != 200 || n != len(b) {
		t.Errorf("got %d bytes, length %d", len(p), n)
	}
	for i := range b {
		if _, n := consumeBlock(b[:i]); n != 0 {
			t.Errorf("prefix of %d bytes accepted", i)
		}
	}
	if _, n := consumeBlock(unhex("81ffffffffffffffff7f00")); n != 0 {
		t.Error("a length of 2^64-1 accepted")
	}
}

func FuzzVLU(f *testing.F) {
	for _, v := range loadVectors().VLU {
		f.Add([]byte(v.Hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, n := consumeVLU(b)
		if n == 0 {
			return
		}
		enc := appendVLU(nil, v)
		if len(enc) > n {
			t.Fatalf("%x read from %d bytes but written in %d", v, n, len(enc))
		}
		if w, m := consumeVLU(enc); w != v || m != len(enc) {
			t.Fatalf("%x: %d became %d", b[:n], v, w)
		}
	})
}
