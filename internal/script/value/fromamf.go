package value

import (
	"io"
	"math"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/pkg/amf"
)

// FromAMF turns a received value into a Lua value. A value that v refers to twice becomes one table, cycles
// included.
func (c *Converter) FromAMF(v amf.Value) lua.LValue {
	if lv, ok := scalarFromAMF(v); ok {
		return lv
	}
	r := c.startReading()
	lv := r.value(v)
	c.endReading(r)
	return lv
}

// AppendFromAMF appends the values of one message to dst. What they share becomes one table.
func (c *Converter) AppendFromAMF(dst []lua.LValue, vs ...amf.Value) []lua.LValue {
	r := c.startReading()
	for _, v := range vs {
		dst = append(dst, r.value(v))
	}
	c.endReading(r)
	return dst
}

// Decode appends the values of an AMF0 message, in which marker 0x11 introduces AMF3, to dst. Values in
// front of one that cannot be read are kept; the error says what is wrong with that one.
func (c *Converter) Decode(dst []lua.LValue, message []byte) ([]lua.LValue, error) {
	r := c.startReading()
	r.amf.Reset(message, c.o.Limits)
	v, err := r.amf.Next()
	for ; err == nil; v, err = r.amf.Next() {
		dst = append(dst, r.value(v))
	}
	if err == io.EOF {
		err = nil
	}
	r.amf.Reset(nil, amf.Limits{})
	c.endReading(r)
	return dst, err
}

// reader is the state of one conversion to Lua.
type reader struct {
	c        *Converter
	amf      amf.Reader
	depth    int
	holes    int
	warnings int
	// The tables of values met before. Most messages have few, which are found faster in a list.
	values []amf.Value
	tables []*lua.LTable
	index  map[amf.Value]*lua.LTable
}

// listed is how many values are looked up in a list before a map is made.
const listed = 16

func (c *Converter) startReading() *reader {
	r := c.reading
	if r == nil {
		r = &reader{c: c}
	}
	c.reading = nil
	return r
}

// endReading keeps r for the next conversion, without what it refers to.
func (c *Converter) endReading(r *reader) {
	if r.index != nil {
		*r = reader{c: c}
	} else {
		clear(r.values)
		clear(r.tables)
		r.values, r.tables = r.values[:0], r.tables[:0]
		r.depth, r.holes, r.warnings = 0, 0, 0
	}
	c.reading = r
}

func (r *reader) warn(format string, args ...any) {
	if r.warnings++; r.warnings <= maxWarnings {
		r.c.warn(format, args...)
	}
}

func (r *reader) seen(v amf.Value) *lua.LTable {
	if r.index != nil {
		return r.index[v]
	}
	for i, w := range r.values {
		if w == v {
			return r.tables[i]
		}
	}
	return nil
}

func (r *reader) remember(v amf.Value, t *lua.LTable) *lua.LTable {
	switch {
	case r.index != nil:
		r.index[v] = t
	case len(r.values) < listed:
		r.values, r.tables = append(r.values, v), append(r.tables, t)
	default:
		r.index = make(map[amf.Value]*lua.LTable, 4*listed)
		for i, w := range r.values {
			r.index[w] = r.tables[i]
		}
		r.index[v] = t
	}
	return t
}

// scalarFromAMF converts what does not become a table.
func scalarFromAMF(v amf.Value) (lua.LValue, bool) {
	switch v := v.(type) {
	case nil, amf.Null, amf.Undefined:
		return lua.LNil, true
	case amf.Bool:
		return lua.LBool(v), true
	case amf.Number:
		return luaNumber(float64(v)), true
	case amf.String:
		return lua.LString(v), true
	case *amf.XML:
		if v != nil {
			return lua.LString(v.Text), true
		}
		return lua.LNil, true
	}
	return nil, false
}

func (r *reader) value(v amf.Value) lua.LValue {
	if lv, ok := scalarFromAMF(v); ok {
		return lv
	}
	if t := r.seen(v); t != nil {
		return t
	}
	if r.depth >= r.c.o.Limits.Depth {
		r.warn("a value is nested deeper than %d, nil instead", r.c.o.Limits.Depth)
		return lua.LNil
	}
	r.depth++
	t := r.table(v)
	r.depth--
	if t == nil {
		return lua.LNil
	}
	return t
}

func (r *reader) table(v amf.Value) *lua.LTable {
	L := r.c.L
	switch v := v.(type) {
	case *amf.Date:
		if v != nil {
			return r.remember(v, r.c.date(v.Millis))
		}
	case *amf.ByteArray:
		if v != nil {
			t := L.CreateTable(0, 1)
			t.RawSetString("__raw", lua.LString(v.Data))
			return r.remember(v, t)
		}
	case *amf.Object:
		if v != nil {
			return r.object(v)
		}
	case *amf.Array:
		if v != nil {
			t := r.remember(v, L.CreateTable(len(v.Dense), len(v.Named)))
			r.members(t, v.Named)
			for i, e := range v.Dense {
				r.element(t, i, e)
			}
			return t
		}
	case *amf.Vector:
		if v != nil {
			t := r.remember(v, L.CreateTable(v.Len(), 0))
			for i := range v.Len() {
				r.element(t, i, v.At(i))
			}
			return t
		}
	case *amf.Dictionary:
		if v != nil {
			return r.dictionary(v)
		}
	}
	return nil
}

// element sets an element; null leaves a hole.
func (r *reader) element(t *lua.LTable, i int, v amf.Value) {
	if lv := r.value(v); lv != lua.LNil {
		t.RawSetInt(i+1, lv)
	}
}

// members sets members; null ones are left out. Their names stay text, also "1".
func (r *reader) members(t *lua.LTable, ms []amf.Member) {
	for _, m := range ms {
		if v := r.value(m.Value); v != lua.LNil {
			t.RawSetString(m.Name, v)
		}
	}
}

func (r *reader) object(o *amf.Object) *lua.LTable {
	size := len(o.Members)
	if o.Class != "" {
		size++
	}
	t := r.remember(o, r.c.L.CreateTable(0, size))
	if o.Class != "" {
		t.RawSetString("__type", lua.LString(o.Class))
	}
	r.members(t, o.Members)
	// A member may have that name too, and tables that MonaServer 1.x sends on have an empty one.
	if class, ok := t.RawGetString("__type").(lua.LString); ok && class != "" && r.c.o.OnTyped != nil {
		r.c.o.OnTyped(string(class), t)
	}
	return t
}

func (r *reader) dictionary(d *amf.Dictionary) *lua.LTable {
	t := r.remember(d, r.c.L.CreateTable(0, len(d.Entries)+1))
	if d.Weak {
		mt := r.c.L.CreateTable(0, 1)
		mt.RawSetString("__mode", lua.LString("k"))
		t.Metatable = mt
	}
	n := 0
	for _, e := range d.Entries {
		if r.entry(t, r.value(e.Key), r.value(e.Value)) {
			n++
		}
	}
	t.RawSetString("__size", luaNumber(float64(n)))
	return t
}

// entry sets one pair of a dictionary and says whether its key is new. What a Lua table cannot hold is left
// out.
func (r *reader) entry(t *lua.LTable, key, v lua.LValue) bool {
	n, isNumber := key.(lua.LNumber)
	switch {
	case key == lua.LNil || v == lua.LNil || math.IsNaN(float64(n)) || key == lua.LString("__size"):
		return false
	case isNumber && n >= 1 && n < lua.LNumber(lua.MaxArrayIndex) && n == lua.LNumber(int(n)):
		if gap := int(n) - 1 - t.MaxN(); gap > 0 {
			if gap > maxHoles-r.holes {
				r.warn("dictionary key %d is too far from the others, left out", int(n))
				return false
			}
			r.holes += gap
		}
	}
	added := t.RawGet(key) == lua.LNil
	t.RawSet(key, v)
	return added
}
