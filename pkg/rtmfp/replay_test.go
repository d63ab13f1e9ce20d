package rtmfp

import (
	"math/rand/v2"
	"testing"
)

func TestReplayWindow(t *testing.T) {
	for _, tt := range []struct {
		name string
		seen []uint64
		seq  uint64
		want bool
	}{
		{"first", nil, 0, true},
		{"first, not 0", nil, 1 << 40, true},
		{"same", []uint64{0}, 0, false},
		{"next", []uint64{0}, 1, true},
		{"late within 32", []uint64{0, 32}, 1, true},
		{"0 after 32: n > 32 only", []uint64{32}, 0, true},
		{"0 after 33", []uint64{33}, 0, false},
		{"exactly 32 behind", []uint64{100}, 68, false},
		{"31 behind", []uint64{100}, 69, true},
		{"31 behind again", []uint64{100, 69}, 69, false},
		{"far jump forgets", []uint64{1, 2, 3, 1 << 60}, 1<<60 - 1, true},
		{"far jump closes", []uint64{1, 2, 3, 1 << 60}, 4, false},
		{"jump by 64", []uint64{40, 104}, 73, true},
		{"late one does not move it", []uint64{100, 90}, 70, true},
	} {
		var w replayWindow
		for _, seq := range tt.seen {
			w.record(seq)
		}
		if got := w.fresh(tt.seq); got != tt.want {
			t.Errorf("%s: fresh(%d) after %v = %v", tt.name, tt.seq, tt.seen, got)
		}
	}
}

// TestReplayAgainstDefinition compares the window with a set of numbers.
func TestReplayAgainstDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 50 {
		var (
			w      replayWindow
			seen   = map[uint64]bool{}
			passed = -1 // all up to here are marked
			now    = uint64(0)
		)
		for range 300 {
			now += r.Uint64N(3)
			seq := now + r.Uint64N(40)
			want := !seen[seq] && int(seq) > passed
			if got := w.fresh(seq); got != want {
				t.Fatalf("fresh(%d) = %v, want %v (passed %d)", seq, got, want, passed)
			}
			if want {
				w.record(seq)
				seen[seq] = true
				if seq > replayDepth {
					passed = max(passed, int(seq-replayDepth))
				}
			}
		}
	}
}
