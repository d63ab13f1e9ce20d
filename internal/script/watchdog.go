package script

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

var (
	errBudget = errors.New("interrupted: the call took longer than script.budget allows")
	errMemory = errors.New("interrupted: the call took too much memory")
)

// watchdog interrupts a call that exceeds its budget of time or memory. gopher-lua polls the context of the
// state before each instruction, and lualib asks Exceeded in its loops; a context of our own makes both
// cheap.
//
// The timer is not set for each turn: while there are turns it goes off every now and then, looks at the one
// that runs, and at the memory in use.
type watchdog struct {
	budget time.Duration
	timer  *time.Timer
	heap   heapLimits

	exceeded atomic.Bool
	full     atomic.Bool // the heap is above its limit

	mu      sync.Mutex
	done    chan struct{}
	why     error
	started time.Time // of the turn, or of the part of it that has a budget of its own; zero = between turns
	turn    uint64    // counts them
	base    uint64    // heap when the turn was seen first; 0 = not yet
	armed   bool
	stopped bool
	looking bool // at the memory
}

func newWatchdog(budget time.Duration, heap heapLimits) *watchdog {
	w := &watchdog{budget: budget, heap: heap, done: make(chan struct{})}
	w.timer = time.AfterFunc(time.Hour, w.look)
	w.timer.Stop()
	return w
}

// lookInterval is how often the watchdog looks.
const lookInterval = 10 * time.Millisecond

// begin starts a budget.
func (w *watchdog) begin() {
	now := time.Now()
	w.mu.Lock()
	w.started, w.base = now, 0
	w.turn++
	if !w.armed && !w.stopped {
		w.arm(w.budget)
	}
	w.mu.Unlock()
}

func (w *watchdog) arm(left time.Duration) {
	w.armed = true
	w.timer.Reset(min(left, lookInterval))
}

// end ends the budget. If it was exceeded it returns how long that took, otherwise 0.
func (w *watchdog) end() (overran time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	started := w.started
	w.started = time.Time{}
	if !w.exceeded.Load() {
		return 0
	}
	w.exceeded.Store(false)
	w.done = make(chan struct{})
	return max(time.Since(started), 1)
}

func (w *watchdog) look() {
	heap := heapInUse()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = false
	if w.stopped || w.exceeded.Load() {
		return
	}
	if heap > w.heap.total {
		w.weigh()
	}
	if w.started.IsZero() {
		return
	}
	left := w.budget - time.Since(w.started)
	if left <= 0 {
		w.bite(errBudget)
		return
	}
	if w.base == 0 {
		w.base = heap
	}
	if heap > w.base+w.heap.turn {
		w.weigh()
	}
	w.arm(left)
}

func (w *watchdog) bite(why error) {
	w.why = why
	w.exceeded.Store(true)
	close(w.done)
}

// weigh looks at the memory in use once more, without garbage. It does not wait for that.
func (w *watchdog) weigh() {
	if w.looking {
		return
	}
	w.looking = true
	turn, base := w.turn, w.base
	go func() {
		runtime.GC()
		heap := heapInUse()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.looking = false
		if heap > w.heap.total {
			w.full.Store(true)
		}
		same := turn == w.turn && !w.started.IsZero() && !w.exceeded.Load()
		if same && base != 0 && heap > base+w.heap.turn {
			w.bite(errMemory)
		}
	}()
}

func (w *watchdog) stop() {
	w.mu.Lock()
	w.stopped = true
	w.mu.Unlock()
	w.timer.Stop()
}

// Exceeded implements lualib.Budget.
func (w *watchdog) Exceeded() bool { return w.exceeded.Load() }

// The context.Context of the state. Done is called before each instruction, by the script goroutine
// only, which is also the only one to replace the channel.

func (w *watchdog) Deadline() (time.Time, bool) { return time.Time{}, false }
func (w *watchdog) Done() <-chan struct{}       { return w.done }
func (w *watchdog) Err() error {
	if !w.exceeded.Load() {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.why
}
func (w *watchdog) Value(any) any { return nil }

var _ context.Context = (*watchdog)(nil)
