package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Introduce has clients connect to each other through the server.
type Introduce struct {
	Clients int     // half of them look for the other half
	Rate    float64 // per second, all together; 0 = the next as soon as one is done
	Timeout time.Duration
}

// Name implements Scenario.
func (s *Introduce) Name() string { return "introduce" }

func (s *Introduce) closedLoop() bool { return s.Rate == 0 }

// Check implements Scenario.
func (s *Introduce) Check() error {
	switch {
	case s.Clients > maxClients:
		return checkCount(s.Clients, "clients")
	case s.Clients < 2:
		return fmt.Errorf("%d clients: at least two are needed", s.Clients)
	case s.Rate < 0:
		return fmt.Errorf("rate %v is negative", s.Rate)
	case s.Timeout <= 0:
		return fmt.Errorf("timeout %v: must be above 0", s.Timeout)
	}
	return nil
}

// seeker is a client that looks for others. It belongs to the goroutine of its worker.
type seeker struct {
	*member
	s       *Introduce
	r       *run
	c       *callCounts
	hist    *histogram
	targets []rtmfp.PeerID
	next    int
	at      rtmfp.Time
	peers   map[*rtmfp.Session]search
}

// search is a session with a peer that is being opened.
type search struct {
	begun rtmfp.Time
	count bool
	open  bool
}

// seek looks for the next peer.
func (k *seeker) seek(now rtmfp.Time) {
	if k.socket == nil || k.leaving {
		return
	}
	id := k.targets[k.next%len(k.targets)]
	k.next++
	s, err := k.ep.Dial(now, rtmfp.DialConfig{
		EPD: rtmfp.EPDForPeer(id), Addrs: []netip.AddrPort{k.session.Addr()}, Timeout: k.s.Timeout,
	})
	if err != nil {
		k.r.fail(err)
		return
	}
	count := k.c.on.Load()
	if count {
		k.c.made.Add(1)
	}
	k.peers[s] = search{begun: now, count: count}
	k.touch()
}

// event handles what happens on sessions with peers.
func (k *seeker) event(now rtmfp.Time, ev *rtmfp.Event) {
	drop(ev)
	p, known := k.peers[ev.Session]
	if !known {
		return
	}
	switch ev.Kind {
	case rtmfp.EventSessionOpen:
		p.open = true
		k.peers[ev.Session] = p
		if p.count {
			k.c.answered.Add(1)
			k.r.done.Add(1)
			k.hist.record(now.Sub(p.begun))
		}
		ev.Session.Close(now)
	case rtmfp.EventSessionClosed:
		delete(k.peers, ev.Session)
		if !p.open && p.count {
			k.r.fail(fmt.Errorf("peer: %w", ev.Err))
		}
		if k.s.Rate == 0 {
			k.seek(now)
		}
	}
	k.touch()
}

// drop gives back what an event carries.
func drop(ev *rtmfp.Event) {
	if ev.Message != nil {
		ev.Message.Release()
	}
}

func (k *seeker) pace(now rtmfp.Time) {
	k.seek(now)
	k.at = k.at.Add(time.Duration(float64(k.s.Clients/2) / k.s.Rate * 1e9))
	k.w.at(k.at, k.pace)
}

func (s *Introduce) run(ctx context.Context, r *run) error {
	r.result.Unit = "introductions"
	r.result.Options["clients"], r.result.Options["rate"] = s.Clients, s.Rate
	r.histograms()
	counts := new(callCounts)
	ids := make([]rtmfp.PeerID, s.Clients)
	all := make([]*seeker, s.Clients)
	n, err := r.crowd(ctx, setup{
		n: s.Clients, stage: "connecting", target: r.Target,
		joined: func(m *member, now rtmfp.Time) {
			ids[m.i] = m.ep.PeerID()
			k := &seeker{member: m, s: s, r: r, c: counts, hist: r.hist[m.i%len(r.hist)], peers: make(map[*rtmfp.Session]search)}
			all[m.i] = k
			m.other = k.event
			m.ready(now, nil)
		},
		lost: func(_ *member, _ rtmfp.Time, err error) { r.fail(fmt.Errorf("lost a client: %w", err)) },
	})
	if err == nil {
		err = r.need(n, s.Clients, "clients")
	}
	if err != nil {
		return err
	}
	half := s.Clients / 2
	var targets []rtmfp.PeerID
	for i := half; i < s.Clients; i++ {
		if all[i] != nil {
			targets = append(targets, ids[i])
		}
	}
	if len(targets) == 0 {
		return errors.New("no client to look for is there")
	}
	r.result.Clients = int(r.connected.Load())
	r.checkSecured()
	r.farm.each(func(w *worker, now rtmfp.Time) {
		for i, k := range all[:half] {
			if k == nil || k.w != w {
				continue
			}
			k.targets, k.next = targets, i
			if s.Rate > 0 {
				k.at = now.Add(time.Duration(float64(i) / s.Rate * 1e9))
				w.at(k.at, k.pace)
			} else {
				k.seek(now)
			}
		}
	})
	return r.loop(ctx, counts, s.Timeout)
}

// callCounts are shared by all clients of a scenario that ask for something and wait.
type callCounts struct {
	on                   atomic.Bool // counting
	made, answered, errs atomic.Uint64
}

// loop measures clients that ask and wait, and counts what they did.
func (r *run) loop(ctx context.Context, c *callCounts, patience time.Duration) error {
	var inTime uint64
	err := r.measure(ctx, func() { c.on.Store(true) }, func() {
		c.on.Store(false)
		inTime = c.answered.Load()
	})
	r.inTime(inTime)
	pending := func() uint64 { return c.made.Load() - c.answered.Load() }
	for end := time.Now().Add(patience); pending() > 0 && time.Now().Before(end) && ctx.Err() == nil; {
		time.Sleep(5 * time.Millisecond)
	}
	r.result.Expected, r.result.Done = c.made.Load(), c.answered.Load()
	r.result.Latency = r.total().latency()
	return err
}
