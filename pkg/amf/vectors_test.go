package amf

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"
)

type vector struct{ What, Hex string }

// vectorFile is testdata/vectors.json: values, and TC messages (type, timestamp, payload).
type vectorFile struct{ AMF0, AMF3, TC []vector }

func loadJSON(t testing.TB, name string, v any) {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

func loadVectors(t testing.TB) (f vectorFile) {
	t.Helper()
	loadJSON(t, "vectors.json", &f)
	if len(f.AMF0) == 0 || len(f.AMF3) == 0 || len(f.TC) == 0 {
		t.Fatal("vectors missing")
	}
	return f
}

func loadDialogue(t testing.TB) []vector {
	t.Helper()
	var f struct{ Messages []vector }
	loadJSON(t, "librtmfp.json", &f)
	if len(f.Messages) == 0 {
		t.Fatal("messages missing")
	}
	return f.Messages
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// payload strips type, timestamp and the format byte of messages of types 15 and 17, as deployed clients write them.
func (v vector) payload(t testing.TB) []byte {
	t.Helper()
	b := unhex(t, v.Hex)
	if b[0] == 15 || b[0] == 17 {
		return b[6:]
	}
	return b[5:]
}

func readAll(r *Reader) (vs []Value, err error) {
	for {
		v, err := r.Next()
		if err == io.EOF {
			return vs, nil
		}
		if err != nil {
			return vs, err
		}
		vs = append(vs, v)
	}
}

func writeAll(e *Encoder, vs []Value) (b []byte, err error) {
	for _, v := range vs {
		if b, err = e.Append(b, v); err != nil {
			return b, err
		}
	}
	return b, nil
}

func checkBytes(t *testing.T, what string, r *Reader, e *Encoder, want []byte) {
	t.Helper()
	vs, err := readAll(r)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	got, err := writeAll(e, vs)
	if err != nil || string(got) != string(want) {
		t.Errorf("%s: wrote %x, %v; want %x", what, got, err, want)
	}
}

func TestVectors(t *testing.T) {
	f := loadVectors(t)
	for _, v := range f.AMF0 {
		b := unhex(t, v.Hex)
		checkBytes(t, v.What, NewReader(b, Limits{}), &Encoder{}, b)
	}
	for _, v := range f.AMF3 {
		b := unhex(t, v.Hex)
		if strings.HasPrefix(v.What, "AMF0") {
			checkBytes(t, v.What, NewReader(b, Limits{}), &Encoder{Mode: AMF3InAMF0}, b)
			continue
		}
		checkBytes(t, v.What, NewReader3(b, Limits{}), &Encoder{Mode: AMF3, Refs: StringRefs}, b)
	}
	for _, v := range f.TC {
		b := v.payload(t)
		checkBytes(t, v.What, NewReader(b, Limits{}), &Encoder{}, b)
	}
}

func TestVectorValues(t *testing.T) {
	tests := []struct {
		hex  string
		amf3 bool
		want Value
	}{
		{"003ff8000000000000", false, Number(1.5)},
		{"02000568656c6c6f", false, String("hello")},
		{"0c0000000568656c6c6f", false, String("hello")},
		{"0102", false, Bool(true)}, // AMF0 §2.3: anything but 0
		{"06", false, Undefined{}},
		{"0b 426a5e2632886000 ffc4", false, &Date{905989690435}},
		{"0f 00000004 3c612f3e", false, &XML{Text: "<a/>", Document: true}},
		{"10 0001 43 0001 61 05 000009", false, &Object{Class: "C", Members: []Member{{"a", Null{}}}}},
		// A member without a name is not the end (AMF0 §2.11: that has marker 9).
		{"03 0000 05 0001 61 06 000009", false, NewObject(Member{"", Null{}}, Member{"a", Undefined{}})},
		// The count of an ECMA array is not believed; 0, 1, … are elements in any order.
		{
			"08 ffffffff 0001 31 05 0001 30 06 0002 3031 05 000009", false,
			&Array{Dense: []Value{Undefined{}, Null{}}, Named: []Member{{"01", Null{}}}},
		},
		{
			"08 00000000 0001 30 05 0001 32 05 0001 30 06 000009", false,
			&Array{Dense: []Value{Undefined{}}, Named: []Member{{"2", Null{}}}},
		},
		{"04ffffffff", true, Number(-1)},
		{"04c0808000", true, Number(-1 << 28)},
		{"04bfffffff", true, Number(1<<28 - 1)},
		{"04 8080 00", true, Number(0)}, // longer than needed
		{"0c07010203", true, &ByteArray{Data: []byte{1, 2, 3}}},
		{"07 09 3c612f3e", true, &XML{Text: "<a/>", Document: true}},
		{"0b 09 3c612f3e", true, &XML{Text: "<a/>"}},
		{"0801426a5e2632886000", true, &Date{905989690435}},
		// sealed a, then dynamic b
		{
			"0a 1b 03 43 03 61 0401 03 62 0402 01", true,
			&Object{Class: "C", Sealed: 1, Members: []Member{{"a", Number(1)}, {"b", Number(2)}}},
		},
		{
			"0a 13 03 43 03 61 0401", true,
			&Object{Class: "C", Sealed: 1, Static: true, Members: []Member{{"a", Number(1)}}},
		},
		{"0d 05 00 ffffffff 00000001", true, &Vector{Kind: VectorInt, Numbers: []float64{-1, 1}}},
		{"0e 05 01 ffffffff 00000001", true, &Vector{Kind: VectorUint, Fixed: true, Numbers: []float64{1<<32 - 1, 1}}},
		{"0f 03 00 3ff8000000000000", true, &Vector{Kind: VectorDouble, Numbers: []float64{1.5}}},
		{"10 03 00 03 43 01", true, &Vector{Kind: VectorObject, Class: "C", Values: []Value{Null{}}}},
		{"11 03 01 0603 61 0401", true, &Dictionary{Weak: true, Entries: []Entry{{String("a"), Number(1)}}}},
	}
	for _, tt := range tests {
		b := unhex(t, tt.hex)
		r := NewReader(b, Limits{})
		if tt.amf3 {
			r = NewReader3(b, Limits{})
		}
		got, err := r.Next()
		if err != nil {
			t.Errorf("%s: %v", tt.hex, err)
			continue
		}
		if s := sameGraph(got, tt.want); s != "" || r.More() {
			t.Errorf("%s: %s (more: %v)", tt.hex, s, r.More())
		}
		// and back
		e := Encoder{}
		r2 := NewReader(nil, Limits{})
		if tt.amf3 {
			e = Encoder{Mode: AMF3, Refs: AllRefs}
			r2 = NewReader3(nil, Limits{})
		}
		if r2.b, err = e.Append(nil, tt.want); err != nil {
			t.Errorf("%s: %v", tt.hex, err)
			continue
		}
		if again, err := r2.Next(); err != nil || sameGraph(again, tt.want) != "" {
			t.Errorf("%s: written as %x: %v %s", tt.hex, r2.b, err, sameGraph(again, tt.want))
		}
	}
}

// What librtmfp and MonaServer 1.x sent each other.
func TestDialogue(t *testing.T) {
	for _, v := range loadDialogue(t) {
		b := v.payload(t)
		vs, err := readAll(NewReader(b, Limits{}))
		if err != nil {
			t.Errorf("%s: %v", v.What, err)
			continue
		}
		mixed, err := ContainsAMF3(b, Limits{})
		if err != nil {
			t.Errorf("%s: %v", v.What, err)
		}
		plain, err := AppendPlain(nil, b, Limits{})
		if err != nil {
			t.Errorf("%s: %v", v.What, err)
		}
		if !mixed {
			if string(plain) != string(b) {
				t.Errorf("%s: plain AMF0 changed to %x", v.What, plain)
			}
			checkBytes(t, v.What, NewReader(b, Limits{}), &Encoder{}, b)
			continue
		}
		t.Logf("%s: %d values, AMF3 inside", v.What, len(vs))
		if still, err := ContainsAMF3(plain, Limits{}); still || err != nil {
			t.Errorf("%s: %x still holds AMF3, %v", v.What, plain, err)
		}
	}
}

func TestLibrtmfpPublish(t *testing.T) {
	// librtmfp: the name is AMF3 inside AMF0.
	r := NewReader(unhex(t, "02 0007 7075626c697368 00 0000000000000000 05 11 06 03 73"), Limits{})
	if s, err := r.ReadString(); s != "publish" || err != nil {
		t.Fatal(s, err)
	}
	if f, err := r.ReadNumber(); f != 0 || err != nil {
		t.Fatal(f, err)
	}
	if r.Peek() != KindNull || r.Skip() != nil {
		t.Fatal("no command object")
	}
	if s, err := r.ReadString(); s != "s" || err != nil || r.More() {
		t.Fatal(s, err)
	}
	if _, err := r.Next(); err != io.EOF {
		t.Fatal(err)
	}
}
