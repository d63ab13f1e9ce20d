package mesh

import "time"

// firstPause is below which the first pause stays.
const firstPause = time.Second

// backoff says how long to wait before the next attempt to reach a target: the pause doubles up to a
// longest one, and its second half is left to chance, so that servers that lost each other together do not
// come back together.
type backoff struct {
	longest time.Duration
	random  func() float64 // in [0, 1)
	pause   time.Duration  // the last one, without chance; 0 = none yet
}

// newBackoff takes the longest pause (servers.retry) and a source of numbers in [0, 1), such as
// rand.Float64.
func newBackoff(longest time.Duration, random func() float64) *backoff {
	return &backoff{longest: longest, random: random}
}

// next returns the pause before the next attempt, below one second for the first.
func (b *backoff) next() time.Duration {
	b.pause = min(max(2*b.pause, firstPause), b.longest)
	return b.pause/2 + time.Duration(b.random()*float64(b.pause/2))
}

// reset begins again: the target was reached.
func (b *backoff) reset() { b.pause = 0 }
