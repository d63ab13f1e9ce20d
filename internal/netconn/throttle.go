package netconn

import (
	"time"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// A peer chooses how often it misbehaves, so complaints about peers are limited per kind and shard.
const (
	throttleBurst    = 5
	throttleInterval = 10 * time.Second
)

// throttle hands out a few log events per interval and kind, and says in the next one how many it kept
// to itself.
type throttle struct {
	log   zerolog.Logger
	kinds map[string]*throttled
}

type throttled struct {
	since  rtmfp.Time
	passed int
	missed int
}

// event returns an event of that level, or nil (on which all methods do nothing) while its kind, a
// constant of the caller, is over its rate or the level is off.
func (t *throttle) event(now rtmfp.Time, level zerolog.Level, kind string) *zerolog.Event {
	if level < t.log.GetLevel() || level < zerolog.GlobalLevel() {
		return nil
	}
	k := t.kinds[kind]
	if k == nil {
		if t.kinds == nil {
			t.kinds = make(map[string]*throttled)
		}
		k = &throttled{since: now}
		t.kinds[kind] = k
	}
	if now.Sub(k.since) >= throttleInterval {
		k.since, k.passed = now, 0
	}
	if k.passed >= throttleBurst {
		k.missed++
		return nil
	}
	k.passed++
	e := t.log.WithLevel(level)
	if k.missed > 0 {
		e = e.Int("suppressed", k.missed)
		k.missed = 0
	}
	return e
}
