package value

import (
	"errors"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/pkg/amf"
)

func TestToJSON(t *testing.T) {
	tests := []struct{ lua, want string }{
		{``, `[]`},
		{`nil`, `[null]`},
		{`true, false, nil, 1`, `[true,false,null,1]`},
		{`{}`, `[[]]`},
		{`{{}}`, `[[[]]]`},
		{`1, -0.5, 1e15, 2^60, 1e300`, `[1,-0.5,1000000000000000,1.152921504606847e+18,1e+300]`},
		{`"a\"b\\c\n\r\t\0\127/é"`, `["a\"b\\c\n\r\t\u0000` + "\x7f" + `/é"]`},
		{`{1,"b",{c=true}}`, `[[1,"b",{"c":true}]]`},
		{`{k=1,l={2}}`, `[{"k":1,"l":[2]}]`},
		{`{["a\"b"]=1}`, `[{"a\"b":1}]`},
		{`{"e1",k="v"}`, `[[{"k":"v"},"e1"]]`},
		{`{{k="v"},"e1"}`, `[[{"k":"v"},"e1"]]`},
		{`{1,nil,3}`, `[[1,null,3]]`},
		{`{[2]="b"}`, `[{"2":"b"}]`},
		{`{__time=1412082917123}`, `["2014-09-30T13:15:17.123Z"]`},
		{`{__time=-1}`, `["1969-12-31T23:59:59.999Z"]`},
		{`{__raw="\255\0\020"}`, `[{"__raw":"/wAU"}]`},
		{`{__raw=""}`, `[{"__raw":""}]`},
		{`{__type="Cat",n=1}`, `[{"__type":"Cat","n":1}]`},
		{`{__type="Cat"}`, `[{"__type":"Cat"}]`},
		{`{__size=1,k="v"}`, `[{"__size":1,"k":"v"}]`},
		{`{__size=2,[true]=1,[2]=3}`, `[{"__size":2,"2":3,"true":1}]`},
		{`t, t`, `[[1],[1]]`},
	}
	for _, tt := range tests {
		t.Run(tt.lua, func(t *testing.T) {
			r := newRig(t)
			got, err := r.ToJSON(r.eval("local t = {1}; return " + tt.lua)...)
			if err != nil || got != tt.want {
				t.Errorf("got %s, %v; want %s", got, err, tt.want)
			}
			r.silent()
		})
	}
}

func TestToJSONWithoutForm(t *testing.T) {
	tests := []struct{ lua, want, warning string }{
		{`print`, `[null]`, "a function cannot be sent"},
		{`{f=print}`, `[{"f":null}]`, "f: a function"},
		{`"a\255b"`, `["a\ufffdb"]`, "not UTF-8"},
		{`0/0`, `[null]`, "no JSON form"},
		{`{1/0}`, `[[null]]`, "inf has no JSON form"},
		{`{__time=1e300}`, `[null]`, "years 0 to 9999"},
		{`{__time=253402300800000}`, `[null]`, "years 0 to 9999"},
		{`{__size=1,[{}]=1}`, `[{"__size":0}]`, "key of type array"},
		{`{__size=2,[5]=1,["5"]=2}`, `[{"__size":1,"5":2}]`, "key 5 exists as a text too"},
		{`(function() local t = {} t.t = t return t end)()`, `[{"t":null}]`, "inside itself"},
	}
	for _, tt := range tests {
		t.Run(tt.lua, func(t *testing.T) {
			r := newRig(t)
			got, err := r.ToJSON(r.eval("return " + tt.lua)...)
			if err != nil || got != tt.want {
				t.Errorf("got %s, %v; want %s", got, err, tt.want)
			}
			r.warned(tt.warning)
		})
	}
}

func TestFromJSON(t *testing.T) {
	date := `{__time=1.412082917123e+12,day=30,hour=15,isdst=true,min=15,month=9,msec=123,sec=17,wday=3,yday=273,year=2014}`
	tests := []struct{ json, want string }{
		{`[]`, ``},
		{` [ null , true,false ] `, `nil, true, false`},
		{`[[]]`, `{}`},
		{`[[[]]]`, `{{}}`},
		{`[0,-0,-1.5,1e3,1E+2,25e-1,1e999]`, `0, -0, -1.5, 1000, 100, 2.5, +Inf`},
		{`{"a":1,"b":[2,{"c":null}]}`, `{a=1,b={2,{}}}`},
		{`{}`, `{}`},
		{`[{"a":1},"x"]`, `{a=1}, "x"`},
		{`["\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00"]`, `"\"\\/\b\f\n\r\tAé😀"`},
		{`["\ud83dx\ude00","\ud83d\u0041"]`, "\"\ufffdx\ufffd\", \"\ufffdA\""},
		{"[\"a\nb\"]", `"a\nb"`}, // MonaServer 1.x does not escape
		{"[\"\xff\"]", `"\xff"`},
		{`["2014-09-30T13:15:17.123Z"]`, date},
		{`["2014-09-30T15:15:17,123+02:00"]`, date},
		{`["2014-09-30T15:15:17.123+0200"]`, date},
		{`["20140930T131517.123Z"]`, date},
		{`["2014-09-30T15:15:17.123"]`, date},
		{`["2014-13-30T13:15:17Z","2014-09-30 13:15:17","1234567890","12345678901","x2014-09-30"]`, `"2014-13-30T13:15:17Z", "2014-09-30 13:15:17", "1234567890", "12345678901", "x2014-09-30"`},
		{`{"2014-09-30":1}`, `{2014-09-30=1}`},
		{`[{"__raw":"/wAU"}]`, `{__raw="\xff\x00\x14"}`},
		{`[{"myRAW":"/wA","more":[1]}]`, `{__raw="\xff\x00"}`},
		{`[{"__raw":"?"}]`, `{__raw="?"}`},
		{`[{"__raw":1}]`, `{__raw=1}`},
		{`[{"a":1,"__raw":"/wAU"}]`, `{__raw="/wAU",a=1}`},
		{`[{"raw":"","__type":"T"}]`, `{__raw=""}`},
		{`[{"__type":"Cat","n":1}]`, `{__type="Cat",n=1}`},
		{`[{"__size":1,"k":"v"}]`, `{__size=1,k="v"}`},
		{`{"k":1,"k":2}`, `{k=2}`},
		{`{"1":"a","":"b"}`, `{="b",1="a"}`},
		{`[null,1]`, `nil, 1`},
	}
	for _, tt := range tests {
		t.Run(tt.json, func(t *testing.T) {
			r := newRig(t)
			vs, err := r.FromJSON(tt.json)
			if got := showAll(vs); err != nil || got != tt.want {
				t.Errorf("got %s, %v; want %s", got, err, tt.want)
			}
		})
	}
	r := newRig(t)
	vs, err := r.FromJSON(`["2014-09-30"]`)
	if err != nil || vs[0].(*lua.LTable).RawGetString("__time") != lua.LNumber(1412028000000) {
		t.Error(showAll(vs), err) // midnight in the zone of the server
	}
	if _, err = r.FromJSON(`[{"__type":"Cat"}]`); err != nil || len(r.typed) != 1 {
		t.Error(err, r.typed)
	}
}

func TestFromJSONInvalid(t *testing.T) {
	tests := []string{
		``, ` `, `1`, `"a"`, `null`, `[`, `]`, `{`, `}`, `[1`, `[1,`, `[1,]`, `[,1]`, `[1 2]`, `[1]]`, `[1] x`, `{"a"}`, `{"a":}`,
		`{"a":1,}`, `{,}`, `{a:1}`, `{"a" 1}`, `{"a":1 "b":2}`, `["`, `["\`, `["\x"]`, `["\u12"]`, `["\u123g"]`, `["\ud800\u12"]`, `[01]`, `[+1]`, `[.5]`,
		`[1.]`, `[1e]`, `[1e+]`, `[-]`, `[--1]`, `[tru]`, `[True]`, `[nul]`, `[NaN]`, `[1}`, `{"a":1]`, "[\x00]", `[0x1]`,
	}
	r := newRig(t)
	for _, s := range tests {
		if vs, err := r.FromJSON(s); err == nil || len(vs) > 0 {
			t.Errorf("%q: %s", s, showAll(vs))
		}
	}
}

func TestJSONLimits(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits = amf.Limits{Depth: 3, Elements: 10, Bytes: 100} })
	for _, s := range []string{
		`[[[[]]]]`, `{"a":{"a":{"a":{}}}}`, `[1,2,3,4,5,6,7,8,9,10]`, `{"a":1,"b":2,"c":3,"d":4,"e":5}`,
		`["` + strings.Repeat("x", 100) + `"]`,
	} {
		if vs, err := r.FromJSON(s); !errors.Is(err, ErrLimit) {
			t.Errorf("%s: %s, %v", s, showAll(vs), err)
		}
	}
	if _, err := r.FromJSON(`[[[1]]]`); err != nil {
		t.Error(err)
	}
	if _, err := r.ToJSON(r.one(`{{{{}}}}`)); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
	long := lua.LString(strings.Repeat("x", 60))
	if _, err := r.ToJSON(long, long, long); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
}

// Values that JSON holds come back as they were, the forms of MonaServer 1.x included.
func TestJSONRoundTrip(t *testing.T) {
	r := newRig(t)
	vs := r.eval(`return 3.7, {s="v",n=2.7,b=true,d={__time=1412082917000},raw={__raw="\255\0"},a={1,{__type="T",k="v"}},m={__size=1,k="v"}}, nil, "hello", {}`)
	text, err := r.ToJSON(vs...)
	if err != nil {
		t.Fatal(err)
	}
	back, err := r.FromJSON(text)
	if err != nil || len(back) != 5 {
		t.Fatal(text, err)
	}
	d := back[1].(*lua.LTable).RawGetString("d").(*lua.LTable)
	if d.RawGetString("__time") != lua.LNumber(1412082917000) || d.RawGetString("hour") != lua.LNumber(15) {
		t.Error(show(d))
	}
	back[1].(*lua.LTable).RawSetString("d", r.one(`{__time=1412082917000}`))
	if got, want := showAll(back), showAll(vs); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
