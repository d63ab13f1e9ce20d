package rtmfp_test

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// recorder is a handler that keeps what happened, for tests to look at.
type recorder struct {
	shard    *simnet.Shard
	sessions []*rtmfp.Session
	closed   []error
	flows    []*rtmfp.RecvFlow
	messages map[*rtmfp.RecvFlow][]string
	all      []string
	ended    []error
	rejected []uint64
	sendEnds []error
	ready    int
	timers   int
	moved    int
	hellos   []rtmfp.Hello

	onFlow    func(now rtmfp.Time, f *rtmfp.RecvFlow)
	onMessage func(now rtmfp.Time, f *rtmfp.RecvFlow, b []byte)
	onOpen    func(now rtmfp.Time, s *rtmfp.Session)
	onHello   func(now rtmfp.Time, h *rtmfp.Hello)
}

func (r *recorder) HandlePost(rtmfp.Time, any) {}

func (r *recorder) HandleEvent(now rtmfp.Time, ev *rtmfp.Event) {
	switch ev.Kind {
	case rtmfp.EventSessionOpen:
		r.sessions = append(r.sessions, ev.Session)
		if r.onOpen != nil {
			r.onOpen(now, ev.Session)
		}
	case rtmfp.EventSessionClosed:
		r.closed = append(r.closed, ev.Err)
	case rtmfp.EventFlow:
		r.flows = append(r.flows, ev.Recv)
		if r.onFlow != nil {
			r.onFlow(now, ev.Recv)
		}
	case rtmfp.EventMessage:
		if r.messages == nil {
			r.messages = make(map[*rtmfp.RecvFlow][]string)
		}
		m := string(ev.Message.Bytes())
		r.messages[ev.Recv] = append(r.messages[ev.Recv], m)
		r.all = append(r.all, m)
		if r.onMessage != nil {
			r.onMessage(now, ev.Recv, ev.Message.Bytes())
		}
		ev.Message.Release()
	case rtmfp.EventFlowEnd:
		r.ended = append(r.ended, ev.Err)
	case rtmfp.EventSendRejected:
		r.rejected = append(r.rejected, ev.Code)
	case rtmfp.EventSendEnd:
		r.sendEnds = append(r.sendEnds, ev.Err)
	case rtmfp.EventSendReady:
		r.ready++
	case rtmfp.EventTimer:
		r.timers++
	case rtmfp.EventAddressChanged:
		r.moved++
	case rtmfp.EventHello:
		r.hellos = append(r.hellos, *ev.Hello)
		if r.onHello != nil {
			r.onHello(now, ev.Hello)
		}
	}
}

// world is a client and a server on a simulated network.
type world struct {
	t              *testing.T
	net            *simnet.Net
	server, client *simnet.Node
	srv, cli       *recorder
	shards         []*recorder
}

var (
	testServer = must(rtmfp.NewServerIdentity(simnet.New(1).Reader(), "", 2))
	testClient = must(rtmfp.NewClientIdentity(simnet.New(2).Reader(), 2))
	otherPeer  = must(rtmfp.NewClientIdentity(simnet.New(3).Reader(), 2))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

type worldConfig struct {
	seed           uint64
	link           simnet.Link
	server, client rtmfp.Config
	shards         int
}

func newWorld(t *testing.T, c worldConfig) *world {
	t.Helper()
	w := &world{t: t, net: simnet.New(c.seed), cli: new(recorder)}
	if c.link != (simnet.Link{}) {
		w.net.SetDefaultLink(c.link)
	}
	if c.server.Identity == nil {
		c.server.Identity = testServer
	}
	if c.client.Identity == nil {
		c.client.Identity = testClient
	}
	w.server = w.net.AddShards("192.0.2.1:1935", c.server, max(c.shards, 1), func(s *simnet.Shard) simnet.Handler {
		r := &recorder{shard: s}
		w.shards = append(w.shards, r)
		return r
	})
	w.srv = w.shards[0]
	w.client = w.net.AddNode("198.51.100.7:50000", c.client, func(s *simnet.Shard) simnet.Handler {
		w.cli.shard = s
		return w.cli
	})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", c.seed)
		}
	})
	return w
}

func (w *world) dial() *rtmfp.Session {
	w.t.Helper()
	s, err := w.client.Endpoint().Dial(w.net.Now(), rtmfp.DialConfig{
		EPD: rtmfp.EPDForURI("rtmfp://192.0.2.1/test"), Addrs: addrs(w.server.Addr().String()),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.client.Wake()
	return s
}

// open dials and waits until both ends have the session.
func (w *world) open() (client, server *rtmfp.Session) {
	w.t.Helper()
	s := w.dial()
	if !w.net.RunUntil(func() bool { return s.IsOpen() }, 95*time.Second) {
		w.t.Fatalf("session did not open: %v", w.cli.closed)
	}
	for _, r := range w.shards {
		if n := len(r.sessions); n > 0 {
			return s, r.sessions[n-1]
		}
	}
	w.t.Fatal("the server has no session")
	return nil, nil
}

func (w *world) flow(s *rtmfp.Session, o rtmfp.FlowOptions) *rtmfp.SendFlow {
	w.t.Helper()
	f, err := s.Open(w.net.Now(), []byte("test"), o)
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

// write queues a message and lets the client send.
func (w *world) write(f *rtmfp.SendFlow, m rtmfp.Message, body string) rtmfp.MessageID {
	w.t.Helper()
	m.Body = rtmfp.CopyBuffer([]byte(body))
	id, err := f.Write(w.net.Now(), m)
	if err != nil {
		w.t.Fatal(err)
	}
	w.client.Wake()
	w.server.Wake()
	return id
}

// numbered returns a body of n bytes that starts with i.
func numbered(i, n int) string {
	b := make([]byte, max(n, 4))
	for k := range b {
		b[k] = byte(i + k)
	}
	binary.BigEndian.PutUint32(b, uint32(i))
	return string(b)
}

func number(s string) int { return int(binary.BigEndian.Uint32([]byte(s))) }

func TestMessagesArriveWholeAndInOrder(t *testing.T) {
	links := map[string]simnet.Link{
		"clean":   {Delay: 5 * time.Millisecond},
		"loss 5":  {Delay: 20 * time.Millisecond, Loss: 0.05},
		"loss 20": {Delay: 20 * time.Millisecond, Loss: 0.20},
		"reorder": {Delay: 20 * time.Millisecond, Reorder: 0.2, Jitter: 15 * time.Millisecond},
		"dup":     {Delay: 20 * time.Millisecond, Dup: 0.3},
		"all":     {Delay: 30 * time.Millisecond, Jitter: 10 * time.Millisecond, Loss: 0.1, Dup: 0.1, Reorder: 0.1},
		"slow":    {Delay: 20 * time.Millisecond, Rate: 50_000, Queue: 20_000},
	}
	secure := rtmfp.Security{RequestHMAC: true, RequestSSEQ: true}
	for name, link := range links {
		for seed := range uint64(4) {
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
				c := worldConfig{seed: seed, link: link}
				if seed%2 == 1 {
					c.client.Security, c.server.Security = secure, secure
				}
				w := newWorld(t, c)
				cs, ss := w.open()
				if cs.Secured() != (seed%2 == 1) || ss.Secured() != cs.Secured() {
					t.Fatalf("secured: client %v, server %v", cs.Secured(), ss.Secured())
				}
				f := w.flow(cs, rtmfp.FlowOptions{Priority: rtmfp.PriorityData})
				sizes := []int{4, 100, 1100, 1200, 5000, 60000, 7}
				const n = 120
				for i := range n {
					w.write(f, rtmfp.Message{}, numbered(i, sizes[i%len(sizes)]))
				}
				f.Close(w.net.Now())
				w.client.Wake()
				if !w.net.RunUntil(func() bool { return len(w.cli.sendEnds) > 0 && len(w.srv.ended) > 0 }, 10*time.Minute) {
					t.Fatalf("flow did not end: %d of %d messages", len(w.srv.all), n)
				}
				if len(w.srv.all) != n {
					t.Fatalf("got %d messages, want %d", len(w.srv.all), n)
				}
				for i, m := range w.srv.all {
					if m != numbered(i, sizes[i%len(sizes)]) {
						t.Fatalf("message %d: is number %d with %d bytes", i, number(m), len(m))
					}
				}
				if w.srv.ended[0] != nil || w.cli.sendEnds[0] != nil {
					t.Errorf("flow ended with %v and %v", w.srv.ended[0], w.cli.sendEnds[0])
				}
			})
		}
	}
}
