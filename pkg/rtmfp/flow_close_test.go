package rtmfp_test

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// closed runs until both ends know that the flow ended, and on for a while, and checks that each was told
// once.
func (p *flowRig) closed(flows int) {
	p.t.Helper()
	p.until("the flows end", time.Minute, func() bool { return len(p.cli.sendEnds) == flows && len(p.srv.ended) == flows })
	p.net.Run(time.Minute)
	for _, list := range [][]error{p.cli.sendEnds, p.srv.ended} {
		if len(list) != flows {
			p.t.Errorf("%d ends of %d flows", len(list), flows)
		}
		for _, err := range list {
			if err != nil {
				p.t.Errorf("a flow ended with %v", err)
			}
		}
	}
	p.check()
}

// RFC 7016 §3.6.2.11. Old clients want that the end is an empty abandoned fragment of its own.
func TestFlowCloseFinalFragment(t *testing.T) {
	for _, n := range []int{0, 1, 3, 60} {
		t.Run(fmt.Sprintf("%d messages", n), func(t *testing.T) {
			p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
			p.reset()
			f := p.dataFlow(rtmfp.FlowOptions{})
			for i := range n {
				p.write(f, rtmfp.Message{}, numbered(i, 1000))
			}
			f.Close(p.net.Now())
			f.Close(p.net.Now())
			p.client.Wake()
			if _, err := f.Write(p.net.Now(), rtmfp.Message{Body: rtmfp.CopyBuffer([]byte("x"))}); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write after Close: %v", err)
			}
			p.closed(1)
			if len(p.srv.all) != n || len(p.srv.flows) != 1 || string(p.srv.flows[0].Metadata()) != "test" {
				t.Errorf("%d messages, %d flows", len(p.srv.all), len(p.srv.flows))
			}
			var last rtmfp.FlowChunk
			finals := 0
			for _, s := range p.sent {
				for _, c := range s.user() {
					if c.Final {
						finals++
					}
					last = c
				}
			}
			if finals != 1 || !last.Final || !last.Abandon || len(last.Data) != 0 || last.Fragment != rtmfp.FragWhole {
				t.Errorf("%d final fragments, the last chunk is %+v", finals, last)
			}
			if n == 0 && (last.Seq != 1 || last.Options == nil) {
				t.Errorf("an empty flow ends with %+v", last)
			}
			if _, err := f.Write(p.net.Now(), rtmfp.Message{}); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write after the end: %v", err)
			}
		})
	}
}

// Whatever is lost or doubled at the end, both ends are told once.
func TestFlowCloseOnce(t *testing.T) {
	for seed := range uint64(10) {
		p := newFlowRig(t, worldConfig{seed: seed, link: simnet.Link{Delay: way, Loss: 0.25, Dup: 0.3, Reorder: 0.2}})
		const flows = 5
		for i := range flows {
			f := p.dataFlow(rtmfp.FlowOptions{})
			for k := range i {
				p.write(f, rtmfp.Message{Unreliable: k%2 == 1}, numbered(k, 500))
			}
			f.Close(p.net.Now())
		}
		p.client.Wake()
		p.closed(flows)
	}
}

// RFC 7016 §3.6.3.8: a completed flow is remembered for 120 s, so that what comes late opens no new one
// and is still acknowledged.
func TestFlowCloseLinger(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
	p.reset()
	f := p.dataFlow(rtmfp.FlowOptions{})
	p.write(f, rtmfp.Message{}, "x")
	f.Close(p.net.Now())
	first := func() *flowPacket { return p.find(upData) }
	p.closed(1) // a minute later
	if all, open := p.ss.RecvFlows(); all != 1 || open != 0 || p.cs.SendFlows() != 0 {
		t.Fatalf("%d receiving flows, %d open; %d sending", all, open, p.cs.SendFlows())
	}
	again := *first()
	p.reset()
	p.again(&again)
	if len(p.srv.flows) != 1 || len(p.srv.all) != 1 {
		t.Errorf("%d flows, %d messages", len(p.srv.flows), len(p.srv.all))
	}
	if a := p.find(downAck); a == nil || a.ack().Cumulative != 2 || a.ack().Blocks == 0 {
		t.Errorf("a late copy was answered with %+v", a)
	}
	p.net.Run(59 * time.Second)
	if all, _ := p.ss.RecvFlows(); all != 1 {
		t.Error("forgotten before 120 s")
	}
	p.net.Run(2 * time.Second)
	if all, _ := p.ss.RecvFlows(); all != 0 {
		t.Error("remembered after 120 s")
	}
}

// The end waits for messages that the application holds back.
func TestFlowCloseWhileSuspended(t *testing.T) {
	for _, arrival := range []bool{false, true} {
		p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
		p.srv.onFlow = func(_ rtmfp.Time, f *rtmfp.RecvFlow) {
			f.SetArrivalOrder(arrival)
			f.Suspend()
		}
		f := p.dataFlow(rtmfp.FlowOptions{})
		for i := range 5 {
			p.write(f, rtmfp.Message{}, numbered(i, 700*i))
		}
		p.net.Run(time.Second)
		f.Close(p.net.Now())
		p.client.Wake()
		p.until("the sender is done", time.Minute, func() bool { return len(p.cli.sendEnds) == 1 })
		got := len(p.srv.all)
		if got >= 5 || len(p.srv.ended) != 0 {
			t.Fatalf("arrival %v: %d messages and %d ends while suspended", arrival, got, len(p.srv.ended))
		}
		p.srv.flows[0].Resume(p.net.Now())
		p.server.Wake()
		p.closed(1)
		if len(p.srv.all) != 5 {
			t.Errorf("arrival %v: %d messages", arrival, len(p.srv.all))
		}
	}
}

// When the session ends, every flow ends, once, with the reason; nothing of it is left.
func TestFlowCloseWithSession(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
	var flows []*rtmfp.SendFlow
	for i := range 4 {
		f := p.dataFlow(rtmfp.FlowOptions{})
		flows = append(flows, f)
		for k := range 40 {
			p.write(f, rtmfp.Message{}, numbered(i*100+k, 3000))
		}
	}
	p.net.Run(2*way + 5*ms)
	flows[0].Close(p.net.Now())
	p.ss.Close(p.net.Now())
	p.server.Wake()
	p.net.Run(5 * time.Second)
	if len(p.srv.ended) != 4 || len(p.cli.sendEnds) != 4 || len(p.srv.closed) != 1 || len(p.cli.closed) != 1 {
		t.Fatalf("%d and %d flows ended, %d and %d sessions", len(p.srv.ended), len(p.cli.sendEnds), len(p.srv.closed), len(p.cli.closed))
	}
	for _, err := range p.srv.ended {
		if err != rtmfp.ErrClosed {
			t.Errorf("here: %v", err)
		}
	}
	for _, err := range p.cli.sendEnds {
		if err != rtmfp.ErrPeerClosed {
			t.Errorf("there: %v", err)
		}
	}
	if p.ss.Buffered() != 0 || p.cs.QueuedTotal() != 0 || p.cs.Congestion().Outstanding != 0 {
		t.Errorf("left: %d buffered, %d queued, %+v", p.ss.Buffered(), p.cs.QueuedTotal(), p.cs.Congestion())
	}
	for _, f := range flows { // what the application may still do with what it holds
		f.Close(p.net.Now())
		f.NotifyBelow(0)
		f.Expire(0, 1000, 1, 1)
		if _, err := f.Write(p.net.Now(), rtmfp.Message{Body: rtmfp.CopyBuffer([]byte("x"))}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write: %v", err)
		}
		if b, oldest := f.Backlog(); f.Queued() != 0 || b != 0 || oldest != 0 {
			t.Errorf("%d queued, backlog %d since %d", f.Queued(), b, oldest)
		}
	}
	for _, f := range p.srv.flows {
		f.Suspend()
		f.Resume(p.net.Now())
		f.Reject(p.net.Now(), 1)
		f.SetArrivalOrder(true)
	}
	p.server.Wake()
	p.client.Wake()
	p.net.Run(5 * time.Minute)
	if len(p.srv.ended) != 4 || len(p.cli.sendEnds) != 4 || p.cli.ready != 0 {
		t.Errorf("%d and %d flows ended, %d ready", len(p.srv.ended), len(p.cli.sendEnds), p.cli.ready)
	}
	if n := p.server.Endpoint().NumSessions() + p.client.Endpoint().NumSessions(); n != 0 {
		t.Errorf("%d sessions left", n)
	}
}
