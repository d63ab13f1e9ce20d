package rtmfp_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// fuzzWorld is a client and a server that a string of bytes drives.
type fuzzWorld struct {
	t              testing.TB
	net            *simnet.Net
	nodes          [2]*simnet.Node // client, server
	shards         int             // of the server
	recorders      [2][]*recorder
	sends          [2][]*rtmfp.SendFlow
	recvs          []*rtmfp.RecvFlow
	captured       [][]byte
	disturb, level byte
	ops            []byte
	dials          int
}

// Bounds of what one string can ask for.
const (
	fuzzOps   = 300
	fuzzDials = 12
	fuzzFlows = 40
)

func (w *fuzzWorld) next() byte {
	if len(w.ops) == 0 {
		return 0
	}
	b := w.ops[0]
	w.ops = w.ops[1:]
	return b
}

func newFuzzWorld(t testing.TB, ops []byte) *fuzzWorld {
	w := &fuzzWorld{t: t, net: simnet.New(1), ops: ops}
	mode := w.next()
	w.shards = 1 + int(mode&1)
	w.net.SetDefaultLink(simnet.Link{Delay: 10 * time.Millisecond, Jitter: time.Duration(mode&2) * 10 * time.Millisecond})
	w.net.KeyDelay = time.Duration(mode&4) * 10 * time.Millisecond
	cfg := rtmfp.Config{
		Identity: testServer, DecideHello: mode&8 != 0, Rendezvous: true, StrictMobility: mode&16 != 0,
		MaxFlows: 8, MaxQueued: 1 << 18, MaxBuffered: 1 << 18, RecvCapacity: 1 << 15, MaxSessions: 16,
	}
	if mode&32 != 0 {
		cfg.Security = securities["secured"]
	}
	w.nodes[1] = w.net.AddShards("192.0.2.1:1935", cfg, w.shards, func(s *simnet.Shard) simnet.Handler { return w.handler(1, s) })
	cfg.Identity, cfg.DecideHello, cfg.Rendezvous = testClient, false, false
	w.nodes[0] = w.net.AddNode("198.51.100.7:50000", cfg, func(s *simnet.Shard) simnet.Handler { return w.handler(0, s) })
	w.net.Filter = w.filter
	return w
}

func (w *fuzzWorld) handler(end int, s *simnet.Shard) simnet.Handler {
	r := &recorder{shard: s}
	r.onFlow = func(_ rtmfp.Time, f *rtmfp.RecvFlow) { w.recvs = append(w.recvs, f) }
	r.onHello = func(now rtmfp.Time, h *rtmfp.Hello) {
		if w.level%3 != 2 {
			s.Endpoint().AnswerHello(now, h)
		} else {
			s.Endpoint().RedirectHello(now, h, []rtmfp.Address{{AddrPort: w.nodes[1].Addr()}})
		}
	}
	w.recorders[end] = append(w.recorders[end], r)
	return r
}

// filter is the network between the two; level says how bad it is.
func (w *fuzzWorld) filter(from, to netip.AddrPort, data []byte) bool {
	if len(w.captured) < 200 {
		w.captured = append(w.captured, append([]byte(nil), data...))
	}
	rng := w.net.Rand()
	if w.level == 0 || byte(rng.Uint32()) >= w.level {
		return true
	}
	switch w.disturb % 4 {
	case 0: // lost
		return false
	case 1: // changed
		data[rng.IntN(len(data))] ^= 1 << rng.IntN(8)
	case 2: // twice
		w.net.Inject(from, to, data)
	case 3: // late
		b := append([]byte(nil), data...)
		w.net.After(time.Duration(w.level)*10*time.Millisecond, func() { w.net.Inject(from, to, b) })
		return false
	}
	return true
}

// session picks a session of an end, open or not.
func (w *fuzzWorld) session(end int, k byte) *rtmfp.Session {
	var all []*rtmfp.Session
	for _, r := range w.recorders[end] {
		all = append(all, r.sessions...)
	}
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1-int(k)%min(len(all), 3)]
}

func (w *fuzzWorld) step() {
	op, arg := w.next(), w.next()
	end := int(op>>4) & 1
	s := w.session(end, op>>5)
	now := w.net.Now()
	switch op & 15 {
	case 0:
		w.net.Run(time.Duration(arg) * time.Millisecond)
	case 1:
		w.net.Run(time.Duration(arg) * 500 * time.Millisecond)
	case 2:
		if n := len(w.sends[end]); n > 0 {
			f := w.sends[end][int(arg)%n]
			m := rtmfp.Message{Body: rtmfp.NewBuffer(int(w.next()) * int(arg)), Unreliable: arg&1 != 0, Chain: arg&2 != 0}
			if arg&4 != 0 {
				m.StartBy, m.FinishBy = now.Add(50*time.Millisecond), now.Add(500*time.Millisecond)
			}
			f.Write(now, m)
		}
	case 3:
		if s != nil && len(w.sends[end]) < fuzzFlows {
			o := rtmfp.FlowOptions{Priority: rtmfp.Priority(arg % 8), TimeCritical: arg&8 != 0}
			if n := len(w.recvs); n > 0 && arg&16 != 0 {
				if f := w.recvs[int(arg)%n]; f.Session() == s {
					o.Assoc = f
				}
			}
			if f, err := s.Open(now, []byte{arg}, o); err == nil {
				w.sends[end] = append(w.sends[end], f)
			}
		}
	case 4:
		if n := len(w.sends[end]); n > 0 {
			f := w.sends[end][int(arg)%n]
			if arg&1 != 0 {
				f.Close(now)
			} else {
				f.Expire(0, rtmfp.MessageID(arg), now, now)
			}
		}
	case 5:
		w.dial(end, arg)
	case 6:
		if s != nil {
			s.Close(now)
		}
	case 7:
		if s != nil {
			s.Abort(now, rtmfp.ErrClosed)
		}
	case 8:
		w.nodes[0].Rebind(fmt.Sprintf("198.51.100.7:%d", 50000+int(arg%4)))
	case 9:
		w.disturb, w.level = arg, w.next()
	case 10: // a captured datagram, changed or not
		if n := len(w.captured); n > 0 {
			b := append([]byte(nil), w.captured[int(arg)%n]...)
			if k := int(w.next()); k < len(b) {
				b[k] ^= arg | 1
			}
			w.inject(end, arg, b)
		}
	case 11: // what is in the string, to a session
		b := make([]byte, 4+16*int(1+arg%8))
		for i := range b {
			b[i] = w.next()
		}
		if s != nil {
			b = address(b, s.ID())
		}
		w.inject(end, arg, b)
	case 12: // what is in the string, as chunks of somebody who has the keys, or of a stranger
		c := rtmfp.Chunk{Type: w.next(), Payload: make([]byte, int(arg)%48)}
		for i := range c.Payload {
			c.Payload[i] = w.next()
		}
		if far := w.session(1-end, 0); far != nil && far.IsOpen() && arg&64 == 0 {
			mode := uint8(rtmfp.ModeInitiator)
			if !far.Initiator() {
				mode = rtmfp.ModeResponder
			}
			w.inject(end, arg, far.Forge(now, mode, c))
		} else {
			w.inject(end, arg, rtmfp.ForgeStartup(now, 0, c))
		}
	case 13:
		if s != nil {
			s.SetKeepalive(time.Duration(arg) * 100 * time.Millisecond)
			s.WakeAt(now.Add(time.Duration(w.next()) * 100 * time.Millisecond))
		}
	case 14:
		if n := len(w.recvs); n > 0 {
			switch f := w.recvs[int(arg)%n]; arg >> 6 {
			case 0:
				f.Suspend()
			case 1:
				f.Resume(now)
			case 2:
				f.SetArrivalOrder(arg&32 != 0)
			case 3:
				f.Reject(now, uint64(arg))
			}
		}
	case 15:
		if s != nil {
			h := &rtmfp.Hello{EPD: rtmfp.EPDForPeer(testClient.PeerID()), Tag: make([]byte, arg)}
			s.ForwardHello(now, h, w.nodes[end].Addr(), rtmfp.OriginObserved)
		}
	}
	w.nodes[0].Wake()
	w.nodes[1].Wake()
	w.net.Run(0)
}

func (w *fuzzWorld) dial(end int, arg byte) {
	if w.dials++; w.dials > fuzzDials {
		return
	}
	far := w.nodes[1-end]
	d := rtmfp.DialConfig{EPD: rtmfp.EPDForURI("/fuzz"), Addrs: []netip.AddrPort{far.Addr()}}
	if end == 1 || arg&1 != 0 {
		d.EPD = rtmfp.EPDForPeer([]*rtmfp.Identity{testServer, testClient}[end].PeerID())
	}
	if arg&2 != 0 {
		d.Identities = []*rtmfp.Identity{otherPeer}
	}
	shard := 0
	if end == 1 {
		shard = int(arg>>2) % w.shards
	}
	if _, err := w.nodes[end].Shard(shard).Endpoint().Dial(w.net.Now(), d); err != nil {
		w.t.Fatal(err)
	}
}

// inject delivers a datagram to an end, from the other one or from somebody else.
func (w *fuzzWorld) inject(end int, arg byte, b []byte) {
	from := w.nodes[1-end].Addr()
	if arg&128 != 0 {
		from = stranger(int(arg))
	}
	w.net.Inject(from, w.nodes[end].Addr(), b)
}

// check tests what must hold after every step.
func (w *fuzzWorld) check() {
	for end, n := range w.nodes {
		for i := range w.recorders[end] {
			ep := n.Shard(i).Endpoint()
			if s := ep.CheckInvariants(); s != "" {
				w.t.Fatalf("end %d, shard %d: %s", end, i, s)
			}
			t := ep.Tables()
			if t.Sessions > 16+fuzzDials || t.Claims > 16 || t.Out > 1024 || t.Events != 0 || t.Keying > 16 {
				w.t.Fatalf("end %d, shard %d: %+v", end, i, t)
			}
		}
	}
}

// FuzzEndpoint drives two endpoints through everything an application, a network and an attacker can do. Nothing
// may panic, tables stay consistent and bounded, and when the network is well again a new client connects.
func FuzzEndpoint(f *testing.F) {
	open := []byte{5, 0, 0, 100} // client dials; 100 ms
	add := func(mode byte, ops ...byte) { f.Add(append([]byte{mode}, ops...)) }
	add(0, append(open, 3, 2, 2, 100, 200, 1, 4, 4, 1, 1, 10, 6, 0, 1, 60)...)
	add(32, append(open, 3, 18, 2, 3, 255, 19, 4, 18, 50, 50, 9, 0, 80, 1, 20, 8, 1, 1, 20, 22, 0, 1, 200)...)
	add(1+4, append(open, 21, 0, 0, 50, 21, 1, 1, 10, 7, 0, 5, 2, 1, 100)...)
	add(8+16, append(open, 9, 3, 40, 3, 8, 2, 7, 90, 1, 3, 8, 3, 2, 7, 90, 1, 100, 14, 0, 14, 64, 14, 200, 1, 9)...)
	add(0, append(open, 10, 1, 9, 10, 2, 200, 11, 3, 1, 2, 3, 4, 5, 12, 20, 0x10, 0x80, 2, 1, 1, 3, 0, 0, 0, 0, 1, 2)...)
	f.Add([]byte("0%2\x15000")) // the server dials a client that dials it, with an identity the client does not expect
	add(33, append(open, 13, 10, 5, 23, 0, 13, 3, 1, 1, 255, 15, 9, 31, 200, 1, 60, 6, 0, 13, 1, 1, 1, 250)...)
	f.Fuzz(func(t *testing.T, ops []byte) {
		w := newFuzzWorld(t, ops)
		for n := 0; n < fuzzOps && len(w.ops) > 0; n++ {
			w.step()
			w.check()
		}
		// Heal the network and see whether the server still does its work.
		w.level = 1
		w.net.Filter = nil
		p := addPeer(w.net, "198.51.100.99:1", rtmfp.Config{Identity: must(rtmfp.NewClientIdentity(simnet.New(8).Reader(), 2))})
		s := p.dial(t, rtmfp.DialConfig{EPD: rtmfp.EPDForURI("/fuzz"), Addrs: []netip.AddrPort{w.nodes[1].Addr()}})
		if !w.net.RunUntil(s.IsOpen, 95*time.Second) {
			t.Fatalf("no session on a good network: %v", p.closed)
		}
		f, err := s.Open(w.net.Now(), []byte("after"), rtmfp.FlowOptions{})
		if err != nil {
			t.Fatal(err)
		}
		f.Write(w.net.Now(), rtmfp.Message{Body: rtmfp.CopyBuffer([]byte("the storm"))})
		p.node.Wake()
		arrived := func() bool {
			for _, r := range w.recorders[1] {
				for _, m := range r.all {
					if m == "the storm" {
						return true
					}
				}
			}
			return false
		}
		if !w.net.RunUntil(arrived, 10*time.Second) {
			t.Fatal("no message on a good network")
		}
		for _, flow := range w.recvs { // else they hold their sessions
			flow.Resume(w.net.Now())
		}
		for end := range w.nodes {
			for i := range w.recorders[end] {
				w.nodes[end].Shard(i).Endpoint().Sessions(func(s *rtmfp.Session) bool { s.Close(w.net.Now()); return true })
			}
			w.nodes[end].Wake()
		}
		w.net.Run(320 * time.Second) // a dial may yet open, be idle, and close without an answer
		w.check()
		for end, n := range w.nodes {
			for i := range w.recorders[end] {
				if got := n.Shard(i).Endpoint().Tables(); got != (rtmfp.Tables{}) {
					t.Errorf("end %d, shard %d remembers %+v after everything was closed", end, i, got)
				}
			}
		}
	})
}
