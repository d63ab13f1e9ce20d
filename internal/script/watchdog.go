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
	armed   bool
	stopped bool

	memory     memoryUse
	seen       uint64 // the turn that was looked at last
	base       memory // in use when it was seen first
	collectAt  uint64 // bytes at which it makes the garbage collected
	collecting bool
	weighFrom  uint64 // cycle of the garbage collector
}

func newWatchdog(budget time.Duration, heap heapLimits) *watchdog {
	w := &watchdog{budget: budget, heap: heap, done: make(chan struct{}), memory: newMemoryUse()}
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
	w.started = now
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
	if w.seen == w.turn && w.memory.read().objects > w.base.objects+w.heap.turn {
		w.collect() // the next one must not begin with its garbage
	}
	if !w.exceeded.Load() {
		return 0
	}
	w.exceeded.Store(false)
	w.done = make(chan struct{})
	return max(time.Since(started), 1)
}

func (w *watchdog) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.armed = false
	if w.stopped || w.exceeded.Load() {
		return
	}
	m := w.memory.read()
	if m.live > w.heap.total && m.cycles >= w.weighFrom {
		w.full.Store(true)
	}
	if w.started.IsZero() {
		return
	}
	left := w.budget - time.Since(w.started)
	switch {
	case left <= 0:
		w.bite(errBudget)
		return
	case w.seen != w.turn:
		w.seen, w.base, w.collectAt = w.turn, m, m.objects+2*w.heap.turn
	case m.cycles > w.base.cycles && m.live > w.base.objects+w.heap.turn:
		w.bite(errMemory)
		return
	case m.objects > w.collectAt:
		w.collect()
	}
	w.arm(left)
}

func (w *watchdog) bite(why error) {
	w.why = why
	w.exceeded.Store(true)
	close(w.done)
}

// collect makes the garbage be collected when a call takes so much memory that this cannot wait until the whole process has
// twice as much as before. The call goes on meanwhile.
func (w *watchdog) collect() {
	if w.collecting {
		return
	}
	w.collecting = true
	turn := w.turn
	go func() {
		runtime.GC()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.collecting = false
		if turn == w.turn {
			w.collectAt = w.memory.read().objects + 2*w.heap.turn
		}
	}()
}

// relieved is called when memory was given back: what is in use is known after a collection from here on.
func (w *watchdog) relieved() {
	w.mu.Lock()
	w.weighFrom = w.memory.read().cycles + 2
	w.full.Store(false)
	w.mu.Unlock()
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
