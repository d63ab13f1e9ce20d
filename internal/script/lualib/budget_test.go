package lualib

import (
	"strings"
	"testing"
)

// TestInterrupt runs what would take minutes, or all memory: each is stopped soon after its budget is spent, although it
// tries to catch the error.
func TestInterrupt(t *testing.T) {
	for name, tc := range map[string]struct{ src, in string }{
		"backtracking":   {`return string.find(("a"):rep(400), ".-.-.-b")`, "string.find"},
		"backtracking 2": {`return string.match(("a"):rep(3000), ".-.-b")`, "string.match"},
		"backtracking *": {`return string.match(("a"):rep(60), ("a*"):rep(40) .. "b")`, "string.match"},
		"gsub":           {`return string.gsub(("a"):rep(400), ".-.-.-b", "")`, "string.gsub"},
		"gmatch":         {`for _ in string.gmatch(("a"):rep(400), ".-.-.-b") do end`, "string.gmatch"},
		"back reference": {`return string.find(("a"):rep(1e6), "(.*)%1%1%1%1b")`, "string.find"},
		"balance":        {`return string.gsub(("("):rep(3e6), "%b()", "")`, "string.gsub"},
		"frontier":       {`return string.find(("a"):rep(2000), ".-.-%f[%A]b")`, "string.find"},
		"long set":       {`return string.find(("a"):rep(1e6), "[" .. ("x"):rep(1e6) .. "]*b")`, "string.find"},
		"long items":     {`return string.gsub(("a"):rep(1e6), ("[^b]"):rep(1e5) .. "b", "")`, "string.gsub"},
		"replacement":    {`return string.gsub(("a"):rep(1e6), "()", ("%1"):rep(1e6):gsub("1", "0"))`, "string.gsub"},
		"insert":         {`local t = {} table.insert(t, -1e12, 1)`, "table.insert"},
		"sort":           {`local t = {} for i = 1, 3e4 do t[i] = {} end table.sort(t, function() while true do end end)`, ""},
		"date":           {`while true do os.date(("%c"):rep(1e5)) end`, ""},
		"pcall":          {`while true do pcall(string.find, ("a"):rep(400), ".-.-.-b") end`, "string.find"},
		"xpcall":         {`while true do xpcall(string.find, function() while true do end end, ("a"):rep(400), ".-.-.-b") end`, "string.find"},
		"loop in pcall":  {`while true do pcall(function() while true do end end) end`, ""},
		"handler":        {`xpcall(error, function() while true do end end)`, ""},
		"coroutine":      {`while true do coroutine.resume(coroutine.create(function() while true do end end)) end`, ""},
		"wrap":           {`while true do pcall(coroutine.wrap(function() string.find(("a"):rep(400), ".-.-.-b") end)) end`, "string.find"},
		"tostring":       {`tostring(setmetatable({}, { __tostring = function() while true do end end }))`, ""},
		"nested pcall":   {`local function f() while true do pcall(f) end end f()`, ""},
		"error storm":    {`while true do pcall(error, "x") end`, ""},
		"load":           {`load(function() return " " end) while true do end`, ""},
		"loadstring":     {`local s = ("x = 1 "):rep(4e4) while true do loadstring(s) end`, ""},
		"tail calls":     {`local function f() return f() end f()`, ""},
		"many errors":    {`local function f(n) return 1 + f(n) end while true do pcall(f) end`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			text, late := overrun(t, tc.src)
			t.Logf("%v late: %s", late, text)
			if late > patience {
				t.Errorf("%v late", late)
			}
			if !strings.HasPrefix(text, "test:1: ") || !strings.Contains(text, errOverrun.Error()) {
				t.Errorf("the error does not say what happened: %s", text)
			}
			if tc.in != "" && !strings.Contains(text, tc.in+": ") {
				t.Errorf("the error does not say where it happened: %s", text)
			}
		})
	}
}
