package mesh

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"time"
)

// Limits of incoming connections that did not say hello yet. Above the first the oldest has to go, above
// the second the newcomer.
const (
	maxPending     = 256
	maxPendingEach = 32 // from one address
)

// accept takes the connections of other servers.
func (n *Node) accept(ctx context.Context) {
	for pause := time.Millisecond; ; {
		conn, err := n.listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return
		case err != nil: // out of file descriptors, for example
			n.log.Error().Err(err).Msg("servers.port: a connection could not be accepted")
			pause = min(2*pause, time.Second)
			if !sleep(ctx, pause, nil) {
				return
			}
			continue
		}
		pause = time.Millisecond
		n.welcome(ctx, conn)
	}
}

var (
	errNotAllowed  = errors.New("its address is not in servers.allow")
	errManyPending = errors.New("too many connections from its address wait for a hello")
	errCrowded     = errors.New("too many connections wait for a hello")
)

// welcome begins a link that another server dialled.
func (n *Node) welcome(ctx context.Context, conn net.Conn) {
	n.counters.Incoming.Add(1)
	pipe := conn
	if n.tls != nil {
		pipe = tls.Server(conn, n.tls.accepting())
	}
	l := n.newLink(conn, pipe, nil)
	if err := n.enter(l); err != nil {
		n.counters.IncomingRefused.Add(1)
		l.log.Debug().Err(err).Msg("an incoming connection is refused")
		_ = conn.Close()
		return
	}
	l.log.Debug().Msg("a connection comes in")
	n.running.Go(func() {
		err := l.run(ctx)
		if !l.shown.Load() && !quiet(err) {
			n.sayFailure(l, err)
		}
	})
}

// enter decides whether an incoming connection may stay until its hello.
func (n *Node) enter(l *Link) error {
	if !n.allow.permits(l.addr.Addr()) {
		return errNotAllowed
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stopping {
		return errStopping
	}
	each := 0
	for _, p := range n.pending {
		if p.addr.Addr() == l.addr.Addr() {
			each++
		}
	}
	if each >= maxPendingEach {
		return errManyPending
	}
	if len(n.pending) >= maxPending {
		oldest := n.pending[0]
		n.pending = slices.Delete(n.pending, 0, 1)
		n.counters.IncomingRefused.Add(1)
		go oldest.end(errCrowded)
	}
	n.pending = append(n.pending, l)
	n.all[l] = struct{}{}
	return nil
}

// forgetPending notes that a connection said hello or ended.
func (n *Node) forgetPending(l *Link) {
	if i := slices.Index(n.pending, l); i >= 0 {
		n.pending = slices.Delete(n.pending, i, i+1)
	}
}
