package mesh

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"golang.org/x/time/rate"
)

// An address (IPv4, or IPv6 /64) may have this many incoming links, may begin them this often, and all its
// connections together may make this server hold this much, in bytes.
const (
	maxLinksEach = 64
	hellosEach   = 10 // per second
	hellosBurst  = 64
	earlyEach    = 2 << 20 // frames before the hello
	memoryEach   = 6 << 20 // hellos, names, frames up to 1 MiB that have not come in whole; and one larger one
	callsEach    = 4 << 20 // calls that no application has got yet; and one more
	maxCalls     = 1024    // of them

	// keptAccounts is how many addresses without connections are remembered for hellosEach.
	keptAccounts = 1024
)

// accounts bounds what an address can make this server hold over all its connections: hellos, names of
// functions, messages that have not come in whole, calls that no application has got yet, and what waits to be
// sent.
type accounts struct {
	out int     // bytes that may wait to be sent to an address
	all *budget // for the large frames of all addresses

	mu     sync.Mutex
	byAddr map[netip.Prefix]*account
}

// account is an address. links and incoming belong to accounts.mu.
type account struct {
	early, in, out budget
	calls          budget
	large          chan struct{} // capacity 1, a lock: the one large frame
	lastLarge      weak.Pointer[largeBuffer]
	decoding       chan struct{} // likewise: what a message takes is known when it is decoded
	reader         callReader    // decoding
	relief         chan struct{} // capacity 1: a call is done
	hellos         *rate.Limiter

	links, incoming int
}

// limitError is what the other side may send or do, but not so much of it.
type limitError string

func (e limitError) Error() string { return string(e) }

// Errors of accounts.
const (
	errTooMany  = limitError("too many connections from this address")
	errTooOften = limitError("connections from this address come too often")
	errMemory   = limitError("what comes from this address takes too much memory")
	errLong     = limitError("the long messages under way take too much memory")
)

func newAccounts(out int, all *budget) *accounts {
	return &accounts{out: out, all: all, byAddr: map[netip.Prefix]*account{}}
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

// open counts a connection; every tenant must be closed. Connections that this server dialled are not limited
// in number.
func (s *accounts) open(a netip.Addr, incoming bool) (*tenant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	addr := origin(a)
	acc := s.byAddr[addr]
	if acc == nil {
		if len(s.byAddr) >= keptAccounts {
			s.forget()
		}
		acc = &account{hellos: rate.NewLimiter(hellosEach, hellosBurst), large: make(chan struct{}, 1), decoding: make(chan struct{}, 1), relief: make(chan struct{}, 1)}
		acc.early.give(earlyEach)
		acc.calls.give(callsEach)
		acc.in.give(memoryEach)
		acc.out.give(s.out)
		s.byAddr[addr] = acc
	}
	if incoming {
		if acc.incoming >= maxLinksEach {
			return nil, errTooMany
		}
		acc.incoming++
	}
	acc.links++
	return &tenant{all: s, account: acc, incoming: incoming}, nil
}

// forget drops the addresses that have no connections.
func (s *accounts) forget() {
	for addr, acc := range s.byAddr {
		if acc.links == 0 {
			delete(s.byAddr, addr)
		}
	}
}

// tenant is the part of one connection in the account of its address.
type tenant struct {
	*account
	all      *accounts
	incoming bool
	kept     atomic.Int64
	closed   atomic.Bool
}

// keep charges bytes that are held as long as the connection lasts. The reader's.
func (t *tenant) keep(bytes int) error {
	if !t.in.take(bytes) {
		return errMemory
	}
	t.kept.Add(int64(bytes))
	return nil
}

// admit counts a hello, or a handshake of TLS, which comes before it.
func (t *tenant) admit(now time.Time) error {
	if t.incoming && !t.hellos.AllowN(now, 1) {
		return errTooOften
	}
	return nil
}

// callDone gives back what a call took.
func (t *tenant) callDone(size int) {
	t.calls.give(max(size, callsEach/maxCalls))
	select {
	case t.relief <- struct{}{}:
	default:
	}
}

// close gives back what was kept. Messages and calls give back theirs themselves.
func (t *tenant) close() {
	if t.closed.Swap(true) {
		return
	}
	t.in.give(int(t.kept.Load()))
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	t.links--
	if t.incoming {
		t.account.incoming--
	}
}

// largeSlot is a tenant's right to have the one large frame of its address.
type largeSlot struct {
	*tenant
	ended <-chan struct{}
}

// largeBuffer is where the last large frame was. It may be used again as long as the garbage collector has not
// taken it.
type largeBuffer struct{ b []byte }

func (s *largeSlot) lock(bytes int) ([]byte, error) {
	select {
	case s.large <- struct{}{}:
	case <-s.ended:
		return nil, net.ErrClosed
	case <-time.After(longTimeout):
		return nil, errMemory
	}
	if !s.all.all.take(bytes) {
		<-s.large
		return nil, errLong
	}
	if last := s.lastLarge.Value(); last != nil && cap(last.b) >= bytes {
		return last.b[:bytes], nil
	}
	return make([]byte, bytes), nil
}

func (s *largeSlot) unlock(b []byte) {
	s.lastLarge = weak.Make(&largeBuffer{b})
	s.all.all.give(len(b))
	<-s.large
}

// room is memory that can be taken and is given back.
type room interface {
	take(bytes int) bool
	give(bytes int)
}

// both is room of an address that is also counted for all addresses together.
type both struct{ each, all *budget }

func (b both) take(n int) bool {
	if !b.each.take(n) {
		return false
	}
	if !b.all.take(n) {
		b.each.give(n)
		return false
	}
	return true
}

func (b both) give(n int) {
	b.each.give(n)
	b.all.give(n)
}
