package script

import (
	"slices"
	"time"

	"github.com/monaserver/monaserver/internal/netconn"
)

// task is an event for an application, run on the script goroutine.
type task struct {
	run  func()
	call *netconn.CallRequest // in place of run: most events are these
	// size is what the task holds, in bytes, so that a queue is bounded in memory as well.
	size int
}

// queue holds the events of one application in order. The engine serves the queues in turn, one event
// each, so that none starves the others. Paths are those of folders that exist or existed, so the
// number of queues is bounded.
type queue struct {
	path    string
	app     *App // nil until it is loaded
	tasks   []task
	head    int
	bytes   int
	queued  bool      // in Engine.order
	overran time.Time // when a call of the application was interrupted last
}

const (
	maxQueueBytes = 16 << 20

	// slowBudgets is for how many budgets an application counts as slow after an overrun.
	slowBudgets = 20
)

func (q *queue) len() int { return len(q.tasks) - q.head }

func (q *queue) pop() task {
	t := q.tasks[q.head]
	q.tasks[q.head] = task{}
	q.head++
	if q.head == len(q.tasks) {
		q.tasks, q.head = q.tasks[:0], 0
		if cap(q.tasks) > 1024 {
			q.tasks = nil
		}
	}
	q.bytes -= t.size
	return t
}

// push appends a task. A queue that is never empty moves its tasks to the front now and then.
func (q *queue) push(t task) {
	if q.head > 64 && q.head > len(q.tasks)/2 && len(q.tasks) == cap(q.tasks) {
		n := copy(q.tasks, q.tasks[q.head:])
		clear(q.tasks[n:])
		q.tasks, q.head = q.tasks[:n], 0
	}
	q.tasks = append(q.tasks, t)
	q.bytes += t.size
}

// post queues an event for the application of path. Unless must is set it fails when the application is
// too far behind; ends of things must not get lost, and there are no more of them than of beginnings.
func (e *Engine) post(path string, size int, must bool, run func()) bool {
	return e.postTask(path, must, task{run: run, size: size})
}

func (e *Engine) postTask(path string, must bool, t task) bool {
	if !e.enqueue(path, must, t) {
		return false
	}
	e.rouse()
	return true
}

// rouse makes the script goroutine look at the queues.
func (e *Engine) rouse() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// enqueue queues an event, which is run when the script goroutine looks at the queues next.
func (e *Engine) enqueue(path string, must bool, t task) bool {
	e.mu.Lock()
	q := e.queues[path]
	if q == nil {
		q = &queue{path: path}
		e.queues[path] = q
	}
	if !must && (q.len() >= e.cfg.MaxQueue || q.bytes+t.size > maxQueueBytes) {
		e.mu.Unlock()
		e.counters.QueueFull.Add(1)
		return false
	}
	q.push(t)
	if !q.queued {
		q.queued = true
		e.order = append(e.order, q)
	}
	e.mu.Unlock()
	return true
}

func (e *Engine) rootQueue() *queue {
	e.mu.Lock()
	defer e.mu.Unlock()
	q := e.queues[""]
	if q == nil {
		q = &queue{}
		e.queues[""] = q
	}
	return q
}

// runNext runs one event of the application whose turn it is; it reports whether it did. When it did not
// although there are some, wait says how long they have to wait.
//
// After a call was interrupted, applications that had that happen lately rest for as long as it took: all
// of them together get half of the time at most, and the others wait for one such call and no more.
// hurry leaves that out.
func (e *Engine) runNext(hurry bool) (ran bool, wait time.Duration) {
	e.mu.Lock()
	i := 0
	if !e.restUntil.IsZero() && !hurry {
		now := time.Now()
		if wait = e.restUntil.Sub(now); wait <= 0 {
			e.restUntil = time.Time{}
		} else {
			i = slices.IndexFunc(e.order, func(q *queue) bool { return !e.slow(q, now) })
		}
	}
	if i < 0 || i >= len(e.order) {
		wait = max(wait, 0)
		if len(e.order) == 0 {
			wait = 0
		}
		e.mu.Unlock()
		return false, wait
	}
	q := e.order[i]
	e.order = slices.Delete(e.order, i, i+1)
	t := q.pop()
	q.queued = q.len() > 0
	if q.queued {
		e.order = append(e.order, q)
	}
	app := q.app
	if app == nil {
		app = e.apps[q.path]
		q.app = app
	}
	e.mu.Unlock()
	var took time.Duration
	if t.call != nil {
		took = e.do(app, func() { e.rpc(t.call) })
	} else {
		took = e.do(app, t.run)
	}
	if took > 0 {
		e.overran(q, took)
	}
	if e.watch.full.Load() {
		e.relieve()
	}
	return true, 0
}

// overran notes that a turn of the application was interrupted after some time.
func (e *Engine) overran(q *queue, took time.Duration) {
	now := time.Now()
	e.mu.Lock()
	q.overran = now
	e.restUntil = now.Add(took)
	e.mu.Unlock()
}

// slow reports whether a call of the application was interrupted lately.
func (e *Engine) slow(q *queue, now time.Time) bool {
	return !q.overran.IsZero() && now.Sub(q.overran) < slowBudgets*e.cfg.Budget
}
