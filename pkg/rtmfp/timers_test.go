package rtmfp

import (
	"testing"

	"pgregory.net/rapid"
)

// However timers are set, delayed and removed, the earliest is the first.
func TestTimerHeap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h timerHeap
		sessions := make([]Session, 20)
		for i := range sessions {
			sessions[i].timer = -1
		}
		want := make(map[*Session]Time)
		at := rapid.Int64Range(1, 100)
		for range rapid.IntRange(0, 200).Draw(t, "operations") {
			s := &sessions[rapid.IntRange(0, len(sessions)-1).Draw(t, "session")]
			d := Time(at.Draw(t, "time"))
			old, scheduled := want[s]
			switch op := rapid.IntRange(0, 2).Draw(t, "operation"); {
			case op == 0:
				h.set(s, d)
				if !scheduled || d < old {
					want[s] = d
				}
			case op == 1 && scheduled:
				h.delay(s, old+d)
				want[s] = old + d
			case op == 2:
				h.remove(s)
				delete(want, s)
			}
			if len(h) != len(want) {
				t.Fatalf("%d timers, want %d", len(h), len(want))
			}
			for i, e := range h {
				if e.s.timer != i || want[e.s] != e.at || e.at < h[0].at {
					t.Fatalf("entry %d at %d, first at %d, want %d", i, e.at, h[0].at, want[e.s])
				}
			}
		}
	})
}
