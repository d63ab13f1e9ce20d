package rtmfp

import "math"

// maxAckChunkRanges bounds how many ranges of one acknowledgement are read; what lies above them counts
// as not acknowledged. A datagram holds fewer than 600 in the range form.
const maxAckChunkRanges = 1024

// ackRange is a run of received sequence numbers, both ends included.
type ackRange struct{ from, to uint64 }

// ack is a Data Acknowledgement of one flow, in either of its two forms: Bitmap Ack (RFC 7016 §2.3.13)
// and Range Ack (§2.3.14).
//
//	+-------------/-+-------------/-+-------------/-+
//	|    flowID    \ |   bufAvail \ |     cumAck   \ |
//	+-------------/-+-------------/-+-------------/-+
//
// Ranges ascend; each begins at least two above the end of the one before, the first at least two above
// the cumulative acknowledgement.
type ack struct {
	flowID       uint64
	bufferBlocks uint64 // what the receiver can take, in units of 1024 bytes
	cumulative   uint64 // all sequence numbers up to here are acknowledged
	ranges       []ackRange

	// allowBitmap lets appendAck choose the bitmap form. Old peers only handle ranges for certain.
	allowBitmap bool
}

func (a *ack) consumeHead(p []byte) (n int) {
	for _, f := range [...]*uint64{&a.flowID, &a.bufferBlocks, &a.cumulative} {
		v, m := consumeVLU(p[n:])
		if m == 0 {
			return 0
		}
		*f = v
		n += m
	}
	return n
}

func (a *ack) appendHead(b []byte) []byte {
	return appendVLU(appendVLU(appendVLU(b, a.flowID), a.bufferBlocks), a.cumulative)
}

// consumeRangeAck reads a Range Ack payload into a, reusing a.ranges. A last range that is cut off, or
// one that leads beyond 64 bits, ends the list without an error (RFC 7016 §2.3.14).
//
//	+~~~~~~~~~~~~~/~+~~~~~~~~~~~~~/~+
//	|    #holes-1 \ |    #recv-1    \ |
//	+~~~~~~~~~~~~~/~+~~~~~~~~~~~~~/~+
//	                 :
func consumeRangeAck(p []byte, a *ack) bool {
	n := a.consumeHead(p)
	if n == 0 {
		return false
	}
	a.ranges = a.ranges[:0]
	cursor := a.cumulative
	for p = p[n:]; len(p) > 0 && len(a.ranges) < maxAckChunkRanges; {
		holes, n := consumeVLU(p)
		if n == 0 {
			break
		}
		received, m := consumeVLU(p[n:])
		if m == 0 {
			break
		}
		p = p[n+m:]
		left := math.MaxUint64 - cursor
		if left < 2 || holes > left-2 || received > left-2-holes {
			break
		}
		from := cursor + holes + 2
		cursor = from + received
		a.ranges = append(a.ranges, ackRange{from, cursor})
	}
	return true
}

// consumeBitmapAck reads a Bitmap Ack payload into a, reusing a.ranges. Bit i of byte k, counted from the
// least significant, stands for sequence number cumulative+2+8k+i.
//
//	+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+
//	|C|C|C|C|C|C|C|C|C|C|C|C|C|C|C|C|C|C|C|C|C|C|C|C|
//	|+|+|+|+|+|+|+|+|+|+|+|+|+|+|+|+|+|+|+|+|+|+|+|+|
//	|9|8|7|6|5|4|3|2|1|1|1|1|1|1|1|1|2|2|2|2|2|2|1|1| ....
//	| | | | | | | | |7|6|5|4|3|2|1|0|5|4|3|2|1|0|9|8|
//	+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+~+
func consumeBitmapAck(p []byte, a *ack) bool {
	n := a.consumeHead(p)
	if n == 0 {
		return false
	}
	a.ranges = a.ranges[:0]
	for k, bits := range p[n:] {
		for i := 0; bits != 0; i, bits = i+1, bits>>1 {
			if bits&1 == 0 {
				continue
			}
			offset := uint64(8*k + i + 2)
			if offset > math.MaxUint64-a.cumulative {
				return true // sequence numbers do not wrap
			}
			seq := a.cumulative + offset
			if last := len(a.ranges) - 1; last >= 0 && a.ranges[last].to == seq-1 {
				a.ranges[last].to = seq
			} else if len(a.ranges) < maxAckChunkRanges {
				a.ranges = append(a.ranges, ackRange{seq, seq})
			} else {
				return true
			}
		}
	}
	return true
}
