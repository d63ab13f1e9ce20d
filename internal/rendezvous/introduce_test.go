package rendezvous

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// welcome is an application that accepts everybody.
type welcome struct{ *netconn.Folders }

func (welcome) Connect(now rtmfp.Time, r *netconn.ConnectRequest) { r.Accept(now) }

// server is a server with a rendezvous on a simulated network.
type server struct {
	node  *simnet.Node
	intro *Introducer
}

type shard struct {
	*netconn.Shard
	s     *simnet.Shard
	intro *Introducer
}

func (h *shard) HandleEvent(now rtmfp.Time, ev *rtmfp.Event) {
	if ev.Kind == rtmfp.EventHello {
		h.intro.Hello(now, h.s.Index(), h.s.Endpoint(), ev.Hello)
		return
	}
	h.Shard.HandleEvent(now, ev)
}

func (h *shard) HandlePost(now rtmfp.Time, msg any) {
	if a, ok := msg.(Answer); ok {
		a.Do(now, h.s.Endpoint())
		return
	}
	h.Shard.HandlePost(now, msg)
}

func newServer(t testing.TB, net *simnet.Net, addr string, shards int, hooks Hooks) *server {
	t.Helper()
	id, err := rtmfp.NewServerIdentity(net.Reader(), "", 2)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{}
	registry := netconn.NewRegistry()
	hub := media.NewHub(media.Limits{})
	post := func(i int, msg any) { s.node.Shard(i).Post(msg) }
	s.intro = New(Config{Registry: registry, Hooks: hooks, Post: post, Log: zerolog.Nop()})
	groups := NewGroups(post, zerolog.Nop(), GroupLimits{})
	s.node = net.AddShards(addr, rtmfp.Config{Identity: id, Rendezvous: true, DecideHello: hooks != nil}, shards, func(sh *simnet.Shard) simnet.Handler {
		return &shard{s: sh, intro: s.intro, Shard: netconn.NewShard(netconn.Config{
			Index: sh.Index(), App: welcome{}, Hub: hub, Registry: registry, Groups: Direct{groups}, Post: post, Log: zerolog.Nop(),
		})}
	})
	return s
}

// peer is a client that others may dial.
type peer struct {
	node     *simnet.Node
	id       rtmfp.PeerID
	client   *netconn.Client
	session  *rtmfp.Session
	visitors []*rtmfp.Session
}

func (p *peer) HandleEvent(now rtmfp.Time, ev *rtmfp.Event) {
	if ev.Kind == rtmfp.EventSessionOpen && !ev.Session.Initiator() {
		p.visitors = append(p.visitors, ev.Session)
	}
	netconn.Clients{}.HandleEvent(now, ev)
}

func (p *peer) HandlePost(now rtmfp.Time, msg any) { netconn.Clients{}.HandlePost(now, msg) }

func newPeer(t testing.TB, net *simnet.Net, addr string, to *server, reported ...netip.AddrPort) *peer {
	t.Helper()
	id, err := rtmfp.NewClientIdentity(net.Reader(), 2)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{id: id.PeerID()}
	p.node = net.AddNode(addr, rtmfp.Config{Identity: id}, func(*simnet.Shard) simnet.Handler { return p })
	url := "rtmfp://server/app"
	p.session, err = p.node.Endpoint().Dial(net.Now(), rtmfp.DialConfig{EPD: rtmfp.EPDForURI(url), Addrs: []netip.AddrPort{to.node.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	p.client = netconn.NewClient(net.Now(), p.session, netconn.ClientConfig{URL: url, PeerAddresses: reported})
	p.node.Wake()
	return p
}

// dial looks for a peer through a server.
func (p *peer) dial(t *testing.T, net *simnet.Net, id rtmfp.PeerID, via *server) *rtmfp.Session {
	t.Helper()
	s, err := p.node.Endpoint().Dial(net.Now(), rtmfp.DialConfig{EPD: rtmfp.EPDForPeer(id), Addrs: []netip.AddrPort{via.node.Addr()}})
	if err != nil {
		t.Fatal(err)
	}
	p.node.Wake()
	return s
}

func connected(peers ...*peer) func() bool {
	return func() bool {
		for _, p := range peers {
			if !p.client.Connected() {
				return false
			}
		}
		return true
	}
}

// Two clients of one server meet, whichever shards they are on, and whatever packet gets lost
// (RFC 7016 §3.5.1.5, §3.5.1.6).
func TestIntroduction(t *testing.T) {
	for _, shards := range []int{1, 2, 4} {
		for seed := range uint64(6) {
			t.Run(fmt.Sprintf("%d shards/%d", shards, seed), func(t *testing.T) {
				net := simnet.New(seed)
				net.SetDefaultLink(simnet.Link{Delay: 20 * time.Millisecond, Loss: float64(seed) * 0.04})
				srv := newServer(t, net, "192.0.2.1:1935", shards, nil)
				a := newPeer(t, net, "198.51.100.1:4001", srv)
				b := newPeer(t, net, "198.51.100.2:4002", srv)
				if !net.RunUntil(connected(a, b), time.Minute) {
					t.Fatal("clients did not connect")
				}
				s := a.dial(t, net, b.id, srv)
				if !net.RunUntil(s.IsOpen, 90*time.Second) {
					t.Fatal("the peers did not meet")
				}
				if s.PeerID() != b.id || s.Addr() != b.node.Addr() || len(b.visitors) != 1 {
					t.Fatalf("met %v at %v, %d sessions at the peer", s.PeerID(), s.Addr(), len(b.visitors))
				}
				if n := srv.intro.Counters().Introductions.Load(); n == 0 {
					t.Error("no introduction was counted")
				}
			})
		}
	}
}

// A hello for somebody who is not there is not answered (and stays cheap).
func TestUnknownPeer(t *testing.T) {
	net := simnet.New(1)
	srv := newServer(t, net, "192.0.2.1:1935", 1, nil)
	a := newPeer(t, net, "198.51.100.1:4001", srv)
	if !net.RunUntil(connected(a), time.Minute) {
		t.Fatal("client did not connect")
	}
	a.dial(t, net, rtmfp.PeerID{1, 2, 3}, srv)
	net.Run(30 * time.Second)
	if c := srv.intro.Counters(); c.UnknownPeer.Load() < 3 || c.Introductions.Load() != 0 {
		t.Errorf("unknown %d, introduced %d", c.UnknownPeer.Load(), c.Introductions.Load())
	}
}

// Reported private addresses go only to peers behind the same public address.
func TestAddressesFor(t *testing.T) {
	net := simnet.New(2)
	srv := newServer(t, net, "192.0.2.1:1935", 1, nil)
	lan := []netip.AddrPort{simnet.Addr("192.168.1.5:4001"), simnet.Addr("203.0.113.9:4001"), simnet.Addr("127.0.0.1:4001"), simnet.Addr("0.0.0.0:1")}
	a := newPeer(t, net, "198.51.100.1:4001", srv, lan...)
	net.RunUntil(connected(a), time.Minute)
	net.Run(time.Second)
	for _, test := range []struct {
		from string
		want string
	}{
		{"198.51.100.2:1", "[198.51.100.1:4001 203.0.113.9:4001]"},
		{"198.51.100.1:9", "[198.51.100.1:4001 192.168.1.5:4001 203.0.113.9:4001]"},
		{"[2001:db8::1]:9", "[203.0.113.9:4001]"},
	} {
		var got []netip.AddrPort
		for _, x := range addressesFor(simnet.Addr(test.from), srv.conn(a.id)) {
			got = append(got, x.AddrPort)
		}
		if fmt.Sprint(got) != test.want {
			t.Errorf("for %s: %v, want %s", test.from, got, test.want)
		}
	}
}

func (s *server) conn(id rtmfp.PeerID) *netconn.Conn { return s.intro.cfg.Registry.Lookup(id) }

// decide is the application's part, answering at once or later.
type decide struct {
	net   *simnet.Net
	delay time.Duration
	to    []netip.AddrPort
	asked []HandshakeRequest
}

func (d *decide) Decides(string) bool { return true }

func (d *decide) Handshake(h HandshakeRequest, answer func([]netip.AddrPort)) bool {
	d.asked = append(d.asked, h)
	d.net.After(d.delay, func() { answer(d.to) })
	return true
}

func (d *decide) Unknown(_ rtmfp.PeerID, answer func([]netip.AddrPort)) bool {
	d.net.After(d.delay, func() { answer(d.to) })
	return true
}

// A server that accepts nobody sends its clients on; one of the servers named is down.
func TestHandshakeRedirection(t *testing.T) {
	net := simnet.New(3)
	second := newServer(t, net, "192.0.2.2:1935", 2, nil)
	hooks := &decide{net: net, delay: 100 * time.Millisecond, to: []netip.AddrPort{simnet.Addr("192.0.2.99:1935"), second.node.Addr()}}
	first := newServer(t, net, "192.0.2.1:1935", 2, hooks)
	a := newPeer(t, net, "198.51.100.1:4001", first)
	if !net.RunUntil(connected(a), time.Minute) {
		t.Fatal("client did not connect")
	}
	if a.session.Addr() != second.node.Addr() {
		t.Errorf("connected to %v", a.session.Addr())
	}
	if h := hooks.asked[0]; h.Path != "/app" || h.Attempts != 1 || h.Address != a.node.Addr() {
		t.Errorf("asked about %+v", h)
	}
}

// Without memory for another client hellos are not answered, unless the application sends the client elsewhere; it gets
// in as soon as there is some.
func TestNoMemory(t *testing.T) {
	net := simnet.New(3)
	second := newServer(t, net, "192.0.2.2:1935", 1, nil)
	hooks := &decide{net: net}
	first := newServer(t, net, "192.0.2.1:1935", 1, hooks)
	full := true
	first.intro.cfg.Full = func() bool { return full }
	a := newPeer(t, net, "198.51.100.1:4001", first)
	net.Run(5 * time.Second)
	refused := first.intro.Counters().NoMemory.Load()
	if a.client.Connected() || refused == 0 || refused != uint64(len(hooks.asked)) {
		t.Fatalf("%d hellos refused, %d asked", refused, len(hooks.asked))
	}
	hooks.to = []netip.AddrPort{second.node.Addr()}
	b := newPeer(t, net, "198.51.100.2:4001", first)
	if !net.RunUntil(connected(b), time.Minute) || b.session.Addr() != second.node.Addr() {
		t.Fatal("not redirected")
	}
	hooks.to = nil
	full = false
	c := newPeer(t, net, "198.51.100.3:4001", first)
	if !net.RunUntil(connected(c), time.Minute) {
		t.Fatal("client did not connect")
	}
}

// Peers on two servers meet when the application knows where else to look (lone servers know only their
// own clients).
func TestRendezvousAcrossServers(t *testing.T) {
	net := simnet.New(4)
	second := newServer(t, net, "192.0.2.2:1935", 1, nil)
	first := newServer(t, net, "192.0.2.1:1935", 1, &decide{net: net, to: []netip.AddrPort{second.node.Addr()}})
	first.intro.cfg.Hooks.(*decide).to = nil
	a := newPeer(t, net, "198.51.100.1:4001", first)
	b := newPeer(t, net, "198.51.100.2:4002", second)
	if !net.RunUntil(connected(a, b), time.Minute) {
		t.Fatal("clients did not connect")
	}
	first.intro.cfg.Hooks.(*decide).to = []netip.AddrPort{second.node.Addr()}
	s := a.dial(t, net, b.id, first)
	if !net.RunUntil(s.IsOpen, 90*time.Second) {
		t.Fatal("the peers did not meet")
	}
}
