//go:build !race

package rtmfp_test

// The race detector makes pools forget at random, so allocations are not counted under it.

import (
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// noAllocs runs f until everything has its size, and then checks that it allocates nothing any more.
func noAllocs(t *testing.T, what string, f func()) {
	t.Helper()
	for range 500 {
		f()
	}
	if n := testing.AllocsPerRun(1000, f); n != 0 {
		t.Errorf("%s: %v allocations each time", what, n)
	}
}

// One body to many sessions: writing, cutting, sealing, opening, acknowledging, delivering.
func TestAllocsFanout(t *testing.T) {
	for _, sec := range benchSecurities {
		for _, size := range []int{0, 100, 1000, 16_000} {
			x := newFanout(t, 5, sec.Security)
			body := rtmfp.CopyBuffer(pattern(size))
			x.push(body)
			noAllocs(t, sec.name, func() { x.push(body) })
			x.pass(time.Second) // the last delayed acknowledgements
			if want := 5 * 1502; x.got != want {
				t.Errorf("%d messages, want %d", x.got, want)
			}
			for _, f := range x.flows {
				if f.Abandoned() > 0 || f.Queued() > 0 {
					t.Errorf("%d abandoned, %d queued", f.Abandoned(), f.Queued())
				}
			}
		}
	}
}

// A relay: what a publisher sends goes on to listeners, in the buffer it came in.
func TestAllocsRelay(t *testing.T) {
	for _, sec := range benchSecurities {
		x := newFanout(t, 4, sec.Security)
		p := x.add("203.0.113.1:5000", rtmfp.Config{Identity: otherPeer, Security: sec.Security})
		near, _ := x.connect(t, p, x.server)
		up, err := near.Open(x.now, []byte("publish"), rtmfp.FlowOptions{})
		if err != nil {
			t.Fatal(err)
		}
		x.server.on = func(now rtmfp.Time, ev *rtmfp.Event) {
			if ev.Kind == rtmfp.EventMessage {
				for _, f := range x.flows {
					f.Write(now, rtmfp.Message{HeadLen: 5, Body: ev.Message.Retain()})
				}
				ev.Message.Release()
			}
		}
		body := rtmfp.CopyBuffer(pattern(6000))
		noAllocs(t, sec.name, func() {
			up.Write(x.now, rtmfp.Message{Body: body.Retain()})
			x.pass(10 * time.Millisecond)
		})
		if x.got != 4*1501 {
			t.Errorf("%d messages", x.got)
		}
	}
}

// Losing, repeating and giving up are part of the media path, too.
func TestAllocsLoss(t *testing.T) {
	for _, arrival := range []bool{false, true} {
		x := newFanout(t, 2, rtmfp.Security{})
		for _, h := range x.order[1:] {
			on := h.on
			h.on = func(now rtmfp.Time, ev *rtmfp.Event) {
				if ev.Kind == rtmfp.EventFlow {
					ev.Recv.SetArrivalOrder(arrival)
				}
				on(now, ev)
			}
		}
		n, body := 0, rtmfp.CopyBuffer(pattern(5000))
		push := func() {
			for _, f := range x.flows {
				m := rtmfp.Message{Body: body.Retain(), Unreliable: n%3 == 0, StartBy: x.now.Add(time.Second), FinishBy: x.now.Add(2 * time.Second)}
				if n%7 == 0 {
					m.StartBy = x.now
				}
				f.Write(x.now, m)
			}
			// Every eleventh packet of the server is lost.
			for x.server.ep.Poll(x.now, x.server.batch) {
				for _, d := range x.server.batch.Datagrams() {
					if n++; n%11 != 0 {
						to := x.hosts[d.To]
						to.ep.HandleDatagram(x.now, d.Data, x.server.addr)
						x.events(to)
					}
				}
				x.server.batch.Reset()
			}
			x.pass(10 * time.Millisecond)
		}
		noAllocs(t, "with loss", push)
		if c := x.server.ep.Counters(); c.FragmentsLost.Load() < 100 || c.MessagesAbandoned.Load() < 100 {
			t.Errorf("%d lost, %d abandoned: the test shows nothing", c.FragmentsLost.Load(), c.MessagesAbandoned.Load())
		}
	}
}
