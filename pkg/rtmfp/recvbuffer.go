package rtmfp

import (
	"slices"
	"sort"
)

// recvFragment is an entry of RECV_BUFFER.
type recvFragment struct {
	seq  uint64
	fra  uint8
	data *Buffer
	// The fragments of one message that follow each other form a run. Its first and its last entry know
	// where the other one is and how many bytes lie between; those within do not.
	far   uint64
	bytes int
}

// follows reports whether b may continue the message of a, the fragment with the number before.
func follows(a, b uint8) bool {
	return (a == fragBegin || a == fragMiddle) && (b == fragMiddle || b == fragEnd)
}

// fragBuffer is RECV_BUFFER of RFC 7016 §3.6.3: fragments by sequence number. One more costs about the
// same however many there are and in whatever order they come, so that nobody can keep us busy by
// filling a large window with tiny fragments, backwards.
type fragBuffer struct {
	blocks [][]recvFragment // ascending, none empty, at most blockSize entries each
}

const blockSize = 128

func (b *fragBuffer) empty() bool { return len(b.blocks) == 0 }

// search returns where the first fragment with number seq or above is.
func (b *fragBuffer) search(seq uint64) (block, i int) {
	block = sort.Search(len(b.blocks), func(k int) bool {
		l := b.blocks[k]
		return l[len(l)-1].seq >= seq
	})
	if block < len(b.blocks) {
		l := b.blocks[block]
		i = sort.Search(len(l), func(k int) bool { return l[k].seq >= seq })
	}
	return block, i
}

// from returns the first fragment with number seq or above, nil if there is none. The entry is valid
// until the buffer changes.
func (b *fragBuffer) from(seq uint64) *recvFragment {
	block, i := b.search(seq)
	if block == len(b.blocks) {
		return nil
	}
	return &b.blocks[block][i]
}

// at returns the fragment with number seq, or nil.
func (b *fragBuffer) at(seq uint64) *recvFragment {
	if fr := b.from(seq); fr != nil && fr.seq == seq {
		return fr
	}
	return nil
}

// front returns the first fragment, or nil.
func (b *fragBuffer) front() *recvFragment {
	if b.empty() {
		return nil
	}
	return &b.blocks[0][0]
}

// insert adds a fragment whose number is not there yet and joins the runs at its sides. It returns the
// first entry of the run that the fragment is part of now.
func (b *fragBuffer) insert(fr recvFragment) *recvFragment {
	first, last, bytes := fr.seq, fr.seq, fr.data.Len()
	if l := b.at(fr.seq - 1); l != nil && follows(l.fra, fr.fra) {
		first, bytes = l.far, bytes+l.bytes
	}
	if r := b.at(fr.seq + 1); r != nil && follows(fr.fra, r.fra) {
		last, bytes = r.far, bytes+r.bytes
	}
	b.place(fr)
	end := b.at(last)
	end.far, end.bytes = first, bytes
	start := b.at(first)
	start.far, start.bytes = last, bytes
	return start
}

func (b *fragBuffer) place(fr recvFragment) {
	block, i := b.search(fr.seq)
	switch {
	case b.empty() && cap(b.blocks) > 0:
		b.blocks = b.blocks[:1] // the block that became empty last
		b.blocks[0] = b.blocks[0][:0]
	case b.empty():
		b.blocks = append(b.blocks, nil)
	case block == len(b.blocks): // behind all others
		block--
		if i = len(b.blocks[block]); i == blockSize {
			b.blocks = append(b.blocks, nil)
			block, i = block+1, 0
		}
	case len(b.blocks[block]) == blockSize:
		l := b.blocks[block]
		const half = blockSize / 2
		b.blocks = slices.Insert(b.blocks, block+1, slices.Clone(l[half:]))
		clear(l[half:])
		b.blocks[block] = l[:half]
		if i > half {
			block, i = block+1, i-half
		}
	}
	b.blocks[block] = slices.Insert(b.blocks[block], i, fr)
}

// pop removes and returns the first fragment; runs are not kept up, see rebuild.
func (b *fragBuffer) pop() recvFragment {
	fr := b.blocks[0][0]
	b.cut(0, 0, 1)
	return fr
}

// cut removes the entries from i to below j of a block.
func (b *fragBuffer) cut(block, i, j int) {
	b.blocks[block] = slices.Delete(b.blocks[block], i, j)
	switch {
	case len(b.blocks[block]) > 0:
	case len(b.blocks) == 1:
		b.blocks = b.blocks[:0]
	default:
		b.blocks = slices.Delete(b.blocks, block, block+1)
	}
}

// remove takes out the fragments numbered first to last, after f saw each.
func (b *fragBuffer) remove(first, last uint64, f func(*Buffer)) {
	for {
		block, i := b.search(first)
		if block == len(b.blocks) {
			return
		}
		l := b.blocks[block]
		j := i
		for j < len(l) && l[j].seq <= last {
			f(l[j].data)
			j++
		}
		if j == i {
			return
		}
		b.cut(block, i, j)
	}
}

// all calls f for every fragment, in order.
func (b *fragBuffer) all(f func(*recvFragment)) {
	for _, l := range b.blocks {
		for i := range l {
			f(&l[i])
		}
	}
}

// rebuild finds the runs anew.
func (b *fragBuffer) rebuild() {
	old := b.blocks
	b.blocks = nil
	for _, l := range old {
		for _, fr := range l {
			b.insert(fr)
		}
	}
}
