package udp

import (
	"runtime"
	"sync"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// workers do the public-key arithmetic of handshakes, so that no shard waits for it. When they are maxWait behind,
// handshakes are dropped: who sent them asks again a second later, and an answer that comes after that helps nobody.
type workers struct {
	mu      sync.Mutex
	more    sync.Cond
	queue   []job
	waiting time.Duration // what the queue will take, of all workers together
	costs   map[uint64]time.Duration
	number  int
	stopped bool
	done    sync.WaitGroup
}

type job struct {
	shard *Shard
	work  *rtmfp.KeyAgreement
	cost  time.Duration // as estimated
}

// maxWait is how long a handshake may wait for the workers.
const maxWait = 500 * time.Millisecond

// costSmoothing is the weight of what is known of the time a job takes, against the newest one.
const costSmoothing = 8

// newWorkers starts half as many as there are processors: a crowd that connects must leave some to the
// sessions that are there.
func newWorkers() *workers {
	w := &workers{
		number: (runtime.GOMAXPROCS(0) + 1) / 2,
		costs:  map[uint64]time.Duration{2: 200 * time.Microsecond, 14: time.Millisecond, 16: 15 * time.Millisecond},
	}
	w.more.L = &w.mu
	for range w.number {
		w.done.Add(1)
		go w.run()
	}
	return w
}

// add queues work, which comes back to s as a post; it is false if there is too much to do. Work for sessions
// that we dial is always taken: there is one piece for each.
func (w *workers) add(s *Shard, work *rtmfp.KeyAgreement) bool {
	w.mu.Lock()
	if work.MayDrop() && w.waiting > maxWait*time.Duration(w.number) {
		w.mu.Unlock()
		return false
	}
	j := job{s, work, w.costs[work.Group()]}
	w.waiting += j.cost
	w.queue = append(w.queue, j)
	w.mu.Unlock()
	w.more.Signal()
	return true
}

func (w *workers) run() {
	defer w.done.Done()
	for {
		j, ok := w.next()
		if !ok {
			return
		}
		began := time.Now()
		j.work.Run()
		w.took(j.work.Group(), time.Since(began))
		j.shard.Post(j.work)
	}
}

// took learns how long a job took.
func (w *workers) took(group uint64, d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if old, ok := w.costs[group]; ok {
		w.costs[group] = (old*(costSmoothing-1) + min(d, maxWait)) / costSmoothing
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
	w.waiting -= j.cost
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
