package server

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// heapPart decides how much garbage may gather before it is collected. Go's rule, as much as there is in use, doubles
// the memory of a server with thousands of clients that do nothing. Where little garbage is made, collecting it early
// costs nothing; where much is made, Go's rule holds, and afterwards what it took is given back to the system.
type heapPart struct{ stop, done chan struct{} }

const heapLook = time.Second

func newHeap(Env) (Part, error) {
	return &heapPart{stop: make(chan struct{}), done: make(chan struct{})}, nil
}

func (p *heapPart) Name() string { return "memory" }

func (p *heapPart) Start(context.Context) error {
	if os.Getenv("GOGC") != "" { // the operator decides
		close(p.done)
		return nil
	}
	go p.run()
	return nil
}

func (p *heapPart) run() {
	defer close(p.done)
	set := 100
	before := debug.SetGCPercent(set)
	defer debug.SetGCPercent(before)
	tick := time.NewTicker(heapLook)
	defer tick.Stop()
	loud := true // much was made, and its memory is not given back yet
	heap := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(heap)
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
		}
		before := heap[1].Value.Uint64()
		metrics.Read(heap)
		live, allocated := heap[0].Value.Uint64(), heap[1].Value.Uint64()-before
		next := gcPercent(set, live, allocated)
		switch {
		case !quiet(live, allocated):
			loud = true
		case loud && next == set:
			debug.FreeOSMemory()
			loud = false
		}
		if next != set {
			set = next
			debug.SetGCPercent(set)
		}
	}
}

const (
	minGarbage  = 1 << 20 // bytes, where little is made
	fullGarbage = 4 << 20 // bytes that a small heap may gather in any case where much is made
	collections = 4       // a second, at most, unless that takes more than Go's rule
)

// gcPercent returns the percentage of what is in use, live bytes, that may gather as garbage when so many bytes were
// allocated within heapLook. It rises at once and falls slowly from what is set, because each change stops everything
// for a moment.
func gcPercent(set int, live, allocated uint64) int {
	live = max(live, minGarbage)
	room := min(max(calm(live), allocated/collections), max(live, fullGarbage))
	want := int(room * 100 / live)
	if want < set {
		want = max(want, set-max(set/8, 1))
	}
	if want > set && want-set <= set/8 {
		return set
	}
	return want
}

// calm is how much garbage may gather where little is made.
func calm(live uint64) uint64 { return max(live/3, minGarbage) }

func quiet(live, allocated uint64) bool { return allocated/collections <= calm(live) }

func (p *heapPart) Shutdown(context.Context) error {
	close(p.stop)
	<-p.done
	return nil
}
