// Package simnet is a network in memory on a virtual clock, for tests: datagrams are lost, delayed,
// duplicated and reordered as a seed says, and an hour takes milliseconds.
package simnet

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Handler is what a shard calls; the shape of the production driver's handler.
type Handler interface {
	HandleEvent(now rtmfp.Time, ev *rtmfp.Event)
	HandlePost(now rtmfp.Time, msg any)
}

// Link is the path between two nodes, in one direction.
type Link struct {
	Delay   time.Duration
	Jitter  time.Duration // added at random, uniformly
	Loss    float64       // probability
	Dup     float64       // probability of a second copy
	Reorder float64       // probability of being held for ReorderBy
	// ReorderBy defaults to 20 ms.
	ReorderBy time.Duration
	Rate      int // bytes per second; 0 = infinite
	Queue     int // bytes that wait for the rate before datagrams are dropped; 0 = 64 KiB
}

// Net is the network. It is used by one goroutine.
type Net struct {
	// Filter, if set, sees every datagram before the link does; false drops it. It may change data.
	Filter func(from, to netip.AddrPort, data []byte) bool
	// Trace, if set, sees every datagram that is delivered.
	Trace func(at rtmfp.Time, from, to netip.AddrPort, data []byte)
	// KeyDelay is how long public-key work takes.
	KeyDelay time.Duration

	rng     *rand.Rand
	now     rtmfp.Time
	seq     int
	queue   eventQueue
	nodes   map[netip.AddrPort]*Node
	nats    map[netip.Addr]*NAT
	links   map[[2]*Node]*linkState
	def     Link
	dropped int
}

type linkState struct {
	Link
	busy rtmfp.Time // when the rate lets the next datagram go
}

// New returns a network whose chances follow from seed.
func New(seed uint64) *Net {
	return &Net{
		rng:   rand.New(rand.NewPCG(seed, seed^0x9e3779b97f4a7c15)),
		now:   rtmfp.Time(time.Hour),
		nodes: make(map[netip.AddrPort]*Node),
		nats:  make(map[netip.Addr]*NAT),
		links: make(map[[2]*Node]*linkState),
		def:   Link{Delay: time.Millisecond},
	}
}

// Rand returns the random source of the network, for tests that need chance from the same seed.
func (n *Net) Rand() *rand.Rand { return n.rng }

// Reader returns deterministic randomness for Config.Rand.
func (n *Net) Reader() *Reader { return &Reader{n.rng} }

// Reader is a source of bytes that repeats with the seed.
type Reader struct{ rng *rand.Rand }

func (r *Reader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r.rng.Uint32())
	}
	return len(p), nil
}

// Now returns the virtual time.
func (n *Net) Now() rtmfp.Time { return n.now }

// Dropped returns how many datagrams links and filters dropped.
func (n *Net) Dropped() int { return n.dropped }

// SetDefaultLink sets the link between nodes that have none of their own.
func (n *Net) SetDefaultLink(l Link) { n.def = l }

// SetLink sets the link between a and b, both ways.
func (n *Net) SetLink(a, b *Node, l Link) {
	n.links[[2]*Node{a, b}] = &linkState{Link: l}
	n.links[[2]*Node{b, a}] = &linkState{Link: l}
}

// SetBottleneck makes one link of what any of the senders sends to any of the receivers: they share its
// rate and its queue.
func (n *Net) SetBottleneck(senders, receivers []*Node, l Link) {
	shared := &linkState{Link: l}
	for _, a := range senders {
		for _, b := range receivers {
			n.links[[2]*Node{a, b}] = shared
		}
	}
}

func (n *Net) link(a, b *Node) *linkState {
	k := [2]*Node{a, b}
	l := n.links[k]
	if l == nil {
		l = &linkState{Link: n.def}
		n.links[k] = l
	}
	return l
}

// After calls f at a later virtual time.
func (n *Net) After(d time.Duration, f func()) { n.at(n.now.Add(d), f) }

func (n *Net) at(t rtmfp.Time, f func()) {
	n.seq++
	heap.Push(&n.queue, event{t, n.seq, f})
}

func (n *Net) send(from *Node, to netip.AddrPort, data []byte) {
	if !n.present(from) { // removed
		n.dropped++
		return
	}
	if n.Filter != nil && !n.Filter(from.addr, to, data) {
		n.dropped++
		return
	}
	src, dst, arrive := n.route(from, to)
	if dst == nil {
		n.dropped++
		return
	}
	l := n.link(from, dst)
	if l.Loss > 0 && n.rng.Float64() < l.Loss {
		n.dropped++
		return
	}
	start := n.now
	if l.Rate > 0 {
		limit := l.Queue
		if limit == 0 {
			limit = 64 << 10
		}
		if l.busy < n.now {
			l.busy = n.now
		}
		perByte := time.Second / time.Duration(l.Rate)
		if l.busy.Sub(n.now) > perByte*time.Duration(limit) {
			n.dropped++
			return
		}
		l.busy = l.busy.Add(time.Duration(len(data)) * time.Second / time.Duration(l.Rate))
		start = l.busy
	}
	copies := 1
	if l.Dup > 0 && n.rng.Float64() < l.Dup {
		copies = 2
	}
	for range copies {
		d := l.Delay
		if l.Jitter > 0 {
			d += time.Duration(n.rng.Int64N(int64(l.Jitter)))
		}
		if l.Reorder > 0 && n.rng.Float64() < l.Reorder {
			d += max(l.ReorderBy, 20*time.Millisecond)
		}
		b := append([]byte(nil), data...)
		n.at(start.Add(d), func() { n.deliver(src, to, b, arrive()) })
	}
}

func (n *Net) deliver(from, to netip.AddrPort, data []byte, dst *Node) {
	if n.Trace != nil {
		n.Trace(n.now, from, to, data)
	}
	if dst != nil {
		dst.receive(data, from)
	}
}

// Inject delivers a datagram now, as if it came from anywhere.
func (n *Net) Inject(from, to netip.AddrPort, data []byte) {
	n.deliver(from, to, append([]byte(nil), data...), n.nodes[to])
}

// Run lets d of virtual time pass.
func (n *Net) Run(d time.Duration) {
	end := n.now.Add(d)
	for len(n.queue) > 0 && n.queue[0].at <= end {
		n.step()
	}
	n.now = end
}

// RunUntil lets time pass until cond holds or limit passed; it reports whether cond holds.
func (n *Net) RunUntil(cond func() bool, limit time.Duration) bool {
	end := n.now.Add(limit)
	for !cond() {
		if len(n.queue) == 0 || n.queue[0].at > end {
			n.now = end
			return cond()
		}
		n.step()
	}
	return true
}

func (n *Net) step() {
	e := heap.Pop(&n.queue).(event)
	n.now = max(n.now, e.at)
	e.f()
}

type event struct {
	at  rtmfp.Time
	seq int
	f   func()
}

type eventQueue []event

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || (q[i].at == q[j].at && q[i].seq < q[j].seq)
}
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *eventQueue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *eventQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}

// Addr parses "ip:port" and panics if it is none: test code only.
func Addr(s string) netip.AddrPort {
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		panic(fmt.Sprintf("simnet: %v", err))
	}
	return a
}
