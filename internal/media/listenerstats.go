package media

import (
	"sync/atomic"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Reason says why a listener did not get a frame.
type Reason uint8

// The reasons.
const (
	DropWaiting Reason = iota + 1 // before the first key frame, or the next one after a gap
	DropMuted                     // SetAudio, SetVideo
	DropPaused
	DropLate    // the frames before it wait too long already
	DropFull    // too many bytes wait
	DropRefused // by the sink
	numReasons
)

func (r Reason) String() string {
	return [...]string{"", "waiting", "muted", "paused", "late", "full", "refused"}[r%numReasons]
}

type listenerCounters struct {
	kinds   [numIndexes]kindCounters
	dropped [numReasons][numIndexes]atomic.Uint64
}

func (l *Listener) drop(f *Frame, r Reason) {
	l.counters.dropped[r][f.Kind.index()].Add(1)
}

// ListenerStats are the counters of a listener: what was written to its sink, and what was not.
type ListenerStats struct {
	Audio, Video, Data KindStats
	Dropped            [numReasons]struct{ Audio, Video, Data uint64 } // by Reason
}

// Stats returns the counters.
func (l *Listener) Stats(now rtmfp.Time) ListenerStats {
	c := &l.counters
	st := ListenerStats{
		Audio: c.kinds[audioIndex].stats(now), Video: c.kinds[videoIndex].stats(now),
		Data: c.kinds[dataIndex].stats(now),
	}
	for r := range c.dropped {
		d := &c.dropped[r]
		st.Dropped[r].Audio = d[audioIndex].Load()
		st.Dropped[r].Video = d[videoIndex].Load()
		st.Dropped[r].Data = d[dataIndex].Load()
	}
	return st
}
