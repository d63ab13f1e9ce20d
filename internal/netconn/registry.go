package netconn

import (
	"net/netip"
	"sync"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Registry knows the connected clients of all shards by peer id. It is safe for concurrent use, and is
// only asked when clients come and go or look for each other.
type Registry struct {
	mu    sync.Mutex
	conns map[rtmfp.PeerID]*Conn
	addrs map[netip.AddrPort]*Conn
}

// NewRegistry returns an empty registry.
func NewRegistry() *Registry {
	return &Registry{conns: make(map[rtmfp.PeerID]*Conn), addrs: make(map[netip.AddrPort]*Conn)}
}

// Lookup returns the client with a peer id, or nil. What is done with it must suit the caller's
// goroutine: see Conn.
func (r *Registry) Lookup(id rtmfp.PeerID) *Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conns[id]
}

// LookupAddr returns the client at an address, or nil.
func (r *Registry) LookupAddr(a netip.AddrPort) *Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.addrs[a]
}

// Len returns the number of clients.
func (r *Registry) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.conns)
}

// claim enters c unless its peer id is taken; it returns who has it then.
func (r *Registry) claim(c *Conn) *Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if have := r.conns[c.peer]; have != nil {
		return have
	}
	r.conns[c.peer] = c
	r.addrs[c.Addr()] = c
	return nil
}

func (r *Registry) release(c *Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conns[c.peer] == c {
		delete(r.conns, c.peer)
	}
	if a := c.Addr(); r.addrs[a] == c {
		delete(r.addrs, a)
	}
}

// move notes that c, if it is entered, left the address old.
func (r *Registry) move(c *Conn, old netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conns[c.peer] != c {
		return
	}
	if r.addrs[old] == c {
		delete(r.addrs, old)
	}
	r.addrs[c.Addr()] = c
}
