package rtmfp

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// naiveSet is SEQUENCE_SET as RFC 7016 §3.6.3 words it.
type naiveSet map[uint64]bool

func (n naiveSet) cum() uint64 {
	c := uint64(0)
	for n[c+1] {
		c++
	}
	return c
}

func (n naiveSet) gaps() bool {
	c := n.cum()
	for s := range n {
		if s > c {
			return true
		}
	}
	return false
}

// checkSeqSet compares s with n and checks what the comment on seqSet promises.
func checkSeqSet(t *rapid.T, s *seqSet, n naiveSet, top uint64) {
	t.Helper()
	if s.cum != n.cum() || s.hasGaps() != n.gaps() {
		t.Fatalf("cum %d gaps %v, want %d %v", s.cum, s.hasGaps(), n.cum(), n.gaps())
	}
	for seq := uint64(1); seq <= top; seq++ {
		if s.contains(seq) != n[seq] {
			t.Fatalf("contains(%d) is %v", seq, s.contains(seq))
		}
	}
	end := s.cum
	for _, r := range s.runs {
		if r.from < end+2 || r.to < r.from {
			t.Fatalf("runs %v after %d", s.runs, s.cum)
		}
		end = r.to
	}
}

// RFC 7016 §3.6.3.2, steps 12 and 13.
func TestSeqSetAgainstNaiveSet(t *testing.T) {
	const top = 80
	rapid.Check(t, func(t *rapid.T) {
		var s seqSet
		n := naiveSet{}
		for range rapid.IntRange(1, 60).Draw(t, "operations") {
			seq := rapid.Uint64Range(1, top).Draw(t, "seq")
			if rapid.IntRange(0, 9).Draw(t, "forward") > 0 {
				if !s.add(seq) {
					t.Fatalf("%d refused", seq)
				}
				n[seq] = true
			} else {
				want := uint64(0)
				for k := uint64(1); k <= seq; k++ {
					if !n[k] {
						want++
					}
					n[k] = true
				}
				if got := s.addUpTo(seq); got != want {
					t.Fatalf("addUpTo(%d) added %d, want %d", seq, got, want)
				}
			}
			checkSeqSet(t, &s, n, top+2)
		}
	})
}

// What a hostile sender can make us remember is bounded (RFC 7016 §3.6.3.2).
func TestSeqSetLimit(t *testing.T) {
	var s seqSet
	for i := range uint64(maxAckRanges) {
		if !s.add(2*i + 3) {
			t.Fatalf("run %d refused", i)
		}
	}
	before := slices.Clone(s.runs)
	for _, seq := range []uint64{2*maxAckRanges + 3, 1 << 40, maxSequence} {
		if s.add(seq) || s.contains(seq) || !slices.Equal(s.runs, before) {
			t.Fatalf("%d was taken into a full set", seq)
		}
	}
	// What needs no new run is still welcome: at the end of one, between two, and the next one.
	for _, seq := range []uint64{2*maxAckRanges + 2, 4, 1} {
		if !s.add(seq) || !s.contains(seq) {
			t.Errorf("%d refused", seq)
		}
	}
	if s.cum != 1 || len(s.runs) != maxAckRanges-1 {
		t.Errorf("cum %d, %d runs", s.cum, len(s.runs))
	}
	if n := s.addUpTo(5); n != 1 || s.cum != 5 || len(s.runs) != maxAckRanges-2 { // only 2 was missing
		t.Errorf("%d new, cum %d, %d runs", n, s.cum, len(s.runs))
	}
	if n := s.addUpTo(maxSequence); n == 0 || s.hasGaps() || s.cum != maxSequence {
		t.Errorf("after all: cum %d, %d runs", s.cum, len(s.runs))
	}
	if s.addUpTo(7) != 0 || !s.add(12) || s.cum != maxSequence {
		t.Error("went back")
	}
	if maxSequence > math.MaxUint64/2 {
		t.Error("sums of sequence numbers may overflow")
	}
}
