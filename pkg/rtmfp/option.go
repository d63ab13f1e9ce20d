package rtmfp

// Options are length-type-value triplets (RFC 7016 §2.1.3); an option of length zero is a marker and
// ends an option list (§2.1.4).
//
//	+-------------/-+~~~~~~~~~~~~~/~+~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~+
//	|   length    \ |    type     \ |            value              |
//	+-------------/-+~~~~~~~~~~~~~/~+~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~/
//	                ^                                               ^
//	                +-------- length bytes long (may be 0) ---------+

// appendOption appends one option.
func appendOption(b []byte, typ uint64, value []byte) []byte {
	b = appendVLU(b, uint64(vluLen(typ)+len(value)))
	b = appendVLU(b, typ)
	return append(b, value...)
}

// appendMarker appends the empty option.
func appendMarker(b []byte) []byte { return append(b, 0) }

// consumeOption reads the option at the start of b; value aliases b. n is the number of bytes read, 0 if
// b does not hold a whole option.
func consumeOption(b []byte) (typ uint64, value []byte, marker bool, n int) {
	p, n := consumeBlock(b)
	if n == 0 {
		return 0, nil, false, 0
	}
	if len(p) == 0 {
		return 0, nil, true, n
	}
	typ, t := consumeVLU(p)
	if t == 0 {
		return 0, nil, false, 0
	}
	return typ, p[t:], false, n
}

// eachOption calls f for every option of b up to the first marker or the end of b, whichever comes
// first. It returns the length of what it read, marker included, and false if an option is malformed or
// f returned false.
func eachOption(b []byte, f func(typ uint64, value []byte) bool) (n int, ok bool) {
	for n < len(b) {
		typ, value, marker, c := consumeOption(b[n:])
		if c == 0 {
			return n, false
		}
		n += c
		if marker {
			return n, true
		}
		if !f(typ, value) {
			return n, false
		}
	}
	return n, true
}
