package rtmfp_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

func probe(p *flowPacket) bool {
	return p.up && len(p.chunks) > 0 && p.chunks[0].Type == rtmfp.ChunkBufferProbe
}

// within checks that the data of f, the only flow of the client, never goes beyond the window that the
// sender knows.
func (p *flowRig) within(f *rtmfp.SendFlow) {
	var at rtmfp.Time
	var outstanding, last, window int
	p.pass = func(fp *flowPacket) bool {
		d := fp.user()
		if !fp.up || len(d) == 0 {
			return true
		}
		// Packets are seen when their whole batch is built; what counts is its last fragment.
		if (fp.at != at || f.Outstanding() != outstanding) && outstanding-last >= window && at != 0 {
			p.t.Errorf("at %v: %d bytes outstanding, window %d", time.Duration(at), outstanding, window)
		}
		at, outstanding, last, window = fp.at, f.Outstanding(), d[len(d)-1].Size, f.Window()
		return true
	}
}

// RFC 7016 §3.6.2.9 and §3.6.3.5: a suspended receiver's window closes, the sender stops within it and
// probes ever more slowly; Resume opens it at once and nothing is lost.
func TestWindowSuspendResume(t *testing.T) {
	const capacity = 30_000
	for _, arrival := range []bool{false, true} {
		t.Run(fmt.Sprintf("arrival %v", arrival), func(t *testing.T) {
			p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
			p.srv.onFlow = func(_ rtmfp.Time, f *rtmfp.RecvFlow) {
				f.SetCapacity(capacity)
				f.SetArrivalOrder(arrival)
				f.Suspend()
			}
			f := p.dataFlow(rtmfp.FlowOptions{})
			p.reset()
			p.within(f)
			const n = 200
			var want []string
			for i := range n {
				want = append(want, numbered(i, 1000+i))
				p.write(f, rtmfp.Message{}, want[i])
			}
			t0 := p.net.Now()
			p.until("the window is closed", time.Minute, func() bool { return f.Window() == 0 })
			p.net.Run(time.Second / 2)
			buffered := p.ss.Buffered()
			if buffered < capacity || buffered > capacity+rtmfp.InitialWindow || f.Outstanding() != 0 {
				t.Errorf("%d bytes buffered, %d outstanding", buffered, f.Outstanding())
			}
			sent := p.count(upData)
			p.net.Run(10 * time.Minute)
			if len(p.srv.all) > 1 || p.count(upData) != sent || !p.cs.IsOpen() {
				t.Fatalf("%d messages, %d packets while suspended, open %v", len(p.srv.all), p.count(upData)-sent, p.cs.IsOpen())
			}
			var probes []rtmfp.Time
			for _, s := range p.sent {
				if probe(&s) {
					probes = append(probes, s.at)
				}
			}
			if len(probes) < 10 {
				t.Fatalf("%d probes", len(probes))
			}
			if d := probes[0].Sub(t0); d < time.Second || d > 2*time.Second {
				t.Errorf("first probe after %v", d)
			}
			period := time.Second
			for i := 1; i < len(probes); i++ {
				period = min(period*14142/10000, time.Minute)
				if d := probes[i].Sub(probes[i-1]); (d - period).Abs() > 10*ms {
					t.Errorf("probe %d after %v, want %v", i, d, period)
				}
			}
			p.reset()
			p.srv.flows[0].Resume(p.net.Now())
			p.server.Wake()
			p.acked(f)
			p.want(want...)
			if a := p.find(downAck); a == nil || a.ack().Blocks < 20 {
				t.Errorf("after Resume: %+v", a)
			}
			p.net.Run(5 * time.Minute)
			if p.count(probe) > 0 {
				t.Error("probed an open window")
			}
			if p.ss.Buffered() != 0 {
				t.Errorf("%d bytes left in the buffer", p.ss.Buffered())
			}
		})
	}
}

// RFC 7016 §3.6.2.9.1: the acknowledgement that opens the window may get lost; a probe finds out.
func TestWindowProbeFindsItOpen(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
	f := p.settled(rtmfp.FlowOptions{})
	recv := p.srv.flows[0]
	recv.SetCapacity(3000)
	recv.Suspend()
	for i := range 50 {
		p.write(f, rtmfp.Message{}, numbered(i, 1000))
	}
	p.until("the window is closed", time.Minute, func() bool { return f.Window() == 0 })
	p.net.Run(20 * time.Second)
	p.reset()
	p.pass = func(fp *flowPacket) bool { return !downAck(fp) } // all are lost
	recv.Resume(p.net.Now())
	p.server.Wake()
	p.net.Run(time.Second)
	p.pass = nil
	p.acked(f)
	if len(p.srv.all) != 51 || p.count(probe) == 0 {
		t.Errorf("%d messages, %d probes", len(p.srv.all), p.count(probe))
	}
}

// A window of 0 is fatal for old clients. An open flow never says it, however small its buffer and whatever
// is missing (RFC 7016 §3.6.3.5); and a small window slows the sender down but never stops it.
func TestWindowNeverZero(t *testing.T) {
	for _, capacity := range []int{1, 1000, 1024, 5000, 20_000} {
		for _, arrival := range []bool{false, true} {
			p := newFlowRig(t, worldConfig{seed: uint64(capacity), link: simnet.Link{Delay: way, Loss: 0.05, Jitter: 5 * ms}})
			p.srv.onFlow = func(_ rtmfp.Time, f *rtmfp.RecvFlow) {
				f.SetCapacity(capacity)
				f.SetArrivalOrder(arrival)
			}
			f := p.dataFlow(rtmfp.FlowOptions{})
			p.within(f)
			for i := range 60 {
				p.write(f, rtmfp.Message{}, numbered(i, 100*i))
			}
			p.acked(f)
			if len(p.srv.all) != 60 {
				t.Errorf("capacity %d, arrival %v: %d messages", capacity, arrival, len(p.srv.all))
			}
			for _, s := range p.sent {
				for _, c := range s.chunks {
					if !s.up && c.IsAck() && (c.Blocks == 0 || c.Blocks > uint64(capacity+1023)/1024) {
						t.Fatalf("capacity %d: a window of %d blocks", capacity, c.Blocks)
					}
				}
			}
			if n := p.count(probe); n > 0 {
				t.Errorf("capacity %d: %d probes", capacity, n)
			}
		}
	}
}

// A slow receiver: each message is taken out of the window only when it is wanted.
func TestWindowSlowReceiver(t *testing.T) {
	const n, size = 120, 2000
	p := newFlowRig(t, worldConfig{seed: 3, link: cleanLink})
	var recv *rtmfp.RecvFlow
	most := 0
	p.srv.onFlow = func(_ rtmfp.Time, f *rtmfp.RecvFlow) {
		recv = f
		f.SetCapacity(16 << 10)
	}
	p.srv.onMessage = func(now rtmfp.Time, f *rtmfp.RecvFlow, _ []byte) {
		most = max(most, p.ss.Buffered())
		f.Suspend() // busy with it for a while
		p.net.After(50*ms, func() {
			f.Resume(p.net.Now())
			p.server.Wake()
		})
	}
	f := p.dataFlow(rtmfp.FlowOptions{})
	p.within(f)
	var want []string
	for i := range n {
		want = append(want, numbered(i, size))
		p.write(f, rtmfp.Message{}, want[i])
	}
	p.acked(f)
	p.net.Run(time.Minute)
	p.want(want...)
	if most > 16<<10+rtmfp.InitialWindow {
		t.Errorf("held %d bytes", most)
	}
	if p.client.Endpoint().Counters().FragmentsLost.Load() > 0 || recv == nil {
		t.Errorf("%d fragments lost", p.client.Endpoint().Counters().FragmentsLost.Load())
	}
}

// Before the first acknowledgement the window is 64 KiB (RFC 7016 §3.6.2).
func TestWindowInitial(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 4, link: simnet.Link{Delay: ms}})
	warm := p.settled(rtmfp.FlowOptions{})
	for i := range 300 { // a fast path with a large congestion window
		p.write(warm, rtmfp.Message{}, numbered(i, 1150))
	}
	p.acked(warm)
	if c := p.cs.Congestion(); c.Window < rtmfp.InitialWindow+10_000 {
		t.Fatalf("window %d", c.Window)
	}
	p.write(warm, rtmfp.Message{}, "x") // keeps the path from being idle
	f := p.dataFlow(rtmfp.FlowOptions{})
	p.within(f)
	for i := range 150 {
		p.write(f, rtmfp.Message{}, numbered(i, 1150))
	}
	p.reset()
	p.net.Run(ms)
	sent := 0
	for _, s := range p.sent {
		for _, c := range s.user() {
			if c.Flow == f.ID() {
				sent += c.Size
			}
		}
	}
	if sent < rtmfp.InitialWindow || sent > rtmfp.InitialWindow+rtmfp.SegmentSize {
		t.Errorf("sent %d bytes before the first acknowledgement", sent)
	}
	p.acked(f)
}
