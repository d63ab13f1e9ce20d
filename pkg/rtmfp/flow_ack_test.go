package rtmfp_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// one-way delay of cleanLink
const way = 20 * ms

// RFC 7016 §3.6.3.4.1 and §3.6.3.4.4: when acknowledgements are sent.
func TestFlowAckTiming(t *testing.T) {
	writeApart := func(p *flowRig, f *rtmfp.SendFlow, n int) {
		for i := range n {
			p.write(f, rtmfp.Message{}, numbered(i, 100))
			p.net.Run(ms)
		}
	}
	for _, tt := range []struct {
		what string
		do   func(p *flowRig, f *rtmfp.SendFlow)
		want []time.Duration
	}{
		{"one packet: after 200 ms", func(p *flowRig, f *rtmfp.SendFlow) { writeApart(p, f, 1) }, []time.Duration{way + 200*ms}},
		{"every second packet", func(p *flowRig, f *rtmfp.SendFlow) { writeApart(p, f, 4) }, []time.Duration{way + 1*ms, way + 3*ms}},
		{"an odd one waits", func(p *flowRig, f *rtmfp.SendFlow) { writeApart(p, f, 3) }, []time.Duration{way + 1*ms, way + 202*ms}},
		{"a gap, and all while it is there", func(p *flowRig, f *rtmfp.SendFlow) {
			p.dropSeq(2)
			writeApart(p, f, 4)
			p.pass = func(fp *flowPacket) bool { return !hasSeq(2)(fp) }
		}, []time.Duration{way + 1*ms, way + 2*ms, way + 3*ms}},
		{"the packet that fills it", func(p *flowRig, f *rtmfp.SendFlow) {
			p.dropSeq(2)
			writeApart(p, f, 4)
		}, []time.Duration{way + 1*ms, way + 2*ms, way + 3*ms, 3*way + 3*ms}},
		{"a duplicate", func(p *flowRig, f *rtmfp.SendFlow) {
			writeApart(p, f, 1)
			p.net.Run(299 * ms)
			p.again(p.find(upData))
		}, []time.Duration{way + 200*ms, 300 * ms}},
		{"the end of the flow", func(p *flowRig, f *rtmfp.SendFlow) {
			f.Close(p.net.Now())
			p.client.Wake()
		}, []time.Duration{way}},
		{"a flow that opens", func(p *flowRig, _ *rtmfp.SendFlow) {
			writeApart(p, p.dataFlow(rtmfp.FlowOptions{}), 1)
		}, []time.Duration{way}},
		{"given up", func(p *flowRig, f *rtmfp.SendFlow) {
			p.write(f, rtmfp.Message{StartBy: p.net.Now()}, "late")
		}, []time.Duration{way}},
		{"a buffer probe", func(p *flowRig, f *rtmfp.SendFlow) {
			p.net.Run(5 * ms)
			p.forge(rtmfp.MakeBufferProbe(f.ID()))
		}, []time.Duration{5 * ms}},
		{"a probe of a flow that is unknown", func(p *flowRig, f *rtmfp.SendFlow) {
			p.forge(rtmfp.MakeBufferProbe(f.ID() + 7))
		}, nil},
		{"a window below two blocks", func(p *flowRig, f *rtmfp.SendFlow) {
			p.srv.flows[0].SetCapacity(1000)
			writeApart(p, f, 3)
		}, []time.Duration{way, way + 1*ms, way + 2*ms}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
			f := p.settled(rtmfp.FlowOptions{})
			t0 := p.net.Now()
			tt.do(p, f)
			p.net.Run(t0.Add(400 * ms).Sub(p.net.Now()))
			if got := p.acks(t0); !slices.Equal(got, tt.want) {
				t.Errorf("acknowledged after %v, want %v", got, tt.want)
			}
		})
	}
}

// RFC 7016 §3.6.3.4.6: acknowledgements of all flows go out together, and with data.
func TestFlowAckTogether(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
	f, g := p.settled(rtmfp.FlowOptions{}), p.settled(rtmfp.FlowOptions{})
	back, err := p.ss.Open(p.net.Now(), []byte("back"), rtmfp.FlowOptions{Assoc: p.srv.flows[0]})
	if err != nil {
		t.Fatal(err)
	}
	p.write(back, rtmfp.Message{}, "hello")
	p.acked(back)
	p.net.Run(time.Second)

	p.reset()
	p.write(f, rtmfp.Message{}, "to f")
	p.net.Run(10 * ms)
	p.write(g, rtmfp.Message{}, "to g")
	p.net.Run(30 * ms)
	if n := p.count(downAck); n != 1 {
		t.Fatalf("%d packets with acknowledgements", n)
	}
	if a := p.find(downAck); len(a.chunks) != 2 || a.chunks[0].Flow == a.chunks[1].Flow {
		t.Errorf("%+v", a.chunks)
	}

	p.reset()
	p.write(f, rtmfp.Message{}, "to f")
	p.net.Run(50 * ms)
	p.write(back, rtmfp.Message{}, "an answer")
	p.net.Run(time.Second)
	if n := p.count(func(s *flowPacket) bool { return !s.up }); n != 1 {
		t.Errorf("%d packets of the server, want the data with the acknowledgement", n)
	}
	if s := p.find(downAck); s == nil || len(s.user()) != 1 {
		t.Error("no acknowledgement with the data")
	}
}

// RFC 7016 §3.6.1.3 and §3.6.3.4.3: every acknowledgement says exactly what was received.
func TestFlowAckRangesExact(t *testing.T) {
	for seed := range uint64(5) {
		p := newFlowRig(t, worldConfig{seed: seed, link: cleanLink})
		f := p.dataFlow(rtmfp.FlowOptions{})
		r := rand.New(rand.NewPCG(seed, 1))
		set, top := map[uint64]bool{}, uint64(0) // what arrived
		checked, ranges := 0, 0
		p.net.Trace = func(_ rtmfp.Time, from, _ netip.AddrPort, data []byte) {
			pkt, _ := p.ss.TakeApart(data)
			chunks, _ := pkt.FlowChunks()
			for _, c := range chunks {
				if from != p.client.Addr() || !c.IsData() {
					continue
				}
				for k := uint64(1); k <= c.FSN; k++ {
					set[k] = true
				}
				set[c.Seq] = true
				top = max(top, c.Seq)
			}
		}
		p.pass = func(fp *flowPacket) bool {
			if fp.up {
				return len(fp.user()) == 0 || r.IntN(100) >= 15
			}
			a := fp.ack()
			if a == nil {
				return true
			}
			said := map[uint64]bool{}
			for k := uint64(1); k <= a.Cumulative; k++ {
				said[k] = true
			}
			for _, g := range a.Ranges {
				for k := g[0]; k <= g[1]; k++ {
					said[k] = true
				}
				ranges++
			}
			for k := uint64(1); k <= max(top, a.Cumulative)+1; k++ {
				if set[k] != said[k] {
					t.Errorf("seed %d at %v: acknowledges %d: %v, but received: %v", seed, time.Duration(fp.at), k, said[k], set[k])
					return true
				}
			}
			checked++
			return true
		}
		for i := range 400 {
			m := rtmfp.Message{}
			if i%5 == 0 {
				m.FinishBy = p.net.Now().Add(50 * ms)
			}
			p.write(f, m, numbered(i, 700))
			p.net.Run(3 * ms)
		}
		p.acked(f)
		if checked < 100 || ranges < 50 {
			t.Errorf("seed %d: only %d acknowledgements with %d ranges seen", seed, checked, ranges)
		}
	}
}

// RFC 7016 §3.6.3.4.2: a first acknowledgement is cut to fit its packet, others wait for the next one.
func TestFlowAckTruncated(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
	const step = 1 << 22 // so that each range takes five bytes
	fragment := func(flow, i uint64) rtmfp.Chunk {
		c := rtmfp.FlowChunk{Flow: flow, Seq: 1 + (i+1)*step, Data: []byte("x")}
		if i == 0 {
			c.Options = rtmfp.MetadataOption("m")
		}
		return rtmfp.MakeUserData(c)
	}
	for i := range uint64(rtmfp.MaxAckRanges) {
		p.forge(fragment(99, i))
	}
	last := &p.sent[len(p.sent)-1]
	if n := len(last.ack().Ranges); n < 200 || n >= rtmfp.MaxAckRanges || last.size > rtmfp.MaxDatagram {
		t.Errorf("%d ranges in %d bytes", n, last.size)
	}
	p.reset()
	for i := range uint64(150) { // together they need more than a packet
		p.forge(fragment(97, i), fragment(98, i))
	}
	seen := map[uint64]int{}
	for _, s := range p.sent[len(p.sent)-2:] {
		for _, c := range s.chunks {
			seen[c.Flow] = len(c.Ranges)
		}
	}
	if seen[97] != 150 || seen[98] != 150 {
		t.Errorf("ranges acknowledged: %v", seen)
	}
}

// RFC 7016 §3.6.2.5: a fragment is lost after three negative acknowledgements, not before, and goes out
// again at once.
func TestFlowLossAfterThreeNAKs(t *testing.T) {
	for later := 1; later <= 4; later++ {
		t.Run(fmt.Sprintf("%d packets after it", later), func(t *testing.T) {
			p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
			f := p.settled(rtmfp.FlowOptions{})
			t0 := p.net.Now()
			p.dropSeq(2)
			for i := range later + 1 {
				p.write(f, rtmfp.Message{}, numbered(i, 1000))
				p.net.Run(ms)
			}
			erto := time.Duration(p.cs.ERTO())
			p.acked(f)
			n := 0
			for _, s := range p.sent {
				if !hasSeq(2)(&s) {
					continue
				}
				if n++; n == 1 {
					continue
				}
				// The first packet after the lost one is number 2 of the millisecond 1.
				want := 2*way + 3*ms
				if later < 3 {
					want = 2*way + time.Duration(later)*ms + erto // since the last acknowledgement
				}
				got := s.at.Sub(t0)
				if later >= 3 && got != want || later < 3 && (got < erto || got > want+50*ms) {
					t.Errorf("again after %v, want %v", got, want)
				}
			}
			if n != 2 {
				t.Errorf("sent %d times", n)
			}
			if st := p.cs.Stats(); st.FragmentsLost != 1 {
				t.Errorf("%d lost", st.FragmentsLost)
			}
			if got := p.client.Endpoint().Counters().Timeouts.Load(); (got == 0) != (later >= 3) {
				t.Errorf("%d timeouts", got)
			}
		})
	}
}

// Reordering by less than three packets repeats nothing.
func TestFlowReorderingIsNoLoss(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: simnet.Link{Delay: way}})
	f := p.settled(rtmfp.FlowOptions{})
	for i := range 5 {
		if i == 1 { // overtaken by two
			p.net.SetLink(p.client, p.server, simnet.Link{Delay: way + 2*ms + ms/2})
		} else {
			p.net.SetLink(p.client, p.server, simnet.Link{Delay: way})
		}
		p.write(f, rtmfp.Message{}, numbered(i, 500))
		p.net.Run(ms)
	}
	p.acked(f)
	if st := p.cs.Stats(); st.FragmentsLost != 0 {
		t.Errorf("%d taken for lost", st.FragmentsLost)
	}
	if n := p.count(upData); n != 5 {
		t.Errorf("%d packets", n)
	}
}

// RFC 7016 §3.6.2.6 and §3.5.2.2: without any acknowledgement, everything goes out again after ERTO,
// which grows by √2 to 10 s; the window is that of App. A, figure 24; in the end the session is given up.
func TestFlowTimeoutBackoff(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
	f := p.settled(rtmfp.FlowOptions{})
	p.pass = func(*flowPacket) bool { return false }
	erto := time.Duration(p.cs.ERTO())
	if erto < 250*ms || erto > 600*ms {
		t.Errorf("timeout of %v on a path of 40 ms", erto)
	}
	t0 := p.net.Now()
	p.write(f, rtmfp.Message{}, "x")
	p.until("the session is given up", time.Minute, func() bool { return len(p.cli.closed) > 0 })
	if d := p.net.Now().Sub(t0); d < rtmfp.DefaultRetransmitLimit || d > rtmfp.DefaultRetransmitLimit+time.Second {
		t.Errorf("given up after %v", d)
	}
	if p.cli.closed[0] != rtmfp.ErrPeerGone || len(p.cli.sendEnds) != 1 || p.cli.sendEnds[0] != rtmfp.ErrPeerGone {
		t.Errorf("closed %v, flow ended %v", p.cli.closed, p.cli.sendEnds)
	}
	var times []rtmfp.Time
	for _, s := range p.sent {
		if upData(&s) {
			times = append(times, s.at)
		}
	}
	if len(times) < 6 {
		t.Fatalf("sent %d times", len(times))
	}
	for i := 1; i < len(times); i++ {
		got, want := times[i].Sub(times[i-1]), min(erto, 10*time.Second)
		if (got - want).Abs() > ms {
			t.Errorf("repetition %d after %v, want %v", i, got, want)
		}
		erto = min(erto*14142/10000, 10*time.Second)
	}
}

func TestFlowTimeoutWindow(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
	f := p.settled(rtmfp.FlowOptions{})
	for i := range 100 { // let the window grow
		p.write(f, rtmfp.Message{}, numbered(i, 1000))
	}
	p.acked(f)
	before := p.cs.Congestion()
	if before.Window < 4*rtmfp.CwndInit {
		t.Fatalf("window %d", before.Window)
	}
	p.pass = func(*flowPacket) bool { return false }
	for i := range 20 {
		p.write(f, rtmfp.Message{}, numbered(i, 1000))
	}
	p.reset()
	timeouts := &p.client.Endpoint().Counters().Timeouts
	p.until("a timeout", 10*time.Second, func() bool { return timeouts.Load() == 1 })
	if c := p.cs.Congestion(); c.Window != 2*rtmfp.SegmentSize || c.Threshold < before.Window*3/4 {
		t.Errorf("after the timeout: %+v, before %+v", c, before)
	}
	p.pass = nil
	p.acked(f)
	n := timeouts.Load()
	if len(p.srv.all) != 121 {
		t.Errorf("%d messages", len(p.srv.all))
	}
	// A window that is idle for that long starts anew, but knows how far it may grow quickly.
	p.net.Run(time.Second)
	if c := p.cs.Congestion(); c.Window != rtmfp.CwndInit {
		t.Errorf("idle: %+v", c)
	}
	if timeouts.Load() != n {
		t.Error("idleness was counted as a timeout")
	}
}
