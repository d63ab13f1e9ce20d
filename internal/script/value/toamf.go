package value

import (
	"slices"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/script/value/decimal"
	"github.com/monaserver/monaserver/pkg/amf"
)

// ToAMF turns a Lua value into one to be sent. What cannot be sent (functions, objects of the server, a
// table inside itself) becomes null, with a warning.
func (c *Converter) ToAMF(v lua.LValue) amf.Value {
	if av, ok := scalarToAMF(v); ok {
		return av
	}
	w := c.startWriting()
	av := w.value(v)
	if w.err != nil {
		c.warn("a value cannot be sent, null instead: %v", w.err)
		av = amf.Null{}
	}
	c.endWriting(w)
	return av
}

// Forms of the messages that carry values.
const (
	// ObjectEncoding0 is for a client of that encoding: AMF0, with byte arrays, dictionaries and arrays
	// that have members in AMF3.
	ObjectEncoding0 = amf.AMF0Plus
	// ObjectEncoding3 is for a client of that encoding: AMF3 behind marker 0x11.
	ObjectEncoding3 = amf.AMF3InAMF0
	// Mesh is for another server.
	Mesh = amf.AMF3InAMF0
)

// Encode appends the values vs to b. On an error (a limit) it returns b as it was: nothing is sent then.
func (c *Converter) Encode(b []byte, mode amf.Mode, vs ...lua.LValue) ([]byte, error) {
	w := c.startWriting()
	w.amf.Mode = mode
	out := b
	end := len(b) + c.o.Limits.Bytes
	var err error
	for _, v := range vs {
		av, ok := scalarToAMF(v)
		if !ok {
			av = w.value(v)
			w.forget()
		}
		if err = w.err; err != nil {
			break
		}
		if len(out) >= end {
			err = limitError("bytes of a message", c.o.Limits.Bytes)
			break
		}
		w.amf.MaxBytes = end - len(out)
		if out, err = w.amf.Append(out, av); err != nil {
			break
		}
	}
	c.endWriting(w)
	if err != nil {
		return b, err
	}
	return out, nil
}

// EncodeGraph is Encode for bytes that the script itself will read: tables may be inside themselves. Only then
// repeated values are references, which count through all of vs.
func (c *Converter) EncodeGraph(mode amf.Mode, vs ...lua.LValue) ([]byte, error) {
	w := c.startWriting()
	w.cycles = true
	values := make([]amf.Value, 0, len(vs))
	for _, v := range vs {
		values = append(values, w.value(v))
		w.forget()
	}
	enc := amf.Encoder{Mode: mode, MaxDepth: w.amf.MaxDepth}
	if w.cyclic {
		enc.Refs = amf.AllRefs
	}
	err := w.err
	c.endWriting(w)
	var out []byte
	for _, v := range values {
		if err != nil {
			break
		}
		if len(out) >= c.o.Limits.Bytes {
			err = limitError("bytes of a message", c.o.Limits.Bytes)
			break
		}
		enc.MaxBytes = c.o.Limits.Bytes - len(out)
		out, err = enc.Append(out, v)
	}
	return out, err
}

// writer is the state of one conversion from Lua.
type writer struct {
	c        *Converter
	amf      amf.Encoder
	left     int // elements still allowed
	raw      int // bytes of byte arrays, which are copied
	warnings int
	err      error        // a limit; what is built afterwards does not matter
	path     []lua.LValue // keys that lead to the current value, for warnings
	open     []*lua.LTable
	begun    []amf.Value  // what becomes of the tables of open
	cycles   bool         // a table inside itself is allowed,
	cyclic   bool         // and was met
	members  []amf.Member // stack of those being collected, so that each table allocates once
	// The values of tables met before. As with reading, a list while there are few.
	tables []*lua.LTable
	values []written
	index  map[*lua.LTable]written
}

// written is what became of a table. Met again, it counts as many elements as it has with all that is in
// it: it is written again, and a small graph can unfold to any size.
type written struct {
	value    amf.Value
	elements int
}

// keepMembers is how long a stack of members is kept: one large table must not cost its memory for ever.
const keepMembers = 1024

func (c *Converter) startWriting() *writer {
	w := c.writing
	if w == nil {
		w = &writer{c: c}
	}
	c.writing = nil
	w.left, w.raw = c.o.Limits.Elements, 0
	w.amf.MaxDepth = c.o.Limits.Depth
	return w
}

func (c *Converter) endWriting(w *writer) {
	w.forget()
	if w.warnings > maxWarnings {
		c.warn("%d more values were left out", w.warnings-maxWarnings)
	}
	w.warnings, w.err, w.cycles, w.cyclic = 0, nil, false, false
	clear(w.path[:cap(w.path)])
	clear(w.open[:cap(w.open)])
	clear(w.begun[:cap(w.begun)])
	w.path, w.open, w.begun = w.path[:0], w.open[:0], w.begun[:0]
	if cap(w.members) > keepMembers {
		w.members = nil
	}
	c.writing = w
}

// forget ends a value: in the next one every table is written again, in full.
func (w *writer) forget() {
	clear(w.tables)
	clear(w.values)
	w.tables, w.values, w.index = w.tables[:0], w.values[:0], nil
}

func (w *writer) seen(t *lua.LTable) written {
	if w.index != nil {
		return w.index[t]
	}
	if i := slices.Index(w.tables, t); i >= 0 {
		return w.values[i]
	}
	return written{}
}

func (w *writer) remember(t *lua.LTable, v written) {
	switch {
	case w.index != nil:
		w.index[t] = v
	case len(w.tables) < listed:
		w.tables, w.values = append(w.tables, t), append(w.values, v)
	default:
		w.index = make(map[*lua.LTable]written, 4*listed)
		for i, k := range w.tables {
			w.index[k] = w.values[i]
		}
		w.index[t] = v
	}
}

func scalarToAMF(v lua.LValue) (amf.Value, bool) {
	switch v := v.(type) {
	case nil, *lua.LNilType:
		return amf.Null{}, true
	case lua.LBool:
		return amf.Bool(v), true
	case lua.LNumber:
		return amfNumber(float64(v)), true
	case lua.LString:
		return amf.String(v), true
	}
	return nil, false
}

func (w *writer) value(v lua.LValue) amf.Value {
	if !w.charge(1) {
		return amf.Null{}
	}
	if av, ok := scalarToAMF(v); ok {
		return av
	}
	if name, product := w.product(v); product {
		return w.refuse(name)
	}
	switch v := v.(type) {
	case *lua.LTable:
		return w.table(v)
	case *lua.LUserData:
		if w.c.o.Plain != nil {
			if t := w.c.o.Plain(v); t != nil {
				return w.table(t)
			}
		}
	}
	return w.refuse("a " + v.Type().String())
}

// charge takes n elements from the allowance; false = there are none left.
func (w *writer) charge(n int) bool {
	if w.err == nil && n > w.left {
		w.fail(limitError("elements", w.c.o.Limits.Elements))
	}
	w.left -= n
	return w.err == nil
}

// product asks the engine about v. A plain table is never one.
func (w *writer) product(v lua.LValue) (string, bool) {
	if w.c.o.Product == nil {
		return "", false
	}
	switch v := v.(type) {
	case *lua.LTable:
		if v.Metatable == lua.LNil {
			return "", false
		}
	case *lua.LUserData:
	default:
		return "", false
	}
	return w.c.o.Product(v)
}

func (w *writer) table(t *lua.LTable) amf.Value {
	if i := slices.Index(w.open, t); i >= 0 {
		if !w.cycles {
			return w.refuse("a table inside itself")
		}
		w.cyclic = true
		return w.begun[i]
	}
	if v := w.seen(t); v.value != nil {
		if !w.charge(v.elements) {
			return amf.Null{}
		}
		return v.value
	}
	if len(w.open) >= w.c.o.Limits.Depth {
		return w.fail(limitError("nesting", w.c.o.Limits.Depth))
	}
	if w.c.stopped() {
		return w.fail(ErrStopped)
	}
	w.open, w.begun = append(w.open, t), append(w.begun, nil)
	left := w.left
	v := w.convert(t)
	w.open, w.begun = w.open[:len(w.open)-1], w.begun[:len(w.begun)-1]
	w.remember(t, written{v, left - w.left})
	return v
}

// begin notes what the table that is being converted becomes, before there is anything in it.
func begin[V amf.Value](w *writer, v V) V {
	w.begun[len(w.begun)-1] = v
	return v
}

func (w *writer) fail(err error) amf.Value {
	if w.err == nil {
		w.err = err
	}
	return amf.Null{}
}

func (w *writer) refuse(what string) amf.Value {
	w.warn(what + " cannot be sent, null instead")
	return amf.Null{}
}

// warn says what is wrong with the current value, and where it is.
func (w *writer) warn(text string) {
	if w.warnings++; w.warnings > maxWarnings {
		return
	}
	where := ""
	for _, k := range w.path {
		where += keyName(k) + "."
	}
	if where != "" {
		where = where[:len(where)-1] + ": "
	}
	w.c.warn("%s%s", where, text)
}

func keyName(k lua.LValue) string {
	switch k := k.(type) {
	case lua.LString:
		if len(k) > 64 {
			return string(k[:64]) + "…"
		}
		return string(k)
	case lua.LNumber:
		return decimal.Key(float64(k))
	}
	return "(" + k.Type().String() + ")"
}
