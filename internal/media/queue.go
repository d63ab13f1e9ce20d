package media

import "github.com/monaserver/monaserver/pkg/rtmfp"

// waiting is a droppable message that the transport has taken and may not have begun to send.
type waiting struct {
	id      uint64
	written rtmfp.Time
	due     rtmfp.Time
}

// queue is the waiting messages of one listener and kind, oldest first: a ring that keeps its memory,
// unless a burst made it large.
type queue struct {
	ring    []waiting
	head, n int
}

func (q *queue) len() int { return q.n }

func (q *queue) at(i int) *waiting { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

func (q *queue) push(w waiting) {
	if q.n == len(q.ring) {
		ring := make([]waiting, max(8, 2*q.n))
		for i := range q.n {
			ring[i] = *q.at(i)
		}
		q.ring, q.head = ring, 0
	}
	q.n++
	*q.at(q.n - 1) = w
}

func (q *queue) pop() {
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
}

// trim forgets what began to be sent: oldest is when the oldest message was written that did not, 0 =
// all did.
func (q *queue) trim(oldest rtmfp.Time) {
	for q.n > 0 && (oldest == 0 || q.at(0).written < oldest) {
		q.pop()
	}
	if q.n == 0 && len(q.ring) > keepRing {
		q.ring = nil
	}
}
