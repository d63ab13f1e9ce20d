package amf

import (
	"errors"
	"io"
	"testing"
)

// fuzzLimits keep one input's memory small enough for many in parallel.
var fuzzLimits = Limits{Elements: 1 << 12}

func fuzzOne(t *testing.T, b []byte, amf3 bool) {
	r := NewReader(b, fuzzLimits)
	r.amf3 = amf3
	first, readErr := readAll(r)

	// Skipping agrees on where each value ends. It may accept more: it does not resolve references.
	s := NewReader(b, fuzzLimits)
	s.amf3 = amf3
	for range first {
		if err := s.Skip(); err != nil {
			t.Fatalf("skip: %v", err)
		}
	}
	if err := s.Skip(); readErr == nil && err != io.EOF {
		t.Fatalf("skip went on: %v", err)
	}

	// Written with references and read again, the values are the same.
	e := Encoder{Refs: AllRefs}
	if amf3 {
		e.Mode = AMF3
	}
	has, err := ContainsAMF3(b, Limits{})
	if mixed := !amf3 && (has || err != nil); mixed {
		// Some of it takes another form: compare from the second generation on.
		e.Mode = AMF3InAMF0
		msg, err := writeAll(&e, first)
		if errors.Is(err, ErrUnsupported) { // members without a name
			return
		}
		if first, err = readAll(NewReader(msg, Limits{})); err != nil {
			t.Fatalf("%x: %x: %v", b, msg, err)
		}
		e.Reset()
	}
	msg, err := writeAll(&e, first)
	if err != nil {
		t.Fatalf("%x: write: %v", b, err)
	}
	r = NewReader(msg, Limits{})
	r.amf3 = amf3
	second, err := readAll(r)
	if err != nil {
		t.Fatalf("%x: %x: %v", b, msg, err)
	}
	if s := sameGraph(&Array{Dense: first}, &Array{Dense: second}); s != "" {
		t.Fatalf("%x: %x: %s", b, msg, s)
	}

	// Without references writing ends, one way or the other.
	for _, mode := range []Mode{AMF0, AMF0Lossy, AMF0Plus, AMF3InAMF0, AMF3} {
		e := Encoder{Mode: mode, MaxBytes: 1 << 20}
		for _, v := range first {
			_, err := e.Append(nil, v)
			if err != nil && !errors.Is(err, ErrCycle) && !errors.Is(err, ErrLimit) && !errors.Is(err, ErrUnsupported) {
				t.Fatal(err)
			}
		}
	}
	if out, err := AppendPlain(nil, b, fuzzLimits); err == nil && !amf3 {
		if has, err := ContainsAMF3(out, Limits{}); has || err != nil {
			t.Fatalf("%x: not plain: %x, %v", b, out, err)
		}
	}
}

func FuzzAMF0(f *testing.F) {
	amf0, _ := samples(f)
	for _, b := range amf0 {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { fuzzOne(t, b, false) })
}

func FuzzAMF3(f *testing.F) {
	_, amf3 := samples(f)
	for _, b := range amf3 {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { fuzzOne(t, b, true) })
}
