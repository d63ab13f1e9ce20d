package value

import (
	"errors"
	"math"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/pkg/amf"
)

func members(ms ...amf.Member) []amf.Member { return ms }

// Every kind that can be received.
func TestFromAMF(t *testing.T) {
	nested := amf.NewObject().Add("a", &amf.Array{Dense: []amf.Value{amf.Number(1), amf.NewObject()}})
	tests := []struct {
		name string
		v    amf.Value
		want string
	}{
		{"null", amf.Null{}, "nil"},
		{"undefined", amf.Undefined{}, "nil"},
		{"nothing", nil, "nil"},
		{"nil pointers", &amf.Array{Dense: []amf.Value{(*amf.Object)(nil), (*amf.Date)(nil), (*amf.XML)(nil), amf.Number(1)}}, "{nil,nil,nil,1}"},
		{"true", amf.Bool(true), "true"},
		{"false", amf.Bool(false), "false"},
		{"number", amf.Number(1.5), "1.5"},
		{"small integer", amf.Number(1023), "1023"},
		{"large integer", amf.Number(1 << 40), "1.099511627776e+12"},
		{"negative", amf.Number(-1), "-1"},
		{"minus zero", amf.Number(math.Copysign(0, -1)), "-0"},
		{"string of bytes", amf.String("a\x00\xff"), `"a\x00\xff"`},
		{"byte array", &amf.ByteArray{Data: []byte{0, 255}}, `{__raw="\x00\xff"}`},
		{"object", amf.NewObject().Add("k", amf.Number(1)).Add("s", amf.String("x")), `{k=1,s="x"}`},
		{"numeric names stay text", amf.NewObject().Add("1", amf.Number(5)), `{1=5}`},
		{"null member disappears", amf.NewObject().Add("k", amf.Null{}).Add("u", amf.Undefined{}), `{}`},
		{"later member counts", amf.NewObject().Add("k", amf.Number(1)).Add("k", amf.Number(2)), `{k=2}`},
		{"typed object", &amf.Object{Class: "Cat", Members: members(amf.Member{Name: "n", Value: amf.Number(1)})}, `{__type="Cat",n=1}`},
		{"array", &amf.Array{Dense: []amf.Value{amf.Number(1), amf.String("b")}}, `{1,"b"}`},
		{"hole", &amf.Array{Dense: []amf.Value{amf.Number(1), amf.Null{}, amf.Number(3), amf.Null{}}}, `{1,nil,3}`},
		{"array with members", &amf.Array{
			Dense: []amf.Value{amf.Number(1), amf.Number(2)},
			Named: members(amf.Member{Name: "k", Value: amf.Bool(true)}, amf.Member{Name: "9", Value: amf.Number(9)}),
		}, `{1,2,9=9,k=true}`},
		{"empty array", &amf.Array{}, `{}`},
		{"dictionary", &amf.Dictionary{Entries: []amf.Entry{
			{Key: amf.String("k"), Value: amf.Number(1)},
			{Key: amf.Number(2), Value: amf.String("two")},
			{Key: amf.Number(-1.5), Value: amf.Bool(true)},
			{Key: amf.Bool(true), Value: amf.Number(3)},
		}}, `{nil,"two",[true]=3,[-1.5]=true,__size=4,k=1}`},
		{"dictionary with what Lua has not", &amf.Dictionary{Entries: []amf.Entry{
			{Key: amf.Null{}, Value: amf.Number(1)},
			{Key: amf.Number(math.NaN()), Value: amf.Number(2)},
			{Key: amf.String("k"), Value: amf.Null{}},
			{Key: amf.String("__size"), Value: amf.String("x")},
			{Key: amf.String("l"), Value: amf.Number(1)},
			{Key: amf.String("l"), Value: amf.Number(2)},
		}}, `{__size=1,l=2}`},
		{"numbers of a vector", &amf.Vector{Kind: amf.VectorInt, Numbers: []float64{1, -2}}, `{1,-2}`},
		{"unsigned vector", &amf.Vector{Kind: amf.VectorUint, Numbers: []float64{4294967295}}, `{4.294967295e+09}`},
		{"double vector", &amf.Vector{Kind: amf.VectorDouble, Numbers: []float64{0.5}}, `{0.5}`},
		{"object vector", &amf.Vector{Kind: amf.VectorObject, Class: "C", Values: []amf.Value{amf.String("a"), nil, amf.String("c")}}, `{"a",nil,"c"}`},
		{"xml", &amf.XML{Text: "<a/>"}, `"<a/>"`},
		{"xml document", &amf.XML{Text: "<a/>", Document: true}, `"<a/>"`},
		{"nested", nested, `{a={1,{}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			if got := show(r.FromAMF(tt.v)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			r.silent()
		})
	}
}

// A date has its fields in local time, numbered as those of os.date; MonaServer 1.x has month, yday and
// wday wrong.
func TestFromAMFDate(t *testing.T) {
	tests := []struct {
		name   string
		millis float64
		want   string
	}{
		{"summer", 1412082917123, `{__time=1.412082917123e+12,day=30,hour=15,isdst=true,min=15,month=9,msec=123,sec=17,wday=3,yday=273,year=2014}`},
		{"winter, local midnight of January 1st, a Sunday", 1672527600000, `{__time=1.6725276e+12,day=1,hour=0,isdst=false,min=0,month=1,msec=0,sec=0,wday=1,yday=1,year=2023}`},
		{"last day of a leap year, a Sunday", 978260399999, `{__time=9.78260399999e+11,day=31,hour=11,isdst=false,min=59,month=12,msec=999,sec=59,wday=1,yday=366,year=2000}`},
		{"before 1970", -1, `{__time=-1,day=1,hour=0,isdst=false,min=59,month=1,msec=999,sec=59,wday=5,yday=1,year=1970}`},
		{"beyond every calendar", 1e300, `{__time=1e+300}`},
		{"no number", math.NaN(), `{__time=NaN}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			if got := show(r.FromAMF(&amf.Date{Millis: tt.millis})); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestFromAMFWeakDictionary(t *testing.T) {
	r := newRig(t)
	for _, weak := range []bool{true, false} {
		d := r.FromAMF(&amf.Dictionary{Weak: weak}).(*lua.LTable)
		r.L.SetGlobal("d", d)
		mode := r.one(`(getmetatable(d) or {}).__mode`)
		if (mode == lua.LString("k")) != weak {
			t.Errorf("weak %v: __mode %v", weak, mode)
		}
		if back := r.ToAMF(d).(*amf.Dictionary); back.Weak != weak {
			t.Errorf("weak %v: sent %v", weak, back.Weak)
		}
	}
}

func TestFromAMFReferences(t *testing.T) {
	r := newRig(t)
	// A cycle through an object, an array, a dictionary and a vector, and every kind shared.
	o := amf.NewObject()
	a := &amf.Array{Dense: []amf.Value{o}}
	d := &amf.Dictionary{Entries: []amf.Entry{{Key: o, Value: a}}}
	v := &amf.Vector{Kind: amf.VectorObject, Values: []amf.Value{d}}
	o.Add("v", v)
	date, raw := &amf.Date{}, &amf.ByteArray{}
	vs := r.AppendFromAMF(nil, o, a, d, v, date, date, raw, raw)
	table := func(i int) *lua.LTable { return vs[i].(*lua.LTable) }
	if table(0).RawGetString("v") != vs[3] || table(1).RawGetInt(1) != vs[0] || table(2).RawGet(vs[0]) != vs[1] || table(3).RawGetInt(1) != vs[2] {
		t.Error("cycle lost:", showAll(vs))
	}
	if vs[4] != vs[5] || vs[6] != vs[7] {
		t.Error("shared dates or byte arrays became two tables")
	}
	// Another message has tables of its own.
	if r.FromAMF(a) == vs[1] {
		t.Error("a table of an earlier message")
	}

	// More values than are kept in a list.
	many := &amf.Array{}
	for range 4 * listed {
		many.Dense = append(many.Dense, &amf.Array{})
	}
	many.Dense = append(many.Dense, many.Dense...)
	all := r.FromAMF(many).(*lua.LTable)
	for i := 1; i <= 4*listed; i++ {
		if all.RawGetInt(i) != all.RawGetInt(i+4*listed) {
			t.Fatal("element", i, "became two tables")
		}
		if i > 1 && all.RawGetInt(i) == all.RawGetInt(i-1) {
			t.Fatal("elements became one table")
		}
	}
}

func TestOnTyped(t *testing.T) {
	r := newRig(t)
	inner := &amf.Object{Class: "Inner"}
	r.FromAMF(&amf.Object{Class: "Outer", Members: members(amf.Member{Name: "i", Value: inner}, amf.Member{Name: "j", Value: inner})})
	if got := strings.Join(r.typed, " "); got != `Inner{__type="Inner"} Outer{__type="Outer",i={__type="Inner"},j=<1>}` {
		t.Errorf("typed: %s", got)
	}
	// Anonymous objects, as MonaServer 1.x sends them on and as clients make them.
	r.typed = nil
	r.FromAMF(amf.NewObject().Add("__type", amf.String("")))
	r.FromAMF(amf.NewObject().Add("a", amf.String("")))
	r.FromAMF(amf.NewObject().Add("__type", amf.Number(1)))
	if len(r.typed) > 0 {
		t.Error("typed:", r.typed)
	}
	r.FromAMF(amf.NewObject().Add("__type", amf.String("Cat")))
	if len(r.typed) != 1 {
		t.Error("typed:", r.typed)
	}
}

// onTypedObject may convert values itself, in the middle of a conversion.
func TestOnTypedConverts(t *testing.T) {
	var r *rig
	inside := false
	shared := &amf.Object{Class: "Shared"}
	r = newRig(t, func(o *Options) {
		o.OnTyped = func(_ string, obj *lua.LTable) {
			if inside {
				return
			}
			inside = true
			defer func() { inside = false }()
			obj.RawSetString("other", r.FromAMF(shared))
			text, err := r.Encode(nil, Mesh, obj)
			if err != nil {
				t.Error(err)
			}
			obj.RawSetString("size", lua.LNumber(len(text)))
		}
	})
	v := r.FromAMF(&amf.Array{Dense: []amf.Value{shared, shared, amf.NewObject().Add("x", shared)}})
	if got := show(v); got != `{{__type="Shared",other={__type="Shared"},size=27},<1>,{x=<1>}}` {
		t.Error(got)
	}
}

func TestFromAMFLimits(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits.Depth = 3 })
	a := &amf.Array{Dense: []amf.Value{&amf.Array{Dense: []amf.Value{&amf.Array{Dense: []amf.Value{&amf.Array{}, amf.Number(1)}}}}}}
	if got := show(r.FromAMF(a)); got != "{{{nil,1}}}" {
		t.Error(got)
	}
	r.warned("deeper than 3")

	// Keys far apart do not make an array of what lies between.
	d := &amf.Dictionary{Entries: []amf.Entry{
		{Key: amf.Number(lua.MaxArrayIndex - 1), Value: amf.Bool(true)},
		{Key: amf.Number(maxHoles / 2), Value: amf.Bool(true)},
		{Key: amf.Number(maxHoles * 2), Value: amf.Bool(true)},
		{Key: amf.Number(float64(lua.MaxArrayIndex)), Value: amf.Bool(true)}, // not in the array part
	}}
	r = newRig(t)
	table := r.FromAMF(d).(*lua.LTable)
	if n := table.MaxN(); n != maxHoles/2 {
		t.Error("longest key", n)
	}
	if table.RawGet(lua.LNumber(lua.MaxArrayIndex)) != lua.LTrue {
		t.Error("large key lost")
	}
	if len(r.warnings) != 2 {
		t.Error(r.warnings)
	}
	// The allowance is for a message, not for each table, and renewed by the next.
	r.warnings = nil
	half := func() amf.Value {
		return &amf.Dictionary{Entries: []amf.Entry{{Key: amf.Number(maxHoles*2/3 + 1), Value: amf.Bool(true)}}}
	}
	r.AppendFromAMF(nil, half(), half())
	r.warned("too far")
	r.FromAMF(half())
	r.silent()
}

func TestWarningsAreFew(t *testing.T) {
	r := newRig(t)
	d := &amf.Dictionary{}
	for i := range 100 {
		d.Entries = append(d.Entries, amf.Entry{Key: amf.Number(1e6 * float64(i+1)), Value: amf.Bool(true)})
	}
	r.FromAMF(d)
	if len(r.warnings) != maxWarnings {
		t.Error(len(r.warnings), "warnings")
	}
}

func TestDecode(t *testing.T) {
	tests := []struct {
		name, hex, want string
		err             error
	}{
		{"nothing", "", "", nil},
		{"number, string, true", "00 3ff0000000000000 02 0001 61 01 01", `1, "a", true`, nil},
		{"AMF3 integer with sign", "11 04 ffffffff", "-1", nil},
		{"shared over values", "11 09 03 01 0401 11 09 00", "{1}, <0>", nil},
		{"cycle", "11 0a0b01 0378 0a00 01", "{x=<0>}", nil},
		{"AMF0 reference", "03 0001 61 07 0000 000009 07 0000", `{a=<0>}, <0>`, nil},
		{"ECMA array", "08 00000002 0001 30 02 0001 61 0001 6b 01 01 000009", `{"a",k=true}`, nil},
		{"ECMA array with a wrong count", "08 00000000 0001 6b 01 01 0001 6c 01 00 000009", `{k=true,l=false}`, nil},
		{"array collection", "11 0a 07 43" + hexText("flex.messaging.io.ArrayCollection") + "09 05 01 0401 0402", "{1,2}", nil},
		{"vector", "11 0d 05 00 00000001 ffffffff", "{1,-1}", nil},
		{"xml", "11 0b 09 3c612f3e", `"<a/>"`, nil},
		{"AMF0 xml", "0f 00000004 3c612f3e", `"<a/>"`, nil},
		{"unsupported, earlier values kept", "01 01 02 0001 61 0d 01 01", `true, "a"`, amf.ErrUnsupported},
		{"malformed, earlier values kept", "01 01 ff", "true", amf.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			vs, err := r.Decode(nil, unhexText(t, tt.hex))
			if got := showAll(vs); got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("got %s, %v; want %s, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestDecodeLimits(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits = amf.Limits{Elements: 3, Bytes: 20, Depth: 2} })
	for _, message := range []string{"05 05 05 05", strings.Repeat("05", 21), "11 09 03 01 09 03 01 09 01 01"} {
		vs, err := r.Decode(nil, unhexText(t, message))
		if !errors.Is(err, amf.ErrLimit) || len(vs) > 3 {
			t.Errorf("%s: %s, %v", message, showAll(vs), err)
		}
	}
	dst := []lua.LValue{lua.LTrue}
	if dst, err := r.Decode(dst, []byte{5}); err != nil || showAll(dst) != "true, nil" {
		t.Error(showAll(dst), err)
	}
}
