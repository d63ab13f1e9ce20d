package amf

import (
	"math"
	"time"
)

// Value is one AMF value. A nil Value and a nil pointer inside a Value are written as null; a Reader
// never returns them.
type Value interface{ isValue() }

// The kinds without identity.
type (
	// Null is AMF null.
	Null struct{}
	// Undefined is AMF undefined, which is not null.
	Undefined struct{}
	// Bool is a boolean.
	Bool bool
	// Number is every number of AMF. AMF3 integers have 29 bits, a float64 holds them exactly; the
	// writer chooses the integer form when the value fits.
	Number float64
	// String is a string of bytes, of any length.
	String string
)

// Date is a point in time, in milliseconds since 1970-01-01 UTC. The time zone field of AMF0 is
// reserved (AMF0 §2.13): ignored when read, written as 0.
type Date struct{ Millis float64 }

// ByteArray is flash.utils.ByteArray.
type ByteArray struct{ Data []byte }

// XML is an XML document as text: XML of ActionScript 3, or the older XMLDocument, the only one AMF0 has.
type XML struct {
	Text     string
	Document bool // XMLDocument (AMF0 0x0F, AMF3 0x07)
}

// Member is a named value.
type Member struct {
	Name  string
	Value Value
}

// Object is an object with its members in the order of the wire. The zero Object is an anonymous
// dynamic one without members.
type Object struct {
	Class   string // "" = anonymous
	Members []Member
	// AMF3 traits (AMF3 §3.12). The first Sealed members are sealed; Static says that the class admits
	// no others. They are kept so that an object can be sent on as it came, and mean nothing to AMF0.
	Sealed int
	Static bool
}

// Array is an array: elements 0 to n-1, and any other members by name. An AMF0 ECMA array ends here
// too: its members named 0, 1, 2 …, in any order, are elements.
type Array struct {
	Dense []Value
	Named []Member
}

// Entry is one pair of a Dictionary.
type Entry struct{ Key, Value Value }

// Dictionary is flash.utils.Dictionary: keys are of any kind, objects compare by identity.
type Dictionary struct {
	Entries []Entry
	Weak    bool // keys are weak references
}

// VectorKind is the element type of a Vector.
type VectorKind uint8

// The vectors of AMF3.
const (
	VectorInt VectorKind = iota
	VectorUint
	VectorDouble
	VectorObject
)

// Vector is a typed list. Numbers holds the elements of the three number kinds (a float64 is exact for
// int and uint), Values those of VectorObject.
type Vector struct {
	Kind    VectorKind
	Fixed   bool   // the length may not change
	Class   string // element class of a VectorObject, "" = any
	Numbers []float64
	Values  []Value
}

func (Null) isValue()        {}
func (Undefined) isValue()   {}
func (Bool) isValue()        {}
func (Number) isValue()      {}
func (String) isValue()      {}
func (*Date) isValue()       {}
func (*ByteArray) isValue()  {}
func (*XML) isValue()        {}
func (*Object) isValue()     {}
func (*Array) isValue()      {}
func (*Dictionary) isValue() {}
func (*Vector) isValue()     {}

// DateOf converts t, to the millisecond.
func DateOf(t time.Time) *Date { return &Date{Millis: float64(t.UnixMilli())} }

// Time converts d to UTC, dropping fractions of a millisecond. Values out of range give the zero Time.
func (d *Date) Time() time.Time {
	// ECMAScript dates end at ±8.64e15 ms; beyond, and for NaN, the conversion to int64 is undefined.
	if !(math.Abs(d.Millis) <= 8.64e15) {
		return time.Time{}
	}
	return time.UnixMilli(int64(d.Millis)).UTC()
}

// Len is the number of elements.
func (v *Vector) Len() int {
	if v.Kind >= VectorObject {
		return len(v.Values)
	}
	return len(v.Numbers)
}

// At is element i, null where a VectorObject has a nil.
func (v *Vector) At(i int) Value {
	if v.Kind < VectorObject {
		return Number(v.Numbers[i])
	}
	if v.Values[i] == nil {
		return Null{}
	}
	return v.Values[i]
}
