package udp

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// maxLocals is how many addresses of this host are told apart. Answers from others leave from where the system thinks.
const maxLocals = 256

// locals numbers the addresses of this host to which datagrams came, for sockets that are bound to all of them. The
// shards of a transport share them.
type locals struct {
	mu    sync.Mutex
	known atomic.Pointer[[]netip.Addr] // by number - 1; never changed, but replaced
}

func newLocals() *locals {
	l := new(locals)
	l.known.Store(new([]netip.Addr))
	return l
}

// number returns the number of a, 0 if no datagram should be said to leave from there.
func (l *locals) number(a netip.Addr) rtmfp.Local {
	if i := slices.Index(*l.known.Load(), a); i >= 0 {
		return rtmfp.Local(i + 1)
	}
	// What is link-local means nothing without its interface.
	if a.IsUnspecified() || a.IsMulticast() || a.Is6() && a.IsLinkLocalUnicast() {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	known := *l.known.Load()
	i := slices.Index(known, a)
	if i < 0 {
		if i = len(known); i == maxLocals {
			return 0
		}
		known = append(slices.Clone(known), a)
		l.known.Store(&known)
	}
	return rtmfp.Local(i + 1)
}

// addr returns the address of a number that is not 0.
func (l *locals) addr(n rtmfp.Local) netip.Addr { return (*l.known.Load())[n-1] }
