package mesh

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Target is another server to connect to.
type Target struct {
	Host       string // name or IP
	Port       uint16
	Properties []Property // parameters of the server on both sides, in this order
}

// Property is a parameter.
type Property struct{ Name, Value string }

func (t Target) String() string { return net.JoinHostPort(t.Host, strconv.Itoa(int(t.Port))) }

const (
	dialTimeout    = 15 * time.Second
	resolveTimeout = 5 * time.Second
	resolveAgain   = 500 * time.Millisecond // within this time a name keeps its addresses
	maxAddresses   = 64                     // of one name
)

// entry is an entry of servers.targets. All addresses of its name are dialled.
type entry struct {
	node   *Node
	target Target

	mu       sync.Mutex
	resolved time.Time
	addrs    []netip.AddrPort
	failing  bool
}

// run keeps a dialer for every address of the name.
func (e *entry) run(ctx context.Context) {
	pause := newBackoff(e.node.cfg.Retry, rand.Float64)
	looked := sync.OnceFunc(func() { e.node.unresolved.Add(-1) })
	for {
		next := pause.next()
		addrs, err := e.resolve(ctx)
		all := err == nil && e.node.dialAll(ctx, e, addrs)
		looked()
		if all {
			if _, err := netip.ParseAddr(e.target.Host); err == nil {
				return
			}
		}
		if !sleep(ctx, next, nil) {
			return
		}
	}
}

// resolve looks the name up, unless that was done just now. When that fails the addresses stay as they were.
func (e *entry) resolve(ctx context.Context) ([]netip.AddrPort, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := time.Now(); e.resolved.IsZero() || now.Sub(e.resolved) > resolveAgain {
		ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
		defer cancel()
		ips, err := e.node.cfg.Resolve(ctx, e.target.Host)
		if err == nil && len(ips) == 0 {
			err = errors.New("the name has no address")
		}
		if err != nil {
			if ctx.Err() == nil || !e.failing {
				e.node.log.Warn().Err(err).Stringer("target", e.target).Msg("servers.targets: no address")
			}
			e.failing = true
			return nil, err
		}
		e.resolved, e.failing, e.addrs = now, false, nil
		for _, ip := range ips[:min(len(ips), maxAddresses)] {
			e.addrs = append(e.addrs, netip.AddrPortFrom(ip.Unmap(), e.target.Port))
		}
	}
	return e.addrs, nil
}

// dialer reaches one address of a target, for ever.
type dialer struct {
	node   *Node
	entry  *entry
	target Target
	addr   netip.AddrPort
	wake   chan struct{} // capacity 1

	// Node.mu
	peer    string // node.id of who answered last
	link    *Link  // once it is admitted
	covered bool   // another link to the same server stays
}

func (d *dialer) String() string {
	if d.target.Host == d.addr.Addr().String() {
		return d.addr.String()
	}
	return d.target.String() + " (" + d.addr.String() + ")"
}

// nudge makes the next attempt come at once.
func (d *dialer) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// dialAll starts dialers for the addresses that have none. It reports whether all are the entry's own: those of
// another one end when its name has other addresses.
func (n *Node) dialAll(ctx context.Context, e *entry, addrs []netip.AddrPort) (all bool) {
	all = true
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, addr := range addrs {
		switch d := n.dialers[addr]; {
		case n.stopping || d != nil && d.entry == e:
		case d != nil:
			all = false
			if !n.twice[e.target.String()+addr.String()] {
				n.twice[e.target.String()+addr.String()] = true
				n.log.Warn().Stringer("target", e.target).Stringer("address", addr).Stringer("as", d.target).
					Msg("servers.targets: two entries are the same server, this one is ignored")
			}
		default:
			d := &dialer{node: n, entry: e, target: e.target, addr: addr, wake: make(chan struct{}, 1)}
			n.dialers[addr] = d
			n.running.Go(func() { d.run(ctx) })
		}
	}
	return all
}

// run dials until the address is no longer one of the target.
func (d *dialer) run(ctx context.Context) {
	n := d.node
	defer func() {
		n.mu.Lock()
		delete(n.dialers, d.addr)
		n.mu.Unlock()
	}()
	pause := newBackoff(n.cfg.Retry, rand.Float64)
	for {
		began := time.Now()
		switch welcome, err := d.attempt(ctx); {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errSelf) || errors.Is(err, errAuthMySelf):
			d.sayMyself()
			if !d.waitAway(ctx) {
				return
			}
		case errors.Is(err, errDuplicate):
			pause.reset()
			if !d.waitCovered(ctx) {
				return
			}
		case welcome && time.Since(began) > firstPause:
			pause.reset()
		}
		if !sleep(ctx, pause.next(), d.wake) || !d.wanted(ctx) {
			return
		}
	}
}

// attempt dials and stays with the link until it ends. welcome is whether the other server accepted it.
func (d *dialer) attempt(ctx context.Context) (welcome bool, err error) {
	n := d.node
	n.counters.Attempts.Add(1)
	n.log.Info().Msg("Attempt to join " + d.String() + " server")
	dialCtx, cancel := context.WithTimeout(ctx, dialTimeout)
	conn, err := n.cfg.Dial(dialCtx, d.addr)
	cancel()
	if err != nil {
		n.counters.Failures.Add(1)
		n.log.Warn().Err(err).Msg("no connection to " + d.String() + " server")
		n.missed(d)
		return false, err
	}
	conn = direct(conn)
	pipe := conn
	if n.tls != nil {
		pipe = tls.Client(conn, n.tls.dialling(d.target.Host))
	}
	l := n.newLink(conn, pipe, d)
	if err := n.begin(l); err != nil {
		_ = conn.Close()
		return false, err
	}
	err = l.run(ctx)
	if !l.shown.Load() && !quiet(err) {
		n.counters.Failures.Add(1)
		n.sayFailure(l.log, l, err)
	}
	return l.welcome.Load(), err
}

// missed is told that an attempt failed: who waits for this link waits no longer.
func (n *Node) missed(d *dialer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, b := range n.neighbours {
		if b.hold == nil {
			continue
		}
		for _, l := range b.waiting {
			if l.addr.Addr() == d.addr.Addr() && l.serves == d.addr.Port() {
				b.waited = true
				n.settle(b)
				break
			}
		}
	}
}

// quiet reports whether the end of a link before it was seen has been logged already, or needs no log.
func quiet(err error) bool {
	return errors.Is(err, errDuplicate) || errors.Is(err, errSelf) || errors.Is(err, errAuthMySelf) || errors.Is(err, errStopping)
}

func (d *dialer) sayMyself() {
	if _, err := netip.ParseAddr(d.target.Host); err == nil {
		d.node.log.Error().Msg("servers.targets: " + d.String() + " is this server itself, it is not dialled again")
		return
	}
	d.node.log.Info().Msg("servers.targets: " + d.String() + " is this server itself, it is not dialled")
}

// waitAway waits until the address, which is our own, is no longer one of the target; false = ctx ended.
// An IP never is.
func (d *dialer) waitAway(ctx context.Context) bool {
	for d.wanted(ctx) {
		if !sleep(ctx, d.node.cfg.Retry, nil) {
			return false
		}
	}
	return ctx.Err() == nil
}

// waitCovered waits until the other link to the same server ended.
func (d *dialer) waitCovered(ctx context.Context) bool {
	n := d.node
	n.mu.Lock()
	var over chan struct{}
	if b := n.neighbours[d.peer]; b != nil {
		over = b.over
	}
	n.mu.Unlock()
	if over == nil {
		return true
	}
	select {
	case <-over:
		return true
	case <-ctx.Done():
		return false
	}
}

// wanted reports whether the address is still one of the target. New addresses get their dialers.
func (d *dialer) wanted(ctx context.Context) bool {
	addrs, err := d.entry.resolve(ctx)
	if err != nil {
		return ctx.Err() == nil
	}
	d.node.dialAll(ctx, d.entry, addrs)
	if slices.Contains(addrs, d.addr) {
		return true
	}
	d.node.log.Info().Msg(d.target.Host + " no longer has the address " + d.addr.Addr().String())
	return false
}

// sleep waits; false = ctx ended.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-wake:
	case <-ctx.Done():
		return false
	}
	return true
}

// resolve is the usual Config.Resolve.
func resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// dial is the usual Config.Dial.
func dial(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	return (&net.Dialer{KeepAliveConfig: keepAlive}).DialContext(ctx, "tcp", addr.String())
}

// keepAlive finds a machine that is gone within 15 s while nothing is sent.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 3 * time.Second, Count: 3}
