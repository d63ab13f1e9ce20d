package main

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/monaserver/monaserver/pkg/amf"
)

func TestParseValue(t *testing.T) {
	for in, want := range map[string]amf.Value{
		"5":         amf.Number(5),
		"-1.5e3":    amf.Number(-1500),
		`"5"`:       amf.String("5"),
		"five":      amf.String("five"),
		"":          amf.String(""),
		"true":      amf.Bool(true),
		"null":      amf.Null{},
		"1 2":       amf.String("1 2"),
		"[1,":       amf.String("[1,"),
		"{":         amf.String("{"),
		"]":         amf.String("]"),
		`[1,["x"]]`: &amf.Array{Dense: []amf.Value{amf.Number(1), &amf.Array{Dense: []amf.Value{amf.String("x")}}}},
		`{"z":1,"a":{}}`: amf.NewObject(
			amf.Member{Name: "z", Value: amf.Number(1)}, amf.Member{Name: "a", Value: amf.NewObject()}),
	} {
		if d := cmp.Diff(want, parseValue(in)); d != "" {
			t.Errorf("%s: %s", in, d)
		}
	}
}

func TestFormatValue(t *testing.T) {
	o := amf.NewObject().Add("<b>", amf.String("a\"b"))
	loop := amf.NewObject()
	loop.Add("me", loop)
	self := &amf.Dictionary{}
	self.Entries = []amf.Entry{{Key: self, Value: amf.Number(1)}}
	var twice amf.Value = amf.Null{}
	for range 100 {
		twice = &amf.Array{Dense: []amf.Value{twice, twice}}
	}
	if s := formatValue(twice); len(s) > 2*maxText {
		t.Error(len(s))
	}
	for _, tt := range []struct {
		v    amf.Value
		want string
	}{
		{nil, "null"},
		{amf.Undefined{}, "null"},
		{amf.Number(1e15), "1000000000000000"},
		{amf.Number(math.NaN()), "null"},
		{o, `{"<b>":"a\"b"}`},
		{&amf.Object{Class: "C", Members: o.Members}, `{"__type":"C","<b>":"a\"b"}`},
		{&amf.Array{Dense: []amf.Value{amf.Bool(true), o}}, `[true,{"<b>":"a\"b"}]`},
		{&amf.Array{Dense: []amf.Value{amf.Null{}}, Named: o.Members}, `[{"<b>":"a\"b"},null]`},
		{&amf.Array{}, "[]"},
		{&amf.ByteArray{Data: []byte{1, 2, 3}}, `{"__raw":"AQID"}`},
		{&amf.Date{Millis: 905989690435}, `"1998-09-16T23:48:10.435Z"`},
		{&amf.Date{Millis: math.NaN()}, "null"},
		{&amf.XML{Text: "<a/>"}, `"<a/>"`},
		{&amf.Vector{Kind: amf.VectorInt, Numbers: []float64{1, 2}}, "[1,2]"},
		{
			&amf.Dictionary{Entries: []amf.Entry{{Key: amf.Number(1), Value: amf.Null{}}, {Key: amf.String("k"), Value: o}}},
			`{"1":null,"k":{"<b>":"a\"b"}}`,
		},
		{loop, `{"me":"(cycle)"}`},
		{self, `{"\"(cycle)\"":1}`},
		{&amf.Array{Dense: []amf.Value{o, o}}, `[{"<b>":"a\"b"},{"<b>":"a\"b"}]`},
	} {
		if got := formatValue(tt.v); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
	if s := formatValue(amf.String(strings.Repeat("x", 10))); s != `"xxxxxxxxxx"` {
		t.Error(s)
	}
}
