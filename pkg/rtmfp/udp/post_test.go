package udp

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Posts of any number of goroutines all arrive, each goroutine's in order.
func TestPostFromMany(t *testing.T) {
	const senders, each = 8, 5000
	type mark struct{ sender, n int }
	p := newParty(t)
	var last [senders]int
	total, done := 0, make(chan struct{})
	p.onPost = func(_ *handler, _ rtmfp.Time, msg any) {
		m := msg.(mark)
		if m.n != last[m.sender]+1 {
			t.Errorf("sender %d: %d after %d", m.sender, m.n, last[m.sender])
		}
		last[m.sender] = m.n
		if total++; total == senders*each {
			close(done)
		}
	}
	p.listen(Config{Shards: 1})
	for i := range senders {
		go func() {
			for n := range each {
				p.handlers[0].Post(mark{i, n + 1})
			}
		}()
	}
	wait(t, "all posts", done)
	if n := p.handlers[0].Counters().Posts.Load(); n != senders*each {
		t.Errorf("%d counted", n)
	}
}

// A post wakes a shard that sleeps with nothing else to wait for, however the two meet.
func TestPostWakes(t *testing.T) {
	const rounds = 3000
	p := newParty(t).listen(Config{Shards: 2})
	var all sync.WaitGroup
	for i := range 4 { // two for each shard: one posts while the other's is handled
		all.Add(1)
		go func() {
			defer all.Done()
			back := make(chan struct{}, 1)
			give := func(rtmfp.Time) { back <- struct{}{} }
			for n := range rounds {
				p.handlers[i%2].Post(give)
				select {
				case <-back:
				case <-time.After(patience):
					t.Errorf("post %d was never handled", n)
					return
				}
			}
		}()
	}
	all.Wait()
}

// Handlers may post to any shard, their own included.
func TestPostFromHandlers(t *testing.T) {
	const shards, hops = 3, 3000
	p := newParty(t)
	done := make(chan struct{})
	p.onPost = func(h *handler, _ rtmfp.Time, msg any) {
		n := msg.(int)
		if n == 0 {
			close(done)
			return
		}
		to := h.Index()
		if n%3 != 0 {
			to = (to + 1) % shards
		}
		h.Transport().Shards()[to].Post(n - 1)
	}
	p.listen(Config{Shards: shards})
	p.handlers[0].Post(hops)
	wait(t, "the last hop", done)
}

// Timers fire while nothing arrives, not before their time.
func TestTimersWhileIdle(t *testing.T) {
	server := newServer(t, 2)
	client := newParty(t)
	fired := make(chan rtmfp.Time, 10)
	client.onEvent = func(_ *handler, now rtmfp.Time, ev *rtmfp.Event) {
		if ev.Kind == rtmfp.EventTimer {
			fired <- now
		}
	}
	client.listen(Config{Shards: 1})
	s, _ := client.dial(server.Addr())
	for _, d := range []time.Duration{0, time.Millisecond, 30 * time.Millisecond, 90 * time.Millisecond} {
		var at rtmfp.Time
		client.do(0, func(now rtmfp.Time) {
			at = now.Add(d)
			s.WakeAt(at)
		})
		if now := wait(t, "timer", fired); now < at {
			t.Errorf("fired %v too early", at.Sub(now))
		}
	}
	select {
	case <-fired:
		t.Error("fired twice")
	default:
	}
}

// A stream of posts keeps neither datagrams nor timers waiting for ever.
func TestPostsDoNotStarve(t *testing.T) {
	server := newParty(t)
	fired := make(chan struct{}, 1)
	server.onEvent = func(h *handler, now rtmfp.Time, ev *rtmfp.Event) {
		if ev.Kind == rtmfp.EventTimer {
			fired <- struct{}{}
		}
		echo(h, now, ev)
	}
	id, _ := identities()
	server.listen(Config{Shards: 1, RTMFP: rtmfp.Config{Identity: id}})
	client := newClient(t)
	_, f := client.dial(server.Addr())
	far := wait(t, "session of the server", server.opened)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ahead := make(chan struct{}, 64) // as fast as they are handled
		for {
			select {
			case <-stop:
				return
			case ahead <- struct{}{}:
				server.handlers[0].Post(func(rtmfp.Time) { <-ahead })
			}
		}
	}()
	server.handlers[0].Post(func(now rtmfp.Time) { far.WakeAt(now.Add(10 * time.Millisecond)) })
	list := bodies("under posts", 50)
	client.write(f, list...)
	client.expect(list)
	wait(t, "timer", fired)
	close(stop)
	wait(t, "end of the posts", done)
}

// Nor does a stream of datagrams, here of rubbish, keep posts waiting.
func TestDatagramsDoNotStarve(t *testing.T) {
	server := newServer(t, 1)
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(server.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	begun, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 500)
		for i := 0; ; i++ {
			b[i%500]++
			if _, err := c.Write(b); err != nil {
				return
			}
			if i == 100 {
				close(begun)
			}
		}
	}()
	wait(t, "a stream of datagrams", begun)
	for range 200 {
		server.do(0, func(rtmfp.Time) {})
	}
	c.Close()
	<-done
	n := server.handlers[0].Endpoint().Counters()
	if n.DatagramsReceived.Load() == 0 || n.SessionsOpened.Load() != 0 {
		t.Errorf("%d received", n.DatagramsReceived.Load())
	}
}

// Datagrams for a shard that is far behind are dropped, and counted; what waits is handled later.
func TestForwardLimit(t *testing.T) {
	p := newParty(t).listen(Config{Shards: 2})
	s := p.handlers[1].Shard
	busy, free := make(chan struct{}), make(chan struct{})
	s.Post(func(rtmfp.Time) {
		close(busy)
		<-free
	})
	wait(t, "busy shard", busy)
	const n = maxForwards + 500
	b := make([]byte, 100)
	for range n {
		p.forward(1, b, loopback(9), 0)
	}
	if d := s.counters.ForwardsDropped.Load(); d != 500 {
		t.Errorf("%d dropped", d)
	}
	p.forward(7, b, loopback(9), 0)                        // no such shard
	p.forward(1, make([]byte, readSize+1), loopback(9), 0) // longer than what is read
	close(free)
	p.do(1, func(rtmfp.Time) {})
	if got := s.ep.Counters().DatagramsReceived.Load(); got != maxForwards || s.forwards.Load() != 0 {
		t.Errorf("%d handled, %d still count", got, s.forwards.Load())
	}
	p.forward(1, b, loopback(9), 0)
	p.do(1, func(rtmfp.Time) {})
	if got := s.ep.Counters().DatagramsReceived.Load(); got != maxForwards+1 {
		t.Errorf("%d handled", got)
	}
}

// A shard keeps no memory of a flood of posts.
func TestPostFloodIsForgotten(t *testing.T) {
	p := newParty(t).listen(Config{Shards: 1})
	busy, free := make(chan struct{}), make(chan struct{})
	p.handlers[0].Post(func(rtmfp.Time) {
		close(busy)
		<-free
	})
	wait(t, "busy shard", busy)
	for range 100_000 {
		p.handlers[0].Post(func(rtmfp.Time) {})
	}
	close(free)
	for range 3 {
		p.do(0, func(rtmfp.Time) {})
	}
	p.do(0, func(rtmfp.Time) {
		s := p.handlers[0].Shard
		s.mu.Lock()
		defer s.mu.Unlock()
		if cap(s.posts)+cap(s.spare) > 4*maxSpare {
			t.Errorf("room for %d posts", cap(s.posts)+cap(s.spare))
		}
	})
}
