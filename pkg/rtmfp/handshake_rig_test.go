package rtmfp_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// wirePacket is a datagram somebody sent.
type wirePacket struct {
	at       rtmfp.Time
	from, to netip.AddrPort
	data     []byte
	startup  bool // pkt is valid
	pkt      rtmfp.Packet
}

func (p wirePacket) is(typ byte) bool { return p.startup && p.pkt.Has(typ) }

// wire keeps every datagram that is sent and asks pass, if set, whether it may go on.
type wire struct {
	net  *simnet.Net
	sent []wirePacket
	pass func(p *wirePacket) bool
}

func tap(n *simnet.Net) *wire {
	l := &wire{net: n}
	n.Filter = func(from, to netip.AddrPort, data []byte) bool {
		p := wirePacket{at: n.Now(), from: from, to: to, data: append([]byte(nil), data...)}
		p.pkt, p.startup = rtmfp.TakeApartStartup(data)
		l.sent = append(l.sent, p)
		if l.pass == nil {
			return true
		}
		p.data = data // so that pass may change what arrives
		return l.pass(&p)
	}
	return l
}

func (l *wire) reset() { l.sent = nil }

// only returns what satisfies f.
func (l *wire) only(f func(p *wirePacket) bool) (out []wirePacket) {
	for i := range l.sent {
		if f(&l.sent[i]) {
			out = append(out, l.sent[i])
		}
	}
	return out
}

// chunks returns the startup packets with a chunk of that type.
func (l *wire) chunks(typ byte) []wirePacket {
	return l.only(func(p *wirePacket) bool { return p.is(typ) })
}

func (l *wire) to(a netip.AddrPort) []wirePacket {
	return l.only(func(p *wirePacket) bool { return p.to == a })
}

// hold drops p and delivers it later.
func (l *wire) hold(p *wirePacket, d time.Duration) bool {
	from, to, data := p.from, p.to, append([]byte(nil), p.data...)
	l.net.After(d, func() { l.net.Inject(from, to, data) })
	return false
}

// in returns the chunks that s finds in the packets sent to it.
func (l *wire) in(s *rtmfp.Session, typ byte) (out []wirePacket) {
	for _, p := range l.sent {
		if pkt, ok := s.TakeApart(p.data); ok && pkt.SID == s.ID() && pkt.Has(typ) {
			p.pkt = pkt
			out = append(out, p)
		}
	}
	return out
}

// seconds returns when packets were sent, relative to start.
func seconds(start rtmfp.Time, list []wirePacket) (out []float64) {
	for _, p := range list {
		out = append(out, p.at.Sub(start).Seconds())
	}
	return out
}

// numSessions counts the open sessions of all shards of a node.
func numSessions(n *simnet.Node, shards int) (open, all int) {
	for i := range shards {
		t := n.Shard(i).Endpoint().Tables()
		open += t.Open
		all += t.Sessions
	}
	return open, all
}

// sound checks the tables of a node's shards.
func sound(t testing.TB, n *simnet.Node, shards int) {
	t.Helper()
	for i := range shards {
		if s := n.Shard(i).Endpoint().CheckInvariants(); s != "" {
			t.Errorf("%v, shard %d: %s", n.Addr(), i, s)
		}
	}
}

// empty checks that a node remembers nothing.
func empty(t testing.TB, n *simnet.Node, shards int) {
	t.Helper()
	for i := range shards {
		if got := n.Shard(i).Endpoint().Tables(); got != (rtmfp.Tables{}) {
			t.Errorf("%v, shard %d remembers %+v", n.Addr(), i, got)
		}
	}
}

// echoMessages makes r answer every message on a flow of its own, and returns that r.
func echoMessages(r *recorder) *recorder {
	replies := make(map[*rtmfp.RecvFlow]*rtmfp.SendFlow)
	r.onMessage = func(now rtmfp.Time, f *rtmfp.RecvFlow, b []byte) {
		out := replies[f]
		if out == nil {
			var err error
			if out, err = f.Session().Open(now, []byte("echo"), rtmfp.FlowOptions{Assoc: f}); err != nil {
				return
			}
			replies[f] = out
		}
		out.Write(now, rtmfp.Message{Body: rtmfp.CopyBuffer(b)})
	}
	return r
}

// exchange sends a message from the client and waits for its echo.
func (w *world) exchange(s *rtmfp.Session, text string) {
	w.t.Helper()
	before := len(w.cli.all)
	w.write(w.flow(s, rtmfp.FlowOptions{}), rtmfp.Message{}, text)
	if !w.net.RunUntil(func() bool { return len(w.cli.all) > before }, time.Minute) {
		w.t.Fatalf("no answer to %q", text)
	}
	if got := w.cli.all[len(w.cli.all)-1]; got != text {
		w.t.Fatalf("answer to %q is %q", text, got)
	}
}

// newEchoWorld is a world whose servers echo.
func newEchoWorld(t *testing.T, c worldConfig) *world {
	t.Helper()
	w := newWorld(t, c)
	for _, r := range w.shards {
		echoMessages(r)
	}
	return w
}

// ask delivers a datagram to the server as if it came from a stranger and returns what the server sends
// to that address, at once or after a key agreement.
func (w *world) ask(l *wire, from netip.AddrPort, chunks ...rtmfp.Chunk) []wirePacket {
	w.t.Helper()
	before := len(l.sent)
	w.net.Inject(from, w.server.Addr(), rtmfp.ForgeStartup(w.net.Now(), 0, chunks...))
	w.net.Run(w.net.KeyDelay)
	var out []wirePacket
	for _, p := range l.sent[before:] {
		if p.to == from {
			out = append(out, p)
		}
	}
	return out
}

// cookie gets a cookie from the server for an address.
func (w *world) cookie(l *wire, from netip.AddrPort) []byte {
	w.t.Helper()
	got := w.ask(l, from, rtmfp.MakeIHello(rtmfp.EPDForURI("rtmfp://192.0.2.1/test"), []byte("sixteen byte tag")))
	if len(got) != 1 || !got[0].is(rtmfp.ChunkRHello) {
		w.t.Fatalf("%d answers to a hello", len(got))
	}
	_, cookie, _, ok := rtmfp.ParseRHello(got[0].pkt.Chunks[0].Payload)
	if !ok {
		w.t.Fatal("malformed responder hello")
	}
	return cookie
}

// keyingOf returns the IIKeying that id sends to the test server; cookie and session id are to be replaced.
func keyingOf(t testing.TB, id *rtmfp.Identity) rtmfp.IIKeying {
	t.Helper()
	n := simnet.New(99)
	l := tap(n)
	n.AddNode("192.0.2.1:1935", rtmfp.Config{Identity: testServer}, nil)
	c := n.AddNode("198.51.100.7:50000", rtmfp.Config{Identity: id}, nil)
	if _, err := c.Endpoint().Dial(n.Now(), rtmfp.DialConfig{
		EPD: rtmfp.EPDForURI("rtmfp://192.0.2.1/test"), Addrs: addrs("192.0.2.1:1935"),
	}); err != nil {
		t.Fatal(err)
	}
	c.Wake()
	n.Run(time.Second)
	list := l.chunks(rtmfp.ChunkIIKeying)
	if len(list) == 0 {
		t.Fatal("no IIKeying")
	}
	k, ok := rtmfp.ParseIIKeying(list[0].pkt.Chunks[0].Payload)
	if !ok {
		t.Fatal("malformed IIKeying")
	}
	return k
}

// stranger returns one of many addresses.
func stranger(i int) netip.AddrPort {
	return simnet.Addr(fmt.Sprintf("203.0.%d.%d:%d", i/200%200, 1+i%200, 10000+i%50000))
}

// peer is a node of its own with a recorder.
type peer struct {
	*recorder
	node *simnet.Node
	id   *rtmfp.Identity
}

func addPeer(n *simnet.Net, addr string, cfg rtmfp.Config) *peer {
	p := &peer{recorder: new(recorder), id: cfg.Identity}
	p.node = n.AddNode(addr, cfg, func(s *simnet.Shard) simnet.Handler {
		p.shard = s
		return p.recorder
	})
	return p
}

func (p *peer) dial(t testing.TB, d rtmfp.DialConfig) *rtmfp.Session {
	t.Helper()
	s, err := p.node.Endpoint().Dial(p.shard.Now(), d)
	if err != nil {
		t.Fatal(err)
	}
	p.node.Wake()
	return s
}

// dialPeer dials an endpoint by its fingerprint.
func (p *peer) dialPeer(t testing.TB, far *rtmfp.Identity, addr ...string) *rtmfp.Session {
	t.Helper()
	return p.dial(t, rtmfp.DialConfig{EPD: rtmfp.EPDForPeer(far.PeerID()), Addrs: addrs(addr...)})
}

// open returns the only open session, or nil.
func (p *peer) open() (s *rtmfp.Session) {
	n := 0
	p.node.Endpoint().Sessions(func(o *rtmfp.Session) bool { s = o; n++; return true })
	if n != 1 {
		return nil
	}
	return s
}
