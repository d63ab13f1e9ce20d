package lualib

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// A Go function that calls Lua while a script is running must not cut the script's closures off from their variables.
func TestPCallKeepsClosures(t *testing.T) {
	v := newVM(t, Options{}, App{})
	v.env.RawSetString("event", v.L.NewFunction(func(L *lua.LState) int {
		L.Push(L.Get(1))
		L.Push(lua.LNumber(1))
		if err := v.lib.PCall(L, 1, 1); err != nil {
			L.Push(lua.LString("caught " + errorValue(err).String()))
		}
		return 1
	}))
	v.want(`local n = 0
		local function count() n = n + 1 end
		local text = event(function() count() error("x", 0) end)
		count()
		return text .. " " .. n`, "caught x 2")
	v.want(`return event(function(n) return n + 1, "more" end)`, "2")
	v.want(`return tostring(event(function() end))`, "nil")
	v.want(`return event(setmetatable({}, { __call = function(_, n) return n * 5 end }))`, "5")
	// On the state the script does not run on at the moment, as events do.
	v.env.RawSetString("mainEvent", v.L.NewFunction(func(*lua.LState) int {
		fn := v.env.RawGetString("handler")
		v.L.Push(fn)
		err := v.lib.PCall(v.L, 0, 0)
		v.env.RawSetString("result", lua.LBool(err != nil))
		return 0
	}))
	v.want(`local n = 0
		handler = function() n = n + 1 error("x") end
		pcall(mainEvent)
		coroutine.wrap(mainEvent)()
		pcall(pcall, pcall, mainEvent)
		n = n + 1
		return n .. tostring(result)`, "4true")
}

func TestPCallErrors(t *testing.T) {
	v := newVM(t, Options{}, App{})
	fn := v.L.NewFunction(func(L *lua.LState) int { panic("a defect") })
	_, err := v.call(fn)
	var api *lua.ApiError
	if !errors.As(err, &api) || api.Type != lua.ApiErrorPanic {
		t.Errorf("a Go panic becomes %v", err)
	}
	v.env.RawSetString("defect", fn)
	v.want(`local ok, text = pcall(defect) return tostring(ok) .. " " .. text`, "false a defect")
	v.want(`return select(2, xpcall(defect, function(m) return "handled " .. m end))`, "handled a defect")
	v.want(`return select(2, coroutine.resume(coroutine.create(defect)))`, "a defect")
	v.want(`local n = 0 for i = 1, 100 do if not pcall(defect) then n = n + 1 end end return n`, "100")
	// Captured variables of a function that ended in a panic are not mixed up with those of the next one.
	v.want(`local get
		pcall(function() local kept = "mine" get = function() return kept end get() defect() end)
		local other = pcall(function() local a = "other" local f = function() a = a .. "!" return a end return f() end)
		local ok, got = pcall(get)
		return tostring(ok) .. tostring(got)`, "truenil")
}

// Whatever ends a function, Go code never gets a value that is none: it would not survive looking at its type.
func TestNoLostValues(t *testing.T) {
	v := newVM(t, Options{}, App{})
	v.env.RawSetString("defect", v.L.NewFunction(func(*lua.LState) int { panic("a defect") }))
	const capture = `local v = 1 get = function() return v end others = others or {} others[#others + 1] = get `
	for name, src := range map[string]string{
		"error":              `error("x")`,
		"defect":             `defect()`,
		"overflow":           `return 1 + f()`,
		"overflow, varargs":  `return 1 + f(1, 2, 3, ...)`,
		"in pcall":           `pcall(defect) error("x")`,
		"defect and pcall":   `pcall(error) defect()`,
		"runtime error":      `nilPanic()`,
		"budget of a string": `("x"):rep(1e11)`,
	} {
		v.env.RawSetString("nilPanic", v.L.NewFunction(func(*lua.LState) int { var p *int; return *p }))
		for _, call := range []string{"f()", "pcall(f)", "xpcall(f, print)", "pcall(pcall, f)", "coroutine.resume(coroutine.create(f))", "pcall(coroutine.wrap(f))"} {
			v.env.RawSetString("others", lua.LNil)
			_, _ = v.run(v.env, "test", "function f(...) "+capture+src+" end "+call)
			r, err := v.run(v.env, "test", `local t = {} for i, f in ipairs(others) do t[i] = f() or false end return #t, unpack(t, 1, math.min(#t, 5000))`)
			if err != nil {
				t.Errorf("%s, %s: %v", name, call, err)
			}
			for _, x := range r {
				if x == nil {
					t.Errorf("%s, %s: %v", name, call, r)
					break
				}
			}
		}
	}
}

func TestErrorJoinsArguments(t *testing.T) {
	v := newVM(t, Options{}, App{})
	for src, want := range map[string]string{
		`error("192.168.0.2", " is trying to connect to the server => rejected")`: "test:1: 192.168.0.2 is trying to connect to the server => rejected",
		`error("a", "b", 1, true, nil, "c")`:                                      "test:1: ab1truenilc",
		`error(1, "x")`:                                                           "test:1: 1x",
		`error("code ", "404")`:                                                   "test:1: code 404",
		`error("a", nil, "b")`:                                                    "test:1: anilb",
		`error("a", nil)`:                                                         "test:1: a",
		`error("a", 0)`:                                                           "a",
		`error("", 0)`:                                                            "",
		`error("")`:                                                               "test:1: ",
		`error(nil, "x")`:                                                         "test:1: nilx",
		`error(setmetatable({}, { __tostring = function() return "obj" end }), ":", 1935)`: "test:1: obj:1935",
	} {
		v.wantFail(src, want)
	}
	v.want(`local e = {} return tostring(select(2, pcall(error, e)) == e)`, "true")
	v.want(`return type(select(2, pcall(error)))`, "nil")
	v.want("local function level2() error('x', 2) end\nlocal ok, m = pcall(function()\nlevel2()\nend) return m", "test:3: x")
}

func TestTraceback(t *testing.T) {
	v := newVM(t, Options{}, App{})
	got := v.eval(`local function inner() return (debug.traceback("msg")) end
local function middle() local ok, text = pcall(inner) return text end
return (middle())`)
	want := "msg\nstack traceback:\n" + strings.Join([]string{
		"\ttest:1: in function <test:1>", "\t[C]: in function 'pcall'", "\ttest:2: in function 'middle'", "\ttest:3: in main chunk",
	}, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	got = v.eval("local function f() error('deep') end\nreturn select(2, xpcall(function() f() end, debug.traceback))")
	if !strings.HasPrefix(got, "test:1: deep\nstack traceback:\n\t[C]: in function 'error'\n\ttest:1: in function 'f'\n\ttest:2: in function <test:2>") ||
		!strings.HasSuffix(got, "\t[C]: in function 'xpcall'\n\ttest:2: in main chunk") {
		t.Errorf("got\n%s", got)
	}
	v.want(`return debug.traceback(12)`, "12\nstack traceback:\n\ttest:1: in main chunk")
	v.want(`local t = {} return tostring(debug.traceback(t) == t)`, "true")
	v.want(`local co = coroutine.create(function() local x = 1 coroutine.yield() end) coroutine.resume(co) return debug.traceback(co)`,
		"stack traceback:\n\ttest:1: in function <test:1>")
	if got := v.eval(`local function f(n) if n == 0 then return (debug.traceback()) end return (f(n - 1)) end return (f(100))`); strings.Count(got, "\n") != 23 ||
		!strings.Contains(got, "\t...\n") {
		t.Errorf("a deep stack:\n%s", got)
	}
}

func TestGetInfo(t *testing.T) {
	v := newVM(t, Options{}, App{})
	v.want("local i = debug.getinfo(1)\nreturn i.source .. i.currentline .. i.what .. i.short_src", "test1maintest")
	v.want("local function f()\nlocal i = debug.getinfo(1, 'nSlf') return i.name .. i.linedefined .. i.currentline .. i.lastlinedefined .. tostring(i.func == f)\nend return (f())", "f123true")
	v.want("local i = debug.getinfo(print) return i.what .. i.currentline .. i.linedefined .. tostring(i.func)", "C-1-1nil")
	v.want("local i = debug.getinfo(function() end) return i.what .. i.currentline .. i.nups", "Lua-10")
	v.want("return tostring(debug.getinfo(50))", "nil")
	v.want("return select(2, pcall(function() return debug.getinfo(3, 'l').currentline end))", "1") // through pcall
	v.wantFail("debug.getinfo(1, '?')", "test:1: bad argument #2 to 'getinfo' (invalid option)")
}

// The traceback that gopher-lua makes of every error has a line for each tail call.
func TestErrorHasNoTraceback(t *testing.T) {
	v := newVM(t, Options{}, App{})
	v.eval(`function tail(n, f) if n == 0 then return f("x") end return tail(n - 1, f) end`)
	for _, src := range []string{
		`tail(1000, error)`, `tail(1000, function() local x = nil .. "" end)`, `local co = coroutine.wrap(tail) co(1000, error)`,
		`select("x")`, `local function f() return 1 + f() end f()`,
	} {
		_, err := v.run(v.env, "test", src)
		api, ok := err.(*lua.ApiError)
		if !ok || strings.Contains(api.StackTrace, "\n") {
			t.Errorf("%s: %v", src, err)
		}
	}
	got := v.eval(`return tail(1e5, debug.traceback)`)
	if n := strings.Count(got, "\n"); n > 30 {
		t.Errorf("a traceback of %d lines", n)
	}
}

// Threads of protected calls are used again.
func TestHelpersAreReused(t *testing.T) {
	v := newVM(t, Options{}, App{})
	v.eval(`for i = 1, 10 do pcall(pcall, pcall, error) end`)
	if n := len(v.lib.idle); n < 3 || n > outerHelpers {
		t.Errorf("%d idle threads", n)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	v.eval(`for i = 1, 1000 do pcall(pcall, error) end`)
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) / 1000; n > 8000 {
		t.Errorf("%d bytes for each", n)
	}
}
