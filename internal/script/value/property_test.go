package value

import (
	"encoding/json"
	"math"
	"testing"

	lua "github.com/yuin/gopher-lua"
	"pgregory.net/rapid"

	"github.com/monaserver/monaserver/pkg/amf"
)

// drawScalar draws a value that is not a table.
func drawScalar() *rapid.Generator[lua.LValue] {
	return rapid.OneOf(
		rapid.Map(rapid.Bool(), func(b bool) lua.LValue { return lua.LBool(b) }),
		rapid.Map(rapid.IntRange(-1<<30, 1<<30), func(i int) lua.LValue { return lua.LNumber(i) }),
		rapid.Map(rapid.Float64(), func(f float64) lua.LValue { return lua.LNumber(f) }),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 8), func(b []byte) lua.LValue { return lua.LString(b) }),
	)
}

// drawTable draws a table of a form that AMF holds exactly: one of its kinds, nested.
func drawTable(L *lua.LState, depth int) *rapid.Generator[lua.LValue] {
	return rapid.Custom(func(t *rapid.T) lua.LValue {
		inner := drawScalar()
		if depth > 0 {
			inner = rapid.OneOf(inner, drawTable(L, depth-1))
		}
		name := rapid.StringMatching(`[a-z_]{1,6}|[1-9]`)
		table := L.NewTable()
		elements := func(least int) {
			for i := range rapid.IntRange(least, 4).Draw(t, "elements") {
				table.RawSetInt(i+1, inner.Draw(t, "element"))
			}
		}
		members := func() {
			for range rapid.IntRange(0, 3).Draw(t, "members") {
				table.RawSetString(name.Draw(t, "name"), inner.Draw(t, "member"))
			}
		}
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			elements(0)
		case 1:
			elements(1)
			members()
		case 2:
			members()
		case 3:
			table.RawSetString("__type", lua.LString(name.Draw(t, "class")))
			members()
		case 4:
			table.RawSetString("__raw", lua.LString(rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "raw")))
		case 5:
			n := 0
			for range rapid.IntRange(0, 3).Draw(t, "entries") {
				key := rapid.OneOf(
					rapid.Map(name, func(s string) lua.LValue { return lua.LString(s) }),
					rapid.Map(rapid.Bool(), func(b bool) lua.LValue { return lua.LBool(b) }),
					rapid.Map(rapid.IntRange(-3, 5), func(i int) lua.LValue { return lua.LNumber(i) }),
				).Draw(t, "key")
				if table.RawGet(key) == lua.LNil {
					n++
				}
				table.RawSet(key, inner.Draw(t, "value"))
			}
			table.RawSetString("__size", lua.LNumber(n))
		}
		return table
	})
}

// What AMF holds comes back as it was, in every form of message.
func TestPropertyRoundTrip(t *testing.T) {
	r := newRig(t)
	rapid.Check(t, func(t *rapid.T) {
		vs := rapid.SliceOfN(rapid.OneOf(drawScalar(), drawTable(r.L, 2)), 0, 4).Draw(t, "values")
		mode := rapid.SampledFrom([]amf.Mode{ObjectEncoding0, ObjectEncoding3}).Draw(t, "mode")
		b, err := r.Encode(nil, mode, vs...)
		if err != nil {
			t.Fatal(err)
		}
		back, err := r.Decode(nil, b)
		if err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		if got, want := showApart(back), showApart(vs); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	})
	if len(r.warnings) > 0 {
		t.Error(r.warnings)
	}
}

// showApart shows values without what they share, which is written in full.
func showApart(vs []lua.LValue) string {
	s := ""
	for _, v := range vs {
		s += show(v) + ";"
	}
	return s
}

// What ToJSON writes is JSON, and comes back the same when written again.
func TestPropertyJSON(t *testing.T) {
	r := newRig(t)
	rapid.Check(t, func(t *rapid.T) {
		vs := rapid.SliceOfN(rapid.OneOf(drawScalar(), drawTable(r.L, 2)), 0, 4).Draw(t, "values")
		text, err := r.ToJSON(vs...)
		if err != nil || !json.Valid([]byte(text)) {
			t.Fatalf("%s: %v", text, err)
		}
		back, err := r.FromJSON(text)
		if err != nil || len(back) != len(vs) {
			t.Fatalf("%s: %v", text, err)
		}
		again, err := r.ToJSON(back...)
		if err != nil {
			t.Fatal(err)
		}
		third, err := r.FromJSON(again)
		if err != nil || showApart(third) != showApart(back) {
			t.Fatalf("%s became %s", text, again)
		}
	})
}

// A text that a script stores reads the same as the typed text of its number.
func TestPropertyTyped(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := rapid.IntRange(-1<<45, 1<<45).Draw(t, "integer")
		if v := Typed(lua.LNumber(i).String()); v != lua.LNumber(i) {
			t.Fatalf("%d: %v", i, v)
		}
		f := math.Trunc(rapid.Float64Range(-1e6, 1e6).Draw(t, "number")*1e4) / 1e4
		text, _ := json.Marshal(f)
		if v, ok := Typed(string(text)).(lua.LNumber); math.Abs(f) > 1e-4 && (!ok || float64(v) != f) {
			t.Fatalf("%s: %v", text, v)
		}
	})
}
