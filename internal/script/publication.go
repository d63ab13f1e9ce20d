package script

import (
	"slices"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// publication is a name as scripts see it: one object from its first publisher or listener to the end of
// its last. It belongs to the script goroutine.
//
// What runs is what the events say: a publication runs from the moment the application accepted it until
// onUnpublish returned, although the shard of its publisher is a little behind or ahead.
type publication struct {
	obj  *object
	name string

	users      int // publishers, listeners, and events under way that are about it
	publishers []*streamUse
	feed       *feed // of mona:publish
	listeners  []*listener

	list  *object // the collection listeners
	qos   [3]*object
	media *media.Publication // newest known
	meta  metadata
	hooks [numHooks]*tap
	taps  map[string]*tap // by path of the application
	more  []*tap          // of publication:handle
}

// retainName returns the publication of a name for one more user.
func (e *Engine) retainName(name string) *publication {
	p := e.pubs[name]
	if p == nil {
		p = &publication{name: name, taps: make(map[string]*tap)}
		p.obj = e.newObject(e.classes.publication, p)
		p.obj.changed = func(key string, v lua.LValue) { e.setHook(p, key, v) }
		e.pubs[name] = p
	}
	p.users++
	return p
}

// release ends one use. Without any, the object and its fields end with the running event: the script
// may still look at what it closed.
func (e *Engine) release(p *publication) {
	if p.users--; p.users > 0 {
		return
	}
	end := func() {
		if p.users == 0 && e.pubs[p.name] == p {
			e.endPublication(p)
		}
	}
	if e.turn.depth == 0 {
		end()
		return
	}
	e.atEnd(end)
}

func (e *Engine) endPublication(p *publication) {
	delete(e.pubs, p.name)
	for _, t := range p.taps {
		t.close()
	}
	for _, t := range slices.Clone(p.more) {
		t.closeOwned()
	}
	p.taps, p.hooks = nil, [numHooks]*tap{}
	if p.list != nil {
		p.list.end()
	}
	p.obj.end()
}

// endPublications ends all of them, with the engine.
func (e *Engine) endPublications() {
	for _, p := range e.pubs {
		e.endPublication(p)
	}
}

func (p *publication) running() bool { return len(p.publishers) > 0 || p.feed != nil }

// current returns the media of the publication as it runs, or as it ran last; nil if it never did.
func (e *Engine) current(p *publication) *media.Publication {
	if m := e.cfg.Hub.Lookup(p.name); m != nil {
		p.media = m
	}
	return p.media
}

// publisher returns the NetStream that publishes, nil if none does. Two may be known for a moment: one
// that has ended and the next one, or one that will not get the name.
func (e *Engine) publisher(p *publication) *streamUse {
	if len(p.publishers) == 0 {
		return nil
	}
	if m := e.current(p); m != nil {
		for _, u := range p.publishers {
			if m.Owner() == u.stream {
				return u
			}
		}
	}
	return p.publishers[len(p.publishers)-1]
}

func (p *publication) removePublisher(u *streamUse) {
	p.publishers = slices.DeleteFunc(p.publishers, func(v *streamUse) bool { return v == u })
}

func (p *publication) removeListener(l *listener) {
	p.listeners = slices.DeleteFunc(p.listeners, func(v *listener) bool { return v == l })
}

// feeding runs f, which holds size bytes, where the publication is fed: here, or on the shard of its
// publisher. f must not use anything of Lua. A publication that does not run is an error of the script.
func (e *Engine) feeding(p *publication, what string, size int, f func(now rtmfp.Time, m *media.Publication)) bool {
	if p.feed != nil {
		f(e.now(), p.feed.media)
		p.feed.pushed()
		return true
	}
	u := e.publisher(p)
	if u != nil && !e.mayWrite(size+wordOverhead) {
		e.complain(zerolog.ErrorLevel, what+": too much written in one call, left out")
		return false
	}
	if u == nil {
		e.complain(zerolog.ErrorLevel, what+" on the publication "+p.name+", which is not running: ignored")
		return false
	}
	u.client.post(e, func(now rtmfp.Time, _ *netconn.Conn) {
		if m := u.stream.Publication(); m != nil && m.Name() == p.name {
			f(now, m)
		}
	})
	return true
}

func (e *Engine) publicationClass() *class {
	get := func(f func(p *publication) lua.LValue) member {
		return prop(func(o *object) lua.LValue { return f(o.v.(*publication)) })
	}
	do := func(f func(p *publication, L *lua.LState) int) member {
		return method(func(o *object, L *lua.LState) int { return f(o.v.(*publication), L) })
	}
	stats := func(f func(s media.PublicationStats) lua.LNumber) member {
		return get(func(p *publication) lua.LValue {
			if m := e.current(p); m != nil {
				return f(m.Stats(e.now()))
			}
			return lua.LNumber(0)
		})
	}
	header := func(kind media.Kind) member {
		return get(func(p *publication) lua.LValue {
			if m := e.current(p); m != nil && p.running() {
				if h := m.Header(kind); h != nil {
					return lua.LString(h)
				}
			}
			return lua.LNil
		})
	}
	quality := func(i int) member {
		return get(func(p *publication) lua.LValue {
			if p.qos[i] == nil {
				p.qos[i] = e.newObject(e.classes.qos, e.publicationQoS(p, i))
			}
			return p.qos[i].ud
		})
	}
	return &class{
		name: "publication",
		text: func(o *object) string { return "publication " + o.v.(*publication).name },
		members: map[string]member{
			"name":          get(func(p *publication) lua.LValue { return lua.LString(p.name) }),
			"running":       get(func(p *publication) lua.LValue { return lua.LBool(p.running()) }),
			"lastTime":      stats(func(s media.PublicationStats) lua.LNumber { return lua.LNumber(s.LastTime) }),
			"droppedFrames": stats(func(s media.PublicationStats) lua.LNumber { return lua.LNumber(s.DroppedFrames) }),
			"listeners": get(func(p *publication) lua.LValue {
				if p.list == nil {
					p.list = e.newObject(e.classes.listeners, p)
				}
				return p.list.ud
			}),
			"audioQOS":        quality(qosAudio),
			"videoQOS":        quality(qosVideo),
			"dataQOS":         quality(qosData),
			"audioCodec":      header(media.Audio),
			"videoCodec":      header(media.Video),
			"properties":      get(e.properties),
			"pushAudio":       do(e.pushMedia(media.Audio)),
			"pushVideo":       do(e.pushMedia(media.Video)),
			"pushData":        do(e.pushData),
			"pushAMFData":     do(e.pushAMFData),
			"pushAMF0Data":    do(e.pushAMF0Data),
			"writeProperties": do(e.writeProperties),
			"clearProperties": do(e.clearProperties),
			"handle":          do(e.handlePublication),
			"flush":           do(e.flushPublication),
			"close":           do(e.closePublication),
		},
		index: func(o *object, key lua.LValue) lua.LValue {
			if params := objectOf(e.properties(o.v.(*publication))); params != nil {
				return e.get(params, key)
			}
			return lua.LNil
		},
	}
}
