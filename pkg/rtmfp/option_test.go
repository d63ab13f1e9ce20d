package rtmfp

import (
	"bytes"
	"testing"
)

func TestOptionVectors(t *testing.T) {
	for _, v := range loadVectors().Option {
		typ, value, marker, n := consumeOption(append(v.Hex, 0x7f))
		if n != len(v.Hex) || marker != v.Marker || typ != v.Type || !bytes.Equal(value, v.Value) {
			t.Errorf("consumeOption(%x) = %d, %x, %v, %d", v.Hex, typ, value, marker, n)
		}
		enc := appendMarker(nil)
		if !v.Marker {
			enc = appendOption(nil, v.Type, v.Value)
		}
		if !bytes.Equal(enc, v.Hex) {
			t.Errorf("encoded %x, want %x", enc, v.Hex)
		}
		for i := range v.Hex {
			if _, _, _, n := consumeOption(v.Hex[:i]); n != 0 {
				t.Errorf("prefix %x accepted", v.Hex[:i])
			}
		}
	}
}

func TestOptionTypeTruncated(t *testing.T) {
	// The length covers one byte, but the type continues beyond it.
	if _, _, _, n := consumeOption([]byte{1, 0x81, 0x00}); n != 0 {
		t.Error("a type that leaves its option was accepted")
	}
}

func TestEachOptionStopsAtMarker(t *testing.T) {
	b := unhex("021502" + "00" + "ff")
	var types []uint64
	n, ok := eachOption(b, func(typ uint64, _ []byte) bool {
		types = append(types, typ)
		return true
	})
	if !ok || n != 4 || len(types) != 1 || types[0] != 0x15 {
		t.Errorf("got %v, read %d bytes, %v", types, n, ok)
	}
	if _, ok := eachOption(unhex("0215"), func(uint64, []byte) bool { return true }); ok {
		t.Error("a truncated list was accepted")
	}
}

func FuzzOption(f *testing.F) {
	for _, v := range loadVectors().Option {
		f.Add([]byte(v.Hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		typ, value, marker, n := consumeOption(b)
		if n == 0 {
			return
		}
		enc := appendMarker(nil)
		if !marker {
			enc = appendOption(nil, typ, value)
		}
		typ2, value2, marker2, m := consumeOption(enc)
		if typ2 != typ || !bytes.Equal(value2, value) || marker2 != marker || m != len(enc) {
			t.Fatalf("%x: %d %x %v became %d %x %v", b[:n], typ, value, marker, typ2, value2, marker2)
		}
	})
}
