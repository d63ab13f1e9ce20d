package rtmfp_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// What a session may hold is bounded, over all its flows; a refused body is given back.
func TestQueueLimit(t *testing.T) {
	const limit = 10_000
	p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink, client: rtmfp.Config{MaxQueued: limit}})
	f, g := p.dataFlow(rtmfp.FlowOptions{}), p.dataFlow(rtmfp.FlowOptions{})
	p.write(f, rtmfp.Message{}, numbered(0, 6000))
	p.write(g, rtmfp.Message{HeadLen: 8}, numbered(1, 3000))
	try := func(f *rtmfp.SendFlow, n int) error {
		body := rtmfp.CopyBuffer(pattern(n)).Retain()
		defer body.Release()
		_, err := f.Write(p.net.Now(), rtmfp.Message{HeadLen: 4, Body: body})
		if refs := body.Refs(); (err != nil) != (refs == 1) {
			t.Errorf("%v, but %d references", err, refs)
		}
		return err
	}
	counter := &p.client.Endpoint().Counters().QueueFull
	for _, f := range []*rtmfp.SendFlow{f, g} {
		// 6000 + 3008 + 609 and what three messages cost beside is one byte too many.
		if err := try(f, 605); !errors.Is(err, rtmfp.ErrQueueFull) {
			t.Errorf("%v", err)
		}
	}
	if err := try(g, 604); err != nil || counter.Load() != 2 {
		t.Errorf("up to the limit: %v, %d counted", err, counter.Load())
	}
	if p.cs.QueuedTotal() != limit-3*rtmfp.MessageCharge || f.Queued() != 6000 || g.Queued() != 3616 {
		t.Errorf("%d queued: %d and %d", p.cs.QueuedTotal(), f.Queued(), g.Queued())
	}
	if err := try(f, 0); !errors.Is(err, rtmfp.ErrQueueFull) {
		t.Errorf("%v", err)
	}
	p.client.Wake()
	p.acked(f)
	p.acked(g)
	const largest = limit - 4 - rtmfp.MessageCharge
	if err := try(f, largest); err != nil {
		t.Errorf("after all is acknowledged: %v", err)
	}
	p.client.Wake()
	p.acked(f)
	if err := try(f, largest+1); !errors.Is(err, rtmfp.ErrQueueFull) {
		t.Errorf("larger than the limit: %v", err)
	}
	// Nor may any number of empty messages pile up.
	n := 0
	for ; n < 1000; n++ {
		if _, err := f.Write(p.net.Now(), rtmfp.Message{}); err != nil {
			break
		}
	}
	if n != limit/rtmfp.MessageCharge {
		t.Errorf("%d empty messages", n)
	}
}

// Backlog is what was not begun; Queued what is not acknowledged.
func TestQueueBacklog(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: simnet.Link{Delay: way, Rate: 20_000}})
	f := p.settled(rtmfp.FlowOptions{})
	want := func(what string, backlog int, oldest rtmfp.Time, queued int) {
		t.Helper()
		if b, o := f.Backlog(); b != backlog || o != oldest || f.Queued() != queued {
			t.Errorf("%s: backlog %d since %d, queued %d; want %d, %d, %d", what, b, o, f.Queued(), backlog, oldest, queued)
		}
	}
	want("empty", 0, 0, 0)
	t0 := p.net.Now()
	p.write(f, rtmfp.Message{HeadLen: 5}, numbered(0, 60_000-5))
	want("written", 60_000, t0, 60_000)
	p.net.Run(ms)
	want("begun", 0, 0, 60_000)
	t1 := p.net.Now()
	p.write(f, rtmfp.Message{StartBy: t1.Add(800 * ms)}, numbered(1, 3000))
	p.net.Run(ms)
	p.write(f, rtmfp.Message{}, numbered(2, 500))
	want("two wait", 3500, t1, 63_500)
	p.until("half of the first is acknowledged", time.Minute, func() bool { return f.Queued() < 55_000 })
	want("still", 3500, t1, f.Queued())
	p.until("the second expired", time.Minute, func() bool { b, _ := f.Backlog(); return b != 3500 })
	want("the third goes with the packet that found out", 0, 0, f.Queued())
	p.acked(f)
	want("in the end", 0, 0, 0)
	p.want("hello", string(make([]byte, 5))+numbered(0, 60_000-5), numbered(2, 500))
}

// NotifyBelow tells once, when the level is reached, by acknowledgement or because things were given up.
func TestQueueReady(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: simnet.Link{Delay: way, Rate: 20_000}})
	f := p.settled(rtmfp.FlowOptions{})
	f.NotifyBelow(0)
	p.client.Wake()
	p.net.Run(ms)
	if p.cli.ready != 1 {
		t.Fatalf("%d events for a level that is reached", p.cli.ready)
	}
	p.write(f, rtmfp.Message{}, numbered(0, 30_000))
	f.NotifyBelow(10_000)
	p.until("ready", time.Minute, func() bool { return p.cli.ready == 2 })
	if q := f.Queued(); q > 10_000 || q < 10_000-2*rtmfp.SegmentSize {
		t.Errorf("told at %d", q)
	}
	p.acked(f)
	if p.cli.ready != 2 {
		t.Errorf("told %d times", p.cli.ready-1)
	}
	p.write(f, rtmfp.Message{}, numbered(0, 20_000))
	p.write(f, rtmfp.Message{StartBy: p.net.Now().Add(10 * ms)}, numbered(1, 50_000))
	f.NotifyBelow(25_000)
	f.NotifyBelow(1000) // the later call counts
	p.acked(f)
	if p.cli.ready != 3 {
		t.Errorf("told %d times", p.cli.ready)
	}
	p.write(f, rtmfp.Message{}, numbered(0, 20_000))
	f.NotifyBelow(100)
	p.srv.flows[0].Reject(p.net.Now(), 1)
	p.server.Wake()
	p.until("ready", time.Minute, func() bool { return p.cli.ready == 4 })
	if f.Queued() != 0 {
		t.Errorf("%d queued", f.Queued())
	}
}

// Whatever happens to messages, every body is given back and all sums return to zero.
func TestQueueGivesEverythingBack(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 5))
			p := newFlowRig(t, worldConfig{
				seed: seed, link: simnet.Link{Delay: 10 * ms, Loss: 0.1, Reorder: 0.1, Rate: 100_000},
				client: rtmfp.Config{MaxQueued: 60_000},
			})
			var bodies []*rtmfp.Buffer
			for round := range 3 {
				var flows []*rtmfp.SendFlow
				for range 3 {
					flows = append(flows, p.dataFlow(rtmfp.FlowOptions{Priority: rtmfp.Priority(r.IntN(3))}))
				}
				p.srv.onMessage = func(now rtmfp.Time, f *rtmfp.RecvFlow, _ []byte) {
					if round == 1 && r.IntN(60) == 0 {
						f.Reject(now, 4)
					}
				}
				for range 150 {
					now := p.net.Now()
					body := rtmfp.CopyBuffer(pattern(r.IntN(4000)))
					bodies = append(bodies, body)
					m := rtmfp.Message{HeadLen: uint8(r.IntN(9)), Unreliable: r.IntN(3) == 0, Chain: r.IntN(3) == 0, Body: body.Retain()}
					if r.IntN(2) == 0 {
						m.StartBy, m.FinishBy = now.Add(time.Duration(r.IntN(200))*ms), now.Add(time.Duration(r.IntN(400))*ms)
					}
					if r.IntN(3) == 0 { // one body on several flows
						for _, f := range flows[1:] {
							m2 := m
							m2.Body = body.Retain()
							f.Write(now, m2)
						}
					}
					flows[0].Write(now, m)
					p.client.Wake()
					p.check()
					p.net.Run(time.Duration(r.IntN(8)) * ms)
				}
				if round == 2 {
					p.cs.Close(p.net.Now())
				}
				for _, f := range flows {
					f.Close(p.net.Now())
				}
				p.client.Wake()
				p.until("all flows ended", 2*time.Minute, func() bool { return len(p.cli.sendEnds) == 3*(round+1) })
			}
			for i, b := range bodies {
				if n := b.Refs(); n != 1 {
					t.Fatalf("body %d of %d still has %d references beside ours", i, len(bodies), n-1)
				}
				b.Release()
			}
			if p.cs.QueuedTotal() != 0 || p.cs.Congestion().Outstanding != 0 {
				t.Errorf("%d queued, %+v", p.cs.QueuedTotal(), p.cs.Congestion())
			}
		})
	}
}
