package value

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // not every machine has the zones

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/pkg/amf"
)

// rig is a converter that keeps its warnings and the typed objects it announced.
type rig struct {
	*Converter
	t        testing.TB
	warnings []string
	typed    []string
}

// summerZone is two hours east of Greenwich in summer, so that no test passes by being in UTC.
var summerZone = func() *time.Location {
	l, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		panic(err)
	}
	return l
}()

func newRig(t testing.TB, change ...func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t}
	o := Options{
		OnTyped:  func(class string, obj *lua.LTable) { r.typed = append(r.typed, class+show(obj)) },
		Warn:     func(text string) { r.warnings = append(r.warnings, text) },
		Location: summerZone,
	}
	for _, f := range change {
		f(&o)
	}
	L := lua.NewState()
	t.Cleanup(L.Close)
	r.Converter = New(L, o)
	return r
}

// fuzzRig is a converter without the libraries of Lua, which take longer than most conversions, and with
// limits that keep every input fast.
func fuzzRig(t testing.TB) *rig {
	r := &rig{t: t}
	L := lua.NewState(lua.Options{SkipOpenLibs: true, MinimizeStackMemory: true, RegistrySize: 256})
	t.Cleanup(L.Close)
	r.Converter = New(L, Options{
		Warn:     func(text string) { r.warnings = append(r.warnings, text) },
		Location: summerZone,
		Limits:   amf.Limits{Depth: 32, Elements: 1 << 12, Bytes: 1 << 16},
	})
	return r
}

// eval runs a chunk and returns its results.
func (r *rig) eval(source string) []lua.LValue {
	r.t.Helper()
	fn, err := r.L.LoadString(source)
	if err != nil {
		r.t.Fatal(err)
	}
	top := r.L.GetTop()
	if err := r.L.CallByParam(lua.P{Fn: fn, NRet: lua.MultRet, Protect: true}); err != nil {
		r.t.Fatal(err)
	}
	var vs []lua.LValue
	for i := top + 1; i <= r.L.GetTop(); i++ {
		vs = append(vs, r.L.Get(i))
	}
	r.L.SetTop(top)
	return vs
}

// one is the single value of an expression.
func (r *rig) one(expression string) lua.LValue {
	r.t.Helper()
	vs := r.eval("return " + expression)
	if len(vs) != 1 {
		r.t.Fatalf("%s: %d values", expression, len(vs))
	}
	return vs[0]
}

// warned checks that exactly one warning with the text came.
func (r *rig) warned(text string) {
	r.t.Helper()
	if len(r.warnings) != 1 || !strings.Contains(r.warnings[0], text) {
		r.t.Errorf("warnings %q, want one with %q", r.warnings, text)
	}
	r.warnings = nil
}

func (r *rig) silent() {
	r.t.Helper()
	if len(r.warnings) > 0 {
		r.t.Errorf("warnings: %q", r.warnings)
	}
}

// show prints a Lua value so that equal values print the same; a table met again is <n>.
func show(v lua.LValue) string { return (&shower{}).show(v) }

func showAll(vs []lua.LValue) string {
	s := &shower{}
	list := make([]string, len(vs))
	for i, v := range vs {
		list[i] = s.show(v)
	}
	return strings.Join(list, ", ")
}

type shower struct{ seen []*lua.LTable }

func (s *shower) show(v lua.LValue) string {
	switch v := v.(type) {
	case lua.LString:
		return strconv.Quote(string(v))
	case lua.LNumber:
		return strconv.FormatFloat(float64(v), 'g', -1, 64)
	case *lua.LTable:
		if i := slices.Index(s.seen, v); i >= 0 {
			return fmt.Sprintf("<%d>", i)
		}
		s.seen = append(s.seen, v)
		var keys []lua.LValue
		n := v.Len()
		v.ForEach(func(k, _ lua.LValue) {
			if f, ok := k.(lua.LNumber); !ok || f < 1 || f > lua.LNumber(n) || f != lua.LNumber(int(f)) {
				keys = append(keys, k)
			}
		})
		slices.SortFunc(keys, func(a, b lua.LValue) int {
			return strings.Compare(a.Type().String()+a.String(), b.Type().String()+b.String())
		})
		var list []string
		for i := 1; i <= n; i++ {
			list = append(list, s.show(v.RawGetInt(i)))
		}
		for _, k := range keys {
			name := string(lua.LVAsString(k))
			if _, ok := k.(lua.LString); !ok {
				name = "[" + s.show(k) + "]"
			}
			list = append(list, name+"="+s.show(v.RawGet(k)))
		}
		return "{" + strings.Join(list, ",") + "}"
	case *lua.LFunction:
		return "function"
	}
	return v.String()
}

// text prints an AMF value.
func text(v amf.Value) string {
	join := func(vs []amf.Value, ms []amf.Member) string {
		var list []string
		for _, v := range vs {
			list = append(list, text(v))
		}
		for _, m := range ms {
			list = append(list, m.Name+"="+text(m.Value))
		}
		return strings.Join(list, ",")
	}
	switch v := v.(type) {
	case amf.Null:
		return "null"
	case amf.Bool:
		return strconv.FormatBool(bool(v))
	case amf.Number:
		return strconv.FormatFloat(float64(v), 'g', -1, 64)
	case amf.String:
		return strconv.Quote(string(v))
	case *amf.Date:
		return "date " + strconv.FormatFloat(v.Millis, 'f', -1, 64)
	case *amf.ByteArray:
		return "bytes " + hex.EncodeToString(v.Data)
	case *amf.Array:
		return "[" + join(v.Dense, v.Named) + "]"
	case *amf.Object:
		return v.Class + "{" + join(nil, v.Members) + "}"
	case *amf.Dictionary:
		var list []string
		for _, e := range v.Entries {
			list = append(list, text(e.Key)+":"+text(e.Value))
		}
		slices.Sort(list)
		weak := ""
		if v.Weak {
			weak = "weak "
		}
		return weak + "dictionary{" + strings.Join(list, ",") + "}"
	}
	return fmt.Sprintf("%T", v)
}

func unhexText(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func hexText(s string) string { return hex.EncodeToString([]byte(s)) }
