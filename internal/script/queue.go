package script

// task is an event for an application, run on the script goroutine.
type task struct {
	run func()
	// size is what the task holds, in bytes, so that a queue is bounded in memory as well.
	size int
}

// queue holds the events of one application in order. The engine serves the queues in turn, one event
// each, so that none starves the others.
type queue struct {
	path   string
	app    *App // nil until it is loaded
	tasks  []task
	head   int
	bytes  int
	queued bool // in Engine.order
	// rest is how many turns the application waits because its last call overran: as long again.
	rest int
}

const maxQueueBytes = 16 << 20

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

// post queues an event for the application of path. Unless must is set it fails when the application is
// too far behind; ends of things must not get lost, and there are no more of them than of beginnings.
func (e *Engine) post(path string, size int, must bool, run func()) bool {
	e.mu.Lock()
	q := e.queues[path]
	if q == nil {
		q = &queue{path: path}
		e.queues[path] = q
	}
	if !must && (q.len() >= e.cfg.MaxQueue || q.bytes+size > maxQueueBytes) {
		e.mu.Unlock()
		e.counters.QueueFull.Add(1)
		return false
	}
	q.tasks = append(q.tasks, task{run, size})
	q.bytes += size
	if !q.queued {
		q.queued = true
		e.order = append(e.order, q)
	}
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
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

// runNext runs one event of the application whose turn it is; it reports whether there was one.
func (e *Engine) runNext() bool {
	e.mu.Lock()
	if len(e.order) == 0 {
		e.mu.Unlock()
		return false
	}
	q := e.order[0]
	e.order = e.order[:copy(e.order, e.order[1:])]
	if q.rest > 0 && len(e.order) > 0 { // others go first
		q.rest--
		e.order = append(e.order, q)
		e.mu.Unlock()
		return true
	}
	q.rest = 0
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
	if e.do(app, t.run) {
		e.mu.Lock()
		q.rest = restTurns
		e.mu.Unlock()
	}
	return true
}

// restTurns is how many turns of others an application waits for after it overran its budget.
const restTurns = 64
