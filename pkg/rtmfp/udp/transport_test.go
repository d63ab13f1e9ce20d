package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

func bodies(who string, n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("%s %d %s", who, i, strings.Repeat("x", i*37%5000)))
	}
	return list
}

// expect waits for messages in this order.
func (p *party) expect(list []string) {
	p.t.Helper()
	for i, want := range list {
		if got := wait(p.t, fmt.Sprintf("message %d", i), p.messages); got != want {
			p.t.Fatalf("message %d is %.20q, want %.20q", i, got, want)
		}
	}
}

func TestTransportEcho(t *testing.T) {
	for _, shards := range []int{1, 2, 4} {
		for _, gso := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d shards, GSO %v", shards, gso), func(t *testing.T) {
				server := newParty(t)
				server.onEvent = echo
				id, _ := identities()
				server.listen(Config{
					Shards: shards, GSO: gso, Buffer: 1 << 20,
					RTMFP: rtmfp.Config{Identity: id, Security: rtmfp.Security{RequestHMAC: true, RequestSSEQ: true}},
				})
				if len(server.Shards()) != shards || server.Addr().Port() == 0 {
					t.Fatalf("%d shards on %v", len(server.Shards()), server.Addr())
				}
				client := newClient(t)
				s, f := client.dial(server.Addr())
				list := bodies("client", 300)
				client.write(f, list...)
				client.expect(list)
				far := wait(t, "session of the server", server.opened)
				if far.Addr() != client.Addr() || s.Addr() != server.Addr() {
					t.Errorf("%v and %v", far.Addr(), s.Addr())
				}
				client.do(0, func(now rtmfp.Time) { s.Close(now) })
				if err := wait(t, "end of the session", server.closed); err != rtmfp.ErrPeerClosed {
					t.Error(err)
				}
			})
		}
	}
}

func TestTransportManyClients(t *testing.T) {
	const clients = 40
	server := newParty(t)
	server.onEvent = echo
	id, _ := identities()
	server.listen(Config{Shards: 4, RTMFP: rtmfp.Config{Identity: id}})
	var all []*party
	for range clients { // all at once: more key agreements than workers
		c := newClient(t)
		c.start(server.Addr())
		all = append(all, c)
	}
	for i, c := range all {
		s := wait(t, "session", c.opened)
		c.do(0, func(now rtmfp.Time) {
			f, err := s.Open(now, []byte("m"), rtmfp.FlowOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			for _, b := range bodies(fmt.Sprint("client ", i), 30) {
				f.Write(now, rtmfp.Message{Body: rtmfp.CopyBuffer([]byte(b))})
			}
		})
	}
	for i, c := range all {
		c.expect(bodies(fmt.Sprint("client ", i), 30))
	}
	busy := 0
	for i := range server.handlers {
		n := 0
		server.do(i, func(rtmfp.Time) { n = server.handlers[i].Endpoint().NumSessions() })
		if n > 0 {
			busy++
		}
	}
	if busy < 2 {
		t.Errorf("%d clients are all on %d shard", clients, busy)
	}
	if n, _ := server.handlers[0].Endpoint().Directory().Sizes(); n != clients {
		t.Errorf("%d addresses known", n)
	}
}

// proxy passes datagrams between one client and a server, from a port of its own that it can change, as
// a NAT does that lost its table.
type proxy struct {
	t      *testing.T
	front  *net.UDPConn // the client's side
	server netip.AddrPort
	mu     sync.Mutex
	back   *net.UDPConn
	client netip.AddrPort
	done   sync.WaitGroup
}

func newProxy(t *testing.T, server netip.AddrPort) *proxy {
	p := &proxy{t: t, server: server, front: socket(t)}
	p.rebind()
	p.done.Add(1)
	go func() {
		defer p.done.Done()
		b := make([]byte, 2048)
		for {
			n, from, err := p.front.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			p.mu.Lock()
			p.client = from
			back := p.back
			p.mu.Unlock()
			back.WriteToUDPAddrPort(b[:n], p.server)
		}
	}()
	t.Cleanup(func() {
		p.front.Close()
		p.mu.Lock()
		p.back.Close()
		p.mu.Unlock()
		p.done.Wait()
	})
	return p
}

func socket(t *testing.T) *net.UDPConn {
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (p *proxy) addr() netip.AddrPort { return addrPort(p.front) }

// rebind changes the port the server sees; what is sent to the old one is lost.
func (p *proxy) rebind() {
	back := socket(p.t)
	p.mu.Lock()
	old := p.back
	p.back = back
	p.mu.Unlock()
	if old != nil {
		old.Close()
	}
	p.done.Add(1)
	go func() {
		defer p.done.Done()
		b := make([]byte, 2048)
		for {
			n, _, err := back.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			p.mu.Lock()
			to := p.client
			p.mu.Unlock()
			p.front.WriteToUDPAddrPort(b[:n], to)
		}
	}()
}

// RFC 7016 §3.5.4.2: a session goes on when its packets come from another address, also when the kernel
// gives them to another shard's socket.
func TestTransportRebind(t *testing.T) {
	for _, shards := range []int{1, 4} {
		t.Run(fmt.Sprint(shards, " shards"), func(t *testing.T) {
			server := newParty(t)
			server.onEvent = echo
			id, _ := identities()
			server.listen(Config{Shards: shards, RTMFP: rtmfp.Config{Identity: id}})
			px := newProxy(t, server.Addr())
			client := newClient(t)
			_, f := client.dial(px.addr())
			far := wait(t, "session of the server", server.opened)
			forwarded := func() uint64 {
				return server.sum(func(h *handler) uint64 { return h.Endpoint().Counters().Forwarded.Load() })
			}
			warm := bodies("warm-up", 10) // so that the round trip is known, and losses are found soon
			client.write(f, warm...)
			client.expect(warm)
			for round := 0; round < 1 || (shards > 1 && forwarded() == 0); round++ {
				if round > 50 {
					t.Fatal("the kernel never chose another shard")
				}
				list := bodies(fmt.Sprint("round ", round), 40)
				client.write(f, list[:20]...)
				px.rebind()
				client.write(f, list[20:]...)
				client.expect(list) // the way back works only when the server has followed
			}
			moved := server.sum(func(h *handler) uint64 { return h.Endpoint().Counters().AddressChanges.Load() })
			if moved == 0 || len(server.opened) != 0 || len(server.closed) != 0 {
				t.Errorf("moved %d times, %d more sessions, %d closed", moved, len(server.opened), len(server.closed))
			}
			shard := rtmfp.ShardOf(far.ID())
			server.do(shard, func(rtmfp.Time) {
				px.mu.Lock()
				want := addrPort(px.back)
				px.mu.Unlock()
				if far.Addr() != want {
					t.Errorf("the session is at %v, want %v", far.Addr(), want)
				}
			})
		})
	}
}

// A port that is in use is reported, whoever shares it, and leaves nothing behind.
func TestTransportPortInUse(t *testing.T) {
	id, _ := identities()
	for _, first := range []int{1, 3} {
		for _, second := range []int{1, 3} {
			p := newParty(t).listen(Config{Shards: first, RTMFP: rtmfp.Config{Identity: id}})
			cfg := Config{Addr: p.Addr(), Shards: second, Handler: func(*Shard) Handler { return nil }}
			if tr, err := Listen(cfg); !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("%d shards beside %d: %v", second, first, err)
				if err == nil {
					tr.Close()
				}
			}
			p.Close()
			newParty(t).listen(Config{Addr: p.Addr(), Shards: second, RTMFP: rtmfp.Config{Identity: id}}).Close()
		}
	}
	if _, err := Listen(Config{Shards: MaxShards + 1}); err == nil {
		t.Error("too many shards")
	}
	if _, err := Listen(Config{Shards: -1}); err == nil {
		t.Error("a negative number of shards")
	}
}

// Ports that the system chooses are not shared either, although sockets of one user may share them.
func TestTransportChosenPorts(t *testing.T) {
	seen := map[netip.AddrPort]bool{}
	for range 40 {
		p := newParty(t).listen(Config{Shards: 2})
		if seen[p.Addr()] {
			t.Fatalf("%v twice", p.Addr())
		}
		seen[p.Addr()] = true
	}
}

// Close ends every goroutine, with sessions open, work in progress and posts under way.
func TestTransportClose(t *testing.T) {
	others := goleak.IgnoreCurrent()
	server := newServer(t, 3)
	var clients []*party
	for range 10 {
		c := newClient(t)
		c.start(server.Addr())
		clients = append(clients, c)
	}
	wait(t, "a session", server.opened)
	var posting sync.WaitGroup
	for i := range 4 {
		posting.Add(1)
		go func() {
			defer posting.Done()
			for range 2000 {
				server.handlers[i%3].Post(func(rtmfp.Time) {})
			}
		}()
	}
	for range 3 { // from several sides, and again
		posting.Add(1)
		go func() {
			defer posting.Done()
			server.Close()
		}()
	}
	posting.Wait()
	for _, c := range clients {
		c.Close()
		c.Close()
	}
	server.handlers[0].Post("late")
	goleak.VerifyNone(t, others)
}

// What a handler begins when it is made goes out at once.
func TestTransportDialFromHandler(t *testing.T) {
	server := newServer(t, 1)
	p := newParty(t)
	_, id := identities()
	open := make(chan rtmfp.Time, 1)
	p.onEvent = func(_ *handler, now rtmfp.Time, ev *rtmfp.Event) {
		if ev.Kind == rtmfp.EventSessionOpen {
			open <- now
		}
	}
	tr, err := Listen(Config{Addr: loopback(0), Shards: 1, Handler: func(s *Shard) Handler {
		h := &handler{s, p}
		if _, err := s.Endpoint().Dial(s.Now(), rtmfp.DialConfig{
			EPD: rtmfp.EPDForURI("rtmfp://localhost/"), Addrs: []netip.AddrPort{server.Addr()}, Identities: []*rtmfp.Identity{id},
		}); err != nil {
			t.Error(err)
		}
		return h
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if d := wait(t, "session", open).Sub(epoch); d > time.Second {
		t.Errorf("open after %v: the first hello waited for its repetition", d)
	}
}
