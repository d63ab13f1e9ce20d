package script

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// resolver looks host names up. All scripts run on one goroutine, so a lookup may hold them up for a moment
// only; it goes on in the background and its result is kept for the next time. Redirections never wait.
type resolver struct {
	// lookup asks the system; tests replace it.
	lookup func(ctx context.Context, host string) ([]netip.Addr, error)

	mu      sync.Mutex
	hosts   map[string]*hostEntry
	running int
}

// hostEntry is a host name with its last result, and the lookup under way.
type hostEntry struct {
	addr  netip.Addr
	err   error
	at    time.Time     // of the result, zero = none yet
	ready chan struct{} // closed when the lookup under way ends, nil = there is none
}

const (
	dnsWait    = 250 * time.Millisecond // longest a script waits
	dnsTimeout = 5 * time.Second
	dnsKeep    = time.Minute     // a result serves this long; after it the old one serves until there is a new
	dnsRetry   = 5 * time.Second // after a failure
	dnsHosts   = 1024
	dnsRunning = 32
)

var (
	errResolving = errors.New("host name not resolved yet")
	errDNSBusy   = errors.New("too many host names to resolve")
)

func (r *resolver) init() {
	r.hosts = make(map[string]*hostEntry)
	r.lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	}
}

// get returns the address of a host, waiting up to wait if it is not known, and not after stop is closed.
func (r *resolver) get(host string, wait time.Duration, stop <-chan struct{}) (netip.Addr, error) {
	r.mu.Lock()
	h := r.hosts[host]
	if h == nil {
		if len(r.hosts) >= dnsHosts && !r.evict() {
			r.mu.Unlock()
			return netip.Addr{}, errDNSBusy
		}
		h = &hostEntry{}
		r.hosts[host] = h
	}
	keep := dnsKeep
	if h.err != nil {
		keep = dnsRetry
	}
	if h.ready == nil && (h.at.IsZero() || time.Since(h.at) > keep) {
		if r.running >= dnsRunning {
			r.mu.Unlock()
			return netip.Addr{}, errDNSBusy
		}
		r.running++
		h.ready = make(chan struct{})
		go r.resolve(host, h)
	}
	addr, err, known, ready := h.addr, h.err, !h.at.IsZero(), h.ready
	r.mu.Unlock()
	if known && (err == nil || ready == nil) {
		return addr, err
	}
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-ready:
			r.mu.Lock()
			defer r.mu.Unlock()
			return h.addr, h.err
		case <-timer.C:
		case <-stop:
		}
	}
	return netip.Addr{}, fmt.Errorf("%s: %w", host, errResolving)
}

func (r *resolver) resolve(host string, h *hostEntry) {
	ctx, cancel := context.WithTimeout(context.Background(), dnsTimeout)
	defer cancel()
	list, err := r.lookup(ctx, host)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running--
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("no ip found for %s", host)
	}
	if err == nil || !h.addr.IsValid() { // an old address is better than none
		h.err = err
	}
	if len(list) > 0 {
		h.addr = list[0].Unmap()
	}
	for _, a := range list { // IPv4 if there is any, as MonaServer 1.x
		if a = a.Unmap(); a.Is4() {
			h.addr = a
			break
		}
	}
	h.at = time.Now()
	close(h.ready)
	h.ready = nil
}

// evict forgets a host that is not being resolved.
func (r *resolver) evict() bool {
	for host, h := range r.hosts {
		if h.ready == nil {
			delete(r.hosts, host)
			return true
		}
	}
	return false
}
