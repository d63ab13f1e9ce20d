package server

import (
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

// Where much is allocated as much garbage may gather as is in use, and some megabytes in a small heap; where little is,
// a third.
func TestGCPercent(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		live, allocated uint64
		want            int
	}{
		{0, 0, 100},
		{2 * mb, 0, 50},
		{4 * mb, 0, 33},
		{100 * mb, 0, 33},
		{100 * mb, 40 * mb, 33},
		{2 * mb, 100 * mb, 200},
		{4 * mb, 100 * mb, 100},
		{100 * mb, 1000 * mb, 100},
		{100 * mb, 200 * mb, 50},
	} {
		set := 100
		for range 100 {
			set = gcPercent(set, c.live, c.allocated)
		}
		if set < c.want || set > c.want+1 {
			t.Errorf("%d MB in use, %d MB allocated: %d %%, want %d", c.live/mb, c.allocated/mb, set, c.want)
		}
	}
	if got := gcPercent(100, 100*mb, 0); got < 80 || got > 90 {
		t.Errorf("falls from 100 to %d %% at once", got)
	}
	if got := gcPercent(33, 100*mb, 1000*mb); got != 100 {
		t.Errorf("rises from 33 to %d %% only", got)
	}
}

// The setting follows the heap, and is afterwards what it was.
func TestHeap(t *testing.T) {
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
		runtime.GC() // after which the size of the heap is known
		<-time.After(60 * heapLook)
		synctest.Wait()
		if percent := debug.SetGCPercent(100); percent != 33 {
			t.Errorf("%d %% of a heap at rest", percent)
		}
		if err := p.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if percent := debug.SetGCPercent(100); percent != 100 {
		t.Errorf("%d %% afterwards", percent)
	}
}
