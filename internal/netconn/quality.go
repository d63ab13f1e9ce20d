package netconn

import (
	"math"
	"sync/atomic"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Quality is how well a session carries what the server sends.
type Quality struct {
	LostRate float64    // share of the fragments sent that got lost, mean of some 4 s
	ByteRate float64    // bytes per second, mean of the same time
	LastSent rtmfp.Time // about; 0 = never
}

// qualitySamples observations, observeInterval apart, are what the means are over.
const qualitySamples = 5

// quality keeps observations of a session for its Quality.
type quality struct {
	// The shard's goroutine.
	samples []qualitySample // the last ones, as a ring
	n       int

	// Any goroutine.
	at       atomic.Int64
	lastSent atomic.Int64
	lost     atomic.Uint64 // bits of float64
	rate     atomic.Uint64
}

type qualitySample struct {
	at                rtmfp.Time
	bytes, sent, lost uint64
}

func (q *quality) observe(now rtmfp.Time, st rtmfp.SessionStats) {
	s := qualitySample{now, st.BytesSent, st.FragmentsSent, st.FragmentsLost}
	if q.n == 0 || q.samples[(q.n-1)%qualitySamples].bytes != s.bytes {
		q.lastSent.Store(int64(now))
	}
	if q.n < qualitySamples { // most clients have one, from their connect
		q.samples = append(q.samples, s)
	} else {
		q.samples[q.n%qualitySamples] = s
	}
	q.n++
	base := qualitySample{at: st.Opened}
	if q.n >= qualitySamples {
		base = q.samples[q.n%qualitySamples]
	}
	var lost, rate float64
	if n := s.sent - base.sent; n > 0 {
		lost = min(float64(s.lost-base.lost)/float64(n), 1)
	}
	if d := now.Sub(base.at).Seconds(); d > 0 {
		rate = float64(s.bytes-base.bytes) / d
	}
	q.lost.Store(math.Float64bits(lost))
	q.rate.Store(math.Float64bits(rate))
	q.at.Store(int64(now))
}

// Quality is the quality of the session as last observed. Any goroutine.
func (c *Conn) Quality(now rtmfp.Time) Quality {
	q := &c.quality
	v := Quality{LastSent: rtmfp.Time(q.lastSent.Load())}
	if now.Sub(rtmfp.Time(q.at.Load())) <= qualitySamples*observeInterval {
		v.LostRate = math.Float64frombits(q.lost.Load())
		v.ByteRate = math.Float64frombits(q.rate.Load())
	}
	return v
}
