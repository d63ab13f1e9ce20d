package media

import "github.com/monaserver/monaserver/pkg/rtmfp"

// What to do for a listener whose network does not keep up. The transport gives up what passes its
// deadline; the rules here decide what not to hand to it.

// broken reports whether the transport gave up a part of the newest group of pictures since it was last
// asked. What it gave up of older ones is history.
func (l *Listener) broken() bool {
	last := l.abandoned(Video)
	if l.opts.Unbuffered {
		return false // every lost packet gives up a frame, and the player asked for that
	}
	return l.gop != 0 && last >= l.gop
}

// abandoned counts what the transport gave up and returns the newest id of it, 0 = nothing new.
func (l *Listener) abandoned(k Kind) uint64 {
	count, last := l.sink.Abandoned(k)
	before := &l.gone[k.index()]
	if count <= *before {
		*before = count // it counts from 0 again when the flow was replaced
		return 0
	}
	l.counters.kinds[k.index()].lost.Add(count - *before)
	*before = count
	return last
}

// congested returns why no further audio or video should be queued, 0 = it should.
func (l *Listener) congested(now rtmfp.Time, i int) Reason {
	kind, lifetime := Video, videoStart
	if i == audioIndex {
		kind, lifetime = Audio, audioStart
		l.abandoned(kind)
	}
	bytes, oldest := l.sink.Backlog(kind)
	l.backlog[i] = bytes
	q := &l.queues[i]
	q.trim(oldest)
	if oldest == 0 {
		return 0
	}
	if q.len() > 0 {
		oldest = q.at(0).due
	}
	switch {
	case now.Sub(oldest) > lateLifetimes*lifetime:
		return DropLate
	case q.len() >= maxTracked || l.full(i):
		return DropFull
	}
	return 0
}

// full reports whether the bytes waiting for the listener leave no room. Audio has an eighth more than
// video.
func (l *Listener) full(i int) bool {
	limit := l.shard.hub.limits.ListenerBytes
	if i == audioIndex {
		limit += limit / 8
	}
	return l.backlog[audioIndex]+l.backlog[videoIndex] > limit
}

// flooded reports whether what never expires waits in such a mass that it must be left out, too.
func (l *Listener) flooded(k Kind) bool {
	bytes, _ := l.sink.Backlog(k)
	return bytes > 2*l.shard.hub.limits.ListenerBytes
}

// expireStale leaves little time to the pictures before a new key frame that still wait, but only
// where this means that the network is behind: who sends a file in a burst would lose most of it.
func (l *Listener) expireStale(now rtmfp.Time) {
	q := &l.queues[videoIndex]
	startBy := now.Add(staleStart)
	var from, to uint64
	for ; q.len() > 0 && now.Sub(q.at(0).due) >= staleAge; q.pop() {
		id := q.at(0).id
		if id != to+1 { // a header between, which never expires
			l.expire(from, to, startBy)
			from = id
		}
		to = id
	}
	l.expire(from, to, startBy)
}

func (l *Listener) expire(from, to uint64, startBy rtmfp.Time) {
	if to != 0 {
		l.sink.Expire(Video, from, to, startBy, 0)
	}
}
