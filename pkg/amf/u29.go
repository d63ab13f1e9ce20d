package amf

// The range of the AMF3 integer type (AMF3 §3.6): 29 bits, two's complement.
const (
	maxInt29 = 1<<28 - 1
	minInt29 = -1 << 28
	maxU29   = 1<<29 - 1
)

// u29 reads a variable length unsigned integer (AMF3 §1.3.1). Its fourth byte has 8 bits.
func (r *Reader) u29(want string) (uint32, error) {
	var n uint32
	for i, c := range r.b[r.pos:min(len(r.b), r.pos+4)] {
		if i == 3 {
			r.pos += 4
			return n<<8 | uint32(c), nil
		}
		if c < 0x80 {
			r.pos += i + 1
			return n<<7 | uint32(c), nil
		}
		n = n<<7 | uint32(c&0x7F)
	}
	return 0, truncated(r.pos, want)
}

// int29 reads the value of an AMF3 integer: bit 28 is the sign.
func (r *Reader) int29() (int32, error) {
	n, err := r.u29("an integer")
	return int32(n<<3) >> 3, err
}

func appendU29(b []byte, n uint32) []byte {
	switch {
	case n < 1<<7:
		return append(b, byte(n))
	case n < 1<<14:
		return append(b, byte(n>>7)|0x80, byte(n)&0x7F)
	case n < 1<<21:
		return append(b, byte(n>>14)|0x80, byte(n>>7)|0x80, byte(n)&0x7F)
	}
	return append(b, byte(n>>22)|0x80, byte(n>>15)|0x80, byte(n>>8)|0x80, byte(n))
}
