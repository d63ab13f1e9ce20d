package server

import (
	"fmt"
	"strings"
	"time"
)

// An attack is a function of a hostile application that clients call.
type attack struct {
	name, code string
	// want is in the error that the client gets; "" = the call returns, as much as it got done.
	want string
	// extra is how much longer than the others it takes to stop.
	extra time.Duration
}

const (
	interrupted = "interrupted: "
	overflow    = "stack overflow"
)

var attacks = []attack{
	{"loop", `while true do end`, interrupted, 0},
	{"empty for", `for i = 1, 1e15 do end`, interrupted, 0},
	{"goto", `::a:: goto a`, interrupted, 0},
	{"pcall loop", `while true do pcall(function() while true do end end) end`, interrupted, 0},
	{"coroutine loop", `coroutine.wrap(function() while true do end end)()`, interrupted, 0},
	{"pattern", `("a"):rep(400):find(".-.-.-b")`, interrupted, 0},
	{"gsub pattern", `("a"):rep(4000):gsub(".-.-.-.-b", "")`, interrupted, 0},
	{"gmatch", `for _ in ("a"):rep(4000):gmatch(".-.-.-.-b") do end`, interrupted, 0},
	{"rep", `string.rep("x", 1e11)`, "limit", 0},
	{"rep again", `local t = {} while true do t[#t + 1] = string.rep("x", 2^24) end`, interrupted, 0},
	{"format", `string.format("%99.99f", 1):rep(2^20)`, "limit", 0},
	{"concat loop", `local s = "x" while true do s = s .. s end`, "limit", 0},
	{"concat small", `local s = "" while true do s = s .. "x" end`, interrupted, 0},
	{"million keys", `local t = {} for i = 1, 1e8 do t["k" .. i] = i end`, interrupted, 0},
	{"million numbers", `local t = {} for i = 1, 1e9 do t[i] = i end`, interrupted, 0},
	{"sparse keys", `local t = {} for i = 1, 1e9 do t[i * 1000003] = i end`, interrupted, 0},
	{"far key", `local t = {} for i = 1, 1e9 do local u = {} u[2^20 - 1] = i t[i] = u end`, interrupted, 150 * time.Millisecond},
	{"recursion", `local function f() return 1 + f() end f()`, overflow, 0},
	{"tail recursion", `local function f() return f() end f()`, interrupted, 0},
	{"pcall recursion", `local function f() pcall(f) f() end f()`, "", 0},
	{"xpcall recursion", `local function f() xpcall(f, f) end f() while true do f() end`, interrupted, 0},
	{"index recursion", `local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k .. "x"] end return t.a`, overflow, 0},
	{"index chain", `local t = setmetatable({}, {}) getmetatable(t).__index = t return t.a`, "too many recursions", 0},
	{"newindex recursion", `local t = setmetatable({}, {__newindex = function(t, k, v) t[k .. "x"] = v end}) t.a = 1`, overflow, 0},
	{"concat recursion", `local mt = {} mt.__concat = function(a, b) return a .. b end local t = setmetatable({}, mt) return t .. t`, overflow, 0},
	{"eq recursion", `local mt = {} mt.__eq = function(a, b) return a == b end return setmetatable({}, mt) == setmetatable({}, mt)`, overflow, 0},
	{"tostring recursion", `local t = setmetatable({}, {__tostring = function(t) return tostring(t) end}) return tostring(t)`, overflow, 0},
	{"gsub recursion", `local function f() ("a"):gsub("a", f) end f()`, overflow, 0},
	{"gsub loop", `("a"):rep(1e6):gsub("a", function() for i = 1, 1e4 do end end)`, interrupted, 0},
	{"sort recursion", `local function f() table.sort({2, 1}, f) end f()`, overflow, 0},
	{"sort loop", `local t = {} for i = 1, 1e4 do t[i] = i end while true do table.sort(t, function(a, b) return true end) end`, "", 0},
	{"sort endless", `table.sort({3, 2, 1}, function(a, b) while true do end end)`, interrupted, 0},
	{"foreach recursion", `local function f() table.foreach({1}, f) end f()`, overflow, 0},
	{"coroutines", `local t = {} while true do t[#t + 1] = coroutine.create(function() end) end`, "", 0},
	{"coroutines kept", `co = co or {} while true do local c = coroutine.wrap(function() coroutine.yield() end) c() co[#co + 1] = c end`, "", 0},
	{"coroutine recursion", `local function f() coroutine.wrap(f)() end f()`, "", 0},
	{"yield", `coroutine.yield()`, "yield", 0},
	{"errors", `while true do pcall(error, "x") end`, interrupted, 0},
	{"error", `error(("x"):rep(2^24))`, "", 0},
	{"error objects", `error(setmetatable({}, {__tostring = function() while true do end end}))`, "Unknown error", 0},
	{"NOTE", `while true do NOTE("storm") end`, interrupted, 0},
	{"long NOTE", `local s = ("x"):rep(2^24) while true do NOTE(s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s, s) end`, interrupted, 0},
	{"complaints", `while true do client.id = 1 end`, interrupted, 0},
	{"writer", `for i = 1, 1e6 do client.writer:writeInvocation("f", i) end`, "", 0},
	{"long writes", `local s = ("x"):rep(2^20) for i = 1, 1e6 do client.writer:writeInvocation("f", s) end`, "", 0},
	{"long write", `client.writer:writeInvocation("f", ("x"):rep(2^23), "x")`, "too long", 0},
	{"writers", `while true do client.writer:newWriter():writeInvocation("f") end`, "", 0},
	{"all clients", `for i = 1, 1e6 do for _, c in pairs(mona.clients) do c.writer:writeInvocation("f", i) end end`, "", 0},
	{"messages", `while true do client.writer:writeMessage(("x"):rep(1e5)) end`, "", 0},
	{"raw", `local s = ("x"):rep(2^24) client.writer:writeRaw(s, s, s, s, s, s)`, "", 0},
	{"table.concat", `local t = {} for i = 1, 1e5 do t[i] = ("x"):rep(1e4) end table.concat(t)`, "", 0},
	{"unpack", `return unpack({}, 1, 1e8)`, "unpack", 0},
	{"unpack more", `local t = {} for i = 1, 7999 do t[i] = ("x"):rep(2^16) end return unpack(t)`, "", 0},
	{"select", `local function f(...) return f(1, ...) end f()`, "", 0},
	{"doubling result", `local t = {1} for i = 1, 100 do t = {t, t} end return t`, "", 0},
	{"doubling JSON", `local t = {1} for i = 1, 60 do t = {t, t} end while true do mona:toJSON(t) end`, interrupted, 0},
	{"doubling AMF", `local t = {1} for i = 1, 60 do t = {t, t} end while true do mona:toAMF(t) end`, interrupted, 0},
	{"byte arrays", `local t, s = {}, ("x"):rep(2^24) for i = 1, 1000 do t[i] = {__raw = s} end return t`, "", 0},
	{"JSON", `while true do mona:fromJSON(("["):rep(1e6)) end`, interrupted, 0},
	{"XML", `while true do mona:fromXML(("<a>"):rep(1e6)) end`, interrupted, 0},
	{"loadstring", `while true do loadstring("return " .. ("("):rep(1e5)) end`, interrupted, 0},
	{"loadstring long", `local s = ("x = 1 "):rep(4e4) while true do loadstring(s) end`, interrupted, 0},
	{"loadstring deep", `loadstring("return " .. ("{"):rep(2e4) .. ("}"):rep(2e4))`, "", 0},
	{"loadstring concat", `loadstring("return " .. ("a .. "):rep(4e4) .. "a")`, "", 0},
	{"load", `load(function() return "x = 1 " end)`, "", 0},
	{"push", `local p = mona:publish("pushed") or mona.publications("pushed") while true do p:pushVideo(0, ("x"):rep(1e5)) end`, interrupted, 0},
	{"publications", `for i = 1, 1e6 do mona:publish("p" .. i) end`, "", 0},
	{"sockets", `while true do mona:createUDPSocket():bind("127.0.0.1:0") end`, "", 0},
	{"data", `for i = 1, 1e6 do data["k" .. i] = ("x"):rep(1e4) end`, "", 0},
	{"files", `while true do local f = io.open("main.lua") end`, "", 0},
	{"globals", `setmetatable(_G or {}, {__index = function() while true do end end}) return undefinedName`, "", 0},
	{"string metatable", `getmetatable("").__index = function() while true do end end return ("x").y`, "", 0},
	{"print environment", `while true do for k, v in pairs(this) do end end`, interrupted, 0},
	{"setfenv", `setfenv(1, setmetatable({}, {__index = function() while true do end end})) return x`, interrupted, 0},
	{"collectgarbage", `while true do collectgarbage() end`, interrupted, 0},
}

// hostile is the application with all attacks, by number.
func hostile() string {
	var b strings.Builder
	b.WriteString("function onConnection(client)\n")
	for i, a := range attacks {
		code := a.code // an answer, even if the attack gives none
		if !strings.Contains(code, "return") || strings.HasSuffix(code, "end") || strings.HasSuffix(code, ")") {
			code = "do " + code + " end return true"
		}
		fmt.Fprintf(&b, "client.a%d = function(client) %s end\n", i, code)
	}
	b.WriteString("end\n")
	return b.String()
}

// greedy keeps what it gets, a little at a time or much.
const greedy = `function onConnection(client)
	function client:little() kept = kept or {} kept[#kept + 1] = ("x"):rep(2^20) return #kept end
	function client:much() kept = kept or {} while true do kept[#kept + 1] = ("x"):rep(2^20) end end
end`

const friendly = `function onConnection(client) function client:add(a, b) return a + b end end`
