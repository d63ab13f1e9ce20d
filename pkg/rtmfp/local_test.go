package rtmfp_test

import (
	"crypto/rand"
	"net/netip"
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Whatever a server with several addresses sends to a far end leaves from the one that it speaks with: answers, those
// that others come between, what timers send, and what follows when the far end moves or speaks with another.
func TestAnswersLeaveFromWhereTheyWereAsked(t *testing.T) {
	w := newWireRig()
	server := w.add("192.0.2.1:1935", rtmfp.Config{Identity: testServer, DecideHello: true, Keepalive: time.Second})
	one := w.add("198.51.100.1:5000", rtmfp.Config{Identity: testClient, Keepalive: time.Hour})
	two := w.add("198.51.100.2:5000", rtmfp.Config{Identity: must(rtmfp.NewClientIdentity(rand.Reader, 2)), Keepalive: time.Hour})
	w.asks = map[netip.AddrPort]rtmfp.Local{one.addr: 1, two.addr: 2}
	ok := func(when string) {
		t.Helper()
		if w.astray > 0 {
			t.Errorf("%s: %d datagrams left from another address", when, w.astray)
			w.astray = 0
		}
	}

	var hellos []*rtmfp.Hello
	far := map[netip.AddrPort]*rtmfp.Session{}
	server.on = func(_ rtmfp.Time, ev *rtmfp.Event) {
		switch {
		case ev.Kind == rtmfp.EventHello:
			hellos = append(hellos, ev.Hello)
		case ev.Kind == rtmfp.EventSessionOpen:
			far[ev.Session.Addr()] = ev.Session
		case ev.Message != nil:
			ev.Message.Release()
		}
	}
	var near []*rtmfp.Session
	for _, h := range []*host{one, two} {
		s, err := h.ep.Dial(w.now, rtmfp.DialConfig{EPD: rtmfp.EPDForURI("rtmfp://x/"), Addrs: []netip.AddrPort{server.addr}})
		if err != nil {
			t.Fatal(err)
		}
		near = append(near, s)
	}
	w.settle()
	if len(hellos) != 2 {
		t.Fatalf("%d hellos", len(hellos))
	}
	for _, h := range hellos {
		server.ep.RedirectHello(w.now, h, nil)
		server.ep.AnswerHello(w.now, h)
	}
	w.settle()
	if len(far) != 2 {
		t.Fatalf("%d sessions", len(far))
	}
	ok("handshakes")

	say := func(s *rtmfp.Session) {
		t.Helper()
		f, err := s.Open(w.now, []byte("x"), rtmfp.FlowOptions{})
		if err == nil {
			_, err = f.Write(w.now, rtmfp.Message{Body: rtmfp.CopyBuffer(pattern(5000))})
		}
		if err != nil {
			t.Fatal(err)
		}
		w.settle()
	}
	for _, s := range far {
		say(s)
	}
	pings := two.packets
	w.pass(300 * time.Millisecond)
	w.pass(5 * time.Second)
	if two.packets == pings {
		t.Error("no pings")
	}
	ok("data and pings")

	w.asks[one.addr] = 3
	say(near[0])
	say(far[one.addr])
	w.pass(5 * time.Second)
	ok("the far end speaks with another address")

	old := two.addr
	two.addr = netip.AddrPortFrom(old.Addr(), 6000)
	w.hosts[two.addr], w.asks[two.addr] = two, 4
	say(near[1])
	w.pass(time.Second)
	if s := far[old]; s.Addr() != two.addr {
		t.Fatalf("the far end is at %v", s.Addr())
	}
	say(far[old])
	far[old].Close(w.now)
	w.pass(5 * time.Second)
	ok("the far end moved")
}
