package rtmfp

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limiter bounds the handshakes per second of one IPv4 address or IPv6 /64. Loopback is never limited.
// It is safe for concurrent use; a nil Limiter admits everything.
type Limiter struct {
	perSecond rate.Limit
	burst     int
	max       int

	mu      sync.Mutex
	sources map[netip.Prefix]*rate.Limiter
	swept   time.Time
}

// NewLimiter returns a limiter that remembers at most max sources. When the table is full, sources it
// does not know share one allowance.
func NewLimiter(perSecond float64, burst, max int) *Limiter {
	return &Limiter{
		perSecond: rate.Limit(perSecond), burst: burst, max: max,
		sources: make(map[netip.Prefix]*rate.Limiter),
	}
}

// sweepInterval bounds how often a full table is searched: a flood from many addresses must not make
// every hello as expensive as the whole table.
const sweepInterval = time.Second

// limiterEpoch turns a Time, whose epoch is the caller's, into what x/time/rate computes with.
var limiterEpoch = time.Unix(0, 0)

// sourcePrefix groups addresses that one party can have at will.
func sourcePrefix(a netip.Addr) netip.Prefix {
	a = a.Unmap()
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, _ := a.Prefix(bits)
	return p
}

func (l *Limiter) allow(now Time, a netip.Addr) bool {
	if l == nil || a.IsLoopback() {
		return true
	}
	at := limiterEpoch.Add(time.Duration(now))
	p := sourcePrefix(a)
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.sources[p]
	if r == nil {
		if len(l.sources) >= l.max && at.Sub(l.swept) >= sweepInterval {
			l.sweep(at)
		}
		if len(l.sources) >= l.max {
			p = netip.Prefix{}
			r = l.sources[p]
		}
		if r == nil {
			r = rate.NewLimiter(l.perSecond, l.burst)
			l.sources[p] = r
		}
	}
	return r.AllowN(at, 1)
}

// sweep forgets sources whose allowance is whole again.
func (l *Limiter) sweep(at time.Time) {
	l.swept = at
	for p, r := range l.sources {
		if r.TokensAt(at) >= float64(l.burst) {
			delete(l.sources, p)
		}
	}
}
