package rendezvous

import (
	"sync"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

const (
	attemptMemory = 2 * time.Minute // after which a tag is forgotten
	maxAttempts   = 1 << 16         // tags remembered
)

// attempts counts hellos by tag. It is the only state that hellos leave behind: when it is full, unknown
// tags count as first attempts.
type attempts struct {
	mu    *sync.Mutex
	tags  map[string]attempt
	swept rtmfp.Time
}

type attempt struct {
	n    int
	last rtmfp.Time
}

func newAttempts() attempts {
	return attempts{mu: new(sync.Mutex), tags: make(map[string]attempt)}
}

func (a *attempts) count(now rtmfp.Time, tag []byte) int {
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
	v, known := a.tags[string(tag)]
	if now.Sub(v.last) > attemptMemory {
		v.n = 0
	}
	if !known && len(a.tags) >= maxAttempts {
		return 1
	}
	v.n++
	v.last = now
	a.tags[string(tag)] = v
	return v.n
}
