package lualib

import (
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// benchmark calls a function of Lua b.N times.
func benchmark(b *testing.B, src string) {
	v := newVM(b, Options{Budget: newWatch()}, App{})
	r, err := v.run(v.env, "bench", src)
	if err != nil {
		b.Fatal(err)
	}
	fn := r[0].(*lua.LFunction)
	b.ReportAllocs()
	for b.Loop() {
		v.L.Push(fn)
		if err := v.lib.PCall(v.L, 0, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCall(b *testing.B) { benchmark(b, `return function() end`) }
func BenchmarkShortMatch(b *testing.B) {
	benchmark(b, `return function() return ("key = value"):match("^(%w+)%s*=%s*(%w+)$") end`)
}

func BenchmarkFind(b *testing.B) {
	benchmark(b, `local s = ("x"):rep(1000) .. "needle=1" return function() return s:find("needle=%d") end`)
}

func BenchmarkGsub10000(b *testing.B) {
	benchmark(b, `local s = ("ab"):rep(10000) return function() return s:gsub("a", "xy") end`)
}

func BenchmarkGsub40000(b *testing.B) {
	benchmark(b, `local s = ("ab"):rep(40000) return function() return s:gsub("a", "xy") end`)
}

func BenchmarkGsubFunction40000(b *testing.B) {
	benchmark(b, `local s = ("ab"):rep(40000) return function() return s:gsub("a", function() return "xy" end) end`)
}

func BenchmarkFormat(b *testing.B) {
	benchmark(b, `return function() return string.format("%s:%d %.2f", "host", 1935, 1.5) end`)
}

func BenchmarkConcat2(b *testing.B) {
	benchmark(b, `local a, c = "host", "port" return function() return a .. c end`)
}

func BenchmarkConcat5(b *testing.B) {
	benchmark(b, `local a, c = "host", 1935 return function() return a .. ":" .. c .. "/" .. a end`)
}

func BenchmarkToString(b *testing.B) {
	benchmark(b, `return function() return tostring(1.5), tostring(12) end`)
}

func BenchmarkPCall(b *testing.B) {
	benchmark(b, `local f = function() end return function() return pcall(f) end`)
}

func BenchmarkPCallError(b *testing.B) {
	benchmark(b, `return function() return pcall(error, "x") end`)
}

func BenchmarkCoroutine(b *testing.B) {
	benchmark(b, `local y = coroutine.yield local co = coroutine.wrap(function() while true do y() end end) return co`)
}

func BenchmarkNewCoroutine(b *testing.B) {
	benchmark(b, `local f = function() end return function() return coroutine.wrap(f)() end`)
}

func BenchmarkTableConcat(b *testing.B) {
	benchmark(b, `local t = {} for i = 1, 1000 do t[i] = i end return function() return table.concat(t, ",") end`)
}

func BenchmarkSort1000(b *testing.B) {
	benchmark(b, `local t = {} for i = 1, 1000 do t[i] = (i * 7919) % 1009 end return function() local u = { unpack(t) } table.sort(u) end`)
}

func BenchmarkSortFunc1000(b *testing.B) {
	benchmark(b, `local t = {} for i = 1, 1000 do t[i] = (i * 7919) % 1009 end return function() local u = { unpack(t) } table.sort(u, function(x, y) return x > y end) end`)
}

func BenchmarkPairs1000(b *testing.B) {
	benchmark(b, `local t = {} for i = 1, 1000 do t["k" .. i] = i end return function() for k, v in pairs(t) do end end`)
}

func BenchmarkMethod(b *testing.B) { benchmark(b, `return function() return ("x"):len() end`) }
func BenchmarkExtendedMethod(b *testing.B) {
	benchmark(b, `string.trim = true return function() return ("x"):len() end`)
}

func BenchmarkCompile(b *testing.B) {
	src := []byte(`function onConnection(client, ...)
	NOTE("connection of ", client.address, " to " .. path)
	function client:say(text) for _, c in pairs(clients) do c.writer:writeInvocation("said", self.id .. ": " .. text) end end
	return { index = "index.html", n = 12.5 }
end`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile("bench", src, nil); err != nil {
			b.Fatal(err)
		}
	}
}
