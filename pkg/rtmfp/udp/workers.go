package udp

import (
	"runtime"
	"sync"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// workers do the public-key arithmetic of handshakes, so that no shard waits for it. How much can wait
// is bounded by the endpoints: Config.MaxKeying, and one job for each session being dialled.
type workers struct {
	mu      sync.Mutex
	more    sync.Cond
	queue   []job
	stopped bool
	done    sync.WaitGroup
}

type job struct {
	shard *Shard
	work  *rtmfp.KeyAgreement
}

// newWorkers starts half as many as there are processors: a crowd that connects must leave some to the
// sessions that are there.
func newWorkers() *workers {
	w := new(workers)
	w.more.L = &w.mu
	for range (runtime.GOMAXPROCS(0) + 1) / 2 {
		w.done.Add(1)
		go w.run()
	}
	return w
}

// add queues work, which comes back to s as a post.
func (w *workers) add(s *Shard, work *rtmfp.KeyAgreement) {
	w.mu.Lock()
	w.queue = append(w.queue, job{s, work})
	w.mu.Unlock()
	w.more.Signal()
}

func (w *workers) run() {
	defer w.done.Done()
	for {
		j, ok := w.next()
		if !ok {
			return
		}
		j.work.Run()
		j.shard.Post(j.work)
	}
}

func (w *workers) next() (job, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) == 0 && !w.stopped {
		w.more.Wait()
	}
	if w.stopped {
		return job{}, false
	}
	j := w.queue[0]
	w.queue[0] = job{}
	if w.queue = w.queue[1:]; len(w.queue) == 0 {
		w.queue = nil
	}
	return j, true
}

// stop forgets what waits and returns when all workers have ended.
func (w *workers) stop() {
	w.mu.Lock()
	w.stopped, w.queue = true, nil
	w.mu.Unlock()
	w.more.Broadcast()
	w.done.Wait()
}
