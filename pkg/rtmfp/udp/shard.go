package udp

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

const (
	readBatch   = 32   // datagrams read by one system call
	writeBatch  = 32   // datagrams written by one system call
	readSize    = 2048 // bytes; longer datagrams are cut and so fail their integrity check
	maxForwards = 1024 // datagrams of other shards waiting
)

// Shard is one socket with its endpoint and goroutine. Everything but Post, Now, Index and Counters
// belongs to that goroutine.
type Shard struct {
	t       *Transport
	index   int
	conn    *conn
	ep      *rtmfp.Endpoint
	handler Handler
	batch   *rtmfp.Batch

	counters Counters
	jobs     []*rtmfp.KeyAgreement // waiting for a worker
	deadline rtmfp.Time            // what the socket's read deadline is set to; 0 = none

	mu       sync.Mutex
	posts    []any
	spare    []any // the other half of the double buffer; owner only
	sleeping bool
	forwards atomic.Int32
}

// Counters count what the driver dropped. Any goroutine may read them.
type Counters struct {
	ForwardsDropped atomic.Uint64
	SendErrors      atomic.Uint64
	Posts           atomic.Uint64
	Reads, Writes   atomic.Uint64 // system calls
}

// forwarded is a datagram that arrived at another shard's socket.
type forwarded struct {
	buf  [readSize]byte
	n    int
	from netip.AddrPort
}

var forwardPool = sync.Pool{New: func() any { return new(forwarded) }}

func newShard(t *Transport, index int, c *conn, cfg rtmfp.Config) *Shard {
	s := &Shard{t: t, index: index, conn: c, batch: rtmfp.NewBatch(writeBatch)}
	cfg.Shard = index
	cfg.Forward = t.forward
	s.ep = rtmfp.NewEndpoint(cfg)
	return s
}

// forward passes a datagram on to its shard. It drops when that shard is far behind.
func (t *Transport) forward(shard int, b []byte, from netip.AddrPort) {
	if shard >= len(t.shards) || len(b) > readSize {
		return
	}
	s := t.shards[shard]
	if s.forwards.Add(1) > maxForwards {
		s.forwards.Add(-1)
		s.counters.ForwardsDropped.Add(1)
		return
	}
	f := forwardPool.Get().(*forwarded)
	f.n, f.from = copy(f.buf[:], b), from
	s.Post(f)
}

// Index returns the index of the shard.
func (s *Shard) Index() int { return s.index }

// Transport returns the transport the shard is part of.
func (s *Shard) Transport() *Transport { return s.t }

// Endpoint returns the endpoint of the shard.
func (s *Shard) Endpoint() *rtmfp.Endpoint { return s.ep }

// Now returns the time on the transport's clock.
func (s *Shard) Now() rtmfp.Time { return s.t.Now() }

// Counters returns the driver's counters of the shard.
func (s *Shard) Counters() *Counters { return &s.counters }

// Post hands msg to the shard's handler. It never blocks and never loses anything: who posts media
// bounds it.
func (s *Shard) Post(msg any) {
	s.mu.Lock()
	s.posts = append(s.posts, msg)
	wake := s.sleeping
	s.sleeping = false
	s.mu.Unlock()
	s.counters.Posts.Add(1)
	if wake {
		s.conn.wake()
	}
}

// run is the shard's goroutine.
func (s *Shard) run() {
	defer s.t.running.Done()
	defer s.conn.udp.Close()
	for {
		err := s.conn.read(s.sleep())
		now := s.t.Now()
		s.counters.Reads.Add(1)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		for i := range s.conn.received() {
			b, from := s.conn.datagram(i)
			s.ep.HandleDatagram(now, b, from)
		}
		if t := s.ep.NextTimeout(); t != 0 && t <= now {
			s.ep.HandleTimeout(now)
		}
		s.events(now)
		if s.drain(now) {
			s.flush(now)
			return
		}
		s.startJobs()
		s.flush(now)
	}
}

// sleep decides whether the next read may wait. If it may, it sets the read deadline to the next
// timeout and lets Post wake the reader.
func (s *Shard) sleep() (wait bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.posts) > 0 {
		if s.conn.woken { // with a deadline in the past nothing would be read
			s.setDeadline()
		}
		return false
	}
	s.setDeadline()
	s.sleeping = true
	return true
}

func (s *Shard) setDeadline() {
	if next := s.ep.NextTimeout(); next != s.deadline || s.conn.woken {
		s.deadline = next
		s.conn.setDeadline(s.t, next)
	}
}

// events hands out what the endpoint has to say.
func (s *Shard) events(now rtmfp.Time) {
	for {
		ev, ok := s.ep.NextEvent()
		if !ok {
			return
		}
		if ev.Kind == rtmfp.EventKeyAgreement {
			s.jobs = append(s.jobs, ev.Job)
			continue
		}
		s.handler.HandleEvent(now, &ev)
	}
}

// drain handles what other goroutines posted; it reports whether the shard should stop.
func (s *Shard) drain(now rtmfp.Time) (stopped bool) {
	s.mu.Lock()
	s.sleeping = false
	posts := s.posts
	s.posts = s.spare[:0]
	s.mu.Unlock()
	for i, m := range posts {
		posts[i] = nil
		switch m := m.(type) {
		case *forwarded:
			s.forwards.Add(-1)
			s.ep.HandleDatagram(now, m.buf[:m.n], m.from)
			forwardPool.Put(m)
		case *rtmfp.KeyAgreement:
			s.ep.HandleKeyAgreement(now, m)
		case stop:
			stopped = true
		default:
			s.handler.HandlePost(now, m)
		}
	}
	s.spare = posts
	s.events(now)
	return stopped
}

// startJobs gives key agreements to idle workers.
func (s *Shard) startJobs() {
	n := 0
	for n < len(s.jobs) && s.t.workers.try(s, s.jobs[n]) {
		s.jobs[n] = nil
		n++
	}
	s.jobs = append(s.jobs[:0], s.jobs[n:]...)
}

// flush sends everything the endpoint may send now.
func (s *Shard) flush(now rtmfp.Time) {
	for s.ep.Poll(now, s.batch) {
		s.conn.write(s.batch.Datagrams(), &s.counters)
		s.batch.Reset()
		s.events(now)
	}
}
