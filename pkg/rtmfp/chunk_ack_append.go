package rtmfp

import "math"

// appendAck appends a whole acknowledgement chunk of at most room bytes, header included, in the form
// that reports more ranges or, when equal, is shorter; ranges that do not fit are left out from the top.
// b is returned unchanged if not even the cumulative part fits.
func appendAck(b []byte, a *ack, room int) []byte {
	room = min(room, chunkHeaderLen+math.MaxUint16)
	head := a.headSize()
	if room < head {
		return b
	}
	count, size := a.rangesFit(room - head)
	typ := chunkRangeAck
	if a.allowBitmap {
		if c, s := a.bitmapFit(room - head); c > count || (c == count && s < size) {
			count, size, typ = c, s, chunkBitmapAck
		}
	}
	b, mark := beginChunk(b, typ)
	b = a.appendHead(b)
	if typ == chunkRangeAck {
		b = appendAckRanges(b, a.cumulative, a.ranges[:count])
	} else {
		b = appendAckBitmap(b, a.cumulative, a.ranges[:count], size)
	}
	endChunk(b, mark)
	return b
}

func (a *ack) headSize() int {
	return chunkHeaderLen + vluLen(a.flowID) + vluLen(a.bufferBlocks) + vluLen(a.cumulative)
}

// size returns the size of the whole chunk in the range form.
func (a *ack) size() int {
	_, n := a.rangesFit(math.MaxInt)
	return a.headSize() + n
}

// rangesFit returns how many ranges fit in room bytes of the range form, and their size.
func (a *ack) rangesFit(room int) (count, size int) {
	cursor := a.cumulative
	for _, r := range a.ranges {
		n := vluLen(r.from-cursor-2) + vluLen(r.to-r.from)
		if size+n > room {
			break
		}
		size += n
		count++
		cursor = r.to
	}
	return count, size
}

// bitmapFit returns how many ranges fit in room bytes of the bitmap form, and their size.
func (a *ack) bitmapFit(room int) (count, size int) {
	for _, r := range a.ranges {
		n := (r.to-a.cumulative-2)/8 + 1
		if n > uint64(room) {
			break
		}
		size = int(n)
		count++
	}
	return count, size
}

func appendAckRanges(b []byte, cursor uint64, ranges []ackRange) []byte {
	for _, r := range ranges {
		b = appendVLU(b, r.from-cursor-2)
		b = appendVLU(b, r.to-r.from)
		cursor = r.to
	}
	return b
}

func appendAckBitmap(b []byte, cumulative uint64, ranges []ackRange, size int) []byte {
	start := len(b)
	for range size {
		b = append(b, 0)
	}
	bitmap := b[start:]
	for _, r := range ranges {
		for bit := r.from - cumulative - 2; bit <= r.to-cumulative-2; bit++ {
			bitmap[bit/8] |= 1 << (bit % 8)
		}
	}
	return b
}
