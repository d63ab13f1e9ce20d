package rendezvous

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

const (
	attemptMemory = 2 * time.Minute // after which a tag is forgotten
	maxAttempts   = 1 << 16         // tags remembered, by default
)

// attempts counts hellos by tag. It is the only state that hellos leave behind: when it is full, unknown
// tags count as first attempts.
type attempts struct {
	mu    *sync.Mutex
	seed  maphash.Seed
	tags  map[uint64]attempt // by hash: tags may be long
	swept rtmfp.Time
	max   int
}

type attempt struct {
	n    int
	last rtmfp.Time
}

func newAttempts(limit int) attempts {
	if limit <= 0 {
		limit = maxAttempts
	}
	return attempts{mu: new(sync.Mutex), seed: maphash.MakeSeed(), tags: make(map[uint64]attempt), max: limit}
}

// count counts a hello; counted is false when there is no room for its tag.
func (a *attempts) count(now rtmfp.Time, tag []byte) (n int, counted bool) {
	key := maphash.Bytes(a.seed, tag)
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.swept) > attemptMemory/4 {
		a.swept = now
		for k, v := range a.tags {
			if now.Sub(v.last) > attemptMemory {
				delete(a.tags, k)
			}
		}
	}
	v, known := a.tags[key]
	if now.Sub(v.last) > attemptMemory {
		v.n = 0
	}
	if !known && len(a.tags) >= a.max {
		return 1, false
	}
	v.n++
	v.last = now
	a.tags[key] = v
	return v.n, true
}
