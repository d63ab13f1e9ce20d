package rtmfp_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

const ms = time.Millisecond

// flowPacket is a packet of a session that was sent.
type flowPacket struct {
	at     rtmfp.Time
	up     bool   // from the client
	data   []byte // as it was sent
	size   int
	flags  byte
	chunks []rtmfp.FlowChunk
}

// user returns the user data chunks of the packet.
func (p *flowPacket) user() (list []rtmfp.FlowChunk) {
	for _, c := range p.chunks {
		if c.IsData() {
			list = append(list, c)
		}
	}
	return list
}

// ack returns the first acknowledgement of the packet, or nil.
func (p *flowPacket) ack() *rtmfp.FlowChunk {
	for i := range p.chunks {
		if p.chunks[i].IsAck() {
			return &p.chunks[i]
		}
	}
	return nil
}

// flowRig is a world with an open session whose packets are taken apart, and whose tables are checked after
// each of them.
type flowRig struct {
	*world
	cs, ss *rtmfp.Session
	sent   []flowPacket
	// pass, if set, decides whether a packet may go on.
	pass func(p *flowPacket) bool
}

func newFlowRig(t *testing.T, c worldConfig) *flowRig {
	t.Helper()
	w := newWorld(t, c)
	p := &flowRig{world: w}
	p.cs, p.ss = w.open()
	p.net.Run(time.Second) // answers to the handshake are through
	p.net.Filter = p.filter
	return p
}

func (p *flowRig) filter(from, to netip.AddrPort, data []byte) bool {
	far, up := p.ss, true
	if from == p.server.Addr() {
		far, up = p.cs, false
	}
	pkt, ok := far.TakeApart(data)
	if !ok {
		return true // startup, or somebody else's
	}
	chunks, ok := pkt.FlowChunks()
	if !ok || len(data) > rtmfp.MaxDatagram {
		p.t.Errorf("malformed or too long packet of %d bytes sent", len(data))
	}
	fp := flowPacket{
		at: p.net.Now(), up: up, data: append([]byte(nil), data...), size: len(data), flags: pkt.Flags, chunks: chunks,
	}
	p.sent = append(p.sent, fp)
	p.check()
	return p.pass == nil || p.pass(&fp)
}

func (p *flowRig) check() {
	for _, s := range []*rtmfp.Session{p.cs, p.ss} {
		if bad := s.CheckFlows(); bad != "" && !p.t.Failed() {
			p.t.Errorf("at %v: %s", time.Duration(p.net.Now()), bad)
		}
	}
}

// reset forgets what was sent.
func (p *flowRig) reset() { p.sent = nil }

// count returns how many packets satisfy f.
func (p *flowRig) count(f func(*flowPacket) bool) (n int) {
	for i := range p.sent {
		if f(&p.sent[i]) {
			n++
		}
	}
	return n
}

// find returns the first packet that satisfies f, or nil.
func (p *flowRig) find(f func(*flowPacket) bool) *flowPacket {
	for i := range p.sent {
		if f(&p.sent[i]) {
			return &p.sent[i]
		}
	}
	return nil
}

func upData(p *flowPacket) bool  { return p.up && len(p.user()) > 0 }
func downAck(p *flowPacket) bool { return !p.up && p.ack() != nil }

// hasSeq matches packets from the client with a fragment of that number.
func hasSeq(seq uint64) func(*flowPacket) bool {
	return func(p *flowPacket) bool {
		for _, c := range p.user() {
			if p.up && c.Seq == seq {
				return true
			}
		}
		return false
	}
}

// dropSeq loses the first transmission of fragments with these numbers.
func (p *flowRig) dropSeq(seqs ...uint64) {
	left := map[uint64]bool{}
	for _, s := range seqs {
		left[s] = true
	}
	p.pass = func(fp *flowPacket) bool {
		for _, c := range fp.user() {
			if fp.up && left[c.Seq] {
				delete(left, c.Seq)
				return false
			}
		}
		return true
	}
}

// until runs the network until cond holds.
func (p *flowRig) until(what string, limit time.Duration, cond func() bool) {
	p.t.Helper()
	if !p.net.RunUntil(cond, limit) {
		p.t.Fatalf("%v passed without: %s", limit, what)
	}
}

// acked runs until the flow has nothing queued.
func (p *flowRig) acked(f *rtmfp.SendFlow) {
	p.t.Helper()
	p.until("everything acknowledged", time.Minute, func() bool { return f.Queued() == 0 && f.Entries() == 0 })
}

// again delivers a packet once more, now.
func (p *flowRig) again(fp *flowPacket) {
	from, to := p.client.Addr(), p.server.Addr()
	if !fp.up {
		from, to = to, from
	}
	p.net.Inject(from, to, fp.data)
}

// forge delivers a packet of the client with any chunks, now.
func (p *flowRig) forge(chunks ...rtmfp.Chunk) {
	p.net.Inject(p.client.Addr(), p.server.Addr(), p.cs.Forge(p.net.Now(), rtmfp.ModeInitiator, chunks...))
}

// acks returns when the server sent acknowledgements, since t.
func (p *flowRig) acks(t rtmfp.Time) (list []time.Duration) {
	for _, s := range p.sent {
		if downAck(&s) {
			list = append(list, s.at.Sub(t))
		}
	}
	return list
}

// since returns how long ago t was.
func (p *flowRig) since(t rtmfp.Time) time.Duration { return p.net.Now().Sub(t) }

// dataFlow opens a flow of the client.
func (p *flowRig) dataFlow(o rtmfp.FlowOptions) *rtmfp.SendFlow { return p.flow(p.cs, o) }

// settled opens a flow that is acknowledged already, so that its packets carry no options any more, and
// forgets the packets that took.
func (p *flowRig) settled(o rtmfp.FlowOptions) *rtmfp.SendFlow {
	p.t.Helper()
	f := p.dataFlow(o)
	p.write(f, rtmfp.Message{}, "hello")
	p.acked(f)
	p.net.Run(time.Second)
	p.reset()
	return f
}

// want compares what the server got with bodies.
func (p *flowRig) want(bodies ...string) {
	p.t.Helper()
	got, exp := short(p.srv.all), short(bodies)
	if fmt.Sprint(got) != fmt.Sprint(exp) {
		p.t.Errorf("server got %v, want %v", got, exp)
	}
}

func short(list []string) (out []string) {
	for _, s := range list {
		if len(s) > 12 {
			s = fmt.Sprintf("%q…%d", s[:4], len(s))
		}
		out = append(out, s)
	}
	return out
}

var cleanLink = simnet.Link{Delay: 20 * ms}
