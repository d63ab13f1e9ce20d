package script

import (
	"slices"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/media"
)

// ownHooks are the functions of publication:handle. Unlike the functions that scripts store on the
// publication any number of scripts can have theirs, and they begin with what a player gets first.
type ownHooks struct {
	app *App
	obj *object
	fns [numHooks]*lua.LFunction
}

var hookEvents = map[string]bool{"onAudio": true, "onVideo": true, "onData": true, "onFlush": true, "onProperties": true}

// handlePublication is publication:handle(events).
func (e *Engine) handlePublication(p *publication, L *lua.LState) int {
	fns := eventTable(L, hookEvents)
	t := &tap{e: e, pub: p, own: &ownHooks{app: e.running}}
	if e.running != nil {
		t.path = e.running.path
	}
	for i, name := range hookNames {
		t.own.fns[i] = fns[name]
	}
	t.own.obj = e.newObject(e.classes.handlers, t)
	p.more = append(p.more, t)
	if e.running != nil {
		e.own(t)
	}
	e.adjust(t)
	L.Push(t.own.obj.ud)
	return 1
}

// begin shows what is known of a running stream: its metadata and the configuration of its codecs.
// The publisher may have been faster: what it posted comes behind.
func (t *tap) begin(snap *media.Snapshot) {
	var first []tapped
	for _, f := range slices.Concat(snap.Metadata, snap.Headers) {
		first = append(first, tapped{nil, f.Retain()})
		t.e.hooked.Add(sizeOf(f))
	}
	if len(first) == 0 {
		return
	}
	t.mu.Lock()
	t.waiting = slices.Insert(t.waiting, t.head, first...)
	idle := !t.posted
	t.posted = true
	t.mu.Unlock()
	if idle {
		t.e.post(t.path, 0, true, t.deliver)
	}
}

// maxDrained bounds the frames that are shown at once when a stream ends.
const maxDrained = 4096

// showRest shows the hooks of a publication that ends what waits in the queues of their applications: the end
// must not come before the last frames.
func (e *Engine) showRest(p *publication) {
	for _, t := range slices.Clone(p.more) {
		e.do(t.own.app, func() {
			for n := 0; n < maxDrained && !e.watch.Exceeded() && t.showNext(); n++ {
			}
		})
	}
}

// closeOwned implements closer: it ends the hooks.
func (t *tap) closeOwned() {
	if t.own.app != nil {
		t.e.disown(t.own.app, t)
	}
	t.own.fns = [numHooks]*lua.LFunction{}
	t.pub.more = slices.DeleteFunc(t.pub.more, func(o *tap) bool { return o == t })
	t.close()
}
