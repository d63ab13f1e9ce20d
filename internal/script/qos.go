package script

import (
	"time"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// The kinds that publications and listeners measure apart.
const (
	qosAudio = iota
	qosVideo
	qosData
)

// qos is where the members of a QoS object come from.
type qos func(now rtmfp.Time) qosValues

type qosValues struct {
	lostRate   float64 // 0 to 1
	congestion float64 // share that did not arrive because the network did not keep up, 0 to 1
	byteRate   float64 // per second
	latency    time.Duration
	last       rtmfp.Time
	dropped    uint64
}

// qosTime is what means are over.
const qosTime = 4 * time.Second

// shares turns counters that only grow into shares of the last qosTime, or of the time since it was last
// asked if that is longer, at first since the beginning.
type shares struct {
	past []counts // oldest first; all but the first are younger than qosTime
}

type counts struct {
	at                 rtmfp.Time
	passed, lost, held uint64
}

// minStep is the least time between two marks that are kept.
const minStep = qosTime / 8

func (s *shares) of(c counts) (lost, held float64) {
	for len(s.past) > 1 && c.at.Sub(s.past[1].at) >= qosTime {
		s.past = s.past[1:]
	}
	var base counts
	if len(s.past) > 0 && c.at.Sub(s.past[0].at) >= qosTime {
		base = s.past[0]
	}
	if n := len(s.past); n == 0 || c.at.Sub(s.past[n-1].at) >= minStep {
		s.past = append(s.past, c)
	}
	passed, gone, left := c.passed-base.passed, c.lost-base.lost, c.held-base.held
	return share(gone, passed), share(left, passed)
}

func share(part, rest uint64) float64 {
	if part == 0 {
		return 0
	}
	return float64(part) / float64(part+rest)
}

// publicationQoS measures what comes from the publisher.
func (e *Engine) publicationQoS(p *publication, kind int) qos {
	var s shares
	var of *media.Publication
	return func(now rtmfp.Time) (v qosValues) {
		m := e.current(p)
		if m == nil {
			return v
		}
		if m != of { // another one, whose counters begin anew
			s, of = shares{}, m
		}
		st := m.Stats(now)
		k := [...]media.KindStats{st.Audio, st.Video, st.Data}[kind]
		v.lostRate, _ = s.of(counts{at: now, passed: k.Frames, lost: k.Lost})
		v.byteRate, v.last = k.ByteRate, k.LastTime
		if kind == qosVideo {
			v.dropped = st.DroppedFrames
		}
		if p.feed != nil {
			v.latency = p.feed.ping / 2
		} else if u := e.publisher(p); u != nil {
			v.latency = u.client.conn.Ping() / 2
		}
		return v
	}
}

// listenerQoS measures what goes to a player.
func (e *Engine) listenerQoS(l *listener, kind int) qos {
	var s shares
	return func(now rtmfp.Time) (v qosValues) {
		v.latency = l.client.conn.Ping() / 2
		m := l.media.Load()
		if m == nil {
			return v
		}
		st := m.Stats(now)
		k := [...]media.KindStats{st.Audio, st.Video, st.Data}[kind]
		held := k.Lost // in time, by the transport
		v.dropped = k.Lost
		for r, d := range st.Dropped {
			n := [...]uint64{d.Audio, d.Video, d.Data}[kind]
			switch media.Reason(r) {
			case media.DropLate, media.DropFull:
				held += n
				v.dropped += n
			case media.DropWaiting, media.DropRefused:
				v.dropped += n
			}
		}
		v.lostRate, v.congestion = s.of(counts{now, k.Frames - k.Lost, k.Lost, held})
		v.byteRate, v.last = k.ByteRate, k.LastTime
		return v
	}
}

// clientQoS measures the connection of a client as a whole.
func clientQoS(_ *Engine, c *client) qos {
	return func(now rtmfp.Time) qosValues {
		q := c.conn.Quality(now)
		return qosValues{lostRate: q.LostRate, byteRate: q.ByteRate, last: q.LastSent, latency: c.conn.Ping() / 2}
	}
}

func (e *Engine) qosClass() *class {
	get := func(f func(v qosValues) lua.LValue) member {
		return prop(func(o *object) lua.LValue { return f(o.v.(qos)(e.now())) })
	}
	return &class{
		name: "QoS",
		members: map[string]member{
			"lostRate":        get(func(v qosValues) lua.LValue { return lua.LNumber(v.lostRate) }),
			"byteRate":        get(func(v qosValues) lua.LValue { return lua.LNumber(v.byteRate) }),
			"latency":         get(func(v qosValues) lua.LValue { return lua.LNumber(v.latency.Seconds() * 1000) }),
			"lastSendingTime": get(func(v qosValues) lua.LValue { return e.epoch(v.last) }),
			"congestionRate":  get(func(v qosValues) lua.LValue { return lua.LNumber(v.congestion) }),
			"droppedFrames":   get(func(v qosValues) lua.LValue { return lua.LNumber(v.dropped) }),
		},
	}
}
