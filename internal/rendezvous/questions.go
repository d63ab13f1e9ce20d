package rendezvous

import (
	"sync"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// maxQuestions is how many hellos may wait for the application at the same time: their place in its queue
// is taken from everything else that the application is to see.
const maxQuestions = 256

// questions are the hellos that the application has to decide on. Those without an answer within the
// budget are forgotten, so that an application that never answers does no harm for longer.
type questions struct {
	mu     *sync.Mutex
	budget time.Duration
	last   uint64
	open   map[uint64]rtmfp.Time // when asked
}

func newQuestions(budget time.Duration) questions {
	return questions{mu: new(sync.Mutex), budget: budget, open: make(map[uint64]rtmfp.Time)}
}

// begin notes a question, if there is room for it. late counts those that are dropped instead: this one,
// or older ones that nobody answered.
func (q *questions) begin(now rtmfp.Time) (id, late uint64, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.open) >= maxQuestions {
		for id, at := range q.open {
			if now.Sub(at) > q.budget {
				delete(q.open, id)
				late++
			}
		}
	}
	if len(q.open) >= maxQuestions {
		return 0, late + 1, false
	}
	q.last++
	q.open[q.last] = now
	return q.last, late, true
}

// end takes a question off and reports whether its answer came in time. late is 1 if it did not and that
// was not counted yet.
func (q *questions) end(now rtmfp.Time, id uint64) (late uint64, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	at, ok := q.open[id]
	delete(q.open, id)
	if ok && now.Sub(at) > q.budget {
		return 1, false
	}
	return 0, ok
}

// cancel takes back a question that was not asked.
func (q *questions) cancel(id uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.open, id)
}
