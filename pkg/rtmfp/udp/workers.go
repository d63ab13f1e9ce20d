package udp

import (
	"runtime"
	"sync"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// workers do the public-key arithmetic of handshakes, so that no shard waits for it. The queue is
// short: endpoints bound what they start, shards keep what does not fit.
type workers struct {
	queue chan job
	done  sync.WaitGroup
}

type job struct {
	shard *Shard
	work  *rtmfp.KeyAgreement
}

func newWorkers() *workers {
	n := runtime.GOMAXPROCS(0)
	w := &workers{queue: make(chan job, 4*n)}
	for range n {
		w.done.Add(1)
		go w.run()
	}
	return w
}

func (w *workers) run() {
	defer w.done.Done()
	for j := range w.queue {
		j.work.Run()
		j.shard.Post(j.work)
	}
}

// try starts work unless all workers are busy and the queue is full; finished work comes back as a
// post, after which the shard tries again.
func (w *workers) try(s *Shard, work *rtmfp.KeyAgreement) bool {
	select {
	case w.queue <- job{s, work}:
		return true
	default:
		return false
	}
}

func (w *workers) stop() {
	close(w.queue)
	w.done.Wait()
}
