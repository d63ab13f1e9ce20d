package mesh

import (
	"errors"
	"net/netip"
	"sync"
)

// accounts bounds the memory that one address (IPv4, or IPv6 /64) can make this server hold, over all its
// connections: hellos, names of handlers, messages that have not come in whole. It also bounds the number
// of its connections.
type accounts struct {
	maxBytes, maxLinks int

	mu     sync.Mutex
	byAddr map[netip.Prefix]*account
}

type account struct{ bytes, links int }

// Errors of accounts: their texts are told to the other side.
var (
	errTooMuch  = errors.New("connections from this address hold too much memory")
	errTooMany  = errors.New("too many connections from this address")
	errNoTenant = errors.New("the connection has ended")
)

func newAccounts(maxBytes, maxLinks int) *accounts {
	return &accounts{maxBytes: maxBytes, maxLinks: maxLinks, byAddr: map[netip.Prefix]*account{}}
}

// origin is what counts as one address.
func origin(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

// tenant is the part of one connection in the account of its address.
type tenant struct {
	all    *accounts
	addr   netip.Prefix
	bytes  int
	closed bool
}

// open counts a connection. Every tenant must be closed.
func (s *accounts) open(a netip.Addr) (*tenant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &tenant{all: s, addr: origin(a)}
	acc := s.byAddr[t.addr]
	if acc == nil {
		acc = &account{}
		s.byAddr[t.addr] = acc
	}
	if acc.links >= s.maxLinks {
		return nil, errTooMany
	}
	acc.links++
	return t, nil
}

// hold charges bytes that this server is about to keep for the connection.
func (t *tenant) hold(bytes int) error {
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	if t.closed {
		return errNoTenant
	}
	acc := t.all.byAddr[t.addr]
	if acc.bytes+bytes > t.all.maxBytes {
		return errTooMuch
	}
	acc.bytes += bytes
	t.bytes += bytes
	return nil
}

// give returns bytes that are not kept any more.
func (t *tenant) give(bytes int) {
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	if !t.closed {
		t.all.byAddr[t.addr].bytes -= bytes
		t.bytes -= bytes
	}
}

// close returns everything.
func (t *tenant) close() {
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	if t.closed {
		return
	}
	t.closed = true
	acc := t.all.byAddr[t.addr]
	acc.bytes -= t.bytes
	acc.links--
	if acc.links == 0 {
		delete(t.all.byAddr, t.addr)
	}
}
