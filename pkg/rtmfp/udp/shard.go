package udp

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

const (
	readBatch   = 64   // datagrams read by one system call
	writeBatch  = 32   // datagrams written by one system call
	readSize    = 2048 // bytes; longer datagrams are cut and so fail their integrity check
	maxForwards = 1024 // datagrams of other shards waiting
	maxReads    = 8    // batches read before something is sent
	maxFlush    = 2    // batches written before the socket is read again: a crowd that answers fills it fast
	maxSpare    = 4096 // posts a shard keeps room for
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
	trickle  trickle
	more     bool        // the endpoint had more to send than one flush takes
	event    rtmfp.Event // being handled; kept here so that it is not allocated each time

	mu       sync.Mutex
	posts    []any
	spare    []any // the other half of the double buffer; owner only
	sleeping bool
	forwards atomic.Int32
}

// Counters count what the driver did and dropped. Any goroutine may read them.
type Counters struct {
	ForwardsDropped atomic.Uint64
	KernelDrops     atomic.Uint64 // datagrams that the socket's receive buffer had no room for
	ReadErrors      atomic.Uint64
	SendErrors      atomic.Uint64
	Posts           atomic.Uint64
	Reads, Writes   atomic.Uint64 // system calls
	GSOBatches      atomic.Uint64 // sends of several datagrams at once
	GSOFailed       atomic.Uint64 // times it was turned off because the device refused
}

// forwarded is a datagram that arrived at another shard's socket.
type forwarded struct {
	buf   [readSize]byte
	n     int
	from  netip.AddrPort
	local rtmfp.Local
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
func (t *Transport) forward(shard int, b []byte, from netip.AddrPort, local rtmfp.Local) {
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
	f.n, f.from, f.local = copy(f.buf[:], b), from, local
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
	defer s.conn.close()
	s.more = true // send first what the handler began when it was made
	for {
		if !s.conn.read(s.rest()) {
			return
		}
		now := s.t.Now()
		s.receive(now)
		if t := s.ep.NextTimeout(); t != 0 && t <= now {
			s.ep.HandleTimeout(now)
		}
		s.events(now)
		stopped := s.drain(now)
		s.more = s.flush(now)
		if stopped {
			for s.flush(now) {
			}
			return
		}
	}
}

// receive handles what has arrived.
func (s *Shard) receive(now rtmfp.Time) {
	for range maxReads {
		s.counters.Reads.Add(1)
		n := s.conn.received(&s.counters)
		for i := range n {
			b, from := s.conn.datagram(i)
			s.ep.HandleDatagramTo(now, b, from, s.conn.local(i))
		}
		s.trickle.datagrams(now, n)
		if n < readBatch || !s.conn.read(false) {
			return
		}
	}
}

// rest decides whether the next read may wait, after a pause where that pays.
func (s *Shard) rest() (wait bool) {
	if !s.idle() {
		return false
	}
	if s.trickle.gather() {
		time.Sleep(gatherTime)
		return false
	}
	return s.sleep()
}

// idle reports whether there is nothing to do now, posts aside.
func (s *Shard) idle() bool {
	next := s.ep.NextTimeout()
	return !s.more && (next == 0 || next > s.t.Now())
}

// sleep sets the read deadline to the next timeout and lets Post wake the reader. It is false if something
// was posted before.
func (s *Shard) sleep() (wait bool) {
	s.conn.setDeadline(s.t, s.ep.NextTimeout())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sleeping = len(s.posts) == 0
	return s.sleeping
}

// events hands out what the endpoint has to say.
func (s *Shard) events(now rtmfp.Time) {
	for {
		var ok bool
		if s.event, ok = s.ep.NextEvent(); !ok {
			return
		}
		ev := &s.event
		s.trickle.events++
		if ev.Kind == rtmfp.EventKeyAgreement {
			if !s.t.workers.add(s, ev.Job) {
				s.ep.DropKeyAgreement(now, ev.Job)
			}
			continue
		}
		s.handler.HandleEvent(now, ev)
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
			s.ep.HandleDatagramTo(now, m.buf[:m.n], m.from, m.local)
			forwardPool.Put(m)
		case *rtmfp.KeyAgreement:
			s.ep.HandleKeyAgreement(now, m)
		case stop:
			stopped = true
		default:
			s.handler.HandlePost(now, m)
		}
	}
	if s.spare = posts; cap(posts) > maxSpare {
		s.spare = nil
	}
	s.events(now)
	return stopped
}

// flush sends what the endpoint may send now. It reports whether there may be more: acknowledgements
// should not wait in the socket until a large window is sent.
func (s *Shard) flush(now rtmfp.Time) (more bool) {
	for range maxFlush {
		if !s.ep.Poll(now, s.batch) {
			return false
		}
		s.conn.write(s.batch.Datagrams(), &s.counters)
		s.batch.Reset()
		s.events(now)
	}
	return true
}
