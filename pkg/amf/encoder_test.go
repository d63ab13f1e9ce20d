package amf

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func TestModes(t *testing.T) {
	raw := &ByteArray{Data: []byte("raw")}
	mixed := &Array{Dense: []Value{Number(1)}, Named: []Member{{"x", Null{}}}}
	named := &Array{Named: []Member{{"x", Number(1)}}}
	dict := &Dictionary{Entries: []Entry{{Number(1), Null{}}, {Bool(true), Null{}}, {String("s"), Undefined{}}}}
	ints := &Vector{Kind: VectorInt, Numbers: []float64{1}}
	const one = "3ff0000000000000"
	tests := []struct {
		mode Mode
		v    Value
		hex  string // "" = not possible
	}{
		{AMF0, raw, ""},
		{AMF0, dict, ""},
		{AMF0, ints, ""},
		{AMF0, mixed, "08 00000002 0001 30 00" + one + "0001 78 05 000009"},
		{AMF0Lossy, raw, "02 0003 726177"},
		{AMF0Lossy, dict, "08 00000003 0001 31 05 0004 74727565 05 0001 73 06 000009"},
		{AMF0Lossy, ints, "0a 00000001 00" + one},
		{AMF0Lossy, &Vector{Kind: VectorObject, Values: []Value{nil}}, "0a 00000001 05"},
		{AMF0Lossy, &Dictionary{Entries: []Entry{{raw, Null{}}}}, ""},
		{AMF0Lossy, mixed, "08 00000002 0001 30 00" + one + "0001 78 05 000009"},
		{AMF0Plus, raw, "11 0c 07 726177"},
		{AMF0Plus, mixed, "11 09 03 03 78 01 01 05" + one},
		{AMF0Plus, named, "08 00000001 0001 78 00" + one + "000009"},
		{AMF0Plus, ints, "11 0d 03 00 00000001"},
		{AMF0Plus, NewObject(Member{"r", raw}), "03 0001 72 11 0c 07 726177 000009"},
		{AMF0Plus, &XML{Text: "<a/>"}, "0f 00000004 3c612f3e"},
		{AMF3, Number(math.Copysign(0, -1)), "05 8000000000000000"},
		{AMF3, Number(-1 << 28), "04 c0808000"},
		{AMF3, Number(-1<<28 - 1), "05 c1b0000001000000"},
		{AMF3, NewObject(Member{"", Null{}}), ""},
		{AMF3, &Array{Named: []Member{{"", Null{}}}}, ""},
		{AMF3, &Vector{Kind: 9, Values: []Value{Null{}}}, "10 03 00 01 01"},
	}
	for _, tt := range tests {
		e := Encoder{Mode: tt.mode}
		prefix := []byte("prefix")
		got, err := e.Append(prefix, tt.v)
		if tt.hex == "" {
			if !errors.Is(err, ErrUnsupported) || string(got) != "prefix" {
				t.Errorf("mode %d: %#v: %q, %v", tt.mode, tt.v, got, err)
			}
			continue
		}
		if want := "prefix" + string(unhex(t, tt.hex)); err != nil || string(got) != want {
			t.Errorf("mode %d: %#v: %x, %v; want %x", tt.mode, tt.v, got, err, want)
		}
	}
}

func TestLongStrings(t *testing.T) {
	s := strings.Repeat("x", 1<<16)
	b, err := AppendAMF0(nil, String(s))
	if err != nil || b[0] != m0LongString {
		t.Fatal(b[:5], err)
	}
	if v, err := NewReader(b, Limits{}).Next(); err != nil || v != String(s) {
		t.Error(err)
	}
	if got, err := NewReader(b, Limits{}).ReadString(); err != nil || got != s {
		t.Error(err)
	}
	if b, _ := AppendAMF0(nil, String(s[1:])); b[0] != m0String {
		t.Error(b[:5])
	}
	if _, err := AppendAMF0(nil, NewObject(Member{s, Null{}})); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
	if _, err := AppendAMF0(nil, &Object{Class: s}); !errors.Is(err, ErrUnsupported) {
		t.Error(err)
	}
}

func TestCycle(t *testing.T) {
	o := NewObject()
	o.Add("up", &Array{Dense: []Value{o}})
	for _, mode := range []Mode{AMF0, AMF0Lossy, AMF0Plus, AMF3InAMF0, AMF3} {
		e := Encoder{Mode: mode}
		if b, err := e.Append(nil, o); !errors.Is(err, ErrCycle) || len(b) != 0 {
			t.Errorf("mode %d: %v", mode, err)
		}
		e = Encoder{Mode: mode, Refs: AllRefs}
		b, err := e.Append(nil, o)
		if err != nil {
			t.Errorf("mode %d: %v", mode, err)
			continue
		}
		r := NewReader(b, Limits{})
		r.amf3 = mode == AMF3
		v, err := r.Next()
		if err != nil {
			t.Errorf("mode %d: %v", mode, err)
			continue
		}
		if s := sameGraph(v, o); s != "" {
			t.Errorf("mode %d: %s", mode, s)
		}
	}
}

// A value that holds another twice, which holds another twice …: small in memory, huge when written.
func TestUnfolding(t *testing.T) {
	var v Value = String("leaf")
	for range 100 {
		v = &Array{Dense: []Value{v, v}}
	}
	for _, mode := range []Mode{AMF0, AMF3InAMF0, AMF3} {
		e := Encoder{Mode: mode, MaxBytes: 1 << 16}
		if _, err := e.Append(nil, v); !errors.Is(err, ErrLimit) {
			t.Errorf("mode %d: %v", mode, err)
		}
		e = Encoder{Mode: mode, Refs: AllRefs, MaxBytes: 1 << 16}
		if b, err := e.Append(nil, v); err != nil || len(b) > 1000 {
			t.Errorf("mode %d: %d bytes, %v", mode, len(b), err)
		}
	}
	big := String(strings.Repeat("x", 1000))
	e := Encoder{MaxBytes: 1500}
	if b, err := e.Append(nil, &Array{Dense: []Value{big, big}}); !errors.Is(err, ErrLimit) {
		t.Error(len(b), err)
	}
}

func TestEncodeDepth(t *testing.T) {
	var v Value = Null{}
	for range DefaultDepth {
		v = &Array{Dense: []Value{v}}
	}
	for _, mode := range []Mode{AMF0, AMF3} {
		e := Encoder{Mode: mode}
		if _, err := e.Append(nil, v); err != nil {
			t.Error(err)
		}
		if _, err := e.Append(nil, &Array{Dense: []Value{v}}); !errors.Is(err, ErrLimit) {
			t.Error(err)
		}
	}
}

func TestReferencesAcrossValues(t *testing.T) {
	o := NewObject(Member{"name", String("name")})
	for _, mode := range []Mode{AMF0, AMF3InAMF0, AMF3} {
		e := Encoder{Mode: mode, Refs: AllRefs}
		b, err := writeAll(&e, []Value{o, o, String("name")})
		if err != nil {
			t.Fatal(err)
		}
		r := NewReader(b, Limits{})
		r.amf3 = mode == AMF3
		vs, err := readAll(r)
		if err != nil || len(vs) != 3 || vs[0] != vs[1] || vs[2] != String("name") {
			t.Errorf("mode %d: %x: %v, %v", mode, b, vs, err)
		}
		e.Reset()
		first, _ := e.Append(nil, o)
		if string(first) != string(b[:len(first)]) {
			t.Errorf("mode %d: Reset kept references", mode)
		}
	}
}

func TestManyStrings(t *testing.T) {
	a := &Array{}
	for i := range 100 {
		s := String(strings.Repeat("k", 1+i%40))
		a.Dense = append(a.Dense, s, s)
	}
	b, err := AppendAMF3(nil, a)
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewReader3(b, Limits{}).Next()
	if err != nil {
		t.Fatal(err)
	}
	if s := sameGraph(a, v); s != "" {
		t.Error(s)
	}
}

// Metadata with AMF3 inside becomes plain AMF0: recorders read nothing else.
func TestAppendPlain(t *testing.T) {
	b := unhex(t, "02 000a 6f6e4d65746144617461 11 09 01 0b 7769647468 0485 00 01")
	got, err := AppendPlain([]byte("p"), b, Limits{})
	want := "p" + string(unhex(t, "02 000a 6f6e4d65746144617461 08 00000001 0005 7769647468 00 4084000000000000 000009"))
	if err != nil || string(got) != want {
		t.Errorf("%x, %v; want %x", got, err, want)
	}
	// Deep inside AMF0.
	b = unhex(t, "03 0001 61 11 0401 000009")
	if got, err = AppendPlain(nil, b, Limits{}); err != nil || string(got) != string(unhex(t, "03 0001 61 00 3ff0000000000000 000009")) {
		t.Errorf("%x, %v", got, err)
	}
	// Nothing to do: as it is, odd counts and references included.
	b = unhex(t, "08 00000009 0001 61 03 000009 000009 07 0001")
	if got, err = AppendPlain(nil, b, Limits{}); err != nil || string(got) != string(b) {
		t.Errorf("%x, %v", got, err)
	}
	for _, h := range []string{"11", "11 0a0b01 0378 0a00 01", "02 0005"} {
		if got, err = AppendPlain([]byte("p"), unhex(t, h), Limits{}); err == nil || string(got) != "p" {
			t.Errorf("%s: %x, %v", h, got, err)
		}
	}
}

func TestDate(t *testing.T) {
	when := time.Date(1998, 9, 16, 23, 8, 10, 435e6, time.UTC)
	d := DateOf(when)
	if d.Millis != 905987290435 || !d.Time().Equal(when) {
		t.Error(d.Millis, d.Time())
	}
	for _, f := range []float64{math.NaN(), math.Inf(1), 1e300} {
		if got := (&Date{f}).Time(); !got.IsZero() {
			t.Error(f, got)
		}
	}
}

func TestObjectMembers(t *testing.T) {
	o := NewObject().Add("a", Number(1)).Add("s", String("x")).Add("a", Number(2))
	if f, ok := o.Number("a"); f != 2 || !ok {
		t.Error(f, ok)
	}
	o.Set("a", Number(3))
	o.Set("new", Null{})
	if f, _ := o.Number("a"); f != 3 || len(o.Members) != 4 {
		t.Error(o)
	}
	if s, ok := o.String("s"); s != "x" || !ok {
		t.Error(s, ok)
	}
	if _, ok := o.String("a"); ok {
		t.Error("a is no string")
	}
	if _, ok := o.Get("none"); ok {
		t.Error("none exists")
	}
	a := &Array{Named: []Member{{"n", Bool(true)}}}
	if v, ok := a.Get("n"); !ok || v != Bool(true) {
		t.Error(v, ok)
	}
}

// The tables of AMF0 and AMF3 are two: an array that AMF0 began is written once more where AMF3 points to it.
func TestCycleThroughSwitch(t *testing.T) {
	outer := &Array{Named: []Member{{"a", Null{}}}}
	inner := &Array{Named: []Member{{"b", Null{}}}, Dense: []Value{outer}} // which only AMF3 keeps
	outer.Named[0].Value = inner
	e := Encoder{Mode: AMF0Plus, Refs: AllRefs}
	msg, err := e.Append(nil, outer)
	if err != nil {
		t.Fatal(err)
	}
	got, err := NewReader(msg, Limits{}).Next()
	if err != nil {
		t.Fatalf("%x: %v", msg, err)
	}
	again := got.(*Array).Named[0].Value.(*Array).Dense[0].(*Array)
	if in := again.Named[0].Value.(*Array); in.Dense[0] != Value(again) {
		t.Fatalf("%x: the cycle is lost", msg)
	}
}
