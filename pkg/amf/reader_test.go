package amf

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
)

// samples are all vectors, as messages.
func samples(t testing.TB) (amf0, amf3 [][]byte) {
	t.Helper()
	f := loadVectors(t)
	for _, v := range f.AMF0 {
		amf0 = append(amf0, unhex(t, v.Hex))
	}
	for _, v := range append(f.TC, loadDialogue(t)...) {
		amf0 = append(amf0, v.payload(t))
	}
	for _, v := range f.AMF3 {
		if b := unhex(t, v.Hex); strings.HasPrefix(v.What, "AMF0") {
			amf0 = append(amf0, b)
		} else {
			amf3 = append(amf3, b)
		}
	}
	e := Encoder{Mode: AMF3, Refs: AllRefs}
	for _, v := range everyKind() {
		b, err := e.Append(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		e.Reset()
		amf3 = append(amf3, b)
		amf0 = append(amf0, append([]byte{m0AVMPlus}, b...))
	}
	amf3 = append(amf3, unhex(t, "0a 07 43 666c65782e6d6573736167696e672e696f2e4172726179436f6c6c656374696f6e 09 03 01 0401"))
	return amf0, amf3
}

func everyKind() []Value {
	o := &Object{Class: "C", Sealed: 1, Members: []Member{{"a", Number(1)}, {"b", String("a")}}}
	o.Add("self", o).Add("twin", &Object{Class: "C", Sealed: 1, Members: []Member{{"a", Undefined{}}}})
	return []Value{
		o,
		&Array{Dense: []Value{o, Bool(true), Null{}}, Named: []Member{{"n", &XML{Text: "<x/>"}}}},
		&Dictionary{Entries: []Entry{{o, &Date{1}}, {String("k"), &ByteArray{Data: []byte("raw")}}}},
		&Vector{Kind: VectorInt, Numbers: []float64{-5, 5}},
		&Vector{Kind: VectorUint, Numbers: []float64{5}},
		&Vector{Kind: VectorDouble, Fixed: true, Numbers: []float64{0.5}},
		&Vector{Kind: VectorObject, Class: "C", Values: []Value{o, o}},
	}
}

// A message that ends inside a value is an error, wherever it ends.
func TestTruncated(t *testing.T) {
	amf0, amf3 := samples(t)
	check := func(r func([]byte, Limits) *Reader, msgs [][]byte) {
		for _, b := range msgs {
			whole := map[int]bool{0: true}
			for rd := r(b, Limits{}); rd.More(); {
				if _, err := rd.Next(); err != nil {
					t.Fatalf("%x: %v", b, err)
				}
				whole[rd.Offset()] = true
			}
			for n := range b {
				_, err := readAll(r(b[:n], Limits{}))
				sk := r(b[:n], Limits{})
				var skipErr error
				for skipErr == nil {
					skipErr = sk.Skip()
				}
				if whole[n] {
					if err != nil || skipErr != io.EOF {
						t.Errorf("%x: %v, %v", b[:n], err, skipErr)
					}
					continue
				}
				if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(skipErr, io.ErrUnexpectedEOF) {
					t.Errorf("%x: %v, skipping: %v", b[:n], err, skipErr)
				}
			}
		}
	}
	check(NewReader, amf0)
	check(NewReader3, amf3)
}

func TestErrors(t *testing.T) {
	tests := []struct {
		hex  string
		want error
		text string
	}{
		{"04", ErrUnsupported, "movie clip"},
		{"0d", ErrUnsupported, "0x0d"},
		{"0e", ErrUnsupported, "record set"},
		{"09", ErrMalformed, "end of object"},
		{"12", ErrMalformed, "have 0x12"},
		{"11 12", ErrMalformed, "offset 1: an AMF3 marker, have 0x12"},
		{"07 0000", ErrReference, "earlier object"},
		{"11 0600", ErrReference, "earlier string"},
		{"11 0900", ErrReference, "earlier value"},
		{"11 0a01", ErrReference, "earlier traits"},
		{"11 0a 07 05 4453 01", ErrUnsupported, `externalizable class "DS"`},
		{"03 0001 61", io.ErrUnexpectedEOF, "offset 4: an AMF0 marker"},
	}
	for _, tt := range tests {
		r := NewReader(unhex(t, tt.hex), Limits{})
		_, err := r.Next()
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v; want %v, %q", tt.hex, err, tt.want, tt.text)
		}
		if _, again := r.Next(); again != err || r.More() {
			t.Errorf("%s: went on after an error: %v", tt.hex, again)
		}
		if err := NewReader(unhex(t, tt.hex), Limits{}).Skip(); !errors.Is(err, tt.want) {
			t.Errorf("%s: skipped: %v", tt.hex, err)
		}
	}
}

func TestWrongType(t *testing.T) {
	r := NewReader(unhex(t, "05 02 0001 61 0101"), Limits{})
	if _, err := r.ReadString(); !errors.Is(err, ErrType) || !strings.Contains(err.Error(), "string, have null") {
		t.Error(err)
	}
	if _, err := r.Next(); err != nil { // still there
		t.Error(err)
	}
	if _, err := r.ReadNumber(); !errors.Is(err, ErrType) {
		t.Error(err)
	}
	if b, err := r.ReadStringBytes(); string(b) != "a" || err != nil {
		t.Error(b, err)
	}
	if b, err := r.ReadBool(); !b || err != nil {
		t.Error(b, err)
	}
	if _, err := r.ReadBool(); err != io.EOF {
		t.Error(err)
	}
}

// Few bytes that promise much must not make the reader allocate.
func TestHostileSizes(t *testing.T) {
	tests := []string{
		"0a 10000000 05",             // strict array
		"08 ffffffff",                // ECMA array
		"0c ffffffff", "0f ffffffff", // long string, XML
		"11 09 ffffffff 01 01",    // array
		"11 0a ffffffe3 01",       // 2^25-1 sealed members
		"11 0a fffffff3 01 03 61", // the same, one name
		"11 11 ffffffff 00",       // dictionary
		"11 0d ffffffff 00",       // vectors
		"11 0e ffffffff 00",
		"11 0f ffffffff 00",
		"11 10 ffffffff 00 01",
		"11 0c ffffffff", "11 06 ffffffff", "11 07 ffffffff", "11 0b ffffffff",
	}
	for _, h := range tests {
		b := unhex(t, h)
		for _, skip := range []bool{false, true} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			r := NewReader(b, Limits{})
			var err error
			if skip {
				err = r.Skip()
			} else {
				_, err = r.Next()
			}
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Errorf("%s: accepted", h)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10 {
				t.Errorf("%s: allocated %d bytes", h, n)
			}
		}
	}
}

func TestLimits(t *testing.T) {
	nest0 := func(n int) []byte {
		return append([]byte(strings.Repeat("\x0a\x00\x00\x00\x01", n)), m0Null)
	}
	nest3 := func(n int) []byte {
		return append([]byte(strings.Repeat("\x09\x03\x01", n)), m3Null)
	}
	wide := append([]byte{m0StrictArray, 0, 0, 0, 100}, strings.Repeat("\x05", 100)...)
	named := append(append([]byte{m0Object}, strings.Repeat("\x00\x01a\x05", 100)...), 0, 0, m0End)
	tests := []struct {
		r  *Reader
		ok bool
	}{
		{NewReader(nest0(DefaultDepth), Limits{}), true},
		{NewReader(nest0(DefaultDepth+1), Limits{}), false},
		{NewReader(nest0(1<<20), Limits{}), false},
		{NewReader3(nest3(DefaultDepth), Limits{}), true},
		{NewReader3(nest3(DefaultDepth+1), Limits{}), false},
		{NewReader3(nest3(1<<20), Limits{}), false},
		{NewReader(wide, Limits{Elements: 101}), true},
		{NewReader(wide, Limits{Elements: 100}), false},
		{NewReader(named, Limits{Elements: 101}), true},
		{NewReader(named, Limits{Elements: 100}), false},
		{NewReader(wide, Limits{Bytes: len(wide)}), true},
		{NewReader(wide, Limits{Bytes: len(wide) - 1}), false},
	}
	for i, tt := range tests {
		again := *tt.r
		_, err := tt.r.Next()
		if (err == nil) != tt.ok || !tt.ok && !errors.Is(err, ErrLimit) {
			t.Errorf("%d: %v", i, err)
		}
		if err := again.Skip(); (err == nil) != tt.ok {
			t.Errorf("%d: skipped: %v", i, err)
		}
	}
}

func TestExternalizable(t *testing.T) {
	const name = "43 666c65782e6d6573736167696e672e696f2e4172726179436f6c6c656374696f6e"
	// An array that holds a collection, whose inner array holds the collection, then the collection once
	// more, and one by trait reference.
	b := unhex(t, "09 07 01  0a 07 "+name+" 09 03 01 0a 02  0a 02  0a 05 09 01 01")
	// The trait reference of the third element is index 0: U29 0<<2|1.
	b = []byte(strings.Replace(string(b), "\x0a\x05\x09\x01\x01", "\x0a\x01\x09\x01\x01", 1))
	v, err := NewReader3(b, Limits{}).Next()
	if err != nil {
		t.Fatal(err)
	}
	a := v.(*Array)
	inner, ok := a.Dense[0].(*Array)
	if !ok || a.Dense[1] != Value(inner) || inner.Dense[0] != Value(inner) {
		t.Fatalf("%#v", a)
	}
	if last, ok := a.Dense[2].(*Array); !ok || last == inner {
		t.Fatalf("%#v", a.Dense[2])
	}
	// A collection of something that is no object.
	v, err = NewReader3(unhex(t, "0a 07 "+name+" 06 03 61"), Limits{}).Next()
	if err != nil || v != String("a") {
		t.Error(v, err)
	}
	// A reference to itself with nothing in between is no value at all.
	if _, err = NewReader3(unhex(t, "0a 07 "+name+" 0a 00"), Limits{}).Next(); !errors.Is(err, ErrReference) {
		t.Error(err)
	}
}

// A Reader can be used again, also after an error, and keeps nothing of the message before.
func TestReset(t *testing.T) {
	r := NewReader3(unhex(t, "0a 0b 01 03 61 09 03 01 09"), Limits{})
	if _, err := r.Next(); err == nil {
		t.Fatal("no error")
	}
	for _, h := range []string{"11 06 00", "11 0a 00", "11 0a 01", "07 0000"} {
		r.Reset(unhex(t, h), Limits{})
		if _, err := r.Next(); !errors.Is(err, ErrReference) {
			t.Errorf("%s: %v", h, err)
		}
	}
	for _, m := range r.members[:cap(r.members)] {
		if m != (Member{}) {
			t.Error("member kept")
		}
	}
}

// Long messages do not share one copy; their names are still right.
func TestLongMessage(t *testing.T) {
	b := append([]byte{m0StrictArray}, 0, 0, 1, 0)
	for i := range 256 {
		b = append(b, m0Object)
		for _, name := range []string{"x", "y", "a-rather-long-name", string(rune('A' + i%26))} {
			b = appendName0(b, name)
			b = AppendString(b, name+"!")
		}
		b = append(b, 0, 0, m0End)
	}
	v, err := NewReader(b, Limits{}).Next()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range v.(*Array).Dense {
		for _, m := range o.(*Object).Members {
			if m.Value != String(m.Name+"!") {
				t.Fatalf("%q = %q", m.Name, m.Value)
			}
		}
	}
}
