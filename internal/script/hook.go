package script

import (
	"slices"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/pkg/amf"
)

// A hook is an event function on a publication that is about its media. While there is none, nothing of
// a stream reaches this package.
const (
	hookAudio = iota
	hookVideo
	hookData
	hookFlush
	hookProperties
	numHooks
)

var hookNames = [numHooks]string{"onAudio", "onVideo", "onData", "onFlush", "onProperties"}

// hookKinds are the frames that a hook needs. Any frame makes a batch, which onFlush ends.
var hookKinds = [numHooks]media.Kinds{
	media.AudioKind, media.VideoKind, media.DataKind, media.AllKinds, media.DataKind,
}

// setHook notes that a script assigned v to a field of the publication. The hook runs among the events
// of the application that set it.
func (e *Engine) setHook(p *publication, key string, v lua.LValue) {
	i := slices.Index(hookNames[:], key)
	if i < 0 {
		return
	}
	old := p.hooks[i]
	p.hooks[i] = nil
	if _, ok := v.(*lua.LFunction); ok {
		path := ""
		if e.running != nil {
			path = e.running.path
		}
		t := p.taps[path]
		if t == nil {
			t = &tap{e: e, pub: p, path: path}
			p.taps[path] = t
		}
		p.hooks[i] = t
	}
	if old != nil && old != p.hooks[i] {
		e.adjust(old)
	}
	if p.hooks[i] != nil {
		e.adjust(p.hooks[i])
	}
}

// adjust attaches a tap to the kinds that its hooks need, and ends it with the last of them.
func (e *Engine) adjust(t *tap) {
	var need media.Kinds
	for i := range t.pub.hooks {
		if t.hook(i) != nil {
			need |= hookKinds[i]
		}
	}
	for i := range t.at {
		kind := media.Kinds(1) << i
		switch {
		case need&kind != 0 && t.at[i] == nil:
			a, snap, err := e.cfg.Hub.Attach(t.pub.name, t, kind)
			if err != nil {
				e.complain(zerolog.ErrorLevel, err.Error())
				return
			}
			if t.at[i] = a; t.own != nil {
				t.begin(&snap)
			}
			// Otherwise what came before is not for the hook: scripts set theirs before the stream starts.
			snap.Release()
		case need&kind == 0:
			t.detach(i)
		}
	}
	if need == 0 {
		t.close()
		delete(t.pub.taps, t.path)
	}
}

// hook returns the function to call for hook i, if t has one.
func (t *tap) hook(i int) *lua.LFunction {
	if t.own != nil {
		return t.own.fns[i]
	}
	if t.pub.hooks[i] != t {
		return nil
	}
	return t.pub.obj.function(hookNames[i])
}

// raise calls a hook. Its values are ignored.
func (t *tap) raise(i int, args ...lua.LValue) {
	fn := t.hook(i)
	if fn == nil {
		return
	}
	e := t.e
	top := e.L.GetTop()
	t.args = append(append(t.args[:0], t.pub.obj.ud), args...)
	if err := e.invoke(fn, 0, t.args); err != nil {
		e.scriptError(e.running, hookNames[i], err)
	}
	clear(t.args)
	e.L.SetTop(top)
}

// raisePacket calls a hook whose second argument is the packet of f.
func (t *tap) raisePacket(i int, f *media.Frame, first lua.LValue, body []byte) {
	packet := lua.LString(body)
	t.e.packet = packetOf(t.pub.name, f, packet)
	t.raise(i, first, packet)
	t.e.packet = shownPacket{}
}

// show raises the hooks for a frame.
func (t *tap) show(f *media.Frame) {
	switch {
	case f.Role == media.Metadata:
		if t.hook(hookProperties) != nil {
			t.raise(hookProperties, t.e.newProperties(f.Body.Bytes()))
		}
		if pageForm(t.hook(hookData)) {
			t.raise(hookData, lua.LString(f.Handler), lua.LString(f.Body.Bytes()))
		}
	case f.Role == media.Cleared:
		t.raise(hookProperties, lua.LNil)
	case f.Kind == media.Audio:
		t.raisePacket(hookAudio, f, lua.LNumber(f.Time), f.Body.Bytes())
	case f.Kind == media.Video:
		t.raisePacket(hookVideo, f, lua.LNumber(f.Time), f.Body.Bytes())
	default:
		t.showData(f)
	}
}

// pageForm reports whether an onData wants the name of the handler and the complete message: it does if
// it declares exactly these two parameters, beside self. Others get the decoded values.
func pageForm(fn *lua.LFunction) bool {
	return fn != nil && !fn.IsG && fn.Proto.NumParameters == 3 && fn.Proto.IsVarArg == 0
}

func (t *tap) showData(f *media.Frame) {
	fn := t.hook(hookData)
	if fn == nil {
		return
	}
	msg := f.Body.Bytes()
	if f.Kind == media.DataAMF3 {
		if len(msg) == 0 || msg[0] != 0 {
			return // a form nobody uses
		}
		msg = msg[1:]
	}
	if pageForm(fn) {
		name, err := amf.NewReader(msg, messageLimits).ReadString()
		if err == nil {
			t.raisePacket(hookData, f, lua.LString(name), msg)
		}
		return
	}
	values, err := t.e.conv.Decode(nil, msg)
	if err != nil {
		t.e.scriptError(t.e.running, hookNames[hookData], err)
	}
	t.raise(hookData, values...)
}
