package server

import (
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

// A small heap may gather some megabytes of garbage, a large one half of itself; afterwards everything is as before.
func TestHeap(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{{0, 100}, {1 << 20, 200}, {4 << 20, 100}, {6 << 20, 66}, {8 << 20, 50}, {100 << 20, 50}} {
		if got := gcPercent(c.live); got != c.want {
			t.Errorf("%d bytes in use: %d %%, want %d", c.live, got, c.want)
		}
	}
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	keep := make([]byte, 64<<20)
	defer runtime.KeepAlive(keep)
	synctest.Test(t, func(t *testing.T) {
		p, err := newHeap(Env{})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		debug.FreeOSMemory() // a collection, after which the size of the heap is known
		time.Sleep(2 * heapLook)
		synctest.Wait()
		percent := debug.SetGCPercent(100)
		if percent != 50 {
			t.Errorf("%d %% with more than %d MB in use", percent, len(keep)>>20)
		}
		if err := p.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if percent := debug.SetGCPercent(100); percent != 100 {
		t.Errorf("%d %% afterwards", percent)
	}
}
