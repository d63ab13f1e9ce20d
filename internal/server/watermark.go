package server

import (
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

const (
	watermarkInterval = time.Second // how often the memory is looked at, at most
	// collectInterval is how often garbage is collected while clients are sent away. Where nobody new is let in little is
	// allocated, and the next collection, which tells that others left, could be minutes away.
	collectInterval = 10 * time.Second
)

// watermark says whether the memory that the process really needs is above a limit: what the last garbage collection
// found to be in use, and the stacks. What is only not collected yet is no reason to send clients away. A nil watermark
// is never full.
type watermark struct {
	limit atomic.Uint64
	read  func() uint64
	next  atomic.Int64 // when to read again, by time.Now
	over  atomic.Bool

	collect    func()
	collectAt  atomic.Int64 // the earliest time, by time.Now
	collecting atomic.Bool
}

// newWatermark returns nil for 0 bytes.
func newWatermark(limit int64) *watermark {
	if limit <= 0 {
		return nil
	}
	w := &watermark{read: memoryInUse, collect: runtime.GC}
	w.limit.Store(uint64(limit))
	return w
}

// full may be called by any goroutine, for every hello.
func (w *watermark) full() bool {
	if w == nil {
		return false
	}
	now := time.Now().UnixNano()
	if next := w.next.Load(); now >= next && w.next.CompareAndSwap(next, now+int64(watermarkInterval)) {
		over := w.read() > w.limit.Load()
		if over {
			w.lookAgain(now)
		}
		w.over.Store(over)
	}
	return w.over.Load()
}

// lookAgain has garbage collected, which takes its time, when the last collection may be long ago.
func (w *watermark) lookAgain(now int64) {
	if !w.over.Load() { // only just
		w.collectAt.Store(now + int64(collectInterval))
		return
	}
	if now < w.collectAt.Load() || w.collecting.Swap(true) {
		return
	}
	go func() {
		w.collect()
		w.collectAt.Store(time.Now().UnixNano() + int64(collectInterval))
		w.collecting.Store(false)
	}()
}

func memoryInUse() uint64 {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	var sum uint64
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			sum += s.Value.Uint64()
		}
	}
	return sum
}
