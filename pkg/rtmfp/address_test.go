package rtmfp

import (
	"bytes"
	"net/netip"
	"testing"
)

func TestAddressVectors(t *testing.T) {
	for _, v := range loadVectors().Address {
		want := Address{netip.MustParseAddrPort(v.Address), v.Origin}
		if got := appendAddress(nil, want); !bytes.Equal(got, v.Hex) {
			t.Errorf("appendAddress(%v) = %x, want %x", want, got, v.Hex)
		}
		if got, n := consumeAddress(append(v.Hex, 1)); got != want || n != len(v.Hex) {
			t.Errorf("consumeAddress(%x) = %v, %d, want %v", v.Hex, got, n, want)
		}
		for i := range v.Hex {
			if _, n := consumeAddress(v.Hex[:i]); n != 0 {
				t.Errorf("prefix %x accepted", v.Hex[:i])
			}
		}
	}
}

func TestAddressMapped(t *testing.T) {
	mapped := Address{netip.MustParseAddrPort("[::ffff:192.0.2.1]:1935"), OriginObserved}
	plain := Address{netip.MustParseAddrPort("192.0.2.1:1935"), OriginObserved}
	b := appendAddress(nil, mapped)
	if got, n := consumeAddress(b); got != plain || n != 7 {
		t.Errorf("a mapped address became %v in %d bytes", got, n)
	}
	long := append(append([]byte{0x82}, unhex("00000000000000000000ffffc0000201")...), 0x07, 0x8f)
	if got, n := consumeAddress(long); got != plain || n != 19 {
		t.Errorf("a mapped address on the wire became %v in %d bytes", got, n)
	}
}

func TestAddressReservedBits(t *testing.T) {
	// Reserved bits MUST be ignored (RFC 7016 §2).
	got, n := consumeAddress(unhex("7ec0000201078f"))
	want := Address{netip.MustParseAddrPort("192.0.2.1:1935"), OriginObserved}
	if got != want || n != 7 {
		t.Errorf("got %v, %d", got, n)
	}
}

func FuzzAddress(f *testing.F) {
	for _, v := range loadVectors().Address {
		f.Add([]byte(v.Hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, n := consumeAddress(b)
		if n == 0 {
			return
		}
		enc := appendAddress(nil, a)
		if got, m := consumeAddress(enc); got != a || m != len(enc) {
			t.Fatalf("%x: %v became %v", b[:n], a, got)
		}
	})
}
