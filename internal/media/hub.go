package media

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Limits bound what a Hub holds. Zero values: no limit for Publications, defaults for the others.
type Limits struct {
	Publications  int // running at once
	TargetBytes   int // frames posted to one target (shard, link, script) of one name and not yet taken
	ListenerBytes int // what waits in the transport for one listener
}

const hubStripes = 64

// Hub is the table of publications of the server, safe for all goroutines. Names are global, as in
// MonaServer 1.x: every application of the server sees the same ones.
type Hub struct {
	limits  Limits
	seed    maphash.Seed
	stripes [hubStripes]hubStripe

	publications atomic.Int64
	listeners    atomic.Int64
	skipped      atomic.Uint64
}

// hubStripe guards the topics whose names fall into it, and how often each is used.
type hubStripe struct {
	mu     sync.Mutex
	topics map[string]*topic
}

// NewHub returns an empty hub.
func NewHub(l Limits) *Hub {
	if l.TargetBytes <= 0 {
		l.TargetBytes = defaultTargetBytes
	}
	if l.ListenerBytes <= 0 {
		l.ListenerBytes = defaultListenerBytes
	}
	h := &Hub{limits: l, seed: maphash.MakeSeed()}
	for i := range h.stripes {
		h.stripes[i].topics = make(map[string]*topic)
	}
	return h
}

// Publish claims a name. The caller becomes the feeder: it alone may use the Publication, until Close.
// app is the publisher's application and for information only. Fails with ErrInUse, ErrTooMany or ErrNoName.
func (h *Hub) Publish(app, name string, owner any) (*Publication, error) {
	if name == "" {
		return nil, ErrNoName
	}
	if n := h.publications.Add(1); h.limits.Publications > 0 && n > int64(h.limits.Publications) {
		h.publications.Add(-1)
		return nil, ErrTooMany
	}
	t := h.acquire(name)
	p := &Publication{topic: t, app: app, owner: owner}
	if !t.start(p) {
		h.release(t)
		h.publications.Add(-1)
		return nil, ErrInUse
	}
	return p, nil
}

// Lookup returns the running publication of that name, or nil.
func (h *Hub) Lookup(name string) *Publication {
	s := h.stripe(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.topics[name]; t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.live {
			return t.pub
		}
	}
	return nil
}

// Publications returns the running ones, by name.
func (h *Hub) Publications() []*Publication {
	var list []*Publication
	for i := range h.stripes {
		s := &h.stripes[i]
		s.mu.Lock()
		for _, t := range s.topics {
			t.mu.Lock()
			if t.live {
				list = append(list, t.pub)
			}
			t.mu.Unlock()
		}
		s.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b *Publication) int { return strings.Compare(a.Name(), b.Name()) })
	return list
}

// HubStats are the counters of a Hub.
type HubStats struct {
	Publications int    // running
	Names        int    // with a publisher, a listener or a target
	Listeners    int    // on all shards
	Skipped      uint64 // frames not posted because a target was behind, once per target
}

// Stats returns the counters.
func (h *Hub) Stats() HubStats {
	st := HubStats{
		Publications: int(h.publications.Load()),
		Listeners:    int(h.listeners.Load()),
		Skipped:      h.skipped.Load(),
	}
	for i := range h.stripes {
		s := &h.stripes[i]
		s.mu.Lock()
		st.Names += len(s.topics)
		s.mu.Unlock()
	}
	return st
}

func (h *Hub) stripe(name string) *hubStripe {
	return &h.stripes[maphash.String(h.seed, name)%hubStripes]
}

// acquire returns the topic of a name for one more user. A topic lives as long as it has users: its
// publisher, the shards with listeners, other targets.
func (h *Hub) acquire(name string) *topic {
	s := h.stripe(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.topics[name]
	if t == nil {
		t = newTopic(h, name)
		s.topics[name] = t
	}
	t.users++
	return t
}

func (h *Hub) release(t *topic) {
	s := h.stripe(t.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	t.users--
	if t.users == 0 {
		delete(s.topics, t.name)
	}
}
