package lualib

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

func TestIsNot(t *testing.T) {
	v := newVM(t, Options{}, App{})
	var warnings []string
	src := `local a, is = 1, 5
if a is not 2 then result = "differs" end
if a is  --[[ well ]] not
	1 then result = "wrong" end
other = "is not" .. 'is not' .. [[is not]] -- is not
third = is
local isnt = not is
fourth = (is == 5)
`
	proto, err := Compile("www/main.lua", []byte(src), func(text string) { warnings = append(warnings, text) })
	if err != nil {
		t.Fatal(err)
	}
	fn := v.L.NewFunctionFromProto(proto)
	fn.Env = v.env
	if _, err := v.call(fn); err != nil {
		t.Fatal(err)
	}
	want := "www/main.lua:2: 'is not' is not Lua, read as ~=|www/main.lua:3: 'is not' is not Lua, read as ~="
	if got := strings.Join(warnings, "|"); got != want {
		t.Errorf("warnings %q", got)
	}
	v.want(`return result .. other .. third .. tostring(fourth)`, "differsis notis notis not5true")
	v.lib.o.Warn = func(text string) { warnings = append(warnings, text) }
	v.want(`return tostring(loadstring("return 1 is not 1")())`, "false")
	if len(warnings) != 3 || warnings[2] != `[string "return 1 is not 1"]:1: 'is not' is not Lua, read as ~=` {
		t.Errorf("warnings %q", warnings)
	}
}

// The sample of the manual, unchanged.
func TestIsNotSample(t *testing.T) {
	v := newVM(t, Options{}, App{})
	v.eval("function onServerConnection(server)\n  if server.address is not \"127.0.0.1\" then\n    error(server.address,\" is trying to connect to the server => rejected\")\n  end\nend")
	v.wantFail(`onServerConnection({ address = "192.168.0.2" })`, "test:3: 192.168.0.2 is trying to connect to the server => rejected")
	v.eval(`onServerConnection({ address = "127.0.0.1" })`)
}

func TestLinesStay(t *testing.T) {
	for name, src := range map[string]string{
		"comment":         "--[[\n\n]]\n--\nerror('x')",
		"long string":     "local s = [==[\n\n]]\n]==]\nerror('x')",
		"escaped newline": "local s = 'a\\\nb\\\nc'\n\nerror('x')",
		"\\z":             "local s = 'a\\z\n\n  b' \n\nerror('x')",
		"\\x":             "local s = '\\x41\\x0a'\n\n\n\nerror('x')",
		"carriage return": "\r\n\r\n\r\n\r\nerror('x')",
		"old Mac":         "\r\r\r\rerror('x')",
		"first line":      "#!/usr/bin/lua\n\n\n\nerror('x')",
		"byte order mark": "\xef\xbb\xbf\n\n\n\nerror('x')",
		"is not":          "local a = 1\nif a is\nnot 1 then\nend\nerror('x')",
		"concat":          "local a = 'x'\n..\n'y'\n .. 'z'\nerror(a and 'x')",
		"form feed":       "\n\n\n\f\v\nerror('x')",
	} {
		v := newVM(t, Options{}, App{})
		if got := v.fail(src); got != "test:5: x" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestSyntaxErrors(t *testing.T) {
	for src, want := range map[string]string{
		"x =":                           "f:1: syntax error near '<eof>'",
		"x = = 1":                       "f:1: syntax error near '='",
		"\n\nif x then\ny()\n":          "f:5: 'end' expected (to close 'if' at line 3) near '<eof>'",
		"function f()\nwhile x do\nend": "f:3: 'end' expected (to close 'function' at line 1) near '<eof>'",
		"for i = 1, 2 do\nfor j = 1, 2 do\nend\n": "f:4: 'end' expected (to close 'for' at line 1) near '<eof>'",
		"repeat\nx()":    "f:2: 'until' expected (to close 'repeat' at line 1) near '<eof>'",
		"f(1,\n2":        "f:2: ')' expected (to close '(' at line 1) near '<eof>'",
		"x = { 1, 2":     "f:1: '}' expected near '<eof>'",
		"x = 'abc":       "f:1: unfinished string near '<eof>'",
		"\nx = 'abc\n'":  "f:2: unfinished string near ''abc'",
		"x = [[abc\n\n":  "f:3: unfinished long string (starting at line 1) near '<eof>'",
		"\n--[[abc\n\n":  "f:4: unfinished long comment (starting at line 2) near '<eof>'",
		"x = 1..2":       "f:1: malformed number near '1..2'",
		"x = 3x":         "f:1: malformed number near '3x'",
		"x = 0x":         "f:1: malformed number near '0x'",
		"x = '\\300'":    "f:1: escape sequence too large near '\\300'",
		"x = '\\xg0'":    "f:1: invalid escape sequence",
		"\x1bLua":        "f:1: compiled chunks are not accepted",
		"goto nowhere":   "f:2: no visible label 'nowhere' for <goto> at line 1",
		"break":          "f:1: no loop to break",
		"x = a is not":   "f:1: syntax error near '<eof>'",
		"x = a.is not b": "f:1: syntax error near 'not'",
		"return ... 1":   "f:1: syntax error near '1'",
		"x = ~ 1":        "f:1: Invalid '~' token near '~'",
	} {
		_, err := Compile("f", []byte(src), nil)
		var se *SyntaxError
		if !errors.As(err, &se) {
			t.Errorf("%q: %v", src, err)
			continue
		}
		got := strings.Replace(err.Error(), "parse error", "syntax error", 1)
		if got != want {
			t.Errorf("%q\ngot  %s\nwant %s", src, got, want)
		}
	}
}

func TestSourceLimits(t *testing.T) {
	v := newVM(t, Options{MaxSource: 100}, App{})
	v.want(`local f, err = loadstring("return '" .. ("x"):rep(200) .. "'", "=big") return err`, "big: source text has 209 bytes, the limit is 100")
	v.want(`local f, err = load(function() return ("x"):rep(60) end, "=big") return err`, "big: source text has 120 bytes, the limit is 100")
	if _, err := Compile("f", make([]byte, MaxFileSource+1), nil); err == nil {
		t.Error("no limit for files")
	}
	// What the compiler would need minutes for.
	v = newVM(t, Options{}, App{})
	v.want(`local t = {} for i = 1, 30000 do t[i] = i end return select(2, loadstring("return {" .. table.concat(t, ",") .. "}", "=k"))`,
		"k:1: chunk is too complex: too many constants or variables in one function")
	v.want(`local t = {} for i = 1, 5000 do t[i] = i end return #loadstring("return {" .. table.concat(t, ",") .. "}")()`, "5000")
	var b strings.Builder
	for i := range 180 {
		fmt.Fprintf(&b, "local function f%d() ", i)
		for j := range 20 {
			fmt.Fprintf(&b, "local a%d_%d; ", i, j)
		}
	}
	if _, err := compile("f", []byte(b.String()+strings.Repeat("x() ", 1e5)+strings.Repeat("end ", 180)), nil, limits{source: 1 << 20, cost: maxLoadCost}); err == nil || !strings.Contains(err.Error(), "too complex") {
		t.Errorf("%v", err)
	}
}

// What gopher-lua compiles wrongly by itself.
// TestForNext: a generic for begins without a key, whatever its expressions are.
func TestForNext(t *testing.T) {
	v := newVM(t, Options{}, App{})
	for _, list := range []string{
		"next, a.b", "next, a.b.c", `next, a["b"]["c"]`, "next, g.b", "next, a.b and a.b.c", "next, {x = a.b.c.x}",
		"next, a.b.c, nil", "next, (f(a.b.c))", "next, f(a.b.c)", "pairs(a.b.c)", "next, a.b.c, nil, 5",
	} {
		v.want(`local a = {b = {x = 1, c = {x = 1}}} a.b.c.x = 1 g = a
			local function f(x) return x end
			local function first() for k, x in `+list+` do return k end end
			return first()`, "x")
	}
	v.want(`local n = 0 for i in function() n = n + 1 if n < 4 then return n end end do end return n`, "4")
}

func TestCompilerFaults(t *testing.T) {
	v := newVM(t, Options{}, App{})
	v.want("local t = {"+strings.Repeat("1,", 30000)+"x = 1, 2} return #t .. t[30000] .. t[30001]", "3000112")
	if _, err := Compile("f", []byte("return {"+strings.Repeat("1,", 30000)+"f()}"), nil); err == nil || !strings.Contains(err.Error(), "table constructor too long") {
		t.Errorf("%v", err)
	}
	v.want("local function f(p) p = (tostring(p)) return p end return f(5)", "5")
	v.want("local function f(q, p) p, q = tostring(p), 1 return p .. q end return f(7, 6)", "61")
	v.want("local o = {} function o:f() self = (type(self)) return self end return o:f()", "table")
	v.want("return 0010 + 08", "18")
	v.want("return 1e999", "inf")
	v.want("return -1e999", "-inf")
	v.want("return 2^1e999 .. 0x10", "inf16")
	var b strings.Builder
	b.WriteString("local t = {} ")
	for f := range 3 {
		fmt.Fprintf(&b, "local function f%d() ", f)
		for i := range 150 {
			fmt.Fprintf(&b, "local u%d_%d = 1; ", f, i)
		}
	}
	b.WriteString("return function() return 0")
	for f := range 3 {
		for i := range 150 {
			fmt.Fprintf(&b, "+u%d_%d", f, i)
		}
	}
	b.WriteString(" end end end end")
	if _, err := Compile("f", []byte(b.String()), nil); err == nil || !strings.Contains(err.Error(), " upvalues, the limit is 255") {
		t.Errorf("%v", err)
	}
}

// A chunk belongs to no state.
func TestProtoIsShared(t *testing.T) {
	proto, err := Compile("f", []byte(`local n = ... return n .. "|" .. 1e15`), nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan string)
	for i := range 4 {
		go func() {
			L := lua.NewState(StateOptions())
			defer L.Close()
			l := New(L, Options{})
			out := ""
			for range 100 {
				L.Push(L.NewFunctionFromProto(proto))
				L.Push(lua.LNumber(i))
				if err := l.PCall(L, 1, 1); err != nil {
					out = err.Error()
					break
				}
				out = L.Get(-1).String()
				L.SetTop(0)
			}
			done <- strings.TrimLeft(out, "0123")
		}()
	}
	for range 4 {
		if got := <-done; got != "|1e+15" {
			t.Error(got)
		}
	}
}

func TestChunkName(t *testing.T) {
	for in, want := range map[string]string{
		"":                             `[string ""]`,
		"=name":                        "name",
		"@dir/file.lua":                "dir/file.lua",
		"return 1":                     `[string "return 1"]`,
		"a\nb":                         `[string "a..."]`,
		strings.Repeat("x", 100):       `[string "` + strings.Repeat("x", 43) + `..."]`,
		"@" + strings.Repeat("y", 100): "..." + strings.Repeat("y", 52),
	} {
		if got := chunkName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// Every script in testdata compiles to the same line numbers whether or not its comments are there.
func TestOwnScripts(t *testing.T) {
	src, err := os.ReadFile("testdata/lua51/base.lua")
	if err != nil {
		t.Fatal(err)
	}
	proto, err := Compile("base.lua", src, nil)
	if err != nil {
		t.Fatal(err)
	}
	last := proto.DbgSourcePositions[len(proto.DbgSourcePositions)-2]
	if n := strings.Count(string(src), "\n"); last > n || last < n-3 {
		t.Errorf("last line %d of %d", last, n)
	}
}
