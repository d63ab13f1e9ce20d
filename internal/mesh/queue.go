package mesh

import (
	"errors"
	"net"
	"sync"
)

// message is what waits to be sent on a link. The queue owns the payload once it was pushed.
type message struct {
	handler string // "" for a control message
	payload []byte

	// media may be dropped. Messages of one stream belong together: video goes on at a key frame. What a
	// listener cannot do without, such as codec headers, is pushed as if it were no media.
	media  bool
	stream string
	kind   uint8 // message type as RTMP and FLV number it
	key    bool  // decoding can start here
}

const (
	kindVideo = 9

	// messageOverhead is what a message takes besides its bytes: its slot in the ring and the headers of
	// the allocations.
	messageOverhead = 128

	// batchBytes bounds what one pop takes out, so that what the writer holds is small.
	batchBytes = 256 << 10

	// keepSlots is how many slots an empty queue keeps.
	keepSlots = 1024

	// A link may have so many times what it leaves in the room that it shares with others: one that does not
	// move leaves room for those that do. Media leaves more than calls.
	mediaShare, callShare = 3, 16

	// maxSkipped is for how many streams the queue remembers that they wait for a key frame.
	maxSkipped = 4096
)

// errQueueFull tells that a message that must not be dropped has no room: the other side does not read
// fast enough.
var errQueueFull = errors.New("the server does not read fast enough: its queue is full")

// queue is what waits to be sent on one link, in order, bounded in bytes. Any goroutine may push and none
// waits; one goroutine, the writer, pops.
//
// Three quarters of the room may be taken by media, so that a burst of media leaves room for calls. What
// does not fit is dropped: audio and data until there is room, video until a key frame comes when there
// is room.
type queue struct {
	limit  int
	shared *budget // of all links to one address, beside the limit; nil = none

	mu      sync.Mutex
	filled  sync.Cond // not empty or closed
	ring    []message // its length is a power of two
	head, n int
	bytes   int // of what is in the ring and of the batch
	batch   int // of what the last pop took, which is being written
	closed  bool
	skipped map[string]struct{} // streams whose video waits for a key frame

	dropped      uint64 // media messages without room
	droppedBytes uint64
}

func newQueue(limit int) *queue {
	q := &queue{limit: limit, skipped: map[string]struct{}{}}
	q.filled.L = &q.mu
	return q
}

func (m *message) size() int {
	return messageOverhead + len(m.handler) + len(m.stream) + len(m.payload)
}

// push appends a message. Media waits for flush, or anything else behind it; without room it is dropped and
// counted, which is no error. Errors: errQueueFull for anything else without room, net.ErrClosed.
func (q *queue) push(m message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return net.ErrClosed
	}
	size := m.size()
	if m.media {
		if !q.admit(&m, size) {
			q.dropped++
			q.droppedBytes += uint64(len(m.payload))
			return nil
		}
	} else if q.bytes+size > q.limit || !q.reserve(size, callShare) {
		return errQueueFull
	}
	q.append(m)
	q.bytes += size
	if !m.media {
		q.filled.Signal()
	}
	return nil
}

// flush wakes the writer for the media that was pushed.
func (q *queue) flush() { q.filled.Signal() }

// admit decides whether media is sent.
func (q *queue) admit(m *message, size int) bool {
	fits := q.bytes+size <= q.limit/4*3 && q.reserve(size, mediaShare)
	if m.kind != kindVideo {
		return fits
	}
	if fits && len(q.skipped) > 0 {
		if m.key {
			delete(q.skipped, m.stream)
		} else if _, skipped := q.skipped[m.stream]; skipped {
			q.refund(size)
			return false
		}
	}
	if !fits {
		if len(q.skipped) >= maxSkipped {
			clear(q.skipped) // streams that ended meanwhile stay in it
		}
		q.skipped[m.stream] = struct{}{}
	}
	return fits
}

// reserve takes room that is shared, unless that leaves too little of it for others.
func (q *queue) reserve(size, share int) bool {
	switch {
	case q.shared == nil:
	case !q.shared.take(size):
		return false
	case int64(q.bytes+size) > int64(share)*q.shared.left.Load():
		q.shared.give(size)
		return false
	}
	return true
}

func (q *queue) refund(size int) {
	if q.shared != nil {
		q.shared.give(size)
	}
}

func (q *queue) append(m message) {
	if q.n == len(q.ring) {
		ring := make([]message, max(16, 2*q.n))
		for i := range q.n {
			ring[i] = q.ring[(q.head+i)&(len(q.ring)-1)]
		}
		q.ring, q.head = ring, 0
	}
	q.ring[(q.head+q.n)&(len(q.ring)-1)] = m
	q.n++
}

// pop waits for messages and returns as many as fit into dst, which it overwrites, and into a batch of
// moderate size; at least one. They count as queued until the next pop. After close it returns the rest
// and then false.
func (q *queue) pop(dst []message) ([]message, bool) {
	clear(dst[:cap(dst)])
	if cap(dst) == 0 {
		dst = make([]message, 0, 64)
	}
	dst = dst[:0]
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= q.batch
	q.refund(q.batch)
	q.batch = 0
	for q.n == 0 && !q.closed {
		if len(q.ring) > keepSlots {
			q.ring = nil // a burst made it large
		}
		q.filled.Wait()
	}
	for q.n > 0 && len(dst) < cap(dst) {
		m := &q.ring[q.head]
		size := m.size()
		if len(dst) > 0 && q.batch+size > batchBytes {
			break
		}
		q.batch += size
		dst = append(dst, *m)
		*m = message{}
		q.head = (q.head + 1) & (len(q.ring) - 1)
		q.n--
	}
	return dst, len(dst) > 0
}

// close ends the queue: nothing more is taken, the writer gets what is left.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.filled.Broadcast()
}

// drop empties the queue, except for the batch that is being written.
func (q *queue) drop() {
	q.mu.Lock()
	q.refund(q.bytes - q.batch)
	q.ring, q.head, q.n, q.bytes = nil, 0, 0, q.batch
	q.mu.Unlock()
}

// release gives back all room once nobody pops any more.
func (q *queue) release() {
	q.mu.Lock()
	q.refund(q.bytes)
	q.closed, q.ring, q.head, q.n, q.bytes, q.batch = true, nil, 0, 0, 0, 0
	q.mu.Unlock()
}

// queueStats is the state of a queue.
type queueStats struct {
	messages, bytes       int    // waiting or being written
	dropped, droppedBytes uint64 // media that had no room, since the start
}

func (q *queue) stats() queueStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return queueStats{q.n, q.bytes, q.dropped, q.droppedBytes}
}
