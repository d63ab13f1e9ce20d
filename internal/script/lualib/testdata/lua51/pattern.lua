-- Patterns: find, match, gmatch, gsub.
local function show(...)
	local out = {}
	for i = 1, select("#", ...) do out[i] = string.format("%q", tostring((select(i, ...)))) end
	print(select("#", ...), table.concat(out, " "))
end
local function try(f, ...)
	show(pcall(f, ...))
end

local subjects = {
	"", "a", "b", "aa", "ab", "abc", "aabbcc", "hello world", "  trim me  ", "key = value", "a,b,,c", "(f(a)(b))",
	"THE (quick) fox", "x=1, y=22, z=333", "\0\1\2a\0", "a\nb\nc", "[[x]]", "a.b.c", "%d%s", "]-^", "0x1Ff", "\200\255\128",
	"foo.bar(baz)[1]", "aXb", "éà", "--[[c]]", "10.20.30.40", "user@host.org", "a\tb\r\nc", "aaab",
}
local patterns = {
	"", "a", "ab", ".", "..", "a*", "a+", "a-", "a?", "^a", "a$", "^a$", "^$", "^", "$", "a*$", ".-b", ".*b", "(a)", "()", "()a()",
	"(a)(b)", "((a)(b))", "%a", "%a+", "%A", "%d+", "%D+", "%s*(%S+)%s*", "%w+", "%W", "%p", "%P+", "%l+", "%u+", "%x+", "%X",
	"%c", "%C+", "%z", "%Z+", "[abc]", "[^abc]", "[a-c]+", "[^a-c]+", "[%a_][%w_]*", "[]]", "[^]]", "[]%-^]+", "[a%-z]+",
	"[%d.]+", "[%d%s]+", "%b()", "%b[]", "%bxx", "%f[%a]%a+", "%f[%A]", "%f[%z]", "(%a+)%s*=%s*(%a+)", "^%s*(.-)%s*$",
	"(.)%1", "(a*)%1", "(.)(.)%2%1", "%%", "%.", "%.%.", "[%%]", "(%w)=(%w+)", "^(%d+)%.(%d+)%.(%d+)%.(%d+)$", "^[^@]+@[^@]+$",
	"\r?\n", "[\128-\255]+", "[^%s]+", "a.-$", "()(.)()", "(()())", ".-()$", "[a-]+", "[-a]+", "[+--]", "^^a", "$a", "a^", "b$b",
	"%u%w*", "(%(.-%))", "x*y*z*", "a-b", ".-", ".-$", "%S", "[%a%d]-%.", "%f[%w]%w", "[^%z]+",
}
for _, s in ipairs(subjects) do
	for _, p in ipairs(patterns) do
		show("find", s, p, string.find(s, p))
		show(string.match(s, p))
		show(string.gsub(s, p, "<%0>"))
		local n = 0
		local all = {}
		for a, b in string.gmatch(s, p) do
			all[#all + 1] = tostring(a) .. "/" .. tostring(b)
			n = n + 1
			if n > 50 then break end
		end
		show(unpack(all))
	end
end

for i = -7, 7 do
	show(i, string.find("abcabc", "b", i))
	show(i, string.find("abcabc", "", i))
	show(i, string.find("a.c", ".", i, true))
	show(i, string.match("abcabc", "(c)(.?)", i))
	show(i, string.match("abcabc", "^b", i))
	show(i, string.gsub("abcabc", "%w", "%0%0", i))
end
show(string.find("a+b", "+", 1, true))
show(string.find("abc", "", 10))
show(string.find("", ""))
show(string.find("a\0b\0c", "\0", 1, true))
show(string.find("abc", "b", nil, nil))

-- Replacements.
show(string.gsub("hello world", "o", "0"))
show(string.gsub("hello world", "o", "0", 1))
show(string.gsub("hello world", "o", "0", 0))
show(string.gsub("hello", "", "-"))
show(string.gsub("hello", ".", { h = 1, e = false, l = "L" }))
show(string.gsub("hello", "(l)(.)", { l = "<l>" }))
show(string.gsub("hello", "()", { [1] = "one", [3] = "three" }))
show(string.gsub("hello", ".", function(c) if c == "l" then return nil elseif c == "o" then return false else return c:upper() end end))
show(string.gsub("hello", "(.)(.)", function(a, b) return b .. a end))
show(string.gsub("a1b2", "%d", function(d) return d * 2 end))
show(string.gsub("abc", "%w", "%%%0"))
show(string.gsub("abc", "(a)(b)(c)", "%3%2%1"))
show(string.gsub("abc", "(a)(b)(c)", "%1%x%."))
show(string.gsub("abc", "b", "%1"))
show(string.gsub("abc", "()b()", "%1-%2"))
show(string.gsub("abc", "^a", "x"))
show(string.gsub("aaa", "^a", "x"))
show(string.gsub("abc", "c$", "x"))
show(string.gsub("abc", "$", "x"))
show(string.gsub("", "^", "x"))
show(string.gsub("abc def", "%f[%w]%w+", string.upper))
show(string.gsub("abc", "b", 12))
show(string.gsub("k=v", "(%w+)=(%w+)", "%2=%1"))
show(string.gsub("$name is $age", "%$(%w+)", { name = "x", age = 7 }))
show(string.gsub("abc", "%w", setmetatable({}, { __index = function(_, k) return k .. k end })))

-- Errors.
for _, p in ipairs { "%", "[a", "[^", "[]", "[", "(", "(a", ")", "a)", "%1", "(a)%2", "%b", "%ba", "%f", "%fa", "(()", "(%1)", "[%", "[a%" } do
	try(string.find, "abc", p)
	try(string.gsub, "abc", p, "x")
end
try(string.find, "a", ("(a)"):rep(33))
try(string.find, ("a"):rep(32), ("(a)"):rep(32))
try(string.gsub, "abc", "a", "%2")
try(string.gsub, "abc", "(a)", "%2")
try(string.gsub, "abc", "a", function() return {} end)
try(string.gsub, "abc", "a", { a = print })
try(string.gsub, "abc", "a")
try(string.gsub, "abc", "a", true)
try(string.gsub, "abc")
try(string.find)
try(string.find, {}, "a")
try(string.find, "a", nil)
try(string.find, "a", "a", "x")
try(string.gmatch, "a")
try(string.gsub, "abc", "b", "x", "y")
show(string.find(123, 2))
show(string.gsub(123, 2, 5))
for k, v in string.gmatch("a=1, b=2", "(%w+)=(%w+)") do show(k, v) end
for w in string.gmatch("^a^a", "^a") do show(w) end
for a in string.gmatch("abc", "") do show(a) end
for a in string.gfind("abc", "()") do show(a) end
