package media

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// mailbox is what the driver does for Shard.Post: unbounded, in order, never blocks the poster.
type mailbox struct {
	mu     sync.Mutex
	cond   sync.Cond
	queue  []any
	closed bool
}

func newMailbox() *mailbox {
	m := &mailbox{}
	m.cond.L = &m.mu
	return m
}

func (m *mailbox) post(v any) {
	m.mu.Lock()
	m.queue = append(m.queue, v)
	m.mu.Unlock()
	m.cond.Signal()
}

func (m *mailbox) close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.cond.Signal()
}

// loop hands each value to f on the calling goroutine, until close.
func (m *mailbox) loop(f func(any)) {
	for {
		m.mu.Lock()
		for len(m.queue) == 0 && !m.closed {
			m.cond.Wait()
		}
		batch := m.queue
		m.queue = nil
		if len(batch) == 0 {
			m.mu.Unlock()
			return
		}
		m.mu.Unlock()
		for _, v := range batch {
			f(v)
		}
	}
}

// orderSink checks that frames are numbered without gap or repetition, beginning with a key frame.
type orderSink struct {
	t         *testing.T
	seed      uint64
	next      uint32 // number of the next frame, 0 = any
	version   uint32 // of the header
	published bool
	frames    int
	ids       [numIndexes]uint64
}

func (s *orderSink) Published(rtmfp.Time) {
	if s.published {
		s.t.Errorf("seed %d: published twice", s.seed)
	}
	s.published, s.next, s.version = true, 0, 0
}

func (s *orderSink) Unpublished(rtmfp.Time) {
	if !s.published {
		s.t.Errorf("seed %d: unpublished twice", s.seed)
	}
	s.published = false
}

// Write reads frames as concurrentFrame makes them: number, and version of the header they need.
func (s *orderSink) Write(_ rtmfp.Time, f *Frame, _ uint32, _ WriteOptions) uint64 {
	b := f.Body.Bytes()
	number, version := binary.BigEndian.Uint32(b[5:]), binary.BigEndian.Uint32(b[9:])
	switch {
	case !s.published:
		s.t.Errorf("seed %d: frame %d while nothing is published", s.seed, number)
	case f.Role == Header:
		s.version = version
	case f.Role == Key && s.next == 0:
		s.next = number
		fallthrough
	default:
		if number != s.next || version != s.version {
			s.t.Errorf("seed %d: frame %d with header %d, want %d with %d", s.seed, number, s.version, s.next, version)
		}
		s.next = number + 1
		s.frames++
	}
	s.ids[f.Kind.index()]++
	return s.ids[f.Kind.index()]
}

func (s *orderSink) Backlog(Kind) (int, rtmfp.Time)                      { return 0, 0 }
func (s *orderSink) Expire(Kind, uint64, uint64, rtmfp.Time, rtmfp.Time) {}
func (s *orderSink) Abandoned(Kind) (count, last uint64)                 { return 0, 0 }

// concurrentFrame returns the body of a frame.
func concurrentFrame(head string, number, version uint32) *rtmfp.Buffer {
	b := rtmfp.NewBuffer(13)
	copy(b.Bytes(), head)
	binary.BigEndian.PutUint32(b.Bytes()[5:], number)
	binary.BigEndian.PutUint32(b.Bytes()[9:], version)
	return b
}

// Listeners come and go on several shards while publishers push and follow each other: every listener
// sees every frame from its key frame on exactly once, in order, after the header it needs.
func TestJoinWhilePushing(t *testing.T) {
	for seed := range uint64(12) {
		joinWhilePushing(t, seed)
	}
}

func joinWhilePushing(t *testing.T, seed uint64) {
	const shards, sessions, framesEach = 3, 4, 400
	h := NewHub(Limits{TargetBytes: 1 << 30})
	boxes := make([]*mailbox, shards)
	firsts := make([]*orderSink, shards)
	var feeders, loops sync.WaitGroup
	got := make([]int, shards)
	for i := range shards {
		boxes[i], firsts[i] = newMailbox(), &orderSink{t: t, seed: seed}
		s := NewShard(h, i, boxes[i].post)
		first := s.Subscribe(1, "", "cam", firsts[i], Options{})
		loops.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(i)))
			var open []*Listener
			var sinks []*orderSink
			boxes[i].loop(func(v any) {
				if _, ok := v.(*Frame); ok {
					s.HandlePost(1, v)
				}
				switch n := rnd.IntN(20); {
				case n == 0 || v == "join":
					k := &orderSink{t: t, seed: seed}
					sinks = append(sinks, k)
					open = append(open, s.Subscribe(1, "", "cam", k, Options{}))
				case n == 1 && len(open) > 0:
					j := rnd.IntN(len(open))
					open[j].Close(1)
					open = append(open[:j], open[j+1:]...)
				}
			})
			for _, l := range append(open, first) {
				l.Close(1)
			}
			for _, k := range sinks {
				got[i] += k.frames
			}
		})
	}
	// Each session has a feeder of its own, as if the publisher came back on another shard.
	for n := range sessions {
		feeders.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(100+n)))
			var p *Publication
			for p == nil {
				runtime.Gosched()
				p, _ = h.Publish("", "cam", nil)
			}
			version := uint32(0)
			for number := uint32(1); number <= framesEach; number++ {
				head := inter("")
				if number == 1 || rnd.IntN(8) == 0 {
					head = key("")
				}
				if number == 1 || head == key("") && rnd.IntN(2) == 0 {
					version++
					b := concurrentFrame(avcHeader(""), number, version)
					p.Push(1, Video, number, b)
					b.Release()
				}
				b := concurrentFrame(head, number, version)
				p.Push(1, Video, number, b)
				b.Release()
				if rnd.IntN(4) == 0 {
					runtime.Gosched()
				}
				if rnd.IntN(16) == 0 {
					boxes[rnd.IntN(shards)].post("join")
				}
			}
			p.Close()
		})
	}
	feeders.Wait()
	for _, b := range boxes {
		b.close()
	}
	loops.Wait()
	for i, k := range firsts {
		if k.frames != sessions*framesEach {
			t.Errorf("seed %d: who was there from the start saw %d frames of %d", seed, k.frames, sessions*framesEach)
		}
		t.Logf("seed %d: shard %d wrote %d frames to others", seed, i, got[i])
	}
	if st := h.Stats(); st.Names != 0 || st.Listeners != 0 || st.Publications != 0 {
		t.Errorf("seed %d: left in the hub: %+v", seed, st)
	}
}
