package media

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// topic is a name with its publisher, if it has one, and everyone who wants its frames. It carries
// what outlasts publishers: the targets and the numbering of frames.
type topic struct {
	hub  *Hub
	name string

	users int // guarded by the stripe of the hub

	// Written by the feeder alone, read by those who join.
	number     atomic.Uint64 // newest frame
	firstMedia atomic.Uint64 // number of the publication's first frame that is no header; 0 = none yet
	lastVideo  atomic.Int64  // rtmfp.Time of the newest frame with a picture; 0 = none
	lines      uint32        // timelines so far; the feeder's

	targets atomic.Pointer[[]*Attachment] // immutable list

	mu        sync.Mutex
	pub       *Publication
	live      bool
	stateSeq  uint64 // number of the frame that last changed live or state
	state     state
	slots     []*Attachment // of shards, by index; kept so that late accounts are settled on them
	listeners []*Listener   // in the order of subscription
}

var noTargets []*Attachment

func newTopic(h *Hub, name string) *topic {
	t := &topic{hub: h, name: name}
	t.targets.Store(&noTargets)
	return t
}

// start makes p the publisher and tells everyone, unless there is one already.
func (t *topic) start(p *Publication) bool {
	t.mu.Lock()
	if t.pub != nil {
		t.mu.Unlock()
		return false
	}
	t.pub, t.live = p, true
	t.lines++
	p.time.line = t.lines
	t.firstMedia.Store(0)
	t.lastVideo.Store(0)
	f := newFrame(t, 0, Published, nil)
	t.stateSeq = t.next(f)
	t.mu.Unlock()
	t.emit(f)
	return true
}

// stop ends the publication. The name is free again after everyone was told.
func (t *topic) stop() {
	t.mu.Lock()
	t.live = false
	t.state.clear()
	f := newFrame(t, 0, Unpublished, nil)
	t.stateSeq = t.next(f)
	t.mu.Unlock()
	t.emit(f)
	t.mu.Lock()
	t.pub = nil
	t.mu.Unlock()
}

// next numbers a frame. The feeder's.
func (t *topic) next(f *Frame) uint64 {
	f.seq = t.number.Load() + 1
	return f.seq
}

// emit posts f to everyone and gives back the caller's reference. The number is stored before the list
// is loaded, while a new target enters the list before it loads the number: a frame is either posted
// to it or counted among those it ignores, and never both missed and not covered by the snapshot.
func (t *topic) emit(f *Frame) {
	t.number.Store(f.seq)
	for _, a := range *t.targets.Load() {
		a.push(f)
	}
	f.Release()
}

// keep changes the state that late listeners get, then emits f. The feeder's.
func (t *topic) keep(f *Frame) {
	t.mu.Lock()
	t.stateSeq = t.next(f)
	t.state.apply(f)
	t.mu.Unlock()
	t.emit(f)
}

// repeat posts the state before f once more to a target that missed some of it. The feeder's, which
// is the only writer of the state, so it may read without the lock.
func (t *topic) repeat(a *Attachment, f *Frame) {
	list := slices.Concat(t.state.meta, t.state.headers[audioIndex], t.state.headers[videoIndex])
	slices.SortFunc(list, func(a, b *Frame) int { return cmp.Compare(a.seq, b.seq) })
	for _, m := range list {
		if m != f && a.kinds&m.Kind.set() != 0 {
			a.post(m)
		}
	}
}

// joined is what a target finds when it enters a topic.
type joined struct {
	state
	live      bool
	fresh     bool // no frame but headers before the target's first
	lastVideo rtmfp.Time
}

// join puts a into the list, then reads number and state.
func (t *topic) join(a *Attachment) joined {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := append(slices.Clone(*t.targets.Load()), a)
	t.targets.Store(&list)
	start := max(t.number.Load(), t.stateSeq)
	a.start.Store(start)
	first := t.firstMedia.Load()
	return joined{
		state:     t.state.retain(a.kinds),
		live:      t.live,
		fresh:     first == 0 || first > start,
		lastVideo: rtmfp.Time(t.lastVideo.Load()),
	}
}

func (t *topic) leave(a *Attachment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	old := *t.targets.Load()
	list := make([]*Attachment, 0, len(old))
	for _, b := range old {
		if b != a {
			list = append(list, b)
		}
	}
	t.targets.Store(&list)
}

// slot returns the attachment of a shard. It stays the same while the topic lives: frames posted
// before the shard's last listener left may arrive after the next one came.
func (t *topic) slot(s *Shard) *Attachment {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.slots) <= s.index {
		t.slots = append(t.slots, nil)
	}
	if t.slots[s.index] == nil {
		t.slots[s.index] = &Attachment{topic: t, target: s, kinds: AllKinds, limit: int64(t.hub.limits.TargetBytes)}
	}
	return t.slots[s.index]
}

func (t *topic) addListener(l *Listener) {
	t.mu.Lock()
	t.listeners = append(t.listeners, l)
	t.mu.Unlock()
	t.hub.listeners.Add(1)
}

func (t *topic) removeListener(l *Listener) {
	t.mu.Lock()
	if i := slices.Index(t.listeners, l); i >= 0 {
		t.listeners = slices.Delete(t.listeners, i, i+1)
	}
	t.mu.Unlock()
	t.hub.listeners.Add(-1)
}
