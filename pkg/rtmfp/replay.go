package rtmfp

// replayDepth is how far behind the highest session sequence number a packet may be.
const replayDepth = 32

// replayWindow remembers which session sequence numbers were received. The zero value has seen none.
type replayWindow struct {
	highest uint64
	seen    uint64 // bit i: highest-i was recorded; 0 only before the first record
}

// fresh reports whether seq was neither recorded nor passed by the window. It records nothing: that must
// wait until the packet's integrity is known.
func (w *replayWindow) fresh(seq uint64) bool {
	if w.seen == 0 || seq > w.highest {
		return true
	}
	// Recording n > 32 marks everything up to n-32; before that nothing has been passed.
	behind := w.highest - seq
	if behind >= replayDepth && w.highest > replayDepth {
		return false
	}
	return w.seen>>behind&1 == 0
}

// record marks seq, which must be fresh, as received.
func (w *replayWindow) record(seq uint64) {
	switch {
	case w.seen == 0:
		w.highest, w.seen = seq, 1
	case seq > w.highest:
		w.seen = w.seen<<(seq-w.highest) | 1 // a shift of 64 or more leaves nothing
		w.highest = seq
	default:
		w.seen |= 1 << (w.highest - seq)
	}
}
