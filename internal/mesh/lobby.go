package mesh

import (
	"container/list"
	"net/netip"
	"sync"
)

// lobby is the connections that others dialled and that have not said hello. A server says hello within
// one round trip, so when there are too many, of one address (IPv4, or IPv6 /64) or in all, the one that
// waits longest makes room: those that only fill the lobby cannot keep servers out.
type lobby struct {
	maxPerAddr, maxAll int

	mu      sync.Mutex
	waiting *list.List // of *guest, oldest first
	perAddr map[netip.Prefix]int
	evicted uint64
}

// guest is a connection in the lobby.
type guest struct {
	in   *lobby
	addr netip.Prefix
	out  func()        // ends the connection
	at   *list.Element // nil when it has left
}

func newLobby(maxPerAddr, maxAll int) *lobby {
	return &lobby{maxPerAddr: maxPerAddr, maxAll: maxAll, waiting: list.New(), perAddr: map[netip.Prefix]int{}}
}

// enter counts a connection; when there is no room another one is shown out.
func (l *lobby) enter(a netip.Addr, out func()) *guest {
	g := &guest{in: l, addr: origin(a), out: out}
	l.mu.Lock()
	var last *guest
	switch {
	case l.perAddr[g.addr] >= l.maxPerAddr:
		last = l.oldest(func(o *guest) bool { return o.addr == g.addr })
	case l.waiting.Len() >= l.maxAll:
		last = l.oldest(func(*guest) bool { return true })
	}
	if last != nil {
		l.evicted++
		l.remove(last)
	}
	g.at = l.waiting.PushBack(g)
	l.perAddr[g.addr]++
	l.mu.Unlock()
	if last != nil {
		last.out()
	}
	return g
}

func (l *lobby) oldest(which func(*guest) bool) *guest {
	for e := l.waiting.Front(); e != nil; e = e.Next() {
		if g := e.Value.(*guest); which(g) {
			return g
		}
	}
	return nil
}

func (l *lobby) remove(g *guest) {
	l.waiting.Remove(g.at)
	g.at = nil
	if l.perAddr[g.addr]--; l.perAddr[g.addr] == 0 {
		delete(l.perAddr, g.addr)
	}
}

// leave says that the connection said hello or has ended. False means that it has left before, or was shown
// out. Nil, a connection that was never in the lobby, is all right.
func (g *guest) leave() bool {
	if g == nil {
		return false
	}
	g.in.mu.Lock()
	defer g.in.mu.Unlock()
	if g.at == nil {
		return false
	}
	g.in.remove(g)
	return true
}
