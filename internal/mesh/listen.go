package mesh

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// How many incoming connections may wait for a hello.
const (
	maxPending     = 256
	maxPendingEach = 32 // of one address
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
	errNotAllowed = errors.New("its address is not in servers.allow")
	errCrowded    = limitError("too many connections wait for a hello")
)

// welcome begins a link that another server dialled.
func (n *Node) welcome(ctx context.Context, conn net.Conn) {
	n.counters.Incoming.Add(1)
	conn = direct(conn)
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
			n.sayFailure(l.noise, l, err)
		}
	})
}

// enter decides whether an incoming connection may stay until its hello.
func (n *Node) enter(l *Link) error {
	if !n.allow.permits(l.addr.Addr()) {
		return errNotAllowed
	}
	if err := n.begin(l); err != nil {
		return err
	}
	if n.tls != nil { // the handshake is dear
		if err := l.tenant.admit(time.Now()); err != nil {
			return n.leave(l, err)
		}
	}
	n.counters.Waiting.Add(1)
	l.guest = n.lobby.enter(l.addr.Addr(), func() {
		n.counters.Waiting.Add(-1)
		l.end(errCrowded)
	})
	return nil
}

// leaveLobby notes that a connection said hello or ended.
func (n *Node) leaveLobby(l *Link) {
	if l.guest.leave() {
		n.counters.Waiting.Add(-1)
	}
}
