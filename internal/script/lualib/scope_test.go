package lualib

import (
	"testing"

	lua "github.com/yuin/gopher-lua"
)

func (v *vm) wantIn(env *lua.LTable, src, want string) {
	v.t.Helper()
	r, err := v.run(env, "test", src)
	if err != nil {
		v.t.Errorf("%s\n%v", src, err)
	} else if got := v.lib.ToString(v.L, r[0]); got != want {
		v.t.Errorf("%s\ngot  %s\nwant %s", src, got, want)
	}
}

func TestLibrariesArePrivate(t *testing.T) {
	v := newVM(t, Options{}, App{})
	a := v.env
	b, _ := v.application(App{})
	v.wantIn(a, `string.x = 1 math.x = 2 table.x = 3 os.x = 4 io.x = 5 coroutine.x = 6 bit.x = 7 debug.x = 8 string.rep = nil math.floor = nil return "set"`, "set")
	v.wantIn(b, `return tostring(string.x) .. tostring(math.x) .. tostring(table.x) .. tostring(os.x) .. tostring(io.x) .. tostring(coroutine.x) .. tostring(bit.x) .. tostring(debug.x)`,
		"nilnilnilnilnilnilnilnil")
	v.wantIn(b, `return string.rep("x", 3) .. math.floor(1.5)`, "xxx1")
	v.wantIn(a, `return string.x + math.x + table.x + os.x + io.x + coroutine.x + bit.x + debug.x`, "36")
	c, _ := v.application(App{Parent: a})
	v.wantIn(c, `return string.x + math.x .. type(string.sub) .. type(math.random)`, "3functionfunction") // what the parent added
	v.wantIn(c, `string.x = 9 return string.x`, "9")
	v.wantIn(a, `return string.x`, "1")
	v.wantIn(a, `return tostring(_G.string == string and _G == getfenv())`, "true")
}

func TestStringMethods(t *testing.T) {
	v := newVM(t, Options{}, App{})
	a := v.env
	b, _ := v.application(App{})
	v.wantIn(a, `return ("x"):rep(2)`, "xx")
	v.wantIn(a, `function string.trim(s) return (s:gsub("^%s+", ""):gsub("%s+$", "")) end return ("  x "):trim() .. "|" .. ("abc"):upper()`, "x|ABC")
	v.wantIn(b, `return tostring(("x").trim) .. ("abc"):upper()`, "nilABC")
	v.wantIn(b, `function string.trim() return "other" end return ("x"):trim()`, "other")
	v.wantIn(a, `return ("  x "):trim()`, "x")
	child, _ := v.application(App{Parent: a})
	v.wantIn(child, `return (" child "):trim()`, "child")
	v.wantIn(a, `local mt = getmetatable("") mt.__index = nil return tostring(getmetatable("").__index == string) .. ("x"):rep(3)`, "truexxx")
	v.wantIn(a, `return tostring(pcall(setmetatable, "", {}))`, "false")
	v.wantIn(a, `return tostring(getmetatable(string))`, "false")
	v.wantIn(a, `local n = 0 for k in pairs(string) do n = n + 1 end return n`, "16") // with trim
	v.wantIn(a, `return select(2, pcall(function() return ("x"):nope() end)) and "error"`, "error")
}

func TestEnvironments(t *testing.T) {
	v := newVM(t, Options{}, App{})
	a := v.env
	b, _ := v.application(App{})
	v.wantIn(a, `who = "a" code = loadstring("who2 = who return who") return code()`, "a")
	v.wantIn(b, `who = "b" return loadstring("return who")()`, "b")
	v.wantIn(b, `return tostring(who2)`, "nil")
	v.wantIn(a, `piece = "return who" return who2 .. load(function() local s = piece piece = nil return s end)() .. "."`, "aa.")
	v.wantIn(a, `local ok, f = pcall(loadstring, "return who") return f()`, "a")
	b.RawSetString("foreign", a.RawGetString("code"))
	v.wantIn(b, `return foreign()`, "a") // keeps its environment
	for _, src := range []string{
		`getfenv(0)`, `getfenv(print)`, `getfenv(pcall)`, `getfenv(string.rep)`, `getfenv()`, `getfenv(1)`,
		`select(2, pcall(getfenv, 0))`, `select(2, pcall(getfenv, print))`, `coroutine.wrap(getfenv)(0)`,
	} {
		r, err := v.run(a, "test", "return "+src)
		if err != nil || r[0] != a {
			t.Errorf("%s: %v, %v", src, r, err)
		}
	}
	for src, want := range map[string]string{
		`setfenv(0, {})`:     "'setfenv' cannot change environment of given object",
		`setfenv(print, {})`: "'setfenv' cannot change environment of given object",
		`setfenv(77, {})`:    "bad argument #1 to 'setfenv' (invalid level)",
		`getfenv(77)`:        "bad argument #1 to 'getfenv' (invalid level)",
	} {
		v.wantFail(src, "test:1: "+want)
	}
	v.want(`setfenv(1, { tostring = tostring }) return tostring(x)`, "nil")
	v.want(`local function outer() local function inner() setfenv(2, { here = "changed" }) end inner() return here end return outer()`, "changed")
}

func TestGlobalsView(t *testing.T) {
	v := newVM(t, Options{}, App{})
	v.env.RawSetString("super", v.lib.Globals(v.L))
	v.want(`return type(super.print) .. type(super.nothing)`, "functionnil")
	v.wantFail(`super.print = nil`, "test:1: the Lua globals are read-only")
	v.wantFail(`super.mine = 1`, "test:1: the Lua globals are read-only")
	v.want(`local n = 0 for k, v in pairs(super) do assert(super[k] == v) n = n + 1 end return tostring(n > 20)`, "true")
	v.want(`return tostring(getmetatable(super))`, "false")
}

func TestReinstall(t *testing.T) {
	v := newVM(t, Options{}, App{})
	v.eval(`string.x = 1`)
	for range 100 {
		v.lib.Install(v.env, v.env, App{})
	}
	v.want(`return tostring(string.x)`, "nil")
	if n := len(v.lib.scopes); n != 1 {
		t.Errorf("%d scopes", n)
	}
}
