package bench

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

const (
	sendBatch = 64
	// maxReads is how many batches of one socket are read before others have their turn.
	maxReads = 4
)

// worker is a goroutine with sockets and the clients that use them. All of it but post and the counters
// belongs to that goroutine.
type worker struct {
	farm    *Farm
	net     *network
	sockets map[int32]*socket
	last    *socket // has room for clients, maybe
	clients map[*Client]struct{}
	timers  alarms
	dirty   []*Client // may have something to send
	batch   *rtmfp.Batch
	from    []netip.Addr // of the datagrams in batch
	through *socket      // of all of them

	mu    sync.Mutex
	posts []func(now rtmfp.Time)
	stop  bool

	idle    atomic.Int64  // ns spent waiting
	waiting atomic.Int64  // since when it waits, on the farm's clock; 0 = it does not
	refused atomic.Uint64 // datagrams that the system did not take
	err     error         // why it ended early
}

func newWorker(f *Farm) (*worker, error) {
	n, err := newNetwork()
	if err != nil {
		return nil, err
	}
	return &worker{
		farm: f, net: n, sockets: make(map[int32]*socket), clients: make(map[*Client]struct{}), batch: rtmfp.NewBatch(sendBatch),
	}, nil
}

// post runs f on the worker's goroutine.
func (w *worker) post(f func(now rtmfp.Time)) {
	w.mu.Lock()
	w.posts = append(w.posts, f)
	first := len(w.posts) == 1
	w.mu.Unlock()
	if first {
		w.net.wake()
	}
}

// at runs f on the worker's goroutine at a time. It must be called there.
func (w *worker) at(t rtmfp.Time, f func(now rtmfp.Time)) {
	w.timers.set(&alarm{index: -1, do: f}, t)
}

func (w *worker) run() {
	defer w.end()
	for {
		now := w.farm.Now()
		stop := w.handlePosts(now)
		for {
			a := w.timers.due(now)
			if a == nil {
				break
			}
			a.do(now)
		}
		w.flush(now)
		if stop {
			return
		}
		if w.err = w.receive(); w.err != nil {
			break
		}
	}
	for !w.handlePosts(w.farm.Now()) { // nobody may wait for an answer for ever
		time.Sleep(time.Millisecond)
	}
}

func (w *worker) end() {
	for _, s := range w.sockets {
		s.close()
	}
	w.net.close()
}

func (w *worker) handlePosts(now rtmfp.Time) (stop bool) {
	w.mu.Lock()
	posts := w.posts
	w.posts = nil
	stop = w.stop
	w.mu.Unlock()
	for _, f := range posts {
		f(now)
	}
	return stop
}

// receive waits and handles what comes.
func (w *worker) receive() error {
	wait := time.Duration(-1)
	if t := w.timers.next(); t != 0 {
		wait = max(t.Sub(w.farm.Now()), 0)
	}
	before := w.farm.Now()
	w.waiting.Store(int64(before))
	ready, err := w.net.wait(wait)
	w.waiting.Store(0)
	w.idle.Add(int64(w.farm.Now().Sub(before)))
	if err != nil {
		return err
	}
	for i := range ready {
		s := w.sockets[ready[i].Fd]
		if s == nil {
			w.net.awake(ready[i].Fd)
			continue
		}
		for range maxReads {
			n := w.net.read(s)
			now, wall := w.farm.clocks()
			for j := range n {
				d := w.net.datagram(s, j)
				c := d.to
				if c == nil {
					continue
				}
				if c.arrived = now; d.at != 0 {
					c.arrived = now.Add(-time.Duration(max(wall-d.at, 0)))
				}
				c.ep.HandleDatagram(now, d.data, d.from)
				c.touch()
				c.events(now)
			}
			w.flush(now)
			if n < ioBatch {
				break
			}
		}
	}
	return nil
}

// flush sends what clients have to send.
func (w *worker) flush(now rtmfp.Time) {
	for i := 0; i < len(w.dirty); i++ { // more may be added
		c := w.dirty[i]
		w.dirty[i] = nil
		c.dirty = false
		if c.socket == nil {
			continue
		}
		if w.through != c.socket {
			w.write()
			w.through = c.socket
		}
		for c.ep.Poll(now, w.batch) {
			for len(w.from) < len(w.batch.Datagrams()) {
				w.from = append(w.from, c.ip)
			}
			if w.batch.Full() {
				w.write()
			}
		}
		c.events(now)
		c.reschedule()
	}
	w.dirty = w.dirty[:0]
	w.write()
}

func (w *worker) write() {
	if list := w.batch.Datagrams(); len(list) > 0 {
		if n := w.net.write(w.through, list, w.from); n > 0 {
			w.refused.Add(uint64(n))
		}
	}
	w.batch.Reset()
	w.from = w.from[:0]
}

// place gives c a socket and an address.
func (w *worker) place(c *Client) error {
	s := w.last
	if s == nil || s.full() {
		var err error
		if s, err = w.net.open(w.farm.cfg.Target.Addr.Addr()); err != nil {
			return err
		}
		w.sockets[int32(s.fd)] = s
		w.last = s
	}
	s.adopt(c)
	w.clients[c] = struct{}{}
	return nil
}

// remove forgets a client whose session is over.
func (w *worker) remove(c *Client) {
	if c.socket == nil {
		return
	}
	w.timers.remove(&c.timer)
	delete(w.clients, c)
	delete(c.socket.clients, c.ip)
	if !c.socket.many {
		w.write() // what goes through it
		delete(w.sockets, int32(c.socket.fd))
		c.socket.close()
		if w.last == c.socket {
			w.last = nil
		}
	}
	c.socket = nil
}
