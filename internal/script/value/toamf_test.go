package value

import (
	"errors"
	"math"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/pkg/amf"
)

// Every rule for what is sent, the first that fits deciding.
func TestToAMF(t *testing.T) {
	tests := []struct{ lua, want string }{
		{`nil`, `null`},
		{`true`, `true`},
		{`false`, `false`},
		{`1`, `1`},
		{`-1.5`, `-1.5`},
		{`2^53`, `9.007199254740992e+15`},
		{`1/0`, `+Inf`},
		{`"a\0\255"`, `"a\x00\xff"`},
		{`{__raw="\0\255"}`, `bytes 00ff`},
		{`{__raw=""}`, `bytes `},
		{`{__time=1412082917000.9}`, `date 1412082917000`},
		{`{__time=-1.5}`, `date -1`},
		{`{__size=2,a=1,[true]=2}`, `dictionary{"a":1,true:2}`},
		{`{__size=0}`, `dictionary{}`},
		{`{__size=1,"x"}`, `dictionary{1:"x"}`},
		{`{__type="Cat",n=1}`, `Cat{n=1}`},
		{`{__type="Cat"}`, `Cat{}`},
		{`{__type="Cat",7,8}`, `Cat{1=7,2=8}`},
		{`{__type=""}`, `{}`},
		{`{1,"b",{}}`, `[1,"b",[]]`},
		{`{1,2,k=3}`, `[1,2,k=3]`},
		{`{a=1,b={c=2}}`, `{a=1,b={c=2}}`},
		{`{}`, `[]`},
		{`{[2]=2}`, `{2=2}`},
		{`{[2]=2,[3]=3}`, `[null,2,3]`},
		{`{nil,2,3,4}`, `[null,2,3,4]`},
		{`{[2]=2,[4]=4}`, `{2=2,4=4}`},
		{`{[7]=7}`, `{7=7}`},
		{`{[0]=0,[-1]=1,[1.5]=2}`, `{0=0,-1=1,1.5=2}`},
		{`{[1e15]=1}`, `{1000000000000000=1}`},
		{`{1,[0]=0,[2.5]=1}`, `[1,0=0,2.5=1]`},
		{`{1,nil,3}`, `[1,null,3]`},
		{`{1,nil,nil,4}`, `[1,null,null,4]`},
		{`{1,2,[5]=5}`, `[1,2,null,null,5]`},
		{`{1,2,[6]=6}`, `[1,2,null,null,null,6]`},
		{`{1,2,[7]=7}`, `[1,2,7=7]`},
		{`{1,[1000]=2,k=3}`, `[1,1000=2,k=3]`},
		// Markers of another type are members.
		{`{__raw=1}`, `{__raw=1}`},
		{`{__time="x"}`, `{__time="x"}`},
		{`{__size="x"}`, `{__size="x"}`},
		{`{__type=1}`, `{__type=1}`},
		// The order of the rules.
		{`{__raw="x",__time=1,__size=1,__type="T",1}`, `bytes 78`},
		{`{__time=1,__size=1,__type="T",1}`, `date 1`},
		{`{__size=1,__type="T",1}`, `dictionary{"__type":"T",1:1}`},
	}
	for _, tt := range tests {
		t.Run(tt.lua, func(t *testing.T) {
			r := newRig(t)
			if got := text(r.ToAMF(r.one(tt.lua))); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			r.silent()
		})
	}
}

func TestToAMFInherited(t *testing.T) {
	r := newRig(t)
	got := r.eval(`
		local Cat = {__type="Cat", meow=function() end}
		Cat.__index = Cat
		local own = setmetatable({n=1}, Cat)
		local called = setmetatable({n=1}, {__index=function() error("called") end})
		local loop = {}
		loop.__index = loop
		setmetatable(loop, loop)
		return own, called, setmetatable({n=1}, loop)`)
	for i, want := range []string{`Cat{n=1}`, `{n=1}`, `{n=1}`} {
		if s := text(r.ToAMF(got[i])); s != want {
			t.Errorf("%d: %s, want %s", i, s, want)
		}
	}
	r.silent()
}

func TestToAMFRefused(t *testing.T) {
	tests := []struct{ lua, want, warning string }{
		{`print`, `null`, "a function cannot be sent"},
		{`{f=print}`, `{f=null}`, "f: a function cannot be sent"},
		{`{1,{f={print}}}`, `[1,{f=[null]}]`, "2.f.1: a function cannot be sent"},
		{`coroutine.create(print)`, `null`, "a thread cannot be sent"},
		{`newproxy()`, `null`, "a userdata cannot be sent"},
		{`{__size=1,[print]=1}`, `dictionary{}`, "(function): a function cannot be sent"},
		{`{[true]=1,a=2}`, `{a=2}`, "a key of type boolean cannot be sent"},
		{`{1,[true]=1}`, `[1]`, "a key of type boolean cannot be sent"},
		{`{[""]=1,a=2}`, `{a=2}`, "a member without a name"},
		{`{[5]=1,["5"]=2}`, `{5=2}`, "key 5 exists as a number and as a text"},
		{`(function() local t={}; t.t=t; return t end)()`, `{t=null}`, "t: a table inside itself"},
		{`(function() local t={}; t[1]={t}; return t end)()`, `[[null]]`, "1.1: a table inside itself"},
	}
	for _, tt := range tests {
		t.Run(tt.lua, func(t *testing.T) {
			r := newRig(t)
			if got := text(r.ToAMF(r.one(tt.lua))); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			r.warned(tt.warning)
		})
	}
}

func TestToAMFProducts(t *testing.T) {
	plain := map[*lua.LUserData]*lua.LTable{}
	r := newRig(t, func(o *Options) {
		o.Product = func(v lua.LValue) (string, bool) {
			switch v := v.(type) {
			case *lua.LUserData:
				return "client 12", v.Value == "client"
			case *lua.LTable:
				return "an application", v.RawGetString("app") == lua.LTrue
			}
			t.Error("asked about a", v.Type())
			return "", false
		}
		o.Plain = func(ud *lua.LUserData) *lua.LTable { return plain[ud] }
	})
	client, params, other := r.L.NewUserData(), r.L.NewUserData(), r.L.NewUserData()
	client.Value = "client"
	plain[params] = r.one(`{a=1}`).(*lua.LTable)
	if got := text(r.ToAMF(client)); got != "null" {
		t.Error(got)
	}
	r.warned("client 12 cannot be sent")
	if got := text(r.ToAMF(params)); got != "{a=1}" {
		t.Error(got)
	}
	r.silent()
	if got := text(r.ToAMF(other)); got != "null" {
		t.Error(got)
	}
	r.warned("a userdata cannot be sent")
	if got := text(r.ToAMF(r.one(`setmetatable({app=true}, {})`))); got != "null" {
		t.Error(got)
	}
	r.warned("an application cannot be sent")
	r.ToAMF(r.one(`{app=true, 1, "x", print ~= nil}`)) // no metatable: not asked
	r.silent()
}

// Shared tables are the same value, so that nothing is converted twice; they are written in full.
func TestToAMFShared(t *testing.T) {
	r := newRig(t)
	r.eval(`shared = {1}; many = {}; for i = 1, 40 do many[i] = {i} end`)
	a := r.ToAMF(r.one(`{shared, {shared}}`)).(*amf.Array)
	if a.Dense[0] != a.Dense[1].(*amf.Array).Dense[0] {
		t.Error("converted twice")
	}
	b, err := r.Encode(nil, Mesh, r.one(`{shared, shared}`))
	if err != nil || string(b) != string(unhexText(t, "11 09 05 01 09 03 01 0401 09 03 01 0401")) {
		t.Errorf("%x, %v", b, err)
	}
	// More than fit the list.
	m := r.ToAMF(r.one(`{many, many}`)).(*amf.Array)
	if m.Dense[0] != m.Dense[1] || len(m.Dense[0].(*amf.Array).Dense) != 40 {
		t.Error(text(m))
	}
	m = r.ToAMF(r.one(`(function() local t = {} for i = 1, 40 do t[i], t[i+40] = many[i], many[i] end return t end)()`)).(*amf.Array)
	for i := range 40 {
		if m.Dense[i] != m.Dense[i+40] {
			t.Fatal("element", i, "converted twice")
		}
	}
	// 2^60 values when written in full: refused, quickly.
	r.silent()
	v := r.one(`(function() local t = {} for i = 1, 60 do t = {t, t} end return t end)()`)
	if _, err := r.Encode(nil, Mesh, v); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
	if _, err := r.ToJSON(v); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
}

func TestToAMFLimits(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits = amf.Limits{Depth: 3, Elements: 100, Bytes: 1000} })
	tests := []struct{ lua, want string }{
		{`{{{}}}`, ""},
		{`{{{{}}}}`, "nesting above 3"},
		{`(function() local t={} for i=1,99 do t[i]=i end return t end)()`, ""},
		{`(function() local t={} for i=1,100 do t[i]=i end return t end)()`, "elements above 100"},
		{`(function() local t={} for i=1,100 do t["k"..i]=i end return t end)()`, "elements above 100"},
		{`(function() local t={__size=1} for i=1,100 do t["k"..i]=i end return t end)()`, "elements above 100"},
		{`{1,[30000]=2}`, "elements above 100"},
		{`{__raw=("x"):rep(1001)}`, "bytes above 1000"},
	}
	for _, tt := range tests {
		v := r.ToAMF(r.one(tt.lua))
		if tt.want == "" {
			r.silent()
			continue
		}
		if text(v) != "null" {
			t.Error(tt.lua, text(v))
		}
		r.warned(tt.want)
		if b, err := r.Encode([]byte("kept"), Mesh, lua.LTrue, r.one(tt.lua)); !errors.Is(err, ErrLimit) || string(b) != "kept" {
			t.Error(tt.lua, b, err)
		}
	}
	// Limits are those of a message, not of each of its values.
	half := r.one(`(function() local t={} for i=1,60 do t[i]=i end return t end)()`)
	if _, err := r.Encode(nil, Mesh, half, half); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
	long := lua.LString(strings.Repeat("x", 600))
	for _, mode := range []amf.Mode{ObjectEncoding0, ObjectEncoding3} {
		if _, err := r.Encode(nil, mode, long, long); !errors.Is(err, amf.ErrLimit) {
			t.Error(err)
		}
		if _, err := r.Encode(nil, mode, long); err != nil {
			t.Error(err)
		}
	}
}

func TestToAMFStopped(t *testing.T) {
	asked := 0
	r := newRig(t, func(o *Options) { o.Stopped = func() bool { asked++; return asked > 10 } })
	v := r.one(`(function() local t={} for i=1,100 do t[i]={} end return t end)()`)
	if _, err := r.Encode(nil, Mesh, v); !errors.Is(err, ErrStopped) || asked != 11 {
		t.Error(err, asked)
	}
	if _, err := r.ToXML(r.one(`{{__name="a"}}`).(*lua.LTable)); !errors.Is(err, ErrStopped) {
		t.Error(err)
	}
}

func TestToAMFWarningsAreFew(t *testing.T) {
	r := newRig(t)
	r.ToAMF(r.one(`(function() local t={} for i=1,100 do t[i]=print end return t end)()`))
	if len(r.warnings) != maxWarnings+1 || !strings.Contains(r.warnings[maxWarnings], "95 more") {
		t.Errorf("%q", r.warnings)
	}
}

// What other servers get, byte by byte; the rows of what clients with objectEncoding 3 get are the same.
func TestEncodeMesh(t *testing.T) {
	tests := []struct{ lua, hex string }{
		{`nil`, "05"},
		{`false, true`, "0100 0101"},
		{`0, 268435455, 300`, "110400 1104bfffffff 1104822c"},
		{`-1`, "00 bff0000000000000"}, // a negative AMF3 integer is misread by MonaServer 1.x
		{`1.5, 2^32`, "00 3ff8000000000000 00 41f0000000000000"},
		{`"abc", "abc", ""`, "110607616263 110607616263 110601"},
		{`{__raw="\255\0"}`, "110c05ff00"},
		{`{__time=1700000000000}`, "110801 4278bcfe56800000"},
		{`{__size=1,k=-2}`, "111103 00 06036b 05c000000000000000"},
		{`{__type="a.B",f=1}`, "110a0b 07612e42 0366 0401 01"},
		{`{1,2}`, "110905 01 0401 0402"},
		{`{1,x="y"}`, "110903 0378 060379 01 0401"},
		{`{x=1}`, "110a0b01 0378 0401 01"},
		{`{}`, "11090101"},
		{`{[2]=2}`, "110a0b01 0332 0402 01"},
		{`{1,nil,3}`, "110907 01 0401 01 0403"},
		{`{1,2,[9]=9}`, "110905 0339 0409 01 0401 0402"},
		{`{nil}`, "11090101"},
		{`{a={b=nil}}`, "110a0b01 0361 090101 01"},
	}
	for _, tt := range tests {
		t.Run(tt.lua, func(t *testing.T) {
			r := newRig(t)
			b, err := r.Encode([]byte{9}, Mesh, r.eval("return "+tt.lua)...)
			if want := unhexText(t, "09"+tt.hex); err != nil || string(b) != string(want) {
				t.Errorf("got %x, %v; want %x", b, err, want)
			}
			r.silent()
		})
	}
	r := newRig(t)
	b, err := r.Encode(nil, Mesh, r.eval(`t = {}; t.x = t; return print, t, 1`)...)
	if err != nil || string(b) != string(unhexText(t, "05 110a0b01 0378 01 01 110401")) || len(r.warnings) != 2 {
		t.Errorf("%x, %v, %q", b, err, r.warnings)
	}
}

func TestEncodeObjectEncoding0(t *testing.T) {
	tests := []struct{ lua, hex string }{
		{`nil, true, 1, "a"`, "05 0101 003ff0000000000000 02000161"},
		{`("x"):rep(65536)`, "0c 00010000" + strings.Repeat("78", 65536)},
		{`{__raw="\255"}`, "110c03ff"},
		{`{__time=1}`, "0b 3ff0000000000000 0000"},
		{`{__size=1,k=1}`, "111103 00 06036b 053ff0000000000000"},
		{`{__type="B",f=true}`, "10 000142 000166 0101 000009"},
		{`{true}`, "0a 00000001 0101"},
		{`{true,x=1}`, "1109 03 0378 053ff0000000000000 01 03"},
		{`{x=true}`, "03 000178 0101 000009"},
		{`{}`, "0a 00000000"},
	}
	for _, tt := range tests {
		t.Run(tt.lua[:min(len(tt.lua), 20)], func(t *testing.T) {
			r := newRig(t)
			b, err := r.Encode(nil, ObjectEncoding0, r.eval("return "+tt.lua)...)
			if want := unhexText(t, tt.hex); err != nil || string(b) != string(want) {
				t.Errorf("got %x, %v; want %x", b, err, want)
			}
		})
	}
}

// Values that are sent as they came.
func TestRoundTrip(t *testing.T) {
	sources := []string{
		`nil, true, 0, -1.5, 1e300, "a\0\255"`,
		`{1,2,{3,{a=4}}}, {a={b={}}}, {1,2,a=3}, {1,nil,3}`,
		`{__raw="\0"}, {__type="T",x=1}, {__type="T"}`,
		`{__size=3,[1]="a",b=2,[true]={1}}`,
	}
	for _, mode := range []amf.Mode{ObjectEncoding0, ObjectEncoding3} {
		for _, source := range sources {
			r := newRig(t)
			vs := r.eval("return " + source)
			b, err := r.Encode(nil, mode, vs...)
			if err != nil {
				t.Fatal(err)
			}
			back, err := r.Decode(nil, b)
			if got, want := showAll(back), showAll(vs); got != want || err != nil {
				t.Errorf("mode %d: got %s, %v; want %s", mode, got, err, want)
			}
			r.silent()
		}
	}
	r := newRig(t)
	for _, millis := range []float64{0, -1, 1412082917123, 8.64e15} {
		d := r.FromAMF(&amf.Date{Millis: millis})
		if back := r.ToAMF(d).(*amf.Date); back.Millis != millis {
			t.Error(millis, back.Millis)
		}
	}
	if v := r.ToAMF(lua.LNumber(math.Copysign(0, -1))).(amf.Number); !math.Signbit(float64(v)) {
		t.Error("minus zero lost its sign")
	}
}

func TestConvertedValuesAreForgotten(t *testing.T) {
	r := newRig(t)
	r.eval(`t = {{1}, {2}}`)
	_ = r.ToAMF(r.one(`t`))
	r.eval(`t[1][1] = 5`)
	if got := text(r.ToAMF(r.one(`t`))); got != "[[5],[2]]" {
		t.Error(got)
	}
	for _, table := range r.writing.open[:cap(r.writing.open)] {
		if table != nil {
			t.Error("still refers to a table")
		}
	}
}
