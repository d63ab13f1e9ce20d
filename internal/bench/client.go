package bench

import (
	"crypto/rand"
	"net/netip"
	"runtime"
	"sync"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Client is one client of the server, with an address and an endpoint of its own. It belongs to the
// goroutine of its worker.
type Client struct {
	w       *worker
	socket  *socket // nil = removed
	ip      netip.Addr
	ep      *rtmfp.Endpoint
	session *rtmfp.Session
	conn    *netconn.Client
	control *rtmfp.RecvFlow // the first flow of the server
	arrived rtmfp.Time      // when the kernel had the datagram that is being handled: what we take to read it is not the server's fault
	timer   alarm
	dirty   bool
	leaving bool

	// other gets the events of sessions that are not with the server, and may be nil.
	other func(now rtmfp.Time, ev *rtmfp.Event)
	// spy sees the events of the session with the server first and returns true to keep them.
	spy func(now rtmfp.Time, ev *rtmfp.Event) bool
}

// callbacks are what a client tells; all may be nil.
type callbacks struct {
	opened func(now rtmfp.Time)            // the server accepted
	closed func(now rtmfp.Time, err error) // after that, or instead
	called func(now rtmfp.Time, name string, args []amf.Value)
}

// dial makes a client that connects to a target.
func (w *worker) dial(now rtmfp.Time, t Target, id *rtmfp.Identity, cb callbacks) (*Client, error) {
	c := &Client{w: w, timer: alarm{index: -1}}
	c.timer.do = c.timeout
	sec := rtmfp.Security{RequestHMAC: w.farm.cfg.HMAC, RequestSSEQ: w.farm.cfg.HMAC}
	c.ep = rtmfp.NewEndpoint(rtmfp.Config{Identity: id, Security: sec, Cookies: w.farm.cookies, TimeCriticalReverse: true})
	if err := w.place(c); err != nil {
		return nil, err
	}
	var err error
	c.session, err = c.ep.Dial(now, rtmfp.DialConfig{EPD: rtmfp.EPDForURI(t.URL), Addrs: []netip.AddrPort{t.Addr}})
	if err != nil {
		w.remove(c)
		return nil, err
	}
	c.conn = netconn.NewClient(now, c.session, netconn.ClientConfig{
		URL: t.URL, App: t.App, ObjectEncoding: w.farm.cfg.Encoding, Args: w.farm.cfg.Args,
		OnConnect: func(now rtmfp.Time, _ netconn.Info) {
			if cb.opened != nil {
				cb.opened(now)
			}
		},
		OnCall: cb.called,
		OnClose: func(now rtmfp.Time, err error) {
			if cb.closed != nil {
				cb.closed(now, err)
			}
			c.w.post(func(rtmfp.Time) { c.w.remove(c) })
		},
	})
	c.touch()
	return c, nil
}

// touch has the worker look at what the client has to send. It must be called after everything that is
// done with its connection outside of events.
func (c *Client) touch() {
	if !c.dirty {
		c.dirty = true
		c.w.dirty = append(c.w.dirty, c)
	}
}

// close ends the connection in order.
func (c *Client) close(now rtmfp.Time) {
	c.leaving = true
	c.conn.Close(now)
	c.touch()
}

func (c *Client) timeout(now rtmfp.Time) {
	if t := c.ep.NextTimeout(); t != 0 && t <= now {
		c.arrived = now
		c.ep.HandleTimeout(now)
		c.touch()
		c.events(now)
	}
	c.reschedule()
}

// reschedule keeps the timer no later than the endpoint's. Earlier does no harm, and most deadlines move
// on before they come.
func (c *Client) reschedule() {
	if t := c.ep.NextTimeout(); t != 0 && c.socket != nil && (c.timer.index < 0 || t < c.timer.at) {
		c.w.timers.set(&c.timer, t)
	}
}

func (c *Client) events(now rtmfp.Time) {
	for {
		ev, ok := c.ep.NextEvent()
		if !ok {
			return
		}
		c.touch()
		if ev.Kind == rtmfp.EventFlow && c.control == nil && ev.Session == c.session {
			c.control = ev.Recv
		}
		switch {
		case ev.Kind == rtmfp.EventKeyAgreement:
			ev.Job.Run()
			c.ep.HandleKeyAgreement(now, ev.Job)
		case ev.Session != c.session && c.other != nil:
			c.other(now, &ev)
		case c.spy == nil || !c.spy(now, &ev):
			netconn.Clients{}.HandleEvent(now, &ev)
		}
	}
}

// identityPool holds identities made in advance: drawing a key takes as long as much of a handshake.
type identityPool struct {
	group uint64
	mu    sync.Mutex
	ready []*rtmfp.Identity
}

// prepare draws n identities on all processors.
func (p *identityPool) prepare(n int) error {
	var wg sync.WaitGroup
	procs := runtime.GOMAXPROCS(0)
	errs := make(chan error, procs)
	for i := range procs {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range (n + procs - 1 - i) / procs {
				id, err := rtmfp.NewClientIdentity(rand.Reader, p.group)
				if err != nil {
					errs <- err
					return
				}
				p.mu.Lock()
				p.ready = append(p.ready, id)
				p.mu.Unlock()
			}
		}()
	}
	wg.Wait()
	close(errs)
	return <-errs
}

// take returns an identity that nobody else has.
func (p *identityPool) take() (*rtmfp.Identity, error) {
	p.mu.Lock()
	if n := len(p.ready); n > 0 {
		id := p.ready[n-1]
		p.ready = p.ready[:n-1]
		p.mu.Unlock()
		return id, nil
	}
	p.mu.Unlock()
	return rtmfp.NewClientIdentity(rand.Reader, p.group)
}
