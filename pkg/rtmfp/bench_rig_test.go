package rtmfp_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// host is an endpoint with an address on a wire.
type host struct {
	ep    *rtmfp.Endpoint
	addr  netip.AddrPort
	batch *rtmfp.Batch
	// on handles events; nil releases messages.
	on func(now rtmfp.Time, ev *rtmfp.Event)
	// spent is the time the endpoint took, measured only if clock is set.
	spent   time.Duration
	clock   bool
	packets int // received
	drop    int // key agreements to drop
	ev      rtmfp.Event
}

// wireRig carries datagrams between hosts at once and without allocating, unlike simnet: what it counts
// and measures is the endpoints'.
type wireRig struct {
	now   rtmfp.Time
	hosts map[netip.AddrPort]*host
	order []*host
	// asks has which address of the others a host sends to; astray counts datagrams to it that left from another.
	asks   map[netip.AddrPort]rtmfp.Local
	astray int
}

func newWireRig() *wireRig {
	return &wireRig{now: rtmfp.Time(time.Hour), hosts: map[netip.AddrPort]*host{}}
}

func (w *wireRig) add(addr string, cfg rtmfp.Config) *host {
	if cfg.Rand == nil {
		cfg.Rand = simnet.New(uint64(len(w.order) + 100)).Reader()
	}
	h := &host{ep: rtmfp.NewEndpoint(cfg), addr: simnet.Addr(addr), batch: rtmfp.NewBatch(32)}
	w.hosts[h.addr] = h
	w.order = append(w.order, h)
	return h
}

func (h *host) begin() (t time.Time) {
	if h.clock {
		t = time.Now()
	}
	return t
}

func (h *host) end(t time.Time) {
	if h.clock {
		h.spent += time.Since(t)
	}
}

func (w *wireRig) events(h *host) {
	for {
		var ok bool
		h.ev, ok = h.ep.NextEvent()
		switch ev := &h.ev; {
		case !ok:
			return
		case ev.Kind == rtmfp.EventKeyAgreement:
			if h.drop > 0 && ev.Job.MayDrop() {
				h.drop--
				h.ep.DropKeyAgreement(w.now, ev.Job)
				continue
			}
			ev.Job.Run()
			h.ep.HandleKeyAgreement(w.now, ev.Job)
		case h.on != nil:
			h.on(w.now, ev)
		case ev.Message != nil:
			ev.Message.Release()
		}
	}
}

// flush sends what h may send; it reports whether that was anything.
func (w *wireRig) flush(h *host) (sent bool) {
	for {
		t := h.begin()
		more := h.ep.Poll(w.now, h.batch)
		h.end(t)
		if !more {
			return sent
		}
		sent = true
		for _, d := range h.batch.Datagrams() {
			to := w.hosts[d.To]
			to.packets++
			t := to.begin()
			if d.Local != w.asks[d.To] {
				w.astray++
			}
			to.ep.HandleDatagramTo(w.now, d.Data, h.addr, w.asks[h.addr])
			w.events(to)
			to.end(t)
		}
		h.batch.Reset()
	}
}

// settle lets everything happen that can happen now.
func (w *wireRig) settle() {
	for busy := true; busy; {
		busy = false
		for _, h := range w.order {
			if t := h.ep.NextTimeout(); t != 0 && t <= w.now {
				h.ep.HandleTimeout(w.now)
			}
			w.events(h)
			busy = w.flush(h) || busy
		}
	}
}

// pass lets d go by.
func (w *wireRig) pass(d time.Duration) {
	w.now = w.now.Add(d)
	w.settle()
}

// connect opens a session from h to the server.
func (w *wireRig) connect(tb testing.TB, h, server *host) (near, far *rtmfp.Session) {
	tb.Helper()
	before := server.on
	server.on = func(_ rtmfp.Time, ev *rtmfp.Event) {
		if ev.Kind == rtmfp.EventSessionOpen {
			far = ev.Session
		}
	}
	defer func() { server.on = before }()
	s, err := h.ep.Dial(w.now, rtmfp.DialConfig{EPD: rtmfp.EPDForURI("rtmfp://x/"), Addrs: []netip.AddrPort{server.addr}})
	if err != nil {
		tb.Fatal(err)
	}
	w.settle()
	if !s.IsOpen() || far == nil {
		tb.Fatal("no session")
	}
	return s, far
}
