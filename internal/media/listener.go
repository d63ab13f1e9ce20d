package media

import "github.com/monaserver/monaserver/pkg/rtmfp"

// Listener is one player of a name. It outlives publishers, until Close. Its methods are the shard
// goroutine's, except Name, Owner, Publication and Stats, which are safe for all.
type Listener struct {
	shard *Shard
	group *group
	sink  Sink
	opts  Options

	wantAudio, wantVideo bool
	paused, closed       bool

	fresh   bool       // here since the first frame of the publication
	started bool       // frames flow
	since   rtmfp.Time // of waiting to start
	waitKey bool       // no video until the next key frame
	// The newest audio frame was dropped: video must not pass before audio does.
	audioBehind bool

	gop     uint64    // id of the newest key frame written
	sent    [2]uint64 // numbers up to which headers are written
	clock   clock
	queues  [2]queue
	backlog [2]int    // bytes, when last asked
	gone    [2]uint64 // count of abandoned messages, when last asked

	counters listenerCounters
}

func newListener(s *Shard, g *group, sink Sink, o Options) *Listener {
	return &Listener{
		shard: s, group: g, sink: sink, opts: o,
		wantAudio: !o.MuteAudio, wantVideo: !o.MuteVideo, waitKey: true,
	}
}

// Name is the name it listens to.
func (l *Listener) Name() string { return l.group.topic.name }

// Owner is Options.Owner.
func (l *Listener) Owner() any { return l.opts.Owner }

// Close ends it; the sink is not called any more. What was written stays written.
func (l *Listener) Close(_ rtmfp.Time) {
	if l.closed {
		return
	}
	l.closed = true
	l.group.topic.removeListener(l)
	l.group.gaps = true
	l.shard.tidy(l.group)
}

// Publication is the running publication, nil while the listener waits for one.
func (l *Listener) Publication() *Publication {
	t := l.group.topic
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.live {
		return nil
	}
	return t.pub
}

// SetAudio turns audio on or off; headers pass all the same.
func (l *Listener) SetAudio(on bool) { l.wantAudio = on }

// SetVideo turns video on or off; headers pass all the same. After it was off, video starts again with
// the next key frame.
func (l *Listener) SetVideo(_ rtmfp.Time, on bool) {
	if on && !l.wantVideo {
		l.waitKey = true
	}
	l.wantVideo = on
}

// Pause stops audio and video. Data messages go on.
func (l *Listener) Pause(_ rtmfp.Time) { l.paused = true }

// Resume goes on as a late listener does, at the next key frame, but with the time where it was.
func (l *Listener) Resume(now rtmfp.Time) {
	if l.paused {
		l.paused, l.started, l.fresh, l.waitKey = false, false, false, true
		l.since = now
	}
}

func (l *Listener) published(now rtmfp.Time, fresh bool) {
	l.fresh, l.started, l.waitKey = fresh, false, true
	l.since = now
	l.sink.Published(now)
}

func (l *Listener) frame(now rtmfp.Time, f *Frame) {
	switch f.Role {
	case Metadata, Message:
		l.data(now, f)
	case Header:
		l.headerFrame(now, f)
	case Mark:
		l.mark(now, f)
	case Key, Inter:
		l.video(now, f)
	case Sound:
		l.audio(now, f)
	}
}

// headerFrame passes a header of the running stream. One who waits to start gets the newest headers
// with its first frame, except that who was here before the first frame misses nothing.
func (l *Listener) headerFrame(now rtmfp.Time, f *Frame) {
	if l.paused || (!l.started && !l.fresh) || l.flooded(f.Kind) {
		return // headers makes good for it
	}
	l.begin(f)
	l.headers(now, f)
}

func (l *Listener) mark(now rtmfp.Time, f *Frame) {
	switch {
	case l.paused:
		l.drop(f, DropPaused)
	case !l.started && !l.fresh:
		l.drop(f, DropWaiting)
	case l.flooded(f.Kind):
		l.drop(f, DropFull)
	default:
		l.begin(f)
		l.send(now, f, l.clock.time(f), WriteOptions{})
	}
}

func (l *Listener) video(now rtmfp.Time, f *Frame) {
	switch {
	case l.paused:
		l.drop(f, DropPaused)
		return
	case !l.wantVideo:
		l.drop(f, DropMuted)
		return
	}
	if !l.waitKey && l.broken() {
		l.waitKey = true
	}
	if f.Role == Inter && l.waitKey {
		l.drop(f, DropWaiting)
		return
	}
	r := l.congested(now, videoIndex)
	if r == 0 && l.audioBehind {
		r = l.congested(now, audioIndex)
	}
	if r != 0 {
		l.waitKey = true
		l.drop(f, r)
		return
	}
	l.begin(f)
	ts := l.headers(now, f)
	o := WriteOptions{StartBy: f.due.Add(videoStart), FinishBy: f.due.Add(videoFinish)}
	if f.Role == Inter {
		o.Unreliable, o.Chain = l.opts.Unbuffered, !l.opts.Unbuffered
	}
	id := l.send(now, f, ts, o)
	if id == 0 {
		l.waitKey = true
		return
	}
	if f.Role == Key {
		l.waitKey, l.gop = false, id
		if !l.closed {
			l.expireStale(now)
		}
	}
	l.queues[videoIndex].push(waiting{id, now, f.due})
}

func (l *Listener) audio(now rtmfp.Time, f *Frame) {
	switch {
	case l.paused:
		l.drop(f, DropPaused)
		return
	case !l.wantAudio:
		l.drop(f, DropMuted)
		return
	case !l.started && !l.fresh && l.videoExpected(now):
		l.drop(f, DropWaiting)
		return
	}
	r := l.congested(now, audioIndex)
	l.audioBehind = r != 0
	if r != 0 {
		l.waitKey = true
		l.drop(f, r)
		return
	}
	l.begin(f)
	ts := l.headers(now, f)
	id := l.send(now, f, ts, WriteOptions{
		StartBy: f.due.Add(audioStart), FinishBy: f.due.Add(audioFinish), Unreliable: l.opts.Unbuffered,
	})
	if id != 0 {
		l.queues[audioIndex].push(waiting{id, now, f.due})
	}
}

// videoExpected tells a listener that joined a running stream to hold audio back: a player that gets
// sound alone at first shows no picture when one comes, or shows it late, and a recording would not
// begin with a key frame. If no picture comes, sound alone is right.
func (l *Listener) videoExpected(now rtmfp.Time) bool {
	last := l.group.lastVideo
	return l.wantVideo && last != 0 && now.Sub(last) < videoAlive && now.Sub(l.since) < maxHold
}

// begin starts the flow of frames with f.
func (l *Listener) begin(f *Frame) {
	if !l.started {
		l.started, l.fresh = true, false
		l.clock.restart(f)
	}
}

// headers writes the headers that are not written yet, with the time of the frame behind them, which
// it returns. f may be one of them itself.
func (l *Listener) headers(now rtmfp.Time, f *Frame) uint32 {
	ts := l.clock.time(f)
	for i := range l.sent {
		newest, ok := l.sent[i], true
		for _, h := range l.group.headers[i] {
			if h.seq > l.sent[i] {
				ok = l.send(now, h, ts, WriteOptions{}) != 0 && ok
				newest = max(newest, h.seq)
			}
		}
		if ok {
			l.sent[i] = newest
		}
	}
	return ts
}

// data passes a data message at once, whatever the state of audio and video.
func (l *Listener) data(now rtmfp.Time, f *Frame) {
	if l.flooded(Data) {
		l.drop(f, DropFull)
		return
	}
	l.send(now, f, l.clock.dataTime(f), WriteOptions{})
}

// send writes f and returns its id, 0 if it was not written.
func (l *Listener) send(now rtmfp.Time, f *Frame, ts uint32, o WriteOptions) uint64 {
	if l.closed { // by the sink, while it took the header of f
		return 0
	}
	id := l.sink.Write(now, f, ts, o)
	if id == 0 {
		l.drop(f, DropRefused)
		return 0
	}
	l.counters.kinds[f.Kind.index()].add(now, f.Body.Len())
	return id
}
