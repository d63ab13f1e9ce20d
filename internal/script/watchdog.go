package script

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

var errBudget = errors.New("interrupted: the call took longer than script.budget allows")

// watchdog interrupts a call that exceeds its budget. gopher-lua polls the context of the state before
// each instruction, and lualib asks Exceeded in its loops; a context of our own makes both cheap.
type watchdog struct {
	budget time.Duration
	timer  *time.Timer

	exceeded atomic.Bool

	mu      sync.Mutex
	done    chan struct{}
	started time.Time // of the turn; zero = between turns, when a late timer must not bite
}

func newWatchdog(budget time.Duration) *watchdog {
	w := &watchdog{budget: budget, done: make(chan struct{})}
	w.timer = time.AfterFunc(time.Hour, w.bite)
	w.timer.Stop()
	return w
}

func (w *watchdog) begin() {
	w.mu.Lock()
	w.started = time.Now()
	w.mu.Unlock()
	w.timer.Reset(w.budget)
}

// end ends the turn and reports whether it overran.
func (w *watchdog) end() (overran bool) {
	w.timer.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.started = time.Time{}
	if !w.exceeded.Load() {
		return false
	}
	w.exceeded.Store(false)
	w.done = make(chan struct{})
	return true
}

func (w *watchdog) bite() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.started.IsZero() || time.Since(w.started) < w.budget {
		return // of a turn that is over
	}
	if !w.exceeded.Swap(true) {
		close(w.done)
	}
}

func (w *watchdog) stop() { w.timer.Stop() }

// Exceeded implements lualib.Budget.
func (w *watchdog) Exceeded() bool { return w.exceeded.Load() }

// The context.Context of the state. Done is called before each instruction, by the script goroutine
// only, which is also the only one to replace the channel.

func (w *watchdog) Deadline() (time.Time, bool) { return time.Time{}, false }
func (w *watchdog) Done() <-chan struct{}       { return w.done }
func (w *watchdog) Err() error {
	if w.exceeded.Load() {
		return errBudget
	}
	return nil
}
func (w *watchdog) Value(any) any { return nil }

var _ context.Context = (*watchdog)(nil)
