package rendezvous

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// A decision that comes after the budget counts for nothing; the client's next hello is another chance.
func TestLateDecision(t *testing.T) {
	net := simnet.New(1)
	hooks := &decide{net: net, delay: 1200 * time.Millisecond}
	srv := newServer(t, net, "192.0.2.1:1935", 2, hooks)
	a := newPeer(t, net, "198.51.100.1:4001", srv)
	net.After(3*time.Second, func() { hooks.delay = 900 * time.Millisecond })
	if !net.RunUntil(connected(a), time.Minute) {
		t.Fatal("client did not connect")
	}
	if n := srv.intro.Counters().Unanswered.Load(); n != 2 { // at 0 s and 1 s
		t.Errorf("%d hellos unanswered, want 2", n)
	}
	if n := len(srv.intro.asked.open); n != 0 {
		t.Errorf("%d questions left", n)
	}
}

// deaf is an application that never answers.
type deaf struct{ asked int }

func (d *deaf) Decides(string) bool { return true }

func (d *deaf) Handshake(HandshakeRequest, func([]netip.AddrPort)) bool { d.asked++; return true }

func (d *deaf) Unknown(rtmfp.PeerID, func([]netip.AddrPort)) bool { d.asked++; return true }

// A flood of hellos takes no more than its part of the application's queue, and what it leaves behind is
// bounded, whatever the application does.
func TestHelloFlood(t *testing.T) {
	net := simnet.New(1)
	hooks := &deaf{}
	srv := newServer(t, net, "192.0.2.1:1935", 1, hooks)
	flood := func(from int) {
		for n := range 2 * maxAttempts {
			var h rtmfp.Hello
			h.Tag = fmt.Appendf(nil, "tag %d", from+n)
			h.From = simnet.Addr("198.51.100.7:4001")
			h.EPD = rtmfp.EPDForURI("rtmfp://server/app")
			if n%2 == 0 {
				h.EPD = rtmfp.EPDForPeer(rtmfp.PeerID{1, 2})
			}
			srv.intro.Hello(net.Now(), 0, srv.node.Endpoint(), &h)
		}
	}
	flood(0)
	if hooks.asked != maxQuestions {
		t.Errorf("%d questions, want %d", hooks.asked, maxQuestions)
	}
	net.Run(2 * time.Second)
	flood(4 * maxAttempts)
	if hooks.asked != 2*maxQuestions {
		t.Errorf("%d questions after the budget, want %d", hooks.asked, 2*maxQuestions)
	}
	if n := len(srv.intro.attempts.tags); n > maxAttempts {
		t.Errorf("%d tags remembered, want at most %d", n, maxAttempts)
	}
	if n := srv.intro.Counters().Unanswered.Load(); n != 4*maxAttempts-maxQuestions {
		t.Errorf("%d unanswered", n)
	}
	if n := srv.intro.Counters().Uncounted.Load(); n != 4*maxAttempts-maxAttempts {
		t.Errorf("%d uncounted", n)
	}
	net.Run(time.Hour)
	srv.intro.attempts.count(net.Now(), []byte("x"))
	if n := len(srv.intro.attempts.tags); n != 1 {
		t.Errorf("%d tags remembered after an hour", n)
	}
}

// Attempts count the hellos of one opening, and lists longer than an answer come round.
func TestRedirectTurns(t *testing.T) {
	net := simnet.New(1)
	var all []netip.AddrPort
	for i := range 2 * maxRedirect {
		all = append(all, simnet.Addr(fmt.Sprintf("192.0.2.%d:1935", 100+i)))
	}
	hooks := &decide{net: net, to: all}
	srv := newServer(t, net, "192.0.2.1:1935", 1, hooks)
	newPeer(t, net, "198.51.100.1:4001", srv)
	net.Run(30 * time.Second)
	for i, h := range hooks.asked {
		if h.Attempts != i+1 {
			t.Fatalf("hello %d is attempt %d", i, h.Attempts)
		}
	}
	if n := len(hooks.asked); n < 5 {
		t.Errorf("%d hellos", n)
	}
}
