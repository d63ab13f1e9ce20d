package rtmfp_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// A handshake that is dropped because there is too much to do leaves nothing behind, and the initiator's next try is as
// good as the first.
func TestDroppedKeyAgreement(t *testing.T) {
	w := newWireRig()
	server := w.add("192.0.2.1:1935", rtmfp.Config{Identity: testServer})
	client := w.add("198.51.100.1:5000", rtmfp.Config{Identity: testClient})
	server.drop = 2
	s, err := client.ep.Dial(w.now, rtmfp.DialConfig{EPD: rtmfp.EPDForURI("rtmfp://x/"), Addrs: []netip.AddrPort{server.addr}})
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	if got := server.ep.Tables(); s.IsOpen() || server.drop != 1 || got.Keying != 0 || got.Claims != 0 || got.Open != 0 {
		t.Errorf("open %v, %d to drop, %+v", s.IsOpen(), server.drop, got)
	}
	w.pass(time.Second)
	if s.IsOpen() || server.drop != 0 || server.ep.Counters().KeyingsDropped.Load() != 2 {
		t.Errorf("open %v, %d to drop", s.IsOpen(), server.drop)
	}
	w.pass(2500 * time.Millisecond)
	if !s.IsOpen() || server.ep.NumSessions() != 1 {
		t.Error("not open after three tries")
	}
}

// A flood of hellos that nobody follows up, ten for each client, takes nothing of the server but the answers: no
// memory, no key agreement, and the clients connect within 2 s.
func TestHelloFloodBesideClients(t *testing.T) {
	const clients, hellos = 200, 10
	w := newWorld(t, worldConfig{shards: 2, server: rtmfp.Config{Limiter: rtmfp.NewLimiter(50, 100, 1000)}})
	w.net.KeyDelay = 2 * time.Millisecond
	type dialled struct {
		s  *rtmfp.Session
		at rtmfp.Time
	}
	var all []dialled
	in := 0
	for i := range clients {
		for k := range hellos {
			from := simnet.Addr(fmt.Sprintf("203.0.%d.%d:%d", i, k, 1000+i))
			w.net.Inject(from, w.server.Addr(), rtmfp.ForgeStartup(w.net.Now(), 0, rtmfp.MakeIHello(rtmfp.EPDForURI("/x"), fmt.Append(nil, i, k))))
		}
		node := w.net.AddNode(fmt.Sprintf("198.51.%d.1:5000", i), rtmfp.Config{Identity: testClient}, func(*simnet.Shard) simnet.Handler { return silent{} })
		s, err := node.Endpoint().Dial(w.net.Now(), rtmfp.DialConfig{EPD: rtmfp.EPDForURI("rtmfp://x/"), Addrs: []netip.AddrPort{w.server.Addr()}})
		if err != nil {
			t.Fatal(err)
		}
		node.Wake()
		all = append(all, dialled{s, w.net.Now()})
		w.net.Run(2 * time.Millisecond)
	}
	w.net.Run(2 * time.Second)
	for _, d := range all {
		if d.s.IsOpen() && d.s.Stats().Opened.Sub(d.at) <= 2*time.Second {
			in++
		}
	}
	if in < clients*95/100 {
		t.Errorf("%d of %d clients connected within 2 s", in, clients)
	}
	sum, answered := 0, 0
	for i := range 2 {
		answered += int(w.server.Shard(i).Endpoint().Counters().Hellos.Load() - w.server.Shard(i).Endpoint().Counters().HellosLimited.Load())
		c := w.server.Shard(i).Endpoint().Tables()
		sum += c.Open
		if c.Keying != 0 || c.Sessions != c.Open {
			t.Errorf("shard %d: %+v", i, c)
		}
	}
	if answered < clients*hellos/2 {
		t.Errorf("%d hellos answered: this was no flood", answered)
	}
	if sum < in || sum > clients {
		t.Errorf("%d sessions of %d clients", sum, clients)
	}
}

// silent wants to know nothing.
type silent struct{}

func (silent) HandleEvent(rtmfp.Time, *rtmfp.Event) {}
func (silent) HandlePost(rtmfp.Time, any)           {}
