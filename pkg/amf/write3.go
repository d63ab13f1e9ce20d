package amf

import (
	"encoding/binary"
	"math"
	"slices"
)

const (
	maxLength3 = 1<<28 - 1 // lengths and counts in a U29 with one flag bit
	maxSealed  = 1<<25 - 1 // with four flag bits (AMF3 §3.12, U29O-traits)
)

// appendSwitched writes a value at the top in mode AMF3InAMF0.
func (e *Encoder) appendSwitched(b []byte, v Value) ([]byte, error) {
	switch v := v.(type) {
	case nil, Null, Undefined, Bool:
		return e.append0(b, v)
	case Number:
		if !e.integer(float64(v)) {
			return AppendNumber(b, float64(v)), nil
		}
	default:
		if isNil(v) {
			return AppendNull(b), nil
		}
	}
	return e.append3(append(b, m0AVMPlus), v)
}

// integer says whether f is written as an AMF3 integer. Minus zero is not one.
func (e *Encoder) integer(f float64) bool {
	lowest := 0.0
	switch e.Mode {
	case AMF3:
		lowest = minInt29
	case AMF0Plus:
		return false
	}
	return f >= lowest && f <= maxInt29 && f == math.Trunc(f) && (f != 0 || !math.Signbit(f))
}

func (e *Encoder) append3(b []byte, v Value) ([]byte, error) {
	if len(b) > e.end {
		return b, encodeError(ErrLimit, "long value")
	}
	switch v := v.(type) {
	case Number:
		if e.integer(float64(v)) {
			return appendU29(append(b, m3Integer), uint32(int32(v))&maxU29), nil
		}
		return appendDouble(append(b, m3Double), float64(v)), nil
	case Bool:
		if v {
			return append(b, m3True), nil
		}
		return append(b, m3False), nil
	case String:
		return e.string3(append(b, m3String), string(v))
	case Undefined:
		return append(b, m3Undefined), nil
	case nil, Null:
		return append(b, m3Null), nil
	}
	if isNil(v) {
		return append(b, m3Null), nil
	}
	b = append(b, marker3(v))
	if e.Refs == AllRefs {
		if i, ok := seen(&e.objects3, v); ok {
			return appendU29(b, uint32(i)<<1), nil
		}
	}
	switch v := v.(type) {
	case *Date:
		return appendDouble(append(b, 1), v.Millis), nil
	case *XML:
		b, err := appendLength3(b, len(v.Text))
		return append(b, v.Text...), err
	case *ByteArray:
		b, err := appendLength3(b, len(v.Data))
		return append(b, v.Data...), err
	}
	return e.nested3(b, v)
}

func marker3(v Value) byte {
	switch v := v.(type) {
	case *Date:
		return m3Date
	case *XML:
		if v.Document {
			return m3XMLDocument
		}
		return m3XML
	case *ByteArray:
		return m3ByteArray
	case *Array:
		return m3Array
	case *Object:
		return m3Object
	case *Dictionary:
		return m3Dictionary
	case *Vector:
		return m3VectorInt + byte(min(v.Kind, VectorObject))
	}
	return m3Null
}

func (e *Encoder) nested3(b []byte, v Value) ([]byte, error) {
	enter := e.enter
	if e.Refs == AllRefs { // what began in AMF0 may come again once, as the tables differ
		enter = e.nest
	}
	if err := enter(v); err != nil {
		return b, err
	}
	var err error
	switch v := v.(type) {
	case *Object:
		b, err = e.object3(b, v)
	case *Array:
		if b, err = appendLength3(b, len(v.Dense)); err != nil {
			break
		}
		if b, err = e.dynamic3(b, v.Named); err != nil {
			break
		}
		b, err = e.list3(b, v.Dense)
	case *Dictionary:
		b, err = e.dictionary3(b, v)
	case *Vector:
		b, err = e.vector3(b, v)
	}
	e.leave()
	return b, err
}

func (e *Encoder) object3(b []byte, o *Object) ([]byte, error) {
	sealed := min(max(o.Sealed, 0), len(o.Members), maxSealed)
	t := traits{class: o.Class, dynamic: !o.Static || sealed < len(o.Members)}
	if e.Mode != AMF3 {
		sealed, t.dynamic = 0, true
	}
	var err error
	if i := e.findTraits(t, o.Members[:sealed]); i >= 0 {
		b = appendU29(b, uint32(i)<<2|1)
	} else if b, err = e.traits3(b, t, o.Members[:sealed]); err != nil {
		return b, err
	}
	for _, m := range o.Members[:sealed] {
		if b, err = e.append3(b, m.Value); err != nil {
			return b, err
		}
	}
	if !t.dynamic {
		return b, nil
	}
	return e.dynamic3(b, o.Members[sealed:])
}

// findTraits looks traits up that were written before. Only the last few: a message has few classes.
func (e *Encoder) findTraits(t traits, sealed []Member) int {
	for i := len(e.traits) - 1; i >= max(0, len(e.traits)-32); i-- {
		w := e.traits[i]
		if w.class == t.class && w.dynamic == t.dynamic &&
			slices.EqualFunc(w.names, sealed, func(s string, m Member) bool { return s == m.Name }) {
			return i
		}
	}
	return -1
}

func (e *Encoder) traits3(b []byte, t traits, sealed []Member) ([]byte, error) {
	h := uint32(len(sealed))<<4 | 3
	if t.dynamic {
		h |= 8
	}
	b, err := e.string3(appendU29(b, h), t.class)
	if err != nil {
		return b, err
	}
	for _, m := range sealed {
		if b, err = e.string3(b, m.Name); err != nil {
			return b, err
		}
	}
	if e.Refs == AllRefs {
		for _, m := range sealed {
			t.names = append(t.names, m.Name)
		}
		e.traits = append(e.traits, t)
	}
	return b, nil
}

// dynamic3 writes pairs of name and value and the empty name that ends them.
func (e *Encoder) dynamic3(b []byte, ms []Member) ([]byte, error) {
	var err error
	for _, m := range ms {
		if m.Name == "" {
			return b, encodeError(ErrUnsupported, "member without a name in AMF3")
		}
		if b, err = e.string3(b, m.Name); err != nil {
			return b, err
		}
		if b, err = e.append3(b, m.Value); err != nil {
			return b, err
		}
	}
	return append(b, 1), nil
}

func (e *Encoder) list3(b []byte, vs []Value) ([]byte, error) {
	var err error
	for _, v := range vs {
		if b, err = e.append3(b, v); err != nil {
			return b, err
		}
	}
	return b, nil
}

func (e *Encoder) dictionary3(b []byte, d *Dictionary) ([]byte, error) {
	b, err := appendLength3(b, len(d.Entries))
	if err != nil {
		return b, err
	}
	b = appendFlag(b, d.Weak)
	for _, en := range d.Entries {
		if b, err = e.append3(b, en.Key); err != nil {
			return b, err
		}
		if b, err = e.append3(b, en.Value); err != nil {
			return b, err
		}
	}
	return b, nil
}

func (e *Encoder) vector3(b []byte, v *Vector) ([]byte, error) {
	b, err := appendLength3(b, v.Len())
	if err != nil {
		return b, err
	}
	b = appendFlag(b, v.Fixed)
	switch v.Kind {
	case VectorInt, VectorUint:
		for _, f := range v.Numbers {
			b = binary.BigEndian.AppendUint32(b, uint32(int64(f)))
		}
		return b, nil
	case VectorDouble:
		for _, f := range v.Numbers {
			b = appendDouble(b, f)
		}
		return b, nil
	}
	if b, err = e.string3(b, v.Class); err != nil {
		return b, err
	}
	return e.list3(b, v.Values)
}

// string3 writes a string without marker (AMF3 §1.3.2).
func (e *Encoder) string3(b []byte, s string) ([]byte, error) {
	if e.Refs != NoRefs && s != "" {
		if i, ok := e.strings.find(s); ok {
			return appendU29(b, uint32(i)<<1), nil
		}
		e.strings.add(s)
	}
	b, err := appendLength3(b, len(s))
	return append(b, s...), err
}

func appendLength3(b []byte, n int) ([]byte, error) {
	if n > maxLength3 {
		return b, encodeError(ErrLimit, "length above 2^28-1")
	}
	return appendU29(b, uint32(n)<<1|1), nil
}

func appendDouble(b []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(b, math.Float64bits(f))
}

func appendFlag(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}
