package rtmfp_test

import (
	"testing"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// flowOrder returns the flows of the fragments that the client sent, in order.
func (p *flowRig) flowOrder() (list []uint64) {
	for _, s := range p.sent {
		for _, c := range s.user() {
			if s.up {
				list = append(list, c.Flow)
			}
		}
	}
	return list
}

// RFC 7016 §3.6.1.2: flows are the units of prioritization. What has a higher priority goes first, in
// the same packet too.
func TestPriorityOrder(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
	var flows []*rtmfp.SendFlow
	for prio := rtmfp.PriorityBackground; prio <= rtmfp.PriorityCommand; prio++ {
		flows = append(flows, p.settled(rtmfp.FlowOptions{Priority: prio}))
	}
	p.reset()
	for _, f := range flows { // written lowest first
		p.write(f, rtmfp.Message{}, "a message")
	}
	p.net.Run(ms)
	order := p.flowOrder()
	if len(order) != len(flows) || p.count(upData) != 1 {
		t.Fatalf("%d fragments in %d packets", len(order), p.count(upData))
	}
	for i, id := range order {
		if id != flows[len(flows)-1-i].ID() {
			t.Errorf("order %v", order)
			break
		}
	}
	// A priority beyond the last counts as the last.
	top := p.settled(rtmfp.FlowOptions{Priority: 200})
	p.write(flows[len(flows)-2], rtmfp.Message{}, "audio")
	p.write(top, rtmfp.Message{}, "command")
	p.net.Run(ms)
	if order := p.flowOrder(); len(order) != 2 || order[0] != top.ID() {
		t.Errorf("order %v", order)
	}
}

// Audio and commands overtake a backlog of bulk data on a slow link: they wait for what is in the
// network, not for what is queued.
func TestPriorityOvertakesBacklog(t *testing.T) {
	const rate = 60_000
	p := newFlowRig(t, worldConfig{seed: 1, link: simnet.Link{Delay: way, Rate: rate, Queue: 6000}})
	bulk := p.settled(rtmfp.FlowOptions{Priority: rtmfp.PriorityBulk})
	audio := p.settled(rtmfp.FlowOptions{Priority: rtmfp.PriorityAudio})
	command := p.settled(rtmfp.FlowOptions{Priority: rtmfp.PriorityCommand})
	at := p.arrivals()
	for i := range 400 { // more than six seconds
		p.write(bulk, rtmfp.Message{}, numbered(i, 1000))
	}
	p.net.Run(2 * 1000 * ms)
	for i := range 20 {
		t0 := p.net.Now()
		p.reset()
		p.write(audio, rtmfp.Message{}, numbered(10_000+i, 200))
		p.write(command, rtmfp.Message{}, numbered(20_000+i, 50))
		a, c := numbered(10_000+i, 200), numbered(20_000+i, 50)
		p.until("audio and command", 1000*ms, func() bool { return at[a] != 0 && at[c] != 0 })
		if at[a].Sub(t0) > 350*ms || at[c].Sub(t0) > 350*ms {
			t.Errorf("round %d: audio after %v, command after %v", i, at[a].Sub(t0), at[c].Sub(t0))
		}
		order := p.flowOrder()
		for k, id := range order {
			if id == audio.ID() {
				if k == 0 || order[k-1] != command.ID() {
					t.Errorf("round %d: order %v", i, order)
				}
				break
			}
		}
	}
	if _, oldest := bulk.Backlog(); oldest == 0 {
		t.Error("there was no backlog in the end: the test shows nothing")
	}
}

// Lower priorities get what the higher ones leave, also when these go on for ever.
func TestPriorityLeavesTheRest(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: simnet.Link{Delay: way, Rate: 100_000}})
	low := p.settled(rtmfp.FlowOptions{Priority: rtmfp.PriorityBackground})
	high := p.settled(rtmfp.FlowOptions{Priority: rtmfp.PriorityVideo})
	for i := range 100 {
		p.write(low, rtmfp.Message{}, numbered(i, 1000))
	}
	for i := range 200 { // half of the rate
		p.write(high, rtmfp.Message{}, numbered(1000+i, 500))
		p.net.Run(10 * ms)
	}
	got := 0
	for _, m := range p.srv.all {
		if len(m) == 1000 {
			got++
		}
	}
	if got < 60 { // of about 80 that could fit
		t.Errorf("%d messages of the low priority in 2 s", got)
	}
	p.acked(low)
}

// Within one priority every flow has its turn, packet by packet, however much one has queued.
func TestPriorityRoundRobin(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: simnet.Link{Delay: way, Rate: 100_000}})
	var flows []*rtmfp.SendFlow
	for range 3 {
		flows = append(flows, p.settled(rtmfp.FlowOptions{Priority: rtmfp.PriorityData}))
	}
	p.reset()
	for i := range 3 {
		for range 200 / (i + 1) {
			p.write(flows[i], rtmfp.Message{}, numbered(i, 1100))
		}
	}
	p.until("half a second's worth", 1000*1000*ms, func() bool { return p.count(upData) >= 90 })
	bytes := map[uint64]int{}
	for _, s := range p.sent {
		for _, c := range s.user() {
			bytes[c.Flow] += len(c.Data)
		}
	}
	for _, f := range flows {
		if b := bytes[f.ID()]; b < 25*1100 || b > 35*1100 {
			t.Errorf("of 90 packets: %v", bytes)
			break
		}
	}
	// Nobody waits for more than a turn of the others.
	last := map[uint64]int{}
	for i, id := range p.flowOrder() {
		if l, ok := last[id]; ok && i-l > 8 && i < 150 {
			t.Errorf("flow %d waited from fragment %d to %d", id, l, i)
		}
		last[id] = i
	}
}

// A flow whose receiver closed its window does not hold up the others of its priority.
func TestPriorityClosedWindow(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
	f := p.settled(rtmfp.FlowOptions{Priority: rtmfp.PriorityCommand})
	g := p.settled(rtmfp.FlowOptions{Priority: rtmfp.PriorityCommand})
	h := p.settled(rtmfp.FlowOptions{Priority: rtmfp.PriorityBulk})
	p.srv.flows[0].SetCapacity(2000)
	p.srv.flows[0].Suspend()
	for i := range 100 {
		p.write(f, rtmfp.Message{}, numbered(i, 1000))
	}
	p.until("the window closed", 1000*1000*ms, func() bool { return f.Window() == 0 })
	p.write(g, rtmfp.Message{}, "same priority")
	p.write(h, rtmfp.Message{}, "lower priority")
	p.net.Run(2 * way)
	p.want("hello", "hello", "hello", "same priority", "lower priority")
}
