package rendezvous

import (
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// throttle lets one log line pass each interval and says how many did not.
type throttle struct {
	log zerolog.Logger

	mu     sync.Mutex
	next   rtmfp.Time
	missed int
}

const throttleInterval = 200 * time.Millisecond

func (t *throttle) event(now rtmfp.Time, level zerolog.Level) *zerolog.Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now < t.next {
		t.missed++
		return nil
	}
	t.next = now.Add(throttleInterval)
	ev := t.log.WithLevel(level)
	if t.missed > 0 {
		ev = ev.Int("others", t.missed)
		t.missed = 0
	}
	return ev
}
