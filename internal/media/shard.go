package media

import "github.com/monaserver/monaserver/pkg/rtmfp"

// Shard is the listeners of one goroutine, which alone may call its methods and those of its
// listeners (but for the ones that say otherwise).
type Shard struct {
	hub    *Hub
	index  int
	post   func(any)
	groups map[*topic]*group
}

// group is the listeners of one name on one shard, and the state of the stream as far as the shard has
// taken its frames.
type group struct {
	topic     *topic
	at        *Attachment
	listeners []*Listener // in the order of subscription
	walking   int         // listeners may close while the list is walked
	gaps      bool        // some did

	state
	live      bool
	fresh     bool       // no frame but headers so far
	lastVideo rtmfp.Time // newest picture, 0 = none
}

// NewShard returns a shard. index counts from 0 and is unique in the hub; post must hand a value over to
// the shard's goroutine, in order and without blocking, from any goroutine, which calls HandlePost.
func NewShard(h *Hub, index int, post func(any)) *Shard {
	return &Shard{hub: h, index: index, post: post, groups: make(map[*topic]*group)}
}

// Post implements Target.
func (s *Shard) Post(_ *Attachment, f *Frame) { s.post(f) }

// HandlePost takes what post handed over. It is false, and nothing happened, if that is not the hub's.
func (s *Shard) HandlePost(now rtmfp.Time, msg any) bool {
	f, ok := msg.(*Frame)
	if !ok {
		return false
	}
	if g := s.groups[f.topic]; g == nil {
		f.topic.slot(s).Accept(f)
	} else if g.at.Accept(f) {
		g.handle(now, f)
		s.tidy(g)
	}
	f.Release()
	return true
}

// Subscribe adds a listener to a name, which need not have a publisher yet. If it has one, sink hears
// of it and gets the metadata before Subscribe returns.
func (s *Shard) Subscribe(now rtmfp.Time, _, name string, sink Sink, o Options) *Listener {
	g := s.join(name)
	l := newListener(s, g, sink, o)
	g.listeners = append(g.listeners, l)
	g.topic.addListener(l)
	if g.live {
		l.published(now, g.fresh)
		for i := 0; i < len(g.meta) && !l.closed; i++ {
			l.data(now, g.meta[i])
		}
	}
	return l
}

// Listeners returns how many listeners the shard has.
func (s *Shard) Listeners() int {
	n := 0
	for _, g := range s.groups {
		n += len(g.listeners)
	}
	return n
}

// join returns the group of a name. A group's use of the topic ends in tidy.
func (s *Shard) join(name string) *group {
	t := s.hub.acquire(name)
	if g := s.groups[t]; g != nil {
		s.hub.release(t)
		return g
	}
	g := &group{topic: t, at: t.slot(s)}
	j := t.join(g.at)
	g.state, g.live, g.fresh, g.lastVideo = j.state, j.live, j.fresh, j.lastVideo
	s.groups[t] = g
	return g
}

// tidy takes closed listeners out of the list, and the group away with the last of them.
func (s *Shard) tidy(g *group) {
	if g.walking > 0 || !g.gaps {
		return
	}
	g.gaps = false
	kept := g.listeners[:0]
	for _, l := range g.listeners {
		if !l.closed {
			kept = append(kept, l)
		}
	}
	clear(g.listeners[len(kept):])
	g.listeners = kept
	if len(kept) == 0 && s.groups[g.topic] == g {
		delete(s.groups, g.topic)
		g.topic.leave(g.at)
		g.state.clear()
		s.hub.release(g.topic)
	}
}

// handle applies f to the state and shows it to every listener there is. Those who come meanwhile have
// seen the state with f applied.
func (g *group) handle(now rtmfp.Time, f *Frame) {
	g.take(now, f)
	g.walking++
	for _, l := range g.listeners {
		if l.closed {
			continue
		}
		switch f.Role {
		case Published:
			l.published(now, true)
		case Unpublished:
			l.sink.Unpublished(now)
		case Cleared:
		default:
			l.frame(now, f)
		}
	}
	g.walking--
}

// take applies f to the state.
func (g *group) take(now rtmfp.Time, f *Frame) {
	switch f.Role {
	case Published, Unpublished:
		g.state.clear()
		g.live, g.fresh, g.lastVideo = f.Role == Published, true, 0
	case Key, Inter:
		g.fresh, g.lastVideo = false, now
	case Sound, Mark:
		g.fresh = false
	default:
		g.state.apply(f)
	}
}
