package lualib

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// gopher-lua keeps a context, or a goroutine, for each coroutine that is abandoned.
func TestAbandonedCoroutines(t *testing.T) {
	v := newVM(t, Options{Budget: newWatch(), MaxCoroutines: 30000}, App{})
	v.eval(`pcall(error) coroutine.wrap(function() coroutine.yield() end)()`)
	goroutines, before := runtime.NumGoroutine(), heap()
	v.eval(`for i = 1, 20000 do local co = coroutine.create(function() coroutine.yield(1) end) coroutine.resume(co) end`)
	if n := runtime.NumGoroutine() - goroutines; n > 2 {
		t.Errorf("%d goroutines more", n)
	}
	after := heap()
	v.eval(`return 1`)
	if grown := int64(after) - int64(before); grown > 2<<20 { // two words of each are remembered until the limit is reached
		t.Errorf("%d bytes more", grown)
	}
}

func TestCoroutineSize(t *testing.T) {
	v := newVM(t, Options{}, App{})
	before := heap()
	v.eval(`all = {} for i = 1, 1000 do all[i] = coroutine.create(function() coroutine.yield(1) end) coroutine.resume(all[i]) end`)
	if each := (heap() - before) / 1000; each > 14<<10 {
		t.Errorf("%d bytes each", each)
	}
}

func TestCoroutineLimit(t *testing.T) {
	v := newVM(t, Options{MaxCoroutines: 100}, App{})
	make200 := `all = {} for i = 1, 200 do all[i] = coroutine.create(function() coroutine.yield() end) end`
	v.wantFail(make200, "test:1: too many coroutines: 100 have not finished")
	v.wantFail(`coroutine.wrap(print)`, "test:1: too many coroutines: 100 have not finished")
	// Those of another application are not counted.
	env, _ := v.application(App{})
	if _, err := v.run(env, "test", `coroutine.wrap(function() end)()`); err != nil {
		t.Error(err)
	}
	// Finished ones are not counted, with an error or without.
	v.eval(`coroutine.resume(all[1]) coroutine.resume(all[1]) for i = 1, 500 do coroutine.wrap(function() end)() coroutine.resume(coroutine.create(error)) end`)
	v.eval(`all = {}`)
	deadline := time.Now().Add(10 * time.Second)
	for { // the collector runs by itself
		if _, err := v.run(v.env, "test", make200[:len("all = {}")]+` for i = 1, 50 do all[i] = coroutine.create(print) end`); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
		runtime.Gosched()
	}
}

func TestYieldOutOfPlace(t *testing.T) {
	v := newVM(t, Options{}, App{})
	const boundary = "attempt to yield across metamethod/C-call boundary"
	for name, body := range map[string]string{
		"pcall":      `local ok, m = pcall(coroutine.yield) error(m, 0)`,
		"inner":      `local ok, m = pcall(function() coroutine.yield() end) error(m, 0)`,
		"xpcall":     `local ok, m = xpcall(coroutine.yield, function(m) return m end) error(m, 0)`,
		"index":      `local t = setmetatable({}, { __index = coroutine.yield }) local x = t.y`,
		"newindex":   `local t = setmetatable({}, { __newindex = coroutine.yield }) t.y = 1`,
		"add":        `local t = setmetatable({}, { __add = coroutine.yield }) local x = t + 1`,
		"concat":     `local t = setmetatable({}, { __concat = coroutine.yield }) local x = t .. "x"`,
		"equal":      `local mt = { __eq = coroutine.yield } local x = setmetatable({}, mt) == setmetatable({}, mt)`,
		"iterator":   `for x in function() return coroutine.yield() end do end`,
		"yield":      `for x in coroutine.yield do end`,
		"gsub":       `string.gsub("x", "x", coroutine.yield)`,
		"sort":       `table.sort({ 2, 1 }, coroutine.yield)`,
		"tostring":   `tostring(setmetatable({}, { __tostring = coroutine.yield }))`,
		"foreach":    `table.foreach({ 1 }, coroutine.yield)`,
		"load":       `load(coroutine.yield)`,
		"tail index": `local t = setmetatable({}, { __index = function() return coroutine.yield() end }) return t.x`,
	} {
		t.Run(name, func(t *testing.T) {
			v.want(`return select(2, coroutine.resume(coroutine.create(function() `+body+` end)))`, boundary)
			v.want(`return coroutine.wrap(function() coroutine.yield("still works") end)()`, "still works")
		})
	}
	v.wantFail(`coroutine.yield()`, boundary)
	// A coroutine inside a callback may yield.
	v.want(`return coroutine.wrap(function()
		return (("abc"):gsub(".", function(c) local co = coroutine.wrap(function() coroutine.yield(c:upper()) end) return co() end))
	end)()`, "ABC")
	v.want(`return coroutine.wrap(function() local ok, x = pcall(function() return coroutine.wrap(function() coroutine.yield("in") end)() end) coroutine.yield(x) end)()`, "in")
	v.want(`return select(2, pcall(coroutine.wrap(function() error("x") end)))`, "test:1: x")
}

func TestCoroutineEnds(t *testing.T) {
	v := newVM(t, Options{}, App{})
	v.want(`local co co = coroutine.wrap(function() return co() end) return select(2, pcall(co))`, "test:1: cannot resume running coroutine")
	v.want(`local co = coroutine.create(function(...) return select("#", ...) end) return select(2, coroutine.resume(co, nil, nil))`, "2")
	v.want(`local co = coroutine.create(function() end) return select("#", coroutine.resume(co))`, "1")
	v.want(`local co = coroutine.create(function() coroutine.yield() end) return select("#", coroutine.resume(co)) .. select("#", coroutine.resume(co))`, "11")
	v.want(`local co = coroutine.create(function() return coroutine.yield(coroutine.running()) end)
		local ok, self = coroutine.resume(co) return tostring(self == co) .. coroutine.status(co) .. tostring(coroutine.running())`, "truesuspendednil")
	if got := v.fail(`coroutine.resume(print)`); !strings.Contains(got, "coroutine expected") {
		t.Error(got)
	}
	// After an error inside a wrapped coroutine the others still run.
	v.want(`local ok = pcall(coroutine.wrap(function() error("x") end))
		local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
		return tostring(ok) .. co() .. co() .. tostring(coroutine.running())`, "false12nil")
}
