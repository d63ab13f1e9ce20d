package script

import (
	"sync/atomic"
	"time"
)

// gatherFrames is how often frames wake the script goroutine at most. To wake it, and what it sends frames on to, costs
// several times what is done with a frame: when frames come close together, some are shown at once. Those of a usual
// stream come one by one, and do not wait.
const gatherFrames = 3 * time.Millisecond

// frameClock decides when frames are shown to hooks.
type frameClock struct {
	start time.Time
	last  atomic.Int64 // when some were shown last, since start
	timer *time.Timer
}

func (c *frameClock) init() {
	c.start = time.Now()
	c.last.Store(int64(-gatherFrames))
	c.timer = time.NewTimer(time.Hour)
	c.timer.Stop()
}

// shown notes that frames were shown.
func (c *frameClock) shown() { c.last.Store(int64(time.Since(c.start))) }

// wait returns how long others are to wait, 0 when that is hardly worth it.
func (c *frameClock) wait() time.Duration {
	d := gatherFrames - time.Since(c.start) + time.Duration(c.last.Load())
	if d < gatherFrames/4 {
		return 0
	}
	return d
}

// postFrames queues an event that shows frames. It runs when the script goroutine wakes next, gatherFrames after the
// last such event at the latest.
func (e *Engine) postFrames(path string, run func()) {
	e.enqueue(path, true, task{run: run})
	if d := e.frames.wait(); d > 0 {
		e.frames.timer.Reset(d)
		return
	}
	e.rouse()
}
