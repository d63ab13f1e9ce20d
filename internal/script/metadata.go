package script

import (
	"strconv"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/internal/script/value"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// metadataHandler is the handler that players call with the metadata of a stream.
const metadataHandler = "onMetaData"

// Names of the data messages that set and clear metadata.
const (
	setDataFrame   = "@setDataFrame"
	clearDataFrame = "@clearDataFrame"
)

// messageLimits bound a data message. Metadata of a file with an index of its key frames is long.
var messageLimits = amf.Limits{Depth: 64, Elements: 1 << 18}

// What scripts see of metadata: nobody needs an index of key frames in parameters.
const (
	maxPropertyDepth = 4
	maxProperties    = 512
)

// metadata is what was last seen of the metadata of a publication. Frames are numbered, so it is easy to
// tell whether it is still the same.
type metadata struct {
	frames int
	newest uint64
	params *object
}

// ignore is a target that wants no frames, only the state of a stream.
type ignore struct{}

func (ignore) Post(a *media.Attachment, f *media.Frame) {
	a.Accept(f)
	f.Release()
}

// properties are the metadata of a publication as parameters, nil if it has none.
func (e *Engine) properties(p *publication) lua.LValue {
	if e.cfg.Hub.Lookup(p.name) == nil {
		return lua.LNil
	}
	a, snap, err := e.cfg.Hub.Attach(p.name, ignore{}, media.DataKind)
	if err != nil {
		return lua.LNil
	}
	a.Detach()
	defer snap.Release()
	if len(snap.Metadata) == 0 {
		return lua.LNil
	}
	seen := metadata{frames: len(snap.Metadata)}
	for _, f := range snap.Metadata {
		seen.newest = max(seen.newest, f.Number())
	}
	if m := &p.meta; m.params == nil || m.frames != seen.frames || m.newest != seen.newest {
		params := value.NewParams()
		for _, f := range snap.Metadata {
			addProperties(params, f.Body.Bytes())
		}
		seen.params = e.newObject(e.classes.params, params)
		p.meta = seen
	}
	return p.meta.params.ud
}

// newProperties makes parameters of one metadata message.
func (e *Engine) newProperties(msg []byte) lua.LValue {
	params := value.NewParams()
	addProperties(params, msg)
	return e.newObject(e.classes.params, params).ud
}

// addProperties adds the members of the objects in a metadata message, the handler name in front.
func addProperties(params *value.Params, msg []byte) {
	r := amf.NewReader(msg, messageLimits)
	if r.Skip() != nil {
		return
	}
	for r.More() {
		v, err := r.Next()
		if err != nil {
			return
		}
		addProperty(params, "", v, 0)
	}
}

func addProperty(params *value.Params, key string, v amf.Value, depth int) {
	if depth > maxPropertyDepth || params.Len() >= maxProperties {
		return
	}
	set := func(text string) {
		if key != "" {
			params.Set(key, text)
		}
	}
	name := func(s string) string {
		if key == "" {
			return s
		}
		return key + "." + s
	}
	switch v := v.(type) {
	case nil, amf.Null, amf.Undefined:
		set("null")
	case amf.Bool:
		set(strconv.FormatBool(bool(v)))
	case amf.Number:
		set(strconv.FormatFloat(float64(v), 'f', -1, 64))
	case amf.String:
		set(string(v))
	case *amf.Date:
		set(strconv.FormatFloat(v.Millis, 'f', -1, 64))
	case *amf.Object:
		for _, m := range v.Members {
			addProperty(params, name(m.Name), m.Value, depth+1)
		}
	case *amf.Array:
		for i, d := range v.Dense {
			addProperty(params, name(strconv.Itoa(i+1)), d, depth+1)
		}
		for _, m := range v.Named {
			addProperty(params, name(m.Name), m.Value, depth+1)
		}
	}
}

// setMetadata relays what follows @setDataFrame in a message: a handler name, which may be missing, and
// its values. It returns the metadata as its listeners get it.
func setMetadata(rest []byte) (handler string, body []byte, err error) {
	handler = metadataHandler
	r := amf.NewReader(rest, messageLimits)
	if name, err := r.ReadString(); err == nil {
		handler = name
	} else {
		body = amf.AppendString(body, handler)
	}
	body, err = amf.AppendPlain(body, rest, messageLimits) // recordings know nothing but AMF0
	return handler, body, err
}

// pushMetadata sets the metadata of a handler.
func (e *Engine) pushMetadata(p *publication, handler string, body []byte) bool {
	return e.feeding(p, "metadata", len(body), func(_ rtmfp.Time, m *media.Publication) {
		buf := rtmfp.CopyBuffer(body)
		m.SetMetadata(handler, buf)
		buf.Release()
	})
}

// writeProperties is publication:writeProperties([handler,] table).
func (e *Engine) writeProperties(p *publication, L *lua.LState) int {
	handler, v := metadataHandler, L.Get(2)
	if name, ok := v.(lua.LString); ok {
		handler, v = string(name), L.Get(3)
	}
	t, ok := v.(*lua.LTable)
	if !ok {
		e.complain(zerolog.ErrorLevel, "writeProperties: a table was expected, got "+v.Type().String())
		return 0
	}
	var o amf.Value = e.conv.ToAMF(t)
	if a, ok := o.(*amf.Array); ok && len(a.Dense) == 0 {
		o = &amf.Object{Members: a.Named} // an empty table
	}
	enc := amf.Encoder{Mode: amf.AMF0Lossy}
	body, err := enc.Append(amf.AppendString(nil, handler), o)
	if err != nil {
		e.complain(zerolog.ErrorLevel, "writeProperties: "+err.Error())
		return 0
	}
	if !e.pushMetadata(p, handler, body) {
		return 0
	}
	L.Push(e.newProperties(body))
	return 1
}

// clearProperties is publication:clearProperties([handler]).
func (e *Engine) clearProperties(p *publication, L *lua.LState) int {
	handler := L.OptString(2, "")
	e.feeding(p, "clearProperties", len(handler), func(_ rtmfp.Time, m *media.Publication) { m.ClearMetadata(handler) })
	return 0
}
