package value

import (
	"testing"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/pkg/amf"
)

// What crosses the border most often costs nothing, or the one box of an interface value.
func TestAllocations(t *testing.T) {
	r := newRig(t)
	values := []struct {
		name string
		lua  lua.LValue
		amf  amf.Value
		most float64
	}{
		{"nil", lua.LNil, amf.Null{}, 0},
		{"boolean", lua.LTrue, amf.Bool(true), 0},
		{"small integer", lua.LNumber(42), amf.Number(42), 0},
		{"number", lua.LNumber(0.5), amf.Number(0.5), 1},
		{"text", lua.LString("hello"), amf.String("hello"), 1},
	}
	var luaSink lua.LValue
	var amfSink amf.Value
	for _, v := range values {
		if n := testing.AllocsPerRun(100, func() { amfSink = r.ToAMF(v.lua) }); n > v.most {
			t.Errorf("%s to AMF: %v allocations", v.name, n)
		}
		if n := testing.AllocsPerRun(100, func() { luaSink = r.FromAMF(v.amf) }); n > v.most {
			t.Errorf("%s from AMF: %v allocations", v.name, n)
		}
	}
	if amfSink != amf.String("hello") || luaSink != lua.LString("hello") {
		t.Error("not converted")
	}
	vs := r.eval(`return 1, true, nil, {}`)
	var b []byte
	if n := testing.AllocsPerRun(100, func() { b, _ = r.Encode(b[:0], Mesh, vs[:3]...) }); n > 0 {
		t.Errorf("scalars to bytes: %v allocations", n)
	}
}
