package value

import (
	"math"
	"slices"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/script/value/decimal"
	"github.com/monaserver/monaserver/pkg/amf"
)

// convert turns a table into the first kind of value whose marker it has.
func (w *writer) convert(t *lua.LTable) amf.Value {
	if raw, ok := field(t, "__raw").(lua.LString); ok {
		if w.raw += len(raw); w.raw > w.c.o.Limits.Bytes {
			return w.fail(limitError("bytes", w.c.o.Limits.Bytes))
		}
		return &amf.ByteArray{Data: []byte(raw)}
	}
	if ms, ok := field(t, "__time").(lua.LNumber); ok {
		return &amf.Date{Millis: math.Trunc(float64(ms))}
	}
	if _, ok := field(t, "__size").(lua.LNumber); ok {
		return w.dictionary(t)
	}
	if class, ok := field(t, "__type").(lua.LString); ok {
		return w.object(t, string(class))
	}
	n, holes := elements(t)
	if !w.charge(holes / holesPerElement) {
		return amf.Null{}
	}
	if n > 0 {
		return w.array(t, n)
	}
	if k, _ := t.Next(lua.LNil); k == lua.LNil {
		return &amf.Array{}
	}
	return w.object(t, "")
}

// maxClasses is how many tables a field is looked for in: tables whose metatables name each other have
// chains without end.
const maxClasses = 16

// field is a field of t or of the tables it inherits from. Functions as __index are not called.
func field(t *lua.LTable, name string) lua.LValue {
	for range maxClasses {
		if v := t.RawGetString(name); v != lua.LNil {
			return v
		}
		mt, ok := t.Metatable.(*lua.LTable)
		if !ok {
			break
		}
		if t, ok = mt.RawGetString("__index").(*lua.LTable); !ok {
			break
		}
	}
	return lua.LNil
}

// holesPerElement is how many holes cost as much as an element: looking at them is work too.
const holesPerElement = 64

// elements is how many elements t has when sent as an array: #t, unless it has more holes than elements, or
// as many and element 1 is one of them; then it is the last place up to which that is not so. A table such as
// {[1000000]=x} would be a million nulls otherwise. holes are all those that were looked at.
func elements(t *lua.LTable) (n, holes int) {
	end := t.Len()
	if end == 0 {
		return 0, 0
	}
	used := 0
	spare := 0 // how many more elements than holes there must be
	if t.RawGetInt(1) == lua.LNil {
		spare = 1
	}
	for i := 1; i <= end; i++ {
		if t.RawGetInt(i) == lua.LNil {
			holes++
		} else if used++; used-holes >= spare {
			n = i
		}
	}
	return n, holes
}

// array writes elements 1 to n, holes as null, and every other key as a member.
func (w *writer) array(t *lua.LTable, n int) amf.Value {
	a := begin(w, &amf.Array{Dense: make([]amf.Value, 0, min(n, w.left))})
	for i := 1; i <= n && w.err == nil; i++ {
		v := t.RawGetInt(i)
		if v == lua.LNil {
			w.charge(1)
			a.Dense = append(a.Dense, amf.Null{})
			continue
		}
		a.Dense = append(a.Dense, w.member(luaNumber(float64(i)), v))
	}
	base := len(w.members)
	for k, v := t.Next(lua.LNumber(n)); k != lua.LNil && w.err == nil; k, v = t.Next(k) {
		if name, ok := w.name(t, k); ok {
			v := w.member(k, v) // may use the stack itself
			w.members = append(w.members, amf.Member{Name: name, Value: v})
		}
	}
	a.Named = w.takeMembers(base)
	return a
}

func (w *writer) object(t *lua.LTable, class string) amf.Value {
	o := begin(w, &amf.Object{Class: class})
	base := len(w.members)
	for k, v := t.Next(lua.LNil); k != lua.LNil && w.err == nil; k, v = t.Next(k) {
		if s, ok := k.(lua.LString); ok && s == "__type" {
			if _, ok := v.(lua.LString); ok {
				continue
			}
		}
		if name, ok := w.name(t, k); ok {
			v := w.member(k, v) // may use the stack itself
			w.members = append(w.members, amf.Member{Name: name, Value: v})
		}
	}
	o.Members = w.takeMembers(base)
	return o
}

// takeMembers moves the members put on the stack since base into a slice of their own.
func (w *writer) takeMembers(base int) []amf.Member {
	top := w.members[base:]
	if len(top) == 0 {
		return nil
	}
	ms := slices.Clone(top)
	clear(top)
	w.members = w.members[:base]
	return ms
}

func (w *writer) dictionary(t *lua.LTable) amf.Value {
	d := begin(w, &amf.Dictionary{})
	if mt, ok := t.Metatable.(*lua.LTable); ok {
		mode, _ := mt.RawGetString("__mode").(lua.LString)
		d.Weak = mode == "k"
	}
	for k, v := t.Next(lua.LNil); k != lua.LNil && w.err == nil; k, v = t.Next(k) {
		if s, ok := k.(lua.LString); ok && s == "__size" {
			continue
		}
		key := w.member(k, k)
		if amf.KindOf(key) == amf.KindNull {
			continue // refused, with a warning: no reader could find the value again
		}
		d.Entries = append(d.Entries, amf.Entry{Key: key, Value: w.member(k, v)})
	}
	return d
}

// member converts the value at a key.
func (w *writer) member(key, v lua.LValue) amf.Value {
	w.path = append(w.path, key)
	av := w.value(v)
	w.path = w.path[:len(w.path)-1]
	return av
}

// name is the member name of a key.
func (w *writer) name(t *lua.LTable, key lua.LValue) (string, bool) {
	switch k := key.(type) {
	case lua.LString:
		if k == "" {
			w.warn("a member without a name cannot be sent")
			return "", false
		}
		return string(k), true
	case lua.LNumber:
		name := decimal.Key(float64(k))
		if t.RawGetString(name) == lua.LNil {
			return name, true
		}
		w.warn("key " + name + " exists as a number and as a text, only the text is sent")
		return "", false
	}
	w.warn("a key of type " + key.Type().String() + " cannot be sent")
	return "", false
}
