package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
	"github.com/monaserver/monaserver/pkg/rtmfp/udp"
)

// client is a conn over the network: a transport with one shard, whose goroutine owns the session and
// the NetConnection. Everything reaches them as a function posted to it.
type client struct {
	transport *udp.Transport
	shard     *udp.Shard
	log       func(format string, arg ...any)
	opened    chan struct{}
	closed    chan struct{}
	reported  []netip.AddrPort // our own addresses, for other clients
	// Set before opened or closed is closed.
	info connInfo
	err  error

	// Owned by the shard's goroutine.
	session *rtmfp.Session
	conn    *netconn.Client

	mu       sync.Mutex
	last     stats
	incoming []*clientStream
}

// dial connects over the network.
func dial(ctx context.Context, t target, o dialOptions) (conn, error) {
	addrs, err := resolve(ctx, t.Host)
	if err != nil {
		return nil, err
	}
	ids, err := identities()
	if err != nil {
		return nil, err
	}
	c, err := listen(wildcard(addrs), ids[0], netconn.Clients{}, o)
	if err != nil && slices.ContainsFunc(addrs, func(a netip.AddrPort) bool { return a.Addr().Is4() }) {
		c, err = listen(netip.IPv4Unspecified(), ids[0], netconn.Clients{}, o) // a machine without IPv6
	}
	if err != nil {
		return nil, err
	}
	if err := c.open(ctx, t, addrs, ids, o); err != nil {
		return nil, err
	}
	return c, nil
}

// listen opens a port for a client whose events go to h.
func listen(addr netip.Addr, id *rtmfp.Identity, h udp.Handler, o dialOptions) (*client, error) {
	tr, err := udp.Listen(udp.Config{
		Addr:   netip.AddrPortFrom(addr, 0),
		Shards: 1,
		RTMFP: rtmfp.Config{
			Identity: id, TimeCriticalReverse: true,
			Security: rtmfp.Security{RequestHMAC: true, RequestSSEQ: true},
		},
		Handler: func(*udp.Shard) udp.Handler { return h },
	})
	if err != nil {
		return nil, err
	}
	return &client{
		transport: tr, shard: tr.Shards()[0], log: o.Log,
		opened: make(chan struct{}), closed: make(chan struct{}),
	}, nil
}

// open connects to a server; when that fails the port is closed.
func (c *client) open(ctx context.Context, t target, addrs []netip.AddrPort, ids []*rtmfp.Identity, o dialOptions) (err error) {
	c.post(func(now rtmfp.Time) { c.start(now, t, addrs, ids, o) })
	select {
	case <-c.opened:
		return nil
	case <-c.closed:
		err = c.err
	case <-ctx.Done():
		if err = ctx.Err(); errors.Is(err, context.DeadlineExceeded) {
			err = errors.New("no answer")
		}
	}
	return errors.Join(err, c.transport.Close())
}

// identities returns who we are, stronger first: old servers know nothing but group 2, and take a
// certificate with several keys for garbage.
func identities() ([]*rtmfp.Identity, error) {
	var ids []*rtmfp.Identity
	for _, group := range []uint64{14, 2} {
		id, err := rtmfp.NewClientIdentity(rand.Reader, group)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func resolve(ctx context.Context, host string) ([]netip.AddrPort, error) {
	name, service, err := net.SplitHostPort(host)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if err != nil {
		return nil, err
	}
	var addrs []netip.AddrPort
	for _, ip := range ips {
		addrs = append(addrs, netip.AddrPortFrom(ip.Unmap(), uint16(port)))
	}
	return addrs, nil
}

// wildcard is the address to bind for talking to addrs.
func wildcard(addrs []netip.AddrPort) netip.Addr {
	for _, a := range addrs {
		if a.Addr().Is6() {
			return netip.IPv6Unspecified()
		}
	}
	return netip.IPv4Unspecified()
}

func (c *client) start(now rtmfp.Time, t target, addrs []netip.AddrPort, ids []*rtmfp.Identity, o dialOptions) {
	s, err := c.shard.Endpoint().Dial(now, rtmfp.DialConfig{EPD: rtmfp.EPDForURI(t.URL), Addrs: addrs, Identities: ids})
	if err != nil {
		c.err = err
		close(c.closed)
		return
	}
	app := t.App
	if t.Query != "" {
		app += "?" + t.Query
	}
	c.session = s
	c.conn = netconn.NewClient(now, s, netconn.ClientConfig{
		URL: t.URL, App: app, ObjectEncoding: o.Encoding, Args: o.Args, PeerAddresses: c.reported,
		OnConnect: func(_ rtmfp.Time, info netconn.Info) { c.accepted(info, o.Encoding) },
		OnStatus:  func(_ rtmfp.Time, info netconn.Info) { c.logf("status: %s %s", info.Code, info.Description) },
		OnCall: func(_ rtmfp.Time, name string, args []amf.Value) {
			c.logf("call from the server: %s%s", name, callText(args))
		},
		OnClose: func(_ rtmfp.Time, err error) { c.over(err) },
	})
}

func callText(args []amf.Value) string {
	s := "("
	for i, v := range args {
		if i > 0 {
			s += ", "
		}
		s += formatValue(v)
	}
	return s + ")"
}

func (c *client) accepted(info netconn.Info, encoding uint8) {
	s := c.session
	c.info = connInfo{
		Address: s.Addr().String(), NearID: s.NearID().String(), FarID: s.PeerID().String(), ObjectEncoding: encoding,
	}
	if info.Object != nil {
		c.info.Fields = info.Object.Members
		if n, ok := info.Object.Number("objectEncoding"); ok {
			c.info.ObjectEncoding = uint8(n)
		}
	}
	c.logf("connected to %s, HMAC and sequence numbers %s", s.Addr(), onOff(s.Secured()))
	close(c.opened)
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// over ends everything that waits.
func (c *client) over(err error) {
	c.err = refusal(err)
	c.mu.Lock()
	for _, s := range c.incoming {
		s.fail(c.err)
	}
	c.mu.Unlock()
	close(c.closed)
}

// refusal turns what the server said into what the commands understand.
func refusal(err error) error {
	var status *netconn.StatusError
	if errors.As(err, &status) {
		return &refusedError{status.Code, status.Description}
	}
	return err
}

func (c *client) logf(format string, arg ...any) {
	if c.log != nil {
		c.log(format, arg...)
	}
}

// post runs f on the shard's goroutine.
func (c *client) post(f func(rtmfp.Time)) { c.shard.Post(f) }

// await posts f, which must sooner or later call its argument once, and waits for that.
func await[T any](ctx context.Context, c *client, f func(now rtmfp.Time, done func(T, error))) (T, error) {
	type result struct {
		v   T
		err error
	}
	ch := make(chan result, 1)
	c.post(func(now rtmfp.Time) {
		f(now, func(v T, err error) {
			select {
			case ch <- result{v, err}:
			default: // only the first answer counts
			}
		})
	})
	var zero T
	select {
	case r := <-ch:
		return r.v, refusal(r.err)
	case <-c.closed:
		select { // the answer may have come before the end
		case r := <-ch:
			return r.v, refusal(r.err)
		default:
		}
		if c.err != nil {
			return zero, c.err
		}
		return zero, net.ErrClosed
	case <-ctx.Done():
		return zero, ctx.Err()
	}
}

func (c *client) Call(ctx context.Context, name string, args []amf.Value) ([]amf.Value, error) {
	return await(ctx, c, func(now rtmfp.Time, done func([]amf.Value, error)) {
		c.conn.Call(now, name, func(_ rtmfp.Time, r netconn.Result) { done(r.Values, r.Err) }, args...)
	})
}

func (c *client) Publish(ctx context.Context, name, kind string) (stream, error) {
	return c.openStream(ctx, name, func(now rtmfp.Time, s *clientStream) error { return s.ns.Publish(now, name, kind) }, netconn.CodePublishStart)
}

func (c *client) Play(ctx context.Context, name string, follow bool) (stream, error) {
	return c.openStream(ctx, name, func(now rtmfp.Time, s *clientStream) error {
		s.follow = follow
		return s.ns.Play(now, name)
	}, netconn.CodePlayStart)
}

// openStream makes a stream, starts it and waits for the status that accepts it.
func (c *client) openStream(ctx context.Context, name string, start func(rtmfp.Time, *clientStream) error, accept string) (stream, error) {
	s := newClientStream(c)
	c.mu.Lock()
	c.incoming = append(c.incoming, s)
	c.mu.Unlock()
	_, err := await(ctx, c, func(now rtmfp.Time, done func(struct{}, error)) {
		s.answer = func(info netconn.Info) {
			switch {
			case info.Code == accept:
				done(struct{}{}, nil)
			case info.Level == "error":
				done(struct{}{}, &refusedError{info.Code, info.Description})
			}
		}
		c.conn.CreateStream(now, netconn.StreamConfig{OnStatus: s.status, OnFrame: s.frame}, func(now rtmfp.Time, ns *netconn.ClientStream, err error) {
			if err == nil {
				s.ns = ns
				err = start(now, s)
			}
			if err != nil {
				done(struct{}{}, err)
			}
		})
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (c *client) Info() connInfo { return c.info }

// Stats asks the shard, and repeats the last answer while that is busy.
func (c *client) Stats() stats {
	fresh := make(chan struct{})
	c.post(func(rtmfp.Time) {
		st := c.session.Stats()
		var s stats
		s.RTT = c.session.RTT()
		s.Sent = st.FragmentsReceived + st.FragmentsSkipped
		s.Lost = st.FragmentsSkipped
		c.mu.Lock()
		for _, in := range c.incoming {
			if in.written > 0 {
				s.Sent, s.Lost = in.written, in.ns.Abandoned()
			}
		}
		c.last = s
		c.mu.Unlock()
		close(fresh)
	})
	select {
	case <-fresh:
	case <-time.After(100 * time.Millisecond):
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

func (c *client) Done() <-chan struct{} { return c.closed }
func (c *client) Err() error            { return c.err }

const (
	// closePoll is how often Close looks whether the far end confirmed.
	closePoll = 5 * time.Millisecond
	// confirmWait is how long it looks. Some old servers answer with a request of their own instead.
	confirmWait = time.Second
)

func (c *client) Close(ctx context.Context) error {
	c.post(func(now rtmfp.Time) { c.conn.Close(now) })
	select {
	case <-c.closed:
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("not closed in order: %w", ctx.Err()), c.transport.Close())
	}
	// Everything has arrived; what remains is that the far end confirms the end itself.
	ctx, cancel := context.WithTimeout(ctx, confirmWait)
	defer cancel()
	tick := time.NewTicker(closePoll)
	defer tick.Stop()
	for c.sessions() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return c.transport.Close()
		}
	}
	return c.transport.Close()
}

func (c *client) sessions() int {
	n := make(chan int, 1)
	c.post(func(rtmfp.Time) { n <- c.shard.Endpoint().NumSessions() })
	return <-n
}
