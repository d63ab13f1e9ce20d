package script

import (
	"sync"
	"time"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/media"
)

// tap brings the frames of a publication to the hooks that one application set on it. Frames wait in it
// for their turn among the events of the application; when it is behind, media leaves frames out, and
// the tap itself when all taps together hold too much.
type tap struct {
	// Constant.
	e    *Engine
	pub  *publication
	path string    // of the application
	own  *ownHooks // of publication:handle; nil: the hooks are fields of the publication

	// The script goroutine's.
	at    [3]*media.Attachment // audio, video, data
	left  [3]uint64            // frames that media had left out, when last asked
	fresh bool                 // frames were shown since the last flush
	args  []lua.LValue         // of the call under way

	mu      sync.Mutex
	waiting []tapped
	head    int
	posted  bool // an event that takes them is queued
	broken  bool // video is left out until the next key frame
	closed  bool
}

// tapped is a frame that waits, or a flush.
type tapped struct {
	a *media.Attachment
	f *media.Frame // nil: flush
}

const (
	maxHooked = 64 << 20 // bytes of frames that wait for all hooks together

	// One event shows some frames, so that no publication keeps other events waiting.
	framesPerTurn = 64
	turnTime      = 2 * time.Millisecond

	tappedOverhead = 256
)

func sizeOf(f *media.Frame) int64 {
	n := int64(tappedOverhead)
	if f.Body != nil {
		n += int64(f.Body.Len())
	}
	return n
}

// Post implements media.Target: it is called by the goroutine of the publisher.
func (t *tap) Post(a *media.Attachment, f *media.Frame) {
	if f.Role == media.Published || f.Role == media.Unpublished || !t.put(tapped{a, f}) {
		a.Accept(f)
		f.Release()
	}
}

// flush puts the end of a batch behind the frames that wait.
func (t *tap) flush() { t.put(tapped{}) }

// put appends to what waits. It is false if it did not.
func (t *tap) put(w tapped) bool {
	t.mu.Lock()
	if t.closed || (w.f != nil && !t.room(w.f)) {
		t.mu.Unlock()
		return false
	}
	if w.f != nil {
		t.e.hooked.Add(sizeOf(w.f))
	}
	t.waiting = append(t.waiting, w)
	first := !t.posted
	t.posted = true
	t.mu.Unlock()
	if first {
		t.e.postFrames(t.path, t.deliver)
	}
	return true
}

// room reports whether f may wait. What decoders and listeners cannot do without always may; after a
// picture that could not, video goes on with a key frame.
func (t *tap) room(f *media.Frame) bool {
	full := t.e.hooked.Load() > maxHooked
	switch f.Role {
	case media.Header, media.Metadata, media.Cleared, media.Mark:
		return true
	case media.Key:
		t.broken = full
	case media.Inter:
		t.broken = t.broken || full
		full = t.broken
	}
	if full {
		t.e.counters.FramesDropped.Add(1)
	}
	return !full
}

// take returns the next that waits.
func (t *tap) take() (w tapped, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.head == len(t.waiting) {
		return w, false
	}
	w = t.waiting[t.head]
	t.waiting[t.head] = tapped{}
	if t.head++; t.head == len(t.waiting) {
		t.head = 0
		if t.waiting = t.waiting[:0]; cap(t.waiting) > 1024 {
			t.waiting = nil
		}
	}
	return w, true
}

// settle takes a frame off the accounts; it is false if the hooks must not see it.
func (t *tap) settle(w tapped) (wanted bool) {
	t.e.hooked.Add(-sizeOf(w.f))
	return w.a == nil || w.a.Accept(w.f)
}

// deliver is the event that shows frames to the hooks.
func (t *tap) deliver() {
	start := time.Now()
	for n := 0; n < framesPerTurn && !t.e.watch.Exceeded() && time.Since(start) < turnTime && t.showNext(); n++ {
	}
	t.countLeft()
	t.e.frames.shown()
	t.mu.Lock()
	again := len(t.waiting) > t.head
	t.posted = again
	t.mu.Unlock()
	if again {
		t.e.post(t.path, 0, true, t.deliver)
	}
	// A script says itself where its batches end.
	if t.fresh && !t.e.watch.Exceeded() && (!again || t.pub.feed == nil) {
		t.endBatch()
	}
}

// showNext shows the next that waits; it is false if nothing does.
func (t *tap) showNext() bool {
	w, ok := t.take()
	switch {
	case !ok:
		return false
	case w.f == nil:
		t.endBatch()
		return true
	}
	if t.settle(w) {
		t.fresh = true
		t.show(w.f)
	}
	w.f.Release()
	return true
}

func (t *tap) endBatch() {
	t.fresh = false
	t.raise(hookFlush)
}

// countLeft counts the frames that media left out.
func (t *tap) countLeft() {
	for i, a := range t.at {
		if a != nil {
			n := a.Skipped()
			t.e.counters.FramesDropped.Add(n - t.left[i])
			t.left[i] = n
		}
	}
}

func (t *tap) detach(i int) {
	if a := t.at[i]; a != nil {
		t.countLeft()
		a.Detach()
		t.at[i], t.left[i] = nil, 0
	}
}

// close ends the tap; what waits is forgotten.
func (t *tap) close() {
	for i := range t.at {
		t.detach(i)
	}
	t.mu.Lock()
	t.closed = true
	list := t.waiting[t.head:]
	t.waiting, t.head = nil, 0
	t.mu.Unlock()
	for _, w := range list {
		if w.f != nil {
			t.settle(w)
			w.f.Release()
		}
	}
}

// flush ends a batch for all hooks.
func (p *publication) flush() {
	for _, t := range p.taps {
		if t.hook(hookFlush) != nil {
			t.flush()
		}
	}
	for _, t := range p.more {
		if t.hook(hookFlush) != nil {
			t.flush()
		}
	}
}
