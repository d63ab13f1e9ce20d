package script

import (
	"errors"
	"strings"
	"time"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// feed is the script's end of a publication of mona:publish. It belongs to the script goroutine, which
// is the feeder of media.
type feed struct {
	e     *Engine
	pub   *publication
	app   *App // nil: of none
	media *media.Publication
	ping  time.Duration // as the script said
	dirty bool          // something was pushed since the last flush
}

// publish is mona:publish(name[, mode]). Nothing is recorded, whatever the mode.
func (e *Engine) publish(L *lua.LState) int {
	name, _, _ := strings.Cut(L.CheckString(2), "?")
	if p := e.pubs[name]; p != nil && p.running() {
		L.Push(lua.LNil)
		return 1
	}
	f := &feed{e: e, app: e.running}
	path := ""
	if f.app != nil {
		path = f.app.path
	}
	var err error
	if f.media, err = e.cfg.Hub.Publish(path, name, f); err != nil {
		if !errors.Is(err, media.ErrInUse) {
			e.complain(zerolog.ErrorLevel, "publish: "+err.Error())
		}
		L.Push(lua.LNil)
		return 1
	}
	f.pub = e.retainName(name)
	f.pub.feed, f.pub.media = f, f.media
	e.own(f)
	e.announceEvent("onPublish", lua.LNil, f.pub.obj.ud)
	L.Push(f.pub.obj.ud)
	return 1
}

// closeOwned implements closer.
func (f *feed) closeOwned() { f.close() }

// close ends the publication; the name is free again.
func (f *feed) close() {
	p := f.pub
	if p.feed != f {
		return
	}
	f.flush()
	f.e.showRest(p)
	f.e.announceEvent("onUnpublish", lua.LNil, p.obj.ud)
	if p.feed != f { // one of them closed it
		return
	}
	if f.app != nil {
		f.e.disown(f.app, f)
	}
	p.feed = nil
	f.media.Close()
	f.e.release(p)
}

// pushed notes that something was pushed: it is flushed when the event returns at the latest.
func (f *feed) pushed() {
	if f.dirty {
		return
	}
	f.dirty = true
	if f.e.turn.depth == 0 {
		f.flush()
		return
	}
	f.e.atEnd(f.flush)
}

// flush raises onFlush if something was pushed. Frames are on their way already.
func (f *feed) flush() {
	if f.dirty {
		f.dirty = false
		f.pub.flush()
	}
}

// setPing takes the round trip to where the frames come from, in ms.
func (f *feed) setPing(ms float64) {
	if ms >= 0 && ms <= 1<<16 {
		f.ping = time.Duration(ms * float64(time.Millisecond))
	}
}

// flushPublication is publication:flush().
func (e *Engine) flushPublication(p *publication, _ *lua.LState) int {
	if !p.running() {
		e.complain(zerolog.ErrorLevel, "flush of the publication "+p.name+", which is not running: ignored")
		return 0
	}
	if p.feed != nil {
		p.feed.dirty = false
	}
	p.flush()
	return 0
}

// closePublication is publication:close([code[, description]]). What belongs to a client ends only with
// a status for it.
func (e *Engine) closePublication(p *publication, L *lua.LState) int {
	if p.feed != nil {
		p.feed.close()
		return 0
	}
	u := e.publisher(p)
	code, _ := L.Get(2).(lua.LString)
	switch {
	case u == nil: // closed already
	case code == "":
		e.complain(zerolog.ErrorLevel, "the publication "+p.name+" belongs to a client and cannot be closed without a code")
	default:
		text := L.OptString(3, "")
		u.client.post(e, func(now rtmfp.Time, _ *netconn.Conn) {
			if m := u.stream.Publication(); m != nil && m.Name() == p.name {
				u.stream.Close(now, string(code), text)
			}
		})
	}
	return 0
}
