package rtmfp

import (
	"crypto/sha256"
	"io"
	"sync"
	"time"
)

// keyPairSource supplies ephemeral key pairs. It is used by several goroutines at once.
type keyPairSource interface {
	// acquire returns a key pair that may be used until it is released. far is the keying component it
	// will be used with; without one, nil, nobody else gets the pair.
	acquire(rand io.Reader, group uint64, far []byte) (*dhKeyPair, error)
	release(*dhKeyPair)
	// expire destroys what is too old and returns when to call it again; 0 means there is no need.
	expire(now Time) (next Time)
}

// freshKeyPairs draws a new key pair every time.
type freshKeyPairs struct{}

func (freshKeyPairs) acquire(rand io.Reader, group uint64, _ []byte) (*dhKeyPair, error) {
	return generateKeyPair(rand, group)
}

func (freshKeyPairs) release(kp *dhKeyPair) { kp.wipe() }

func (freshKeyPairs) expire(Time) Time { return 0 }

// ReuseKeys returns the same identity, except that as a responder it uses each ephemeral key pair for up to
// that many sessions that open within period, so that a handshake costs one modular exponentiation instead of
// two. An identity with a static certificate is returned as it is.
//
// The price: who gets hold of a private key while it is in memory, which is period and what the handshakes in
// progress take, can read all sessions that it opened, not one. Apart from that sessions stay as they were: the
// arithmetic takes the same time whatever the key, the moduli are safe primes, so that chosen public keys tell one
// bit of it, and no two sessions have the same keys. DH_SECRET loses its leading zeros before it is hashed
// (RFC 7425 §4.6.2), which a far end might see in the time that takes: keep sessions at some 1 000, in which that
// happens four times.
func (id *Identity) ReuseKeys(period time.Duration, sessions int) *Identity {
	if id.isStatic() {
		return id
	}
	shared := *id
	shared.ephemeral = &sharedKeyPairs{period: period, uses: sessions, current: make(map[uint64]*sharedPair)}
	return &shared
}

// sharedKeyPairs uses each key pair for several sessions.
type sharedKeyPairs struct {
	period time.Duration
	uses   int

	mu      sync.Mutex
	now     Time                   // of the last expire
	current map[uint64]*sharedPair // by group
}

// sharedPair is the pair in use of one group. It holds one reference to the pair.
type sharedPair struct {
	*dhKeyPair
	since Time
	// used has the hashes of the components the pair was used with. The session keys depend on nothing else, so
	// with one that comes again, in the copy of a handshake, another pair is used.
	used map[[sha256.Size]byte]struct{}
}

func (s *sharedKeyPairs) acquire(rand io.Reader, group uint64, far []byte) (*dhKeyPair, error) {
	sum := sha256.Sum256(far)
	if far != nil {
		if kp := s.join(group, sum); kp != nil {
			return kp, nil
		}
	}
	kp, err := generateKeyPair(rand, group) // takes long: not with the lock, which shards take too
	if err != nil {
		return nil, err
	}
	kp.users = 1
	if far != nil {
		s.share(kp, sum)
	}
	return kp, nil
}

// join returns the pair in use for one more session, nil if there is none or it met that component before.
func (s *sharedKeyPairs) join(group uint64, sum [sha256.Size]byte) *dhKeyPair {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.current[group]
	if p == nil {
		return nil
	}
	if len(p.used) >= s.uses || s.old(p) {
		s.retire(p)
		return nil
	}
	if _, again := p.used[sum]; again {
		return nil
	}
	p.used[sum] = struct{}{}
	p.users++
	return p.dhKeyPair
}

// share puts a new pair, which meets a component, in use if none is.
func (s *sharedKeyPairs) share(kp *dhKeyPair, sum [sha256.Size]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current[kp.group] == nil {
		kp.users++
		s.current[kp.group] = &sharedPair{dhKeyPair: kp, since: s.now, used: map[[sha256.Size]byte]struct{}{sum: {}}}
	}
}

func (s *sharedKeyPairs) old(p *sharedPair) bool { return s.now.Sub(p.since) >= s.period }

// retire takes p out of use; the last session that is being opened with it destroys it.
func (s *sharedKeyPairs) retire(p *sharedPair) {
	delete(s.current, p.group)
	s.drop(p.dhKeyPair)
}

func (s *sharedKeyPairs) drop(kp *dhKeyPair) {
	if kp.users--; kp.users == 0 {
		kp.wipe()
	}
}

func (s *sharedKeyPairs) release(kp *dhKeyPair) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(kp)
}

func (s *sharedKeyPairs) expire(now Time) (next Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = max(s.now, now)
	for _, p := range s.current {
		if s.old(p) {
			s.retire(p)
			continue
		}
		next = sooner(next, p.since.Add(s.period))
	}
	return next
}
