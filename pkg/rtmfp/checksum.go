package rtmfp

import (
	"encoding/binary"
	"math/bits"
)

// checksum returns the simple checksum of b: the complement of the one's-complement
// sum of its big-endian 16-bit words. Unlike the internet checksum, an odd last byte counts as its own
// value, not as the high half of a word.
func checksum(b []byte) uint16 {
	var sum, carry uint64
	// 2^16 ≡ 1 modulo 2^16-1, so words of 64 bits may be added as they are, with the carry brought round.
	for len(b) >= 32 {
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b[8:]), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b[16:]), carry)
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b[24:]), carry)
		b = b[32:]
	}
	for len(b) >= 8 {
		sum, carry = bits.Add64(sum, binary.BigEndian.Uint64(b), carry)
		b = b[8:]
	}
	sum, carry = bits.Add64(sum, 0, carry)
	s := sum>>32 + sum&0xffffffff + carry
	for len(b) >= 2 {
		s += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		s += uint64(b[0])
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}
