package udp

import (
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

const (
	gatherTime    = time.Millisecond
	trickleWindow = 50 * time.Millisecond
	trickleMin    = 50 // datagrams in a window
)

// trickle tells whether the datagrams that arrive are acknowledgements in the main, and many. Waking up for
// each of them costs more than what is in it, and nobody waits for an answer: so when the shard has nothing
// else to do, it lets some gather.
type trickle struct {
	start    rtmfp.Time // of the window
	received int
	events   int // things told to the application
	on       bool
	fresh    bool // something arrived since the last pause
}

// datagrams counts what one read got.
func (t *trickle) datagrams(now rtmfp.Time, n int) {
	t.received += n
	t.fresh = n > 0
	if d := now.Sub(t.start); d >= trickleWindow {
		t.on = t.received >= trickleMin && t.received > 4*t.events && d < 2*trickleWindow
		t.start, t.received, t.events = now, 0, 0
	}
}

// gather reports whether to pause before the next read.
func (t *trickle) gather() bool { return t.on && t.fresh }
