package lualib

import (
	"errors"
	"math"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// steps is a budget of a number of looks, so that nothing depends on time.
type steps struct{ left int }

func (s *steps) Exceeded() bool {
	s.left--
	return s.left < 0
}

// fuzzCall calls a library function that may fail, but not panic.
func fuzzCall(t *testing.T, v *vm, name string, args ...lua.LValue) []lua.LValue {
	table, field, found := strings.Cut(name, ".")
	fn := v.L.GetField(v.env, table)
	if found {
		fn = v.L.GetField(fn, field)
	}
	v.lib.o.Budget.(*steps).left = 200
	results, err := v.call(fn, args...)
	var api *lua.ApiError
	if errors.As(err, &api) && api.Type == lua.ApiErrorPanic {
		t.Fatalf("%s(%q): %v", name, args, err)
	}
	for i, r := range results {
		if r == nil {
			t.Fatalf("%s(%q): result %d is no value", name, args, i)
		}
	}
	return results
}

func FuzzPattern(f *testing.F) {
	for _, p := range []string{"", "a", ".-b", "(a*)%1", "%b()", "%f[%w]%w+", "[^%]]", "^(.-)$", "[]-a]", "%", "[a", "(()", "a-", "[%a-z]", "((((", "%f", "()", "[^"} {
		f.Add("hello (world) aab", p, "<%0%1>")
	}
	v := newVM(f, Options{Budget: &steps{}, MaxString: 1 << 16}, App{})
	f.Fuzz(func(t *testing.T, s, p, repl string) {
		v.t = t
		src, pat := lua.LString(s), lua.LString(p)
		found := fuzzCall(t, v, "string.find", src, pat)
		if len(found) > 1 {
			from, to := int(found[0].(lua.LNumber)), int(found[1].(lua.LNumber))
			if from < 1 || to < from-1 || to > len(s) {
				t.Fatalf("find(%q, %q) = %v", s, p, found)
			}
		}
		fuzzCall(t, v, "string.match", src, pat, lua.LNumber(2))
		fuzzCall(t, v, "string.gsub", src, pat, lua.LString(repl))
		if same := fuzzCall(t, v, "string.gsub", src, pat, lua.LString("%0")); len(same) == 2 && same[0] != src {
			t.Fatalf("gsub(%q, %q, \"%%0\") = %q", s, p, same[0])
		}
		if it := fuzzCall(t, v, "string.gmatch", src, pat); len(it) == 1 {
			for range len(s) + 2 {
				if r, err := v.call(it[0]); err != nil || len(r) == 0 {
					return
				}
			}
			t.Fatalf("gmatch(%q, %q) does not end", s, p)
		}
	})
}

func FuzzFormat(f *testing.F) {
	for _, s := range []string{"%d", "%5.2f", "%-10s|", "%q", "%x", "%g", "%c", "%%", "%", "%99.99f", "%+ #0-5d", "%.f", "%a", "%5", "%i %u %o %e", "%.14g"} {
		f.Add(s, 12.5, "text")
	}
	v := newVM(f, Options{Budget: &steps{}, MaxString: 1 << 16}, App{})
	f.Fuzz(func(t *testing.T, format string, n float64, s string) {
		v.t = t
		for _, args := range [][]lua.LValue{{lua.LNumber(n), lua.LString(s), lua.LNumber(-n)}, {lua.LString(s), lua.LNumber(n)}, {}} {
			r := fuzzCall(t, v, "string.format", append([]lua.LValue{lua.LString(format)}, args...)...)
			if len(r) == 1 && len(r[0].String()) > 1<<16 {
				t.Fatal("too long")
			}
		}
		fuzzCall(t, v, "os.date", lua.LString(format), lua.LNumber(n))
	})
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{
		"return 1", "local a = 'x' .. 1 .. nil", "if a is not b then end", "--[==[ ]==] x()", `s = "\x41\z  b\065"`, "goto a ::a::", "for i = 1, 2 do end",
		"t = { 1, x = 2, [3] = f() }", "function a.b:c(...) return ... end", "return 0x1p4 + 1e999", "#!x\nreturn", "\xef\xbb\xbfreturn", "x = [[", "'\\", "f'a'{}(1)", "a.b[1]:c''",
		"while true do break end repeat until x", "p = (f(p))", "local function f(p) p = p .. 1 return p end",
	} {
		f.Add(s)
	}
	L := lua.NewState(StateOptions())
	f.Cleanup(L.Close)
	l := New(L, Options{Budget: &steps{}})
	env := L.NewTable()
	l.Install(env, env, App{})
	f.Fuzz(func(t *testing.T, src string) {
		proto, err := compile("fuzz", []byte(src), func(string) {}, limits{source: 1 << 16, cost: maxLoadCost})
		if err != nil {
			var se *SyntaxError
			if !errors.As(err, &se) || se.Line > strings.Count(src, "\n")+strings.Count(src, "\r")+3 {
				t.Fatalf("%q: %v", src, err)
			}
			return
		}
		checkProto(t, src, proto)
	})
}

// checkProto looks for what the virtual machine would not survive.
func checkProto(t *testing.T, src string, p *lua.FunctionProto) {
	lines := strings.Count(src, "\n") + strings.Count(src, "\r") + 2
	for _, line := range p.DbgSourcePositions {
		if line < 0 || line > lines {
			t.Fatalf("%q: line %d of %d", src, line, lines)
		}
	}
	for _, k := range p.Constants {
		if s, ok := k.(lua.LString); ok && operators[string(s)] != nil {
			t.Fatalf("%q: the key of an operator is left", src)
		}
	}
	for _, inner := range p.FunctionPrototypes {
		checkProto(t, src, inner)
	}
}

func FuzzToNumber(f *testing.F) {
	for _, s := range []string{"", "0", "1e3", "0x10", " 12 ", "1e", "0x1p4", ".", "1_0", "inf", "-nan", "zz", "0x", "+-1", "99999999999999999999"} {
		f.Add(s, 10)
		f.Add(s, 36)
	}
	v := newVM(f, Options{Budget: &steps{}}, App{})
	f.Fuzz(func(t *testing.T, s string, base int) {
		v.t = t
		fuzzCall(t, v, "tonumber", lua.LString(s), lua.LNumber(base))
		n, ok := parseNumber(s)
		if !ok {
			return
		}
		text := formatNumber(n)
		again, ok := parseNumber(text)
		if !ok || math.Abs(again-n) > math.Abs(n)*1e-13 {
			t.Fatalf("%q = %v is printed %q, which is %v", s, n, text, again)
		}
		if formatNumber(again) != text && !math.IsInf(again, 0) {
			t.Fatalf("%q: %q becomes %q", s, text, formatNumber(again))
		}
	})
}
