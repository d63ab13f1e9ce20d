package media

import "sync/atomic"

// Target receives the frames of a name in order: a mesh link, a script. (Shards are targets, too, but
// are attached by Subscribe.)
type Target interface {
	// Post hands over one reference to f. It is called on the feeder's goroutine and must not block.
	// Whoever takes f out of the target's queue calls a.Accept, then f.Release.
	Post(a *Attachment, f *Frame)
}

// Attachment is the connection of a target to a name; it outlives publishers.
type Attachment struct {
	// Immutable.
	topic  *topic
	target Target
	kinds  Kinds
	limit  int64

	// The feeder's.
	skipping bool // video is left out until the next key frame
	resync   bool // headers or metadata were left out

	start   atomic.Uint64 // frames up to this number came before the attachment
	pending atomic.Int64  // bytes posted and not yet accepted
	skipped atomic.Uint64
}

// Snapshot is the state of a stream that a target joins.
type Snapshot struct {
	Live     bool
	Metadata []*Frame // one per handler
	Headers  []*Frame // of audio, then of video
}

// Release gives the frames back.
func (s *Snapshot) Release() {
	releaseAll(s.Metadata)
	releaseAll(s.Headers)
	*s = Snapshot{}
}

// Attach makes t a target of a name, which need not have a publisher yet; kinds filters what is
// posted (roles Published and Unpublished always are). The snapshot, which the caller must Release, is
// the stream's state before the first frame that Accept lets through.
func (h *Hub) Attach(name string, t Target, kinds Kinds) (*Attachment, Snapshot, error) {
	if name == "" {
		return nil, Snapshot{}, ErrNoName
	}
	a := &Attachment{topic: h.acquire(name), target: t, kinds: kinds, limit: int64(h.limits.TargetBytes)}
	j := a.topic.join(a)
	snap := Snapshot{Live: j.live, Metadata: j.meta}
	snap.Headers = append(j.headers[audioIndex], j.headers[videoIndex]...)
	return a, snap, nil
}

// Detach ends the posts, except those of a Push that is under way.
func (a *Attachment) Detach() {
	a.topic.leave(a)
	a.topic.hub.release(a.topic)
}

// Accept settles the account of a frame that left the target's queue. It is false for frames of the
// time before Attach, which the snapshot covers.
func (a *Attachment) Accept(f *Frame) bool {
	a.pending.Add(-f.size)
	return f.seq > a.start.Load()
}

// Skipped counts the frames left out because the target was behind.
func (a *Attachment) Skipped() uint64 { return a.skipped.Load() }

// push posts f if the target wants it and has room. Video gives way first, from three quarters of the
// limit on and then up to the next key frame; audio at the limit; headers, metadata and data at twice
// the limit, which only a flood of them reaches.
func (a *Attachment) push(f *Frame) {
	if f.Role == Published || f.Role == Unpublished {
		a.post(f)
		return
	}
	if a.kinds&f.Kind.set() == 0 {
		return
	}
	held := a.pending.Load() + f.size
	room := held <= 2*a.limit
	switch {
	case f.Role == Key || f.Role == Inter:
		room = held <= a.limit/4*3 && (f.Role == Key || !a.skipping)
		a.skipping = !room
	case f.Role == Sound:
		room = held <= a.limit
	case f.Role == Header || f.Role == Metadata:
		room = room && !a.resync // those to be repeated come first
		a.resync = !room
	}
	if !room {
		a.skipped.Add(1)
		a.topic.hub.skipped.Add(1)
		return
	}
	if a.resync && (f.Kind == Audio || f.Kind == Video) { // make good for the headers, before a frame that needs them
		a.resync = false
		a.topic.repeat(a, f)
	}
	a.post(f)
}

func (a *Attachment) post(f *Frame) {
	a.pending.Add(f.size)
	a.target.Post(a, f.Retain())
}
