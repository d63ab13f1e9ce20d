package rtmfp_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// fill writes n messages of size bytes.
func (p *flowRig) fill(f *rtmfp.SendFlow, n, size int) {
	for i := range n {
		p.write(f, rtmfp.Message{}, numbered(i, size))
	}
}

// RFC 7016 §3.5.2.3: six packets with user data at once, then they are paced over the round trip until
// something is acknowledged.
func TestFlowBurstLimit(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
	f := p.settled(rtmfp.FlowOptions{})
	p.fill(f, 300, 1150) // the window grows, and is not idle
	p.until("a large window", time.Minute, func() bool { return p.cs.Congestion().Window > 60_000 })
	p.acked(f)
	p.net.Run(30 * ms)
	c, srtt := p.cs.Congestion(), p.cs.RTT()
	if c.Burst != 0 || c.Window < 50_000 || srtt < 2*way || srtt > 2*way+8*ms {
		t.Fatalf("%+v, round trip %v", c, srtt)
	}
	p.reset()
	t0 := p.net.Now()
	p.fill(f, 60, 1150)
	p.net.Run(2*way - 5*ms) // no acknowledgement can be there
	pace := srtt * rtmfp.SegmentSize / time.Duration(c.Window)
	var times []time.Duration
	for _, s := range p.sent {
		if upData(&s) {
			times = append(times, s.at.Sub(t0))
		}
	}
	if len(times) <= rtmfp.BurstPackets || times[rtmfp.BurstPackets-1] != 0 {
		t.Fatalf("sent after %v", times)
	}
	for i := rtmfp.BurstPackets; i < len(times); i++ {
		if d := times[i] - times[i-1]; d != pace {
			t.Errorf("packet %d %v after the one before, want %v", i, d, pace)
		}
	}
	p.acked(f)
}

// The losses of one burst cut the window once, be they at its beginning or at its end.
func TestFlowOneBurstOneCut(t *testing.T) {
	// window loses the packets with these numbers. It returns the window before and after all losses
	// were found, and the number of packets sent when the first one was.
	window := func(lose ...int) (before, after, sent int) {
		p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
		f := p.settled(rtmfp.FlowOptions{})
		p.fill(f, 1000, 1150)
		p.until("a window of 20 packets", time.Minute, func() bool { return p.cs.Congestion().Window > 20*rtmfp.SegmentSize })
		lost := &p.client.Endpoint().Counters().FragmentsLost
		n := 0
		p.pass = func(fp *flowPacket) bool {
			if !upData(fp) {
				return true
			}
			if n++; lost.Load() == 0 {
				before, sent = p.cs.Congestion().Window, n
			}
			return !slices.Contains(lose, n)
		}
		p.until("all losses are found", time.Minute, func() bool { return lost.Load() == uint64(len(lose)) })
		after = p.cs.Congestion().Window
		p.acked(f)
		return before, after, sent
	}
	before, after, n := window(3)
	if n < 30 || after < before*45/100 || after > before/2 {
		t.Errorf("one of %d packets lost: window %d became %d", n, before, after)
	}
	for _, lose := range [][]int{{3, 5, 8}, {3, 20, 36}, {3, n / 2, n - 9}, {3, n - 2}, {3, n - 1}, {3, n}, {3, n - 1, n}} {
		if before, after, _ := window(lose...); after < before*42/100 || after > before*52/100 {
			t.Errorf("packets %v of %d lost: window %d became %d", lose, n, before, after)
		}
	}
}

// Below a round trip that can be measured, pacing makes no sense: the window alone counts.
func TestFlowNoBurstLimitNearby(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: simnet.Link{Delay: ms}})
	f := p.settled(rtmfp.FlowOptions{})
	p.fill(f, 100, 1150)
	p.until("some window", time.Minute, func() bool { return p.cs.Congestion().Window > 20*rtmfp.SegmentSize })
	p.acked(f)
	p.reset()
	p.fill(f, 40, 1150)
	p.net.Run(ms / 2)
	if n := p.count(upData); n < 18 {
		t.Errorf("%d packets at once", n)
	}
}

// RFC 7016 §2.2.4: packets with time critical data say so, others do not.
func TestFlowTimeCriticalFlag(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
	f := p.settled(rtmfp.FlowOptions{Priority: rtmfp.PriorityAudio, TimeCritical: true})
	g := p.settled(rtmfp.FlowOptions{})
	for i := range 4 {
		p.reset()
		if i%2 == 0 {
			p.write(f, rtmfp.Message{}, "audio")
		}
		if i > 1 {
			p.write(g, rtmfp.Message{}, "data")
		}
		p.net.Run(time.Second)
		for _, s := range p.sent {
			if got := s.flags&rtmfp.FlagTimeCritical != 0; got != (upData(&s) && i%2 == 0) {
				t.Errorf("round %d: packet with %d chunks, flag %v", i, len(s.chunks), got)
			}
		}
	}
}

// trio is a client with sessions to two servers.
func trio(t *testing.T, client rtmfp.Config) (p *flowRig, other *rtmfp.Session, second *recorder) {
	t.Helper()
	p = newFlowRig(t, worldConfig{seed: 1, link: cleanLink, client: client})
	second = new(recorder)
	id := must(rtmfp.NewServerIdentity(simnet.New(77).Reader(), "", 2))
	n := p.net.AddNode("192.0.2.9:1935", rtmfp.Config{Identity: id}, func(s *simnet.Shard) simnet.Handler {
		second.shard = s
		return second
	})
	s, err := p.client.Endpoint().Dial(p.net.Now(), rtmfp.DialConfig{EPD: rtmfp.EPDForURI("rtmfp://x/"), Addrs: addrs(n.Addr().String())})
	if err != nil {
		t.Fatal(err)
	}
	p.client.Wake()
	p.until("the second session", time.Minute, func() bool { return s.IsOpen() })
	p.net.Run(time.Second)
	return p, s, second
}

// RFC 7016 §3.5.2.1: who receives real-time data tells its other senders, who then grow slowly; the one
// who sends the real-time data is not told.
func TestFlowTimeCriticalReverse(t *testing.T) {
	grow := func(audio, reverse bool) int {
		p, _, second := trio(t, rtmfp.Config{TimeCriticalReverse: reverse})
		live, err := second.sessions[0].Open(p.net.Now(), []byte("live"), rtmfp.FlowOptions{TimeCritical: true})
		if err != nil {
			t.Fatal(err)
		}
		bulk := p.flow(p.ss, rtmfp.FlowOptions{})
		for i := range 600 {
			if audio {
				if _, err := live.Write(p.net.Now(), rtmfp.Message{Body: rtmfp.CopyBuffer([]byte("audio"))}); err != nil {
					t.Fatal(err)
				}
				second.shard.Post(nil) // send
			}
			p.write(bulk, rtmfp.Message{}, numbered(i, 1150))
			p.net.Run(ms)
		}
		told := p.count(func(s *flowPacket) bool { return s.up && s.flags&rtmfp.FlagTimeCriticalReverse != 0 })
		if (told > 20) != (audio && reverse) || (told > 0) != (audio && reverse) {
			t.Errorf("audio %v, reverse %v: %d packets with the notification", audio, reverse, told)
		}
		return p.ss.Congestion().Window
	}
	fast, slow, untold := grow(false, true), grow(true, true), grow(true, false)
	if slow > fast/3 || slow < rtmfp.CwndInit || untold != fast {
		t.Errorf("window %d without real-time data elsewhere, %d with, %d when not told", fast, slow, untold)
	}
}

// RFC 7016 App. A.2: who sends real-time data on one session is gentle on the others.
func TestFlowTimeCriticalElsewhere(t *testing.T) {
	grow := func(audio bool) int {
		p, other, _ := trio(t, rtmfp.Config{})
		live := p.flow(other, rtmfp.FlowOptions{TimeCritical: true})
		bulk := p.dataFlow(rtmfp.FlowOptions{})
		for i := range 600 {
			if audio {
				p.write(live, rtmfp.Message{}, "audio")
			}
			p.write(bulk, rtmfp.Message{}, numbered(i, 1150))
			p.net.Run(ms)
		}
		return p.cs.Congestion().Window
	}
	if fast, slow := grow(false), grow(true); slow > fast/3 {
		t.Errorf("window %d without, %d with real-time data elsewhere", fast, slow)
	}
}

// A megabit and 40 ms: the capacity is used, and one per cent of loss does not bring it down.
func TestFlowThroughput(t *testing.T) {
	const rate = 1_000_000 / 8
	for _, tt := range []struct {
		loss         float64
		timeCritical bool
		atLeast      float64
	}{{0, false, 0.85}, {0, true, 0.85}, {0.01, false, 0.80}, {0.01, true, 0.80}, {0.05, false, 0.3}} {
		for _, queue := range []int{10_000, 64_000} {
			name := fmt.Sprintf("loss %v, queue %d, time critical %v", tt.loss, queue, tt.timeCritical)
			p := newFlowRig(t, worldConfig{seed: 1, link: simnet.Link{Delay: 20 * ms, Rate: rate, Queue: queue, Loss: tt.loss}})
			bytes := 0
			p.srv.onMessage = func(_ rtmfp.Time, _ *rtmfp.RecvFlow, b []byte) { bytes += len(b) }
			f := p.dataFlow(rtmfp.FlowOptions{TimeCritical: tt.timeCritical})
			const d = 20 * time.Second
			for i := 0; p.net.Now() < rtmfp.Time(time.Hour+d); i++ {
				for f.Queued() < 200_000 {
					p.write(f, rtmfp.Message{}, numbered(i, 4000))
				}
				p.net.Run(100 * ms)
			}
			if share := float64(bytes) / rate / d.Seconds(); share < tt.atLeast || share > 1 {
				t.Errorf("%s: %.0f %% of the capacity", name, 100*share)
			}
		}
	}
}

// Two sessions share a link about equally, also when one comes later.
func TestFlowFairness(t *testing.T) {
	const rate = 250_000
	for _, head := range []time.Duration{0, 5 * time.Second} {
		p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
		rec := new(recorder)
		second := p.net.AddNode("198.51.100.8:50000", rtmfp.Config{Identity: otherPeer}, func(s *simnet.Shard) simnet.Handler {
			rec.shard = s
			return rec
		})
		s2, err := second.Endpoint().Dial(p.net.Now(), rtmfp.DialConfig{EPD: rtmfp.EPDForURI("rtmfp://x/"), Addrs: addrs(p.server.Addr().String())})
		if err != nil {
			t.Fatal(err)
		}
		second.Wake()
		p.until("the second session", time.Minute, func() bool { return s2.IsOpen() })
		p.net.SetBottleneck([]*simnet.Node{p.client, second}, []*simnet.Node{p.server}, simnet.Link{Delay: way, Rate: rate, Queue: 20_000})
		bytes := map[*rtmfp.Session]int{}
		p.srv.onMessage = func(_ rtmfp.Time, f *rtmfp.RecvFlow, b []byte) { bytes[f.Session()] += len(b) }
		flows := []*rtmfp.SendFlow{p.dataFlow(rtmfp.FlowOptions{}), p.flow(s2, rtmfp.FlowOptions{})}
		run := func(d time.Duration, flows ...*rtmfp.SendFlow) {
			for end := p.net.Now().Add(d); p.net.Now() < end; p.net.Run(50 * ms) {
				for _, f := range flows {
					for f.Queued() < 200_000 {
						p.write(f, rtmfp.Message{}, numbered(1, 4000))
					}
				}
				second.Wake()
			}
		}
		run(head, flows[0])
		run(5*time.Second, flows...) // until they have found their shares
		clear(bytes)
		run(30*time.Second, flows...)
		var shares []float64
		for _, s := range p.srv.sessions {
			shares = append(shares, float64(bytes[s])/rate/30)
		}
		if len(shares) != 2 || shares[0]+shares[1] < 0.8 || min(shares[0], shares[1]) < 0.25 {
			t.Errorf("shares of the link: %.2f", shares)
		}
	}
}
