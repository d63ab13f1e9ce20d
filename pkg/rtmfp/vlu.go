package rtmfp

import "math/bits"

// A variable length unsigned integer (VLU, RFC 7016 §2.1.2): seven bits per byte, most significant
// first, the high bit set on every byte but the last.
//
//	 0 1 2 3 4 5 6 7                   0 1 2 3 4 5 6 7
//	+~+~+~+~+~+~+~+~+                 +-+-+-+-+-+-+-+-+
//	|1|     digit     |...............|0|     digit     |
//	+~+~+~+~+~+~+~+~+                 +-+-+-+-+-+-+-+-+

// appendVLU appends the shortest encoding of v: 1 to 10 bytes.
func appendVLU(b []byte, v uint64) []byte {
	if v < 1<<7 {
		return append(b, byte(v))
	}
	for shift := 7 * (vluLen(v) - 1); shift > 0; shift -= 7 {
		b = append(b, byte(v>>shift)|0x80)
	}
	return append(b, byte(v)&0x7f)
}

// consumeVLU reads the VLU at the start of b and returns it with its length in bytes. n is 0 if b ends
// before the VLU does or if the value needs more than 64 bits. Leading zero digits are legal.
func consumeVLU(b []byte) (v uint64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	for i, c := range b {
		if v>>57 != 0 {
			return 0, 0
		}
		v = v<<7 | uint64(c&0x7f)
		if c < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}

// vluLen returns the length of the encoding of v in bytes.
func vluLen(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// appendBlock appends p with its length as a VLU in front.
func appendBlock(b, p []byte) []byte {
	return append(appendVLU(b, uint64(len(p))), p...)
}

// consumeBlock reads a VLU length and that many bytes, which alias b. n is 0 if they do not fit.
func consumeBlock(b []byte) (p []byte, n int) {
	v, n := consumeVLU(b)
	if n == 0 || v > uint64(len(b)-n) {
		return nil, 0
	}
	end := n + int(v)
	return b[n:end:end], end
}
