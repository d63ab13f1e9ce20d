package amf

import (
	"io"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// builder draws values; known are the containers drawn so far, which later values may point to.
type builder struct {
	t     *rapid.T
	amf0  bool // only what plain AMF0 brings back unchanged
	refs  bool
	known []Value
}

func (b *builder) name() string {
	return rapid.SampledFrom([]string{"a", "b", "level", "x1", "\x00\xff", "name"}).Draw(b.t, "name")
}

func (b *builder) number() float64 {
	return rapid.OneOf(
		rapid.Float64(),
		rapid.Map(rapid.IntRange(-1<<28-2, 1<<28+2), func(i int) float64 { return float64(i) }),
		rapid.SampledFrom([]float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(-1), -1 << 28, 1<<28 - 1}),
	).Draw(b.t, "number")
}

func (b *builder) bytes() []byte { return rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(b.t, "bytes") }

func (b *builder) value(depth int) Value {
	kinds := []Kind{KindNull, KindUndefined, KindBool, KindNumber, KindString, KindDate, KindXML}
	if depth > 0 {
		kinds = append(kinds, KindObject, KindArray)
	}
	if !b.amf0 {
		kinds = append(kinds, KindByteArray, KindVector)
		if depth > 0 {
			kinds = append(kinds, KindDictionary)
		}
	}
	if b.refs && len(b.known) > 0 {
		kinds = append(kinds, KindReference)
	}
	switch rapid.SampledFrom(kinds).Draw(b.t, "kind") {
	case KindNull:
		return Null{}
	case KindBool:
		return Bool(rapid.Bool().Draw(b.t, "bool"))
	case KindNumber:
		return Number(b.number())
	case KindString:
		return String(b.bytes())
	case KindDate:
		return &Date{b.number()}
	case KindXML:
		return &XML{Text: string(b.bytes()), Document: b.amf0 || rapid.Bool().Draw(b.t, "document")}
	case KindByteArray:
		return &ByteArray{b.bytes()}
	case KindVector:
		return b.vector(depth)
	case KindObject:
		return b.object(depth - 1)
	case KindArray:
		a := &Array{}
		b.known = append(b.known, a)
		a.Named = b.members(depth - 1)
		a.Dense = b.list(depth - 1)
		return a
	case KindDictionary:
		d := &Dictionary{Weak: rapid.Bool().Draw(b.t, "weak")}
		b.known = append(b.known, d)
		for range rapid.IntRange(0, 3).Draw(b.t, "entries") {
			d.Entries = append(d.Entries, Entry{b.value(depth - 1), b.value(depth - 1)})
		}
		return d
	case KindReference:
		return rapid.SampledFrom(b.known).Draw(b.t, "known")
	}
	return Undefined{}
}

func (b *builder) object(depth int) Value {
	o := &Object{Class: rapid.SampledFrom([]string{"", "C", "D"}).Draw(b.t, "class")}
	b.known = append(b.known, o)
	o.Members = b.members(depth)
	if !b.amf0 {
		o.Sealed = rapid.IntRange(0, len(o.Members)).Draw(b.t, "sealed")
		o.Static = o.Sealed == len(o.Members) && rapid.Bool().Draw(b.t, "static")
	}
	return o
}

func (b *builder) vector(depth int) Value {
	v := &Vector{
		Kind:  VectorKind(rapid.IntRange(0, 3).Draw(b.t, "vector")),
		Fixed: rapid.Bool().Draw(b.t, "fixed"),
	}
	if v.Kind == VectorObject {
		b.known = append(b.known, v)
		v.Class = rapid.SampledFrom([]string{"", "C"}).Draw(b.t, "class")
		if depth > 0 {
			v.Values = b.list(depth - 1)
		}
		return v
	}
	for range rapid.IntRange(0, 4).Draw(b.t, "len") {
		switch v.Kind {
		case VectorInt:
			v.Numbers = append(v.Numbers, float64(rapid.Int32().Draw(b.t, "int")))
		case VectorUint:
			v.Numbers = append(v.Numbers, float64(rapid.Uint32().Draw(b.t, "uint")))
		default:
			v.Numbers = append(v.Numbers, b.number())
		}
	}
	return v
}

func (b *builder) members(depth int) (ms []Member) {
	for range rapid.IntRange(0, 3).Draw(b.t, "members") {
		ms = append(ms, Member{b.name(), b.value(depth)})
	}
	return ms
}

func (b *builder) list(depth int) (vs []Value) {
	for range rapid.IntRange(0, 3).Draw(b.t, "elements") {
		vs = append(vs, b.value(depth))
	}
	return vs
}

func (b *builder) message() Value { return &Array{Dense: b.list(3)} }

// What is written is read back the same, identities included when references are written.
func TestRoundTrip(t *testing.T) {
	for _, tt := range []struct {
		name       string
		e          Encoder
		amf3       bool
		amf0, refs bool
	}{
		{name: "AMF0", amf0: true},
		{name: "AMF0 references", e: Encoder{Refs: AllRefs}, amf0: true, refs: true},
		{name: "AMF0Plus references", e: Encoder{Mode: AMF0Plus, Refs: AllRefs}, amf0: true, refs: true},
		{name: "AMF3", e: Encoder{Mode: AMF3}, amf3: true},
		{name: "AMF3 strings", e: Encoder{Mode: AMF3, Refs: StringRefs}, amf3: true},
		{name: "AMF3 references", e: Encoder{Mode: AMF3, Refs: AllRefs}, amf3: true, refs: true},
	} {
		t.Run(tt.name, rapid.MakeCheck(func(t *rapid.T) {
			b := &builder{t: t, amf0: tt.amf0, refs: tt.refs}
			v := b.message()
			e := tt.e
			msg, err := e.Append(nil, v)
			if err != nil {
				t.Fatal(err)
			}
			r := NewReader(msg, Limits{})
			r.amf3 = tt.amf3
			got, err := r.Next()
			if err != nil {
				t.Fatalf("%x: %v", msg, err)
			}
			if e.Mode != AMF0Plus { // where an array seen from AMF0 and from AMF3 is written twice
				if s := sameGraph(v, got); s != "" {
					t.Fatalf("%x: %s", msg, s)
				}
			}
			if r.More() {
				t.Fatalf("%x: %d bytes left", msg, len(r.Rest()))
			}
			r.Reset(msg, Limits{})
			r.amf3 = tt.amf3
			if err := r.Skip(); err != nil || r.More() {
				t.Fatalf("%x: skip: %v", msg, err)
			}
		}))
	}
}

// Whatever is skipped, the values that are read are the same.
func TestSkipKeepsReferences(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := &builder{t: t, refs: true}
		e := Encoder{Mode: rapid.SampledFrom([]Mode{AMF3, AMF3InAMF0}).Draw(t, "mode"), Refs: AllRefs}
		want := []Value{b.value(3), b.value(3), b.value(3), b.value(3)}
		msg, err := writeAll(&e, want)
		if err != nil {
			t.Fatal(err)
		}
		r := NewReader(msg, Limits{})
		r.amf3 = e.Mode == AMF3
		full := NewReader(msg, Limits{})
		full.amf3 = r.amf3
		for {
			v, err := full.Next()
			if rapid.Bool().Draw(t, "skip") {
				if err2 := r.Skip(); err2 != err {
					t.Fatalf("%x: skip: %v, read: %v", msg, err2, err)
				}
			} else {
				got, err2 := r.Next()
				if err2 != err {
					t.Fatalf("%x: read after skip: %v, else %v", msg, err2, err)
				}
				if s := sameGraph(v, got); err == nil && s != "" {
					t.Fatalf("%x: %s", msg, s)
				}
			}
			if err == io.EOF {
				return
			}
		}
	})
}

func TestU29(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint32Range(0, maxU29).Draw(t, "n")
		r := NewReader(appendU29(nil, n), Limits{})
		if got, err := r.u29(""); got != n || err != nil || r.More() {
			t.Fatal(n, got, err)
		}
	})
}
