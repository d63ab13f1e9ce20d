package server

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// heapPart decides how much garbage may gather before it is collected. Go's rule, as much as there is in use, doubles
// the memory of a server with thousands of clients that do nothing. Half as much is enough for them, and what a
// small heap may gather at least keeps collections rare where there are few clients that do a lot.
type heapPart struct {
	stop, done chan struct{}
	before     int // percent
}

const (
	heapLook    = time.Second
	minGarbage  = 4 << 20 // bytes
	maxGCChange = 5       // percent of the setting that are not worth a change, which stops everything for a moment
)

// newHeap makes the part that looks after memory.
func newHeap(Env) (Part, error) { return &heapPart{stop: make(chan struct{}), done: make(chan struct{})}, nil }

func (p *heapPart) Name() string { return "memory" }

func (p *heapPart) Start(context.Context) error {
	if os.Getenv("GOGC") != "" { // the operator decides
		close(p.done)
		return nil
	}
	p.before = debug.SetGCPercent(gcPercent(0))
	go p.run()
	return nil
}

func (p *heapPart) run() {
	defer close(p.done)
	defer debug.SetGCPercent(p.before)
	tick := time.NewTicker(heapLook)
	defer tick.Stop()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for set := gcPercent(0); ; {
		select {
		case <-p.stop:
			return
		case <-tick.C:
		}
		metrics.Read(live)
		if want := gcPercent(live[0].Value.Uint64()); (want-set)*100 > set*maxGCChange || (set-want)*100 > set*maxGCChange {
			debug.SetGCPercent(want)
			set = want
		}
	}
}

// gcPercent returns the percentage of what is in use, live bytes, that may gather as garbage.
func gcPercent(live uint64) int {
	const least, most = 50, 200
	if live == 0 {
		return 100
	}
	return int(min(max(minGarbage*100/live, least), most))
}

func (p *heapPart) Shutdown(context.Context) error {
	close(p.stop)
	<-p.done
	return nil
}
