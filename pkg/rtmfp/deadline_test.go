package rtmfp_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// arrivals records when the server got each message.
func (p *flowRig) arrivals() map[string]rtmfp.Time {
	at := map[string]rtmfp.Time{}
	p.srv.onMessage = func(now rtmfp.Time, _ *rtmfp.RecvFlow, b []byte) { at[string(b)] = now }
	return at
}

// fsnUpdate matches packets of the client with nothing but a forward sequence number update
// (RFC 7016 §3.6.2.7.1).
func fsnUpdate(p *flowPacket) bool {
	d := p.user()
	return p.up && len(d) == 1 && d[0].Abandon && !d[0].Final && d[0].Seq == d[0].FSN && len(d[0].Data) == 0
}

// RFC 7016 §3.6.2.7: what was not begun in time is never sent; what is behind it does not wait.
func TestDeadlineStartBy(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: simnet.Link{Delay: way, Rate: 50_000}})
	f := p.settled(rtmfp.FlowOptions{})
	now := p.net.Now()
	bulk := string(pattern(60_000))                                                         // more than a second
	p.write(f, rtmfp.Message{}, bulk)                                                       // occupies the link
	p.write(f, rtmfp.Message{StartBy: now.Add(300 * ms)}, "too late")                       //
	p.write(f, rtmfp.Message{StartBy: now.Add(time.Minute)}, "in time")                     //
	p.write(f, rtmfp.Message{StartBy: now.Add(200 * ms), FinishBy: now.Add(time.Hour)}, "") // empty ones, too
	p.write(f, rtmfp.Message{}, "last")
	p.acked(f)
	p.want("hello", bulk, "in time", "last")
	if f.Abandoned() != 2 || p.client.Endpoint().Counters().MessagesAbandoned.Load() != 2 {
		t.Errorf("%d abandoned", f.Abandoned())
	}
	for _, s := range p.sent {
		for _, c := range s.user() {
			if string(c.Data) == "too late" {
				t.Error("sent anyway")
			}
		}
	}
}

// A message of which something was sent in time goes on, however late.
func TestDeadlineStartByBegun(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: simnet.Link{Delay: way, Rate: 50_000}})
	f := p.settled(rtmfp.FlowOptions{})
	p.pass = func(fp *flowPacket) bool { return p.net.Now() > rtmfp.Time(time.Hour+3*time.Second) || !upData(fp) }
	soon := p.net.Now().Add(ms)
	bulk := string(pattern(40_000))
	p.write(f, rtmfp.Message{StartBy: soon}, "") // also the empty one, which has no bytes to show for it
	p.write(f, rtmfp.Message{StartBy: soon}, bulk)
	p.acked(f)
	p.want("hello", "", bulk)
	if f.Abandoned() != 0 {
		t.Errorf("%d abandoned", f.Abandoned())
	}
}

// RFC 7016 §3.6.2.7.1, Figure 21, line 25: what is given up after it was lost is skipped within a round
// trip, and what followed it comes out.
func TestDeadlineFinishBy(t *testing.T) {
	for _, tt := range []struct {
		what       string
		unreliable bool
		finish     time.Duration
	}{{"deadline", false, 10 * ms}, {"unreliable", true, 0}} {
		t.Run(tt.what, func(t *testing.T) {
			p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
			f := p.settled(rtmfp.FlowOptions{})
			at := p.arrivals()
			p.dropSeq(2)
			t0 := p.net.Now()
			m := rtmfp.Message{Unreliable: tt.unreliable}
			if tt.finish > 0 {
				m.FinishBy = t0.Add(tt.finish)
			}
			p.write(f, m, "lost")
			p.net.Run(ms)
			for i := range 3 {
				p.write(f, rtmfp.Message{}, fmt.Sprint("next ", i))
				p.net.Run(ms)
			}
			p.acked(f)
			p.want("hello", "next 0", "next 1", "next 2")
			// The third acknowledgement behind the gap is at the sender 3 ms and a round trip after
			// the start; the update needs half a round trip more.
			for i := range 3 {
				if d := at[fmt.Sprint("next ", i)].Sub(t0); d > 3*way+3*ms {
					t.Errorf("message %d after %v", i, d)
				}
			}
			if p.count(hasSeq(2)) != 2 || p.count(fsnUpdate) != 1 || p.find(fsnUpdate).user()[0].Seq != 2 {
				t.Errorf("number 2 sent %d times, %d updates", p.count(hasSeq(2)), p.count(fsnUpdate))
			}
			if st := p.ss.Stats(); st.FragmentsSkipped != 1 {
				t.Errorf("the receiver counts %d skipped", st.FragmentsSkipped)
			}
		})
	}
}

// With new data to send, it carries the forward sequence number: Figure 21, line 7.
func TestDeadlineUpdateRidesOnData(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
	f := p.settled(rtmfp.FlowOptions{})
	at := p.arrivals()
	p.dropSeq(2)
	t0 := p.net.Now()
	for i := range 60 { // more than the window
		p.write(f, rtmfp.Message{Unreliable: i == 0}, numbered(i, 1150))
	}
	p.acked(f)
	if p.count(fsnUpdate) != 0 || p.count(hasSeq(2)) != 1 || len(p.srv.all) != 60 {
		t.Errorf("%d updates, number 2 sent %d times, %d messages", p.count(fsnUpdate), p.count(hasSeq(2)), len(p.srv.all))
	}
	if d := at[numbered(1, 1150)].Sub(t0); d > 3*way+ms {
		t.Errorf("the next message came after %v", d)
	}
}

// Nothing follows: the receiver must still be told, and the sender must get rid of it.
func TestDeadlineUpdateAlone(t *testing.T) {
	for name, m := range map[string]rtmfp.Message{"lost": {Unreliable: true}, "never begun": {StartBy: 1}} {
		t.Run(name, func(t *testing.T) {
			p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
			f := p.settled(rtmfp.FlowOptions{})
			p.dropSeq(2)
			if name != "lost" {
				p.pass = nil
			}
			t0 := p.net.Now()
			p.write(f, m, "gone")
			limit := time.Duration(p.cs.ERTO()) + 2*way + ms
			p.acked(f)
			if d := p.since(t0); d > limit {
				t.Errorf("settled after %v", d)
			}
			if p.count(fsnUpdate) != 1 {
				t.Errorf("%d updates", p.count(fsnUpdate))
			}
			p.write(f, rtmfp.Message{}, "next")
			p.acked(f)
			p.want("hello", "next")
			if n := p.ss.Stats().FragmentsSkipped; n != 1 {
				t.Errorf("the receiver counts %d skipped", n)
			}
		})
	}
}

// The update itself may get lost.
func TestDeadlineUpdateLost(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
	f := p.settled(rtmfp.FlowOptions{})
	lost := 0
	p.pass = func(fp *flowPacket) bool {
		if hasSeq(2)(fp) && lost < 4 {
			lost++
			return false
		}
		return true
	}
	p.write(f, rtmfp.Message{Unreliable: true}, "gone")
	p.net.Run(ms)
	p.write(f, rtmfp.Message{}, "next")
	p.acked(f)
	p.want("hello", "next")
	if lost != 4 {
		t.Errorf("lost %d times", lost)
	}
}

// A message given up when half of it was sent: nothing of it comes out, and the next one comes whole.
func TestDeadlinePartlySent(t *testing.T) {
	for _, arrival := range []bool{false, true} {
		for seed := range uint64(4) {
			link := simnet.Link{Delay: way, Rate: 100_000}
			if seed > 0 {
				link.Loss = 0.05
			}
			p := newFlowRig(t, worldConfig{seed: seed, link: link})
			f := p.settled(rtmfp.FlowOptions{})
			p.srv.flows[0].SetArrivalOrder(arrival)
			now := p.net.Now()
			p.write(f, rtmfp.Message{FinishBy: now.Add(300 * ms)}, string(pattern(200_000)))
			p.write(f, rtmfp.Message{}, "small")
			p.write(f, rtmfp.Message{}, string(pattern(5000)))
			p.acked(f)
			if p.count(upData) < 10 {
				t.Error("nothing of it was sent")
			}
			p.net.Run(time.Second)
			if slices.Sort(p.srv.all); len(p.srv.all) != 3 || !slices.Contains(p.srv.all, string(pattern(5000))) {
				t.Errorf("seed %d, arrival %v: got %v", seed, arrival, short(p.srv.all))
			}
			if p.ss.Buffered() != 0 {
				t.Errorf("seed %d, arrival %v: %d bytes left in the buffer", seed, arrival, p.ss.Buffered())
			}
		}
	}
}

// Given up between fragments that are still under way.
func TestDeadlineAmidFlight(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: cleanLink})
	f := p.settled(rtmfp.FlowOptions{})
	at := p.arrivals()
	// Numbers of the second message are lost: when it is given up, the third one is on its way. The
	// first must be repeated, and its acknowledgement lets the forward sequence number go on.
	p.dropSeq(3, 4)
	p.write(f, rtmfp.Message{}, string(pattern(1000)))
	p.write(f, rtmfp.Message{Unreliable: true}, string(pattern(2500)))
	p.net.Run(ms)
	p.write(f, rtmfp.Message{}, "third")
	p.net.Run(30 * ms)
	p.write(f, rtmfp.Message{}, "fourth")
	p.acked(f)
	p.want("hello", string(pattern(1000)), "third", "fourth")
	if d := at["third"].Sub(at[string(pattern(1000))]); d > 2*way {
		t.Errorf("the message behind it came %v after the one before it", d)
	}
}

// Chain: what depends on something given up is given up, too, written before or after that.
func TestDeadlineChain(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: simnet.Link{Delay: way, Rate: 50_000}})
	f := p.settled(rtmfp.FlowOptions{})
	bulk := string(pattern(60_000))
	chain := rtmfp.Message{Chain: true}
	p.write(f, rtmfp.Message{}, bulk)
	p.write(f, rtmfp.Message{StartBy: p.net.Now().Add(ms)}, "key")
	p.write(f, chain, "inter 1")
	p.write(f, chain, "inter 2")
	p.write(f, rtmfp.Message{}, "key 2")
	p.write(f, chain, "inter 3")
	p.acked(f)
	p.want("hello", bulk, "key 2", "inter 3")
	if f.Abandoned() != 3 || f.Queued() != 0 {
		t.Errorf("%d abandoned, %d queued", f.Abandoned(), f.Queued())
	}
	last := p.write(f, rtmfp.Message{StartBy: 1}, "key 3")
	p.acked(f)
	for i := range 3 {
		if id := p.write(f, chain, "inter"); id != last+rtmfp.MessageID(i)+1 || f.Queued() != 0 {
			t.Errorf("message %d, %d bytes queued", id, f.Queued())
		}
	}
	p.write(f, rtmfp.Message{}, "key 4")
	p.write(f, chain, "inter 4")
	p.acked(f)
	p.want("hello", bulk, "key 2", "inter 3", "key 4", "inter 4")
	if f.Abandoned() != 7 {
		t.Errorf("%d abandoned", f.Abandoned())
	}
}

// Expire shortens deadlines, and what expires now is not sent any more.
func TestDeadlineExpire(t *testing.T) {
	p := newFlowRig(t, worldConfig{seed: 1, link: simnet.Link{Delay: way, Rate: 50_000}})
	f := p.settled(rtmfp.FlowOptions{})
	bulk := string(pattern(30_000))
	now := p.net.Now()
	p.write(f, rtmfp.Message{}, bulk)
	a := p.write(f, rtmfp.Message{}, "a")
	b := p.write(f, rtmfp.Message{StartBy: now.Add(50 * ms)}, "b")
	c := p.write(f, rtmfp.Message{}, "c")
	d := p.write(f, rtmfp.Message{FinishBy: now.Add(time.Hour)}, "d")
	p.write(f, rtmfp.Message{}, "e")
	f.Expire(b, b, now.Add(time.Hour), 0) // never lengthens
	f.Expire(c, d, 0, 0)                  // changes nothing
	f.Expire(d, d, 0, now.Add(60*ms))
	f.Expire(a, a, now.Add(70*ms), 0)
	f.Expire(100, 200, now, now) // nobody
	p.acked(f)
	p.want("hello", bulk, "c", "e")

	bulk = string(pattern(20_001))
	p.write(f, rtmfp.Message{}, bulk)
	g := p.write(f, rtmfp.Message{}, "g")
	p.net.Run(100 * ms)
	f.Expire(1, g, p.net.Now(), 0) // what was begun goes on
	p.acked(f)
	p.want("hello", string(pattern(30_000)), "c", "e", bulk)

	h := p.write(f, rtmfp.Message{}, "h") // not sent yet: the client runs when time goes on
	f.Expire(h, h, p.net.Now(), 0)
	p.acked(f)
	p.want("hello", string(pattern(30_000)), "c", "e", bulk)
}

// Whatever is lost and given up, nothing stalls: what has no deadline arrives, in order, once, and the
// flow ends. Several flows with all kinds of messages share a lossy session.
func TestDeadlineSoak(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 99))
			link := simnet.Link{
				Delay: 15 * ms, Jitter: time.Duration(r.IntN(20)) * ms, Loss: 0.02 + r.Float64()*0.15,
				Dup: 0.05, Reorder: 0.05, Rate: 40_000 + r.IntN(200_000),
			}
			p := newFlowRig(t, worldConfig{seed: seed, link: link})
			var flows []*rtmfp.SendFlow
			for i := range 4 {
				flows = append(flows, p.dataFlow(rtmfp.FlowOptions{Priority: rtmfp.Priority(i / 2)}))
			}
			type sent struct {
				flow     int
				reliable bool
			}
			var all []sent
			for range 500 {
				now := p.net.Now()
				m := rtmfp.Message{Unreliable: r.IntN(3) == 0, Chain: r.IntN(4) == 0}
				if r.IntN(2) == 0 {
					m.StartBy = now.Add(time.Duration(r.IntN(300)) * ms)
				}
				if r.IntN(3) == 0 {
					m.FinishBy = now.Add(time.Duration(r.IntN(400)) * ms)
				}
				size := 4 + r.IntN(300)
				if r.IntN(10) == 0 {
					size += r.IntN(20_000)
				}
				k := r.IntN(len(flows))
				all = append(all, sent{k, m.StartBy == 0 && m.FinishBy == 0 && !m.Unreliable && !m.Chain})
				id := p.write(flows[k], m, numbered(len(all)-1, size))
				if r.IntN(20) == 0 {
					flows[k].Expire(id-min(id, 3), id, now.Add(50*ms), now.Add(100*ms))
					for j := range all { // no longer sure
						if all[j].flow == k && j > len(all)-40 {
							all[j].reliable = false
						}
					}
				}
				p.net.Run(time.Duration(r.IntN(12)) * ms)
			}
			for _, f := range flows {
				f.Close(p.net.Now())
			}
			p.client.Wake()
			p.until("all flows ended", 2*time.Minute, func() bool { return len(p.cli.sendEnds) == 4 && len(p.srv.ended) == 4 })
			got := map[int]bool{}
			for f, list := range p.srv.messages {
				last := -1
				for _, m := range list {
					i := number(m)
					if i <= last || got[i] || m != numbered(i, len(m)) {
						t.Fatalf("flow %d: message %d after %d, or changed", f.ID(), i, last)
					}
					got[i], last = true, i
				}
			}
			missing := uint64(0)
			for i, s := range all {
				if !got[i] {
					missing++
					if s.reliable {
						t.Errorf("message %d of flow %d must arrive", i, s.flow)
					}
				}
			}
			var abandoned uint64
			for _, f := range flows {
				abandoned += f.Abandoned()
				if f.Queued() != 0 {
					t.Errorf("%d bytes queued in the end", f.Queued())
				}
			}
			if missing == 0 || missing > abandoned {
				t.Errorf("%d missing, %d abandoned", missing, abandoned)
			}
			if p.ss.Buffered() != 0 || p.cs.QueuedTotal() != 0 || p.cs.Congestion().Outstanding != 0 {
				t.Errorf("left: %d buffered, %d queued, %+v", p.ss.Buffered(), p.cs.QueuedTotal(), p.cs.Congestion())
			}
			p.check()
			if len(p.cli.sendEnds) != 4 || len(p.srv.ended) != 4 {
				t.Errorf("%d and %d ends of 4 flows", len(p.cli.sendEnds), len(p.srv.ended))
			}
		})
	}
}
