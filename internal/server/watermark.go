package server

import (
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// watermarkInterval is how often the memory is looked at, at most.
const watermarkInterval = time.Second

// watermark says whether the memory that the process really needs is above a limit: what the last garbage collection
// found to be in use, and the stacks. What is only not collected yet is no reason to send clients away. A nil watermark
// is never full.
type watermark struct {
	limit atomic.Uint64
	read  func() uint64
	next  atomic.Int64 // when to read again, by time.Now
	over  atomic.Bool
}

// newWatermark returns nil for 0 bytes.
func newWatermark(limit int64) *watermark {
	if limit <= 0 {
		return nil
	}
	w := &watermark{read: memoryInUse}
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
		w.over.Store(w.read() > w.limit.Load())
	}
	return w.over.Load()
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
