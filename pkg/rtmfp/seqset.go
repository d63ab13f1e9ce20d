package rtmfp

import "slices"

// seqSet is SEQUENCE_SET of RFC 7016 §3.6.3: every number up to cum, and runs above it. The number of
// runs is bounded, so that a hostile sender cannot make it grow.
type seqSet struct {
	cum  uint64
	runs []ackRange // ascending, disjoint, not adjacent, all above cum+1
}

func (s *seqSet) hasGaps() bool { return len(s.runs) > 0 }

// search returns the index of the first run that ends at seq or later.
func (s *seqSet) search(seq uint64) int {
	i, _ := slices.BinarySearchFunc(s.runs, seq, func(r ackRange, seq uint64) int {
		if r.to < seq {
			return -1
		}
		return 1
	})
	return i
}

func (s *seqSet) contains(seq uint64) bool {
	if seq <= s.cum {
		return true
	}
	i := s.search(seq)
	return i < len(s.runs) && s.runs[i].from <= seq
}

// add puts seq into the set; false means that the limit of runs forbids it and nothing changed.
func (s *seqSet) add(seq uint64) bool {
	switch {
	case seq <= s.cum:
		return true
	case seq == s.cum+1:
		s.cum = seq
		s.absorb()
		return true
	}
	i := s.search(seq)
	if i < len(s.runs) && s.runs[i].from <= seq {
		return true
	}
	below := i > 0 && s.runs[i-1].to+1 == seq
	above := i < len(s.runs) && s.runs[i].from == seq+1
	switch {
	case below && above:
		s.runs[i-1].to = s.runs[i].to
		s.runs = slices.Delete(s.runs, i, i+1)
	case below:
		s.runs[i-1].to = seq
	case above:
		s.runs[i].from = seq
	case len(s.runs) >= maxAckRanges:
		return false
	default:
		s.runs = slices.Insert(s.runs, i, ackRange{seq, seq})
	}
	return true
}

// missing returns how many numbers from cum to seq are not in the set.
func (s *seqSet) missing(seq uint64) uint64 {
	if seq <= s.cum {
		return 0
	}
	n := seq - s.cum
	for _, r := range s.runs {
		if r.from > seq {
			break
		}
		n -= min(r.to, seq) - r.from + 1
	}
	return n
}

// addUpTo puts every number up to seq into the set and returns how many were not there.
func (s *seqSet) addUpTo(seq uint64) (added uint64) {
	if added = s.missing(seq); added > 0 {
		s.cum = seq
		s.absorb()
	}
	return added
}

// absorb merges the runs that the cumulative part has reached.
func (s *seqSet) absorb() {
	n := 0
	for n < len(s.runs) && s.runs[n].from <= s.cum+1 {
		s.cum = max(s.cum, s.runs[n].to)
		n++
	}
	if n > 0 {
		s.runs = append(s.runs[:0], s.runs[n:]...)
	}
}
