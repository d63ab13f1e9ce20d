package amf

import "testing"

// Values between servers, as this one writes them.
func TestMeshForm(t *testing.T) {
	tests := []struct {
		v   Value
		hex string
	}{
		{Number(300), "11 04 822c"},
		{Number(0), "11 04 00"},
		{Number(268435455), "11 04 bfffffff"},
		{Number(268435456), "00 41b0000000000000"},
		{Number(-1), "00 bff0000000000000"}, // W1
		{Number(1.5), "00 3ff8000000000000"},
		{Bool(true), "0101"},
		{Null{}, "05"},
		{nil, "05"},
		{(*Object)(nil), "05"},
		{String("MonaServer A"), "11 06 19 4d6f6e615365727665722041"},
		{NewObject(Member{"x", Number(1)}), "11 0a0b01 0378 0401 01"},
		{&Array{Dense: []Value{Number(10), String("a")}}, "11 09 05 01 040a 060361"},
		{&Array{Dense: []Value{String("a")}, Named: []Member{{"x", Number(1)}}}, "11 09 03 0378 0401 01 060361"},
		{&Array{}, "11 09 01 01"},
		{&ByteArray{Data: []byte{255, 0}}, "11 0c 05 ff00"},
		{&Date{905989690435}, "11 08 01 426a5e2632886000"},
		{&Dictionary{Weak: true, Entries: []Entry{{String("k"), Number(-2)}}}, "11 11 03 01 06036b 05c000000000000000"},
		// W2: inline dynamic traits, whatever came; W3: no string references.
		{&Object{Class: "a", Sealed: 1, Static: true, Members: []Member{{"a", String("a")}}}, "11 0a0b 0361 0361 060361 01"},
	}
	for _, tt := range tests {
		e := Encoder{Mode: AMF3InAMF0}
		got, err := e.Append(nil, tt.v)
		if want := unhex(t, tt.hex); err != nil || string(got) != string(want) {
			t.Errorf("%#v: %x, %v; want %x", tt.v, got, err, want)
		}
	}
	// W4: shared values in full, with nothing kept from one value to the next.
	shared := &Array{Dense: []Value{Number(1)}}
	e := Encoder{Mode: AMF3InAMF0}
	got, err := writeAll(&e, []Value{shared, shared})
	if want := "11 09 03 01 0401 11 09 03 01 0401"; err != nil || string(got) != string(unhex(t, want)) {
		t.Errorf("shared: %x, %v", got, err)
	}
}

// What C++ MonaServer 1.x writes: references over all values of a frame.
func TestMeshReferences(t *testing.T) {
	vs, err := readAll(NewReader(unhex(t, "11 09 03 01 0401 11 09 00"), Limits{}))
	if err != nil || len(vs) != 2 || vs[0] != vs[1] {
		t.Fatal(vs, err)
	}
	vs, err = readAll(NewReader(unhex(t, "11 0a0b01 0378 0a00 01"), Limits{}))
	if err != nil {
		t.Fatal(err)
	}
	o := vs[0].(*Object)
	if x, _ := o.Get("x"); x != Value(o) {
		t.Fatal("cycle lost")
	}
	// A string of an earlier value, skipped or not.
	for _, skip := range []bool{false, true} {
		r := NewReader(unhex(t, "11 06 07 666f6f 11 06 00"), Limits{})
		if skip {
			err = r.Skip()
		} else {
			_, err = r.Next()
		}
		if s, err2 := r.ReadString(); err != nil || err2 != nil || s != "foo" {
			t.Error(skip, s, err, err2)
		}
	}
}

// An -1 as C++ writes it.
func TestMeshNegative(t *testing.T) {
	f, err := NewReader(unhex(t, "11 04 ffffffff"), Limits{}).ReadNumber()
	if f != -1 || err != nil {
		t.Error(f, err)
	}
}
