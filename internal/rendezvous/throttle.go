package rendezvous

import (
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"
)

// throttle lets one log line pass each interval and says how many did not.
type throttle struct {
	log zerolog.Logger

	mu     *sync.Mutex
	limit  *rate.Limiter
	missed int
}

func newThrottle(log zerolog.Logger) throttle {
	return throttle{log: log, mu: new(sync.Mutex), limit: rate.NewLimiter(rate.Every(200*time.Millisecond), 5)}
}

func (t *throttle) event(level zerolog.Level) *zerolog.Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.limit.Allow() {
		t.missed++
		return nil
	}
	ev := t.log.WithLevel(level)
	if t.missed > 0 {
		ev = ev.Int("others", t.missed)
		t.missed = 0
	}
	return ev
}
