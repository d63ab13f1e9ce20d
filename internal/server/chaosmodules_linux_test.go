package server

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// clusterScripts is a root application that shares everything with the modules as they are delivered.
func clusterScripts(t *testing.T) map[string]string {
	t.Helper()
	scripts := moduleScripts(t, "publications", "groups", "rendezvous", "balance")
	scripts["main.lua"] += countScript + `
function onConnection(client) client.tell, client.state = tell, state end
function onServerConnection(server) server.told = told end
`
	return scripts
}

// labGroup is the NetGroup that a client of each node joins.
var labGroup = bytes.Repeat([]byte("g"), 32)

// groupClient is what a client needs to be in a NetGroup beside its connection.
type groupClient struct {
	netconn.Clients
	session *rtmfp.Session
	control *rtmfp.RecvFlow // the first flow of the server: ours answer it
	join    *rtmfp.SendFlow
}

// HandleEvent keeps what is about the group from the connection.
func (g *groupClient) HandleEvent(now rtmfp.Time, ev *rtmfp.Event) {
	if ev.Kind == rtmfp.EventFlow {
		if g.control == nil {
			g.session, g.control = ev.Session, ev.Recv
		}
		if g.join != nil && ev.Recv.Assoc() == g.join {
			ev.Recv.User = g
		}
	}
	if ev.Recv == nil || ev.Recv.User != any(g) {
		g.Clients.HandleEvent(now, ev)
	} else if ev.Message != nil { // introductions
		ev.Message.Release()
	}
}

// dialMember connects a client that is a member of labGroup.
func (l *load) dialMember(n *meshNode) *peer {
	l.t.Helper()
	g := &groupClient{}
	p := l.dial(n, g, loopback)
	p.do(func(now rtmfp.Time) {
		f, err := g.session.Open(now, []byte("GC"), rtmfp.FlowOptions{Assoc: g.control})
		if err == nil {
			g.join = f
			const join, id = 0x01, 0x15
			_, err = f.Write(now, rtmfp.Message{Body: rtmfp.CopyBuffer(append([]byte{join, byte(1 + len(labGroup)), id}, labGroup...))})
		}
		if err != nil {
			l.t.Errorf("join of the group: %v", err)
		}
	})
	return p
}

// lan is the address of a node.
func (l *load) lan(n *meshNode) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 9, 0, byte(1 + l.index(n))})
}

// alone waits until a node has nothing but what its own clients bring.
func (l *load) alone(n *meshNode) {
	l.t.Helper()
	l.wait(noticed, "a server that is alone does not notice", func() string { return l.state(n).not(0, 1, l.members-2) })
}

// balances makes sure that a client that comes to a survivor gets to the victim, which has none.
func (l *load) balances() {
	l.t.Helper()
	from := l.survivors[0]
	l.wait(wholeWithin, "a server without clients gets none", func() string {
		p := l.dial(from, nil, l.lan(from))
		defer p.leave()
		if s := l.stateOf(p); s.name != l.victim.name {
			return "a client came to " + s.name
		}
		return ""
	})
}

// introduces makes sure that clients of the victim and of the others find each other.
func (l *load) introduces() {
	l.t.Helper()
	ours := l.dial(l.victim, nil, l.lan(l.victim))
	theirs := l.dial(l.survivors[1], nil, l.lan(l.survivors[1]))
	ours.meets(theirs, netip.AddrPortFrom(l.lan(l.victim), 1935))
}

// reroute cuts one link of three: the streams of its ends get to each other through the third server, players see no
// end of them, and the direct way is taken again when it is back.
func (l *load) reroute() {
	l.t.Helper()
	a, b, c := l.nodes[0], l.nodes[1], l.nodes[2]
	ends := []*viewer{l.play(c, a), l.play(a, c)}
	l.drop(c, "ip saddr 10.9.0.1", "ip daddr 10.9.0.1")
	start := time.Now()
	l.wait(noticed, "the end of a link is not noticed", func() string {
		for _, n := range []*meshNode{a, c} {
			if bad := l.state(n).not(1, 3, 2); bad != "" {
				return bad
			}
		}
		return l.state(b).not(2, 3, 3)
	})
	l.t.Logf("noticed after %v", time.Since(start).Truncate(10*time.Millisecond))
	before := []int64{ends[0].got.Load(), ends[1].got.Load()}
	l.wait(5*time.Second, "a stream takes no other way", func() string {
		for i, v := range ends {
			if n := v.got.Load() - before[i]; n < 25 {
				return fmt.Sprintf("%d frames", n)
			}
		}
		return ""
	})
	l.t.Logf("rerouted after %v", time.Since(start).Truncate(10*time.Millisecond))
	l.intact(a, b)
	l.intact(b, c)
	for i, v := range ends {
		if pause := time.Duration(v.longest.Load()); pause < stallLimit {
			l.t.Errorf("player %d had no pause of more than %v: the link was not cut", i, pause)
		}
	}
	if bad := l.state(a).not(1, 3, 2); bad != "" {
		l.t.Error(bad)
	}
	l.dropNothing(c)
	l.whole()
	l.intact(b, c)
	for _, v := range ends {
		if again := v.again.Load(); again != 0 {
			l.t.Errorf("%d frames came twice", again)
		}
		for {
			select {
			case i := <-v.peer.status:
				if i.Code == netconn.CodePlayUnpublishNotify {
					l.t.Error("a player was told of the end of a stream that went on")
				}
				continue
			default:
			}
			break
		}
	}
}
