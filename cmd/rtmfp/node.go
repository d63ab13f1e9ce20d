package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/rtmfp"
	"github.com/monaserver/monaserver/pkg/rtmfp/udp"
)

// node is a client that other clients can reach: its connection to a server, which introduces it, and
// sessions with peers. All of it but the methods that wait belongs to the shard's goroutine.
type node struct {
	*client
	on      nodeEvents
	control *rtmfp.RecvFlow // the first flow of the server: ours answer it
	links   map[*rtmfp.Session]*peerLink
	group   *groupFlow
}

// nodeEvents are called on the shard's goroutine and may be nil.
type nodeEvents struct {
	// met: a session with a peer is open, whoever dialled.
	met func(now rtmfp.Time, l *peerLink)
	// parted: the session is over, or was never opened (l.open tells).
	parted func(now rtmfp.Time, l *peerLink, err error)
	// data: the peer called a handler with texts.
	data func(now rtmfp.Time, l *peerLink, handler string, texts []string)
	// play: the peer wants to play name; false refuses.
	play func(now rtmfp.Time, l *peerLink, name string, request *rtmfp.RecvFlow) bool
	// ready: the backlog of a flow to a peer fell as asked for.
	ready func(now rtmfp.Time)
	// member: the server told of a member of our group.
	member func(now rtmfp.Time, id rtmfp.PeerID)
}

// newNode connects to the server of t. The endpoint has one identity, which dials and is dialled, with a
// key of group 2: clients of the time of Flash know nothing else.
func newNode(ctx context.Context, t target, o dialOptions, on nodeEvents) (*node, error) {
	addrs, err := resolve(ctx, t.Host)
	if err != nil {
		return nil, err
	}
	id, err := rtmfp.NewClientIdentity(rand.Reader, 2)
	if err != nil {
		return nil, err
	}
	n := &node{on: on, links: make(map[*rtmfp.Session]*peerLink)}
	// Peers may have addresses of the other IP version than the server.
	if n.client, err = listen(netip.IPv6Unspecified(), id, n, o); err != nil {
		if n.client, err = listen(wildcard(addrs), id, n, o); err != nil {
			return nil, err
		}
	}
	n.reported = localAddresses(n.transport.Addr())
	if err := n.open(ctx, t, addrs, []*rtmfp.Identity{id}, o); err != nil {
		return nil, err
	}
	return n, nil
}

// maxReported is how many addresses servers remember.
const maxReported = 8

// localAddresses lists where a socket is reached inside the networks of this host.
func localAddresses(bound netip.AddrPort) []netip.AddrPort {
	ifs, err := net.InterfaceAddrs()
	if err != nil {
		return nil // the server still sees one address
	}
	var list []netip.AddrPort
	for _, i := range ifs {
		p, err := netip.ParsePrefix(i.String())
		a := p.Addr().Unmap()
		if err != nil || a.IsLoopback() || a.IsLinkLocalUnicast() || (a.Is6() && bound.Addr().Is4()) || len(list) == maxReported {
			continue
		}
		list = append(list, netip.AddrPortFrom(a, bound.Port()))
	}
	return list
}

// HandleEvent implements udp.Handler.
func (n *node) HandleEvent(now rtmfp.Time, ev *rtmfp.Event) {
	switch {
	case ev.Session == nil:
		netconn.Clients{}.HandleEvent(now, ev)
	case ev.Session == n.session:
		n.serverEvent(now, ev)
	default:
		l, known := ev.Session.User.(*peerLink)
		if !known {
			if ev.Kind != rtmfp.EventSessionOpen {
				break
			}
			l = n.link(ev.Session, ev.Session.PeerID())
		}
		l.handle(now, ev)
		return
	}
}

var _ udp.Handler = (*node)(nil)

// HandlePost implements udp.Handler.
func (n *node) HandlePost(now rtmfp.Time, msg any) { netconn.Clients{}.HandlePost(now, msg) }

// serverEvent passes on what the connection to the server is about, except groups.
func (n *node) serverEvent(now rtmfp.Time, ev *rtmfp.Event) {
	switch ev.Kind {
	case rtmfp.EventFlow:
		if n.control == nil {
			n.control = ev.Recv
		}
		if n.group.accepts(ev.Recv) {
			ev.Recv.User = n.group
			return
		}
	case rtmfp.EventMessage:
		if g, ok := ev.Recv.User.(*groupFlow); ok {
			g.message(now, ev.Message)
			return
		}
	}
	netconn.Clients{}.HandleEvent(now, ev)
}

func (n *node) link(s *rtmfp.Session, id rtmfp.PeerID) *peerLink {
	l := &peerLink{node: n, session: s, id: id}
	s.User = l
	n.links[s] = l
	return l
}

// dialPeer looks for a peer through the server; nodeEvents.met or parted follows.
func (n *node) dialPeer(now rtmfp.Time, id rtmfp.PeerID, d rtmfp.DialConfig) error {
	d.EPD, d.Addrs = rtmfp.EPDForPeer(id), []netip.AddrPort{n.session.Addr()}
	s, err := n.shard.Endpoint().Dial(now, d)
	if err != nil {
		return err
	}
	n.link(s, id)
	return nil
}

// linked returns the link to a peer, open or being opened.
func (n *node) linked(id rtmfp.PeerID) *peerLink {
	for _, l := range n.links {
		if l.id == id {
			return l
		}
	}
	return nil
}

// flush waits until the peers have everything that was sent to them, and closes the flows to them.
func (n *node) flush(ctx context.Context) error {
	_, err := await(ctx, n.client, func(now rtmfp.Time, done func(struct{}, error)) {
		left := 0
		for _, l := range n.links {
			for f := range l.sending {
				left++
				l.sending[f] = func(err error) {
					if left--; left == 0 || err != nil {
						done(struct{}{}, err)
					}
				}
				f.Close(now)
			}
		}
		if left == 0 {
			done(struct{}{}, nil)
		}
	})
	return err
}

// Close closes the sessions with peers, then the connection.
func (n *node) Close(ctx context.Context) error {
	n.post(func(now rtmfp.Time) {
		for s := range n.links {
			s.Close(now)
		}
	})
	return n.client.Close(ctx)
}

// peerError says what became of a peer in words.
func peerError(id rtmfp.PeerID, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, rtmfp.ErrOpenTimeout):
		return fmt.Errorf("peer %s: no answer", id)
	}
	return fmt.Errorf("peer %s: %w", id, err)
}
