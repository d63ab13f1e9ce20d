package lualib

import (
	"runtime"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// What gopher-lua without this package does to a server.

func TestResultSize(t *testing.T) {
	v := newVM(t, Options{MaxString: 1000}, App{})
	for src, want := range map[string]string{
		`return string.rep("x", 1e11)`:                                          "string.rep: result would have 100000000000 bytes, the limit is 1000",
		`return string.rep("abc", 2^53)`:                                        "string.rep: result would have 27021597764222976 bytes, the limit is 1000",
		`return ("x"):rep(400, "yyy")`:                                          "string.rep: result would have 1597 bytes, the limit is 1000",
		`local s = "x" while true do s = s .. s end`:                            "..: result would have 1024 bytes, the limit is 1000",
		`local s = ("x"):rep(600) return "a" .. s .. "b" .. s`:                  "..: result would have 1202 bytes, the limit is 1000",
		`local t = {} for i = 1, 600 do t[i] = "ab" end return table.concat(t)`: "table.concat: result would have 1002 bytes, the limit is 1000",
		`return string.format("%s%s", ("x"):rep(600), ("x"):rep(600))`:          "string.format: result would have 1200 bytes, the limit is 1000",
		`return string.format("%q", ("\0"):rep(900))`:                           "string.format: result would have 3602 bytes, the limit is 1000",
		`return string.format(("%99d"):rep(20), unpack({}, 1, 20))`:             "bad argument #2 to 'format' (number expected, got nil)",
		`return (("a"):rep(600):gsub("a", "bb"))`:                               "string.gsub: result would have 1002 bytes, the limit is 1000",
		`return (("a"):rep(600):gsub("a", "%0%0"))`:                             "string.gsub: result would have 1001 bytes, the limit is 1000",
		`return (("a"):rep(600):gsub("a", function() return "bb" end))`:         "string.gsub: result would have 1002 bytes, the limit is 1000",
		`return os.date(("%c"):rep(100))`:                                       "os.date: result would have 1008 bytes, the limit is 1000",
		`print(("x"):rep(600), ("x"):rep(600))`:                                 "print: result would have 1201 bytes, the limit is 1000",
		`error(("x"):rep(600), ("x"):rep(600))`:                                 "error: result would have 1200 bytes, the limit is 1000",
		`io.write(("x"):rep(600), ("x"):rep(600))`:                              "io.write: result would have 1200 bytes, the limit is 1000",
	} {
		v.wantFail(src, "test:1: "+want)
	}
	v.want(`return #string.rep("x", 1000)`, "1000")
	v.want(`return string.rep("", 1e15) .. string.rep("", 1e300)`, "")
	v.want(`return #(("a"):rep(1000):gsub("a", "b"))`, "1000")
}

// A gsub that copies the text for each match allocates three gigabytes here.
func TestGsubIsLinear(t *testing.T) {
	v := newVM(t, Options{}, App{})
	v.eval(`text = ("ab"):rep(40000)`)
	var before, after runtime.MemStats
	for _, src := range []string{
		`local s, n = text:gsub("a", "xy") return #s .. " " .. n`,
		`local s, n = text:gsub("a", { a = "xy" }) return #s .. " " .. n`,
		`local s, n = text:gsub("a", function() return "xy" end) return #s .. " " .. n`,
	} {
		runtime.ReadMemStats(&before)
		v.want(src, "120000 40000")
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
			t.Errorf("%s allocates %d bytes", src, n)
		}
	}
}

func TestSparseTable(t *testing.T) {
	v := newVM(t, Options{}, App{})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	v.want(`local t = {} t[60000000] = 1 t[2^53] = 2 return t[60000000] + t[2^53]`, "3")
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("allocates %d bytes", n)
	}
	v.want(`local t = {} for i = 1, 1e5 do t[i] = i end return #t`, "100000")
}

func TestStackSizes(t *testing.T) {
	v := newVM(t, Options{}, App{})
	v.want(`local t = {} for i = 1, 6000 do t[i] = "x" end return #table.concat(t, ",")`, "11999")
	v.want(`return select("#", unpack({}, 1, 7999))`, "7999")
	v.want(`return select("#", ("x"):rep(8000):byte(1, -1))`, "8000")
	v.wantFail(`return unpack({}, 1, 1e6)`, "test:1: too many results to unpack")
	v.wantFail(`return unpack({}, -1e300, 1e300)`, "test:1: too many results to unpack")
	v.wantFail(`return ("x"):rep(8001):byte(1, -1)`, "test:1: string slice too long")
	v.want(`local function depth(n) if n == 0 then return 0 end return 1 + depth(n - 1) end return depth(4000)`, "4000")
	v.want(`local function depth(n) if n == 0 then return 0 end return 1 + depth(n - 1) end return select(2, pcall(depth, 2000))`, "2000")
	v.want(`local function depth(n) if n == 0 then return 0 end return 1 + depth(n - 1) end return coroutine.wrap(depth)(1000)`, "1000")
	for _, call := range []string{"f()", "select(2, pcall(f))", "select(2, coroutine.resume(coroutine.create(f)))", "select(2, xpcall(f, function(m) return m end))"} {
		src := "local function f() return 1 + f() end return " + call
		if strings.HasPrefix(call, "f") {
			v.wantFail(src, "test:1: stack overflow")
		} else if got := v.eval(src); !strings.HasSuffix(got, "stack overflow") {
			t.Errorf("%s: %s", src, got)
		}
	}
}

// Nested calls use the stack of the goroutine, whose overflow ends the process.
func TestNestedCalls(t *testing.T) {
	v := newVM(t, Options{}, App{})
	for name, src := range map[string]string{
		"pcall":     `local function f(n) depth = n return pcall(f, n + 1) end return f(1)`,
		"xpcall":    `local function f(n) depth = n return xpcall(f, print, n + 1) end return f(1)`,
		"coroutine": `local function f(n) depth = n return coroutine.resume(coroutine.create(f), n + 1) end return f(1)`,
		"wrap":      `local function f(n) depth = n return pcall(coroutine.wrap(f), n + 1) end return f(1)`,
		"gsub":      `local function f(n) depth = n return ("x"):gsub("x", function() f(n + 1) end) end return pcall(f, 1)`,
		"sort":      `local function f(n) depth = n table.sort({ 1, 2, 3 }, function() f(n + 1) end) end return pcall(f, 1)`,
		"foreach":   `local function f(n) depth = n table.foreach({ 1 }, function() f(n + 1) end) end return pcall(f, 1)`,
		"tostring":  `local t = setmetatable({}, {}) local n = 0 getmetatable(t).__tostring = function() n = n + 1 depth = n return tostring(t) end return pcall(tostring, t)`,
		"concat":    `local t = setmetatable({}, {}) local n = 0 getmetatable(t).__concat = function() n = n + 1 depth = n return t .. t end return pcall(function() return t .. t end)`,
		"pairs":     `local t = setmetatable({}, {}) local n = 0 getmetatable(t).__pairs = function() n = n + 1 depth = n return pairs(t) end return pcall(pairs, t)`,
		"next":      `local t = setmetatable({}, {}) local n = 0 getmetatable(t).__next = function() n = n + 1 depth = n return next(t) end return pcall(next, t)`,
		"load":      `local function f(n) depth = n load(function() f(n + 1) end) end return pcall(f, 1)`,
		"metamethods in each": `local n = 0
			local function f() n = n + 1 depth = n
				local t = setmetatable({}, { __index = function(t, i) if i > 0 then return t[i - 1] end return pcall(f) end })
				return t[100]
			end return f()`,
	} {
		t.Run(name, func(t *testing.T) {
			v.eval(src)
			depth, _ := v.env.RawGetString("depth").(lua.LNumber)
			if depth < 50 || depth > maxNest+1 {
				t.Errorf("%v deep", depth)
			}
		})
	}
}

func TestNestedSource(t *testing.T) {
	for name, src := range map[string]string{
		"tables":    "return " + strings.Repeat("{", 1e6),
		"calls":     "return " + strings.Repeat("f(", 1e6),
		"brackets":  "return " + strings.Repeat("(", 1e6),
		"index":     "return " + strings.Repeat("a[", 1e6),
		"not":       "return " + strings.Repeat("not ", 1e6) + "x",
		"minus":     "return " + strings.Repeat("- ", 1e6) + "1",
		"length":    "return " + strings.Repeat("#", 1e6) + "x",
		"blocks":    strings.Repeat("do ", 1e6),
		"functions": strings.Repeat("function f() ", 1e5),
		"ifs":       strings.Repeat("if x then ", 1e5),
		"loops":     strings.Repeat("while x do ", 1e5) + strings.Repeat("repeat ", 1e5),
		"plus":      "return " + strings.Repeat("a+", 1e5) + "a",
		"power":     "return " + strings.Repeat("a^", 1e5) + "a",
		"and":       "return " + strings.Repeat("a and ", 1e5) + "a",
		"equal":     "return " + strings.Repeat("a==", 1e5) + "a",
		"fields":    "return a" + strings.Repeat(".b", 1e5),
		"methods":   "return a" + strings.Repeat(":b()", 1e5),
		"applied":   "return a" + strings.Repeat("{}", 1e5),
		"elseif":    "if x then " + strings.Repeat("elseif x then ", 1e5) + "end",
		"labels":    strings.Repeat("::a:: ", 1e5),
		"gotos":     strings.Repeat("goto a ", 1e5),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Compile("test", []byte(src), nil)
			if err == nil || !strings.Contains(err.Error(), "too many") {
				t.Errorf("%v", err)
			}
		})
	}
	for name, src := range map[string]string{
		"tables": "return " + strings.Repeat("{", 150) + strings.Repeat("}", 150),
		"plus":   "return " + strings.Repeat("1+", 400) + "1",
		"concat": "return " + strings.Repeat("'a'..", 20000) + "'a'",
		"blocks": strings.Repeat("do ", 150) + strings.Repeat("end ", 150),
		"elseif": "if x then " + strings.Repeat("elseif x then ", 200) + "end",
	} {
		if _, err := Compile("test", []byte(src), nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBinarySafe(t *testing.T) {
	v := newVM(t, Options{}, App{})
	v.want(`return ("\255\254\0aZ"):lower() .. ("\255\254\0aZ"):upper()`, "\xff\xfe\x00az\xff\xfe\x00AZ")
	v.want(`return string.format("%s|%5s|%q", "a\0b", "\0", "\200\0\r")`, "a\x00b|    \x00|\"\xc8\\000\\r\"")
	v.want(`local all = {} for i = 0, 255 do all[#all + 1] = string.char(i) end
		local s = table.concat(all) return tostring(s:reverse():reverse() == s and s:gsub(".", "%0") == s and #s == 256)`, "true")
	v.want(`return tostring(("a\0b"):find("\0")) .. tostring(("a\0b"):match("a(.)b") == "\0")`, "2true")
}

// Operators on values that do not have them fail with the words of Lua 5.1.
func TestPlainOperators(t *testing.T) {
	v := newVM(t, Options{}, App{})
	for src, want := range map[string]string{
		`return #nil`:                          "test:1: attempt to get length of a nil value",
		"local n = true\n n = #n":              "test:2: attempt to get length of a boolean value",
		`return #5 + 1`:                        "test:1: attempt to get length of a number value",
		`return #print + 1`:                    "test:1: attempt to get length of a function value",
		`return #coroutine.create(print)`:      "test:1: attempt to get length of a thread value",
		"\nnothing(1)":                         "test:2: attempt to call a nil value",
		"local s = 'text'\n s:missing()":       "test:2: attempt to call a nil value",
		"for i in 5 do end":                    "test:1: attempt to call a number value",
		"local f\n return f()":                 "test:2: attempt to call a nil value",
		"coroutine.wrap(function() f() end)()": "test:1: test:1: attempt to call a nil value",
	} {
		v.wantFail(src, want)
	}
	v.want(`return tostring(getmetatable(nil)) .. tostring(getmetatable(5)) .. tostring(getmetatable(print))`, "nilnilnil")
	v.want(`return select(2, pcall(nil)) .. "," .. select(2, pcall(5)) .. "," .. select(2, xpcall(true, function(e) return e end))`,
		"attempt to call a nil value,attempt to call a number value,attempt to call a boolean value")
}

func TestCollectGarbage(t *testing.T) {
	v := newVM(t, Options{}, App{})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	v.want(`for i = 1, 100 do collectgarbage() collectgarbage("collect") collectgarbage("step") collectgarbage("count") end return "done"`, "done")
	runtime.ReadMemStats(&after)
	if n := after.NumForcedGC - before.NumForcedGC; n != 0 {
		t.Errorf("%d collections", n)
	}
	v.want(`local kb = collectgarbage("count") return tostring(kb > 100 and kb < 1e7)`, "true")
}

func TestRandom(t *testing.T) {
	v := newVM(t, Options{}, App{})
	draw := `local t = {} for i = 1, 5 do t[i] = math.random(1000) end return table.concat(t, " ")`
	first := v.eval("math.randomseed(42) " + draw)
	if again := v.eval("math.randomseed(42) " + draw); again != first {
		t.Errorf("seeded alike: %s and %s", first, again)
	}
	if other := v.eval("math.randomseed(43) " + draw); other == first {
		t.Errorf("seeded differently: %s twice", first)
	}
	v.eval("math.randomseed(42)")
	env, _ := v.application(App{})
	if _, err := v.run(env, "test", "math.randomseed(7) math.random()"); err != nil {
		t.Fatal(err)
	}
	if got := v.eval(draw); got != first {
		t.Errorf("another application disturbs the numbers: %s, want %s", got, first)
	}
	seeded := newVM(t, Options{Seed: func() uint64 { return 5 }}, App{})
	same := newVM(t, Options{Seed: func() uint64 { return 5 }}, App{})
	if a, b := seeded.eval(draw), same.eval(draw); a != b {
		t.Errorf("Options.Seed: %s and %s", a, b)
	}
}

func TestAbsent(t *testing.T) {
	v := newVM(t, Options{}, App{})
	for _, name := range []string{
		"os.exit", "os.execute", "os.remove", "os.rename", "os.tmpname", "os.setenv", "io.popen", "io.tmpfile", "io.input", "io.output",
		"debug.sethook", "debug.setlocal", "debug.getlocal", "debug.setupvalue", "debug.getupvalue", "debug.setmetatable", "debug.getregistry",
		"debug.getfenv", "debug.setfenv", "debug.upvalueid", "newproxy", "_printregs", "module", "require", "dofile", "loadfile", "package", "channel",
		"_GOPHER_LUA_VERSION", "string.pack", "table.move",
	} {
		v.want("return type("+name+")", "nil")
	}
	v.want(`return tostring(os.getenv("PATH"))`, "nil")
	v.wantFail(`string.dump(print)`, "test:1: string.dump is not available: compiled functions cannot be loaded")
	v.wantFail(`assert(loadstring("\27Lua"))`, `test:1: [string "`+"\x1b"+`Lua"]:1: compiled chunks are not accepted`)
}
