package udp

import (
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

var identities = sync.OnceValues(func() (server, client *rtmfp.Identity) {
	server, err := rtmfp.NewServerIdentity(rand.Reader, "")
	if err != nil {
		panic(err)
	}
	if client, err = rtmfp.NewClientIdentity(rand.Reader); err != nil {
		panic(err)
	}
	return server, client
})

func loopback(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
}

// party is one end: a transport and what happens on its shards.
type party struct {
	t *testing.T
	*Transport
	handlers []*handler

	opened   chan *rtmfp.Session // near or far
	closed   chan error
	messages chan string

	// Set before the transport listens; called on the shards.
	onEvent func(h *handler, now rtmfp.Time, ev *rtmfp.Event)
	onPost  func(h *handler, now rtmfp.Time, msg any)
}

type handler struct {
	*Shard
	p *party
}

func (h *handler) HandleEvent(now rtmfp.Time, ev *rtmfp.Event) {
	if h.p.onEvent != nil {
		h.p.onEvent(h, now, ev)
	}
	switch ev.Kind {
	case rtmfp.EventSessionOpen:
		h.p.opened <- ev.Session
	case rtmfp.EventSessionClosed:
		h.p.closed <- ev.Err
	case rtmfp.EventMessage:
		if ev.Message != nil {
			h.p.messages <- string(ev.Message.Bytes())
			ev.Message.Release()
		}
	}
}

// HandlePost runs posted functions.
func (h *handler) HandlePost(now rtmfp.Time, msg any) {
	if f, ok := msg.(func(rtmfp.Time)); ok {
		f(now)
	} else if h.p.onPost != nil {
		h.p.onPost(h, now, msg)
	}
}

func newParty(t *testing.T) *party {
	return &party{
		t: t, opened: make(chan *rtmfp.Session, 1024), closed: make(chan error, 1024), messages: make(chan string, 65536),
	}
}

// listen starts the transport on loopback.
func (p *party) listen(cfg Config) *party {
	p.t.Helper()
	if !cfg.Addr.IsValid() {
		cfg.Addr = loopback(0)
	}
	cfg.Handler = func(s *Shard) Handler {
		h := &handler{s, p}
		p.handlers = append(p.handlers, h)
		return h
	}
	tr, err := Listen(cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	p.Transport = tr
	p.t.Cleanup(func() { tr.Close() })
	return p
}

func newServer(t *testing.T, shards int) *party {
	p := newParty(t)
	id, _ := identities()
	return p.listen(Config{Shards: shards, RTMFP: rtmfp.Config{Identity: id}})
}

func newClient(t *testing.T) *party {
	p := newParty(t)
	return p.listen(Config{Shards: 1})
}

// do runs f on a shard and waits for it.
func (p *party) do(shard int, f func(now rtmfp.Time)) {
	p.t.Helper()
	done := make(chan struct{})
	p.handlers[shard].Post(func(now rtmfp.Time) {
		f(now)
		close(done)
	})
	wait(p.t, "a post", done)
}

func wait[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("no %s in %v", what, patience)
	}
	return v
}

// dial opens a session to addr and a flow on it.
func (p *party) dial(addr netip.AddrPort) (s *rtmfp.Session, f *rtmfp.SendFlow) {
	p.t.Helper()
	p.start(addr)
	s = wait(p.t, "session", p.opened)
	p.do(0, func(now rtmfp.Time) {
		var err error
		if f, err = s.Open(now, []byte("test"), rtmfp.FlowOptions{}); err != nil {
			p.t.Error(err)
		}
	})
	return s, f
}

// start begins to dial.
func (p *party) start(addr netip.AddrPort) {
	_, id := identities()
	p.handlers[0].Post(func(now rtmfp.Time) {
		if _, err := p.handlers[0].Endpoint().Dial(now, rtmfp.DialConfig{
			EPD: rtmfp.EPDForURI("rtmfp://localhost/"), Addrs: []netip.AddrPort{addr}, Identities: []*rtmfp.Identity{id},
		}); err != nil {
			p.t.Error(err)
		}
	})
}

func (p *party) write(f *rtmfp.SendFlow, bodies ...string) {
	p.handlers[0].Post(func(now rtmfp.Time) {
		for _, b := range bodies {
			if _, err := f.Write(now, rtmfp.Message{Body: rtmfp.CopyBuffer([]byte(b))}); err != nil {
				p.t.Error(err)
			}
		}
	})
}

// echo makes a handler send back what arrives, on a flow of its own.
func echo(h *handler, now rtmfp.Time, ev *rtmfp.Event) {
	switch ev.Kind {
	case rtmfp.EventFlow:
		f, err := ev.Session.Open(now, []byte("echo"), rtmfp.FlowOptions{Assoc: ev.Recv})
		if err != nil {
			h.p.t.Error(err)
			return
		}
		ev.Recv.User = f
	case rtmfp.EventMessage:
		f := ev.Recv.User.(*rtmfp.SendFlow)
		if _, err := f.Write(now, rtmfp.Message{Body: ev.Message}); err != nil && !errors.Is(err, net.ErrClosed) {
			h.p.t.Error(err)
		}
		ev.Message = nil // the flow has it
	}
}

// sum adds up a counter of all shards.
func (p *party) sum(f func(h *handler) uint64) (n uint64) {
	for _, h := range p.handlers {
		n += f(h)
	}
	return n
}
