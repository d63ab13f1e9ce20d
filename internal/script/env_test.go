package script

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/netconn"
)

// remove deletes a file or a folder below www.
func (r *rig) remove(name string) {
	r.t.Helper()
	if err := os.RemoveAll(filepath.Join(r.www, filepath.FromSlash(name))); err != nil {
		r.t.Fatal(err)
	}
}

// refused tries to connect and returns the reason why that fails.
func (r *rig) refused(path string) string {
	r.t.Helper()
	c := r.connect(netconn.ClientConfig{URL: "rtmfp://10.0.0.1" + path})
	if c.err == nil {
		return "accepted"
	}
	return description(c.err)
}

func TestEnvironmentNames(t *testing.T) {
	r := newRig(t, files{
		"main.lua":     `value = "root" shared = "of root" function f(env, x) return path .. tostring(env.path) .. tostring(x) end`,
		"a/main.lua":   `value = "a"`,
		"a/b/main.lua": `value = "b"`,
	})
	r.lua("", `children("a/b")`)
	r.expectAll("", [][2]string{
		{`path, name, this.value, value`, ",,root,root"},
		{`super == _G or super.print == print, super.string == nil or true`, "true,true"},
		{`children.a.value, children["a"].value, children("a").value, children("a/b").value, children.x`, "a,a,a,b,nil"},
		{`#children, children.count, next(children) == "a", children.a.children.b.value`, "1,1,true,b"},
		{`(function() local s = "" for k, v in pairs(children) do s = s .. k .. v.value end return s end)()`, "aa"},
		{`children("missing"), children("../x"), children("a/../a"), children("")`, "nil,nil,nil,nil"},
	})
	r.expectAll("/a/b", [][2]string{
		{`path, name, value, shared`, "/a/b,b,b,of root"},
		{`super.value, super.super.value, super.path, super.super.path == ""`, "a,root,/a,true"},
		{`super:f(5), super.super:f()`, "/a5,nil"},
		{`this.value, this == this, this.super == super`, "b,true,true"},
		{`f(this, 1)`, "/a/b1"}, // runs with the environment of the root application
		{`data == super.data.b, mona ~= super.mona`, "true,true"},
	})
	r.expect("/a", `super:f(5)`, "5")
	r.expect("/a/b", `super:f(5)`, "/a5")

	// Assigning never reaches the parent; nil uncovers its value again.
	r.lua("/a/b", `shared = "of b"`)
	r.expect("", `shared`, "of root")
	r.expect("/a/b", `shared, this.shared`, "of b,of b")
	r.lua("/a/b", `shared = nil`)
	r.expect("/a/b", `shared`, "of root")
	r.lua("", `new = 1`)
	r.expect("/a/b", `new`, "1")

	for _, name := range []string{"path", "name", "this", "super", "children", "clients", "data", "mona"} {
		r.forget()
		r.lua("/a", name+` = 1`)
		r.logged(name + " is read-only")
		r.forget()
		r.lua("/a", `this.`+name+` = 1`)
		r.logged(name + " is read-only")
	}
	r.expect("/a", `path, name`, "/a,a")
	r.lua("/a", `children.x = 1 clients.x = 1`)
	r.logged("children is read-only")
	r.logged("clients is read-only")
	r.lua("/a", `string.mine = 1 function print() end`) // library tables are the application's own
	r.expect("", `string.mine, pcall(print)`, "nil,true")
}

func TestPaths(t *testing.T) {
	r := newRig(t, files{
		"main.lua":          `log = "" function onConnection(client) log = log .. path .. "|" .. client.path .. " " end`,
		"Games/my/main.lua": `function onConnection(client) super.super.log = super.super.log .. path .. "|" .. client.path .. " " end`,
		"plain/x.txt":       ``,
		"my app/main.lua":   `function onConnection(client) super.log = super.log .. path .. "|" .. client.query .. " " end`,
	})
	for _, url := range []string{"/", "/plain", "/Games/my", "/Games/./my/", "/Games", "/my%20app?x=1", "/plain/../../Games"} {
		if got := r.refused(url); got != "accepted" {
			t.Errorf("%s: %s", url, got)
		}
	}
	// An application without main.lua has the function of its parent, with the environment of that.
	r.expect("", `log`, "| |/plain /Games/my|/Games/my /Games/my|/Games/my |/Games /my app|x=1 |/Games ")
	for url, want := range map[string]string{
		"/missing": "Application /missing doesn't exist", "/Games/other": "Application /Games/other doesn't exist",
		"/main.lua": "Application /main.lua doesn't exist", "/plain/x.txt": "Application /plain/x.txt doesn't exist",
	} {
		r.same(url, r.refused(url), want)
	}
}

// TestLifeCycle: order of loading, starting and stopping.
func TestLifeCycle(t *testing.T) {
	r := newRig(t, files{
		"main.lua": `order = ""
			function onStart(p) order = order .. "start" .. p .. " " end
			function onStop(p) order = order .. "stop" .. p .. " " end
			children("early")
			order = order .. "loaded "`,
		"early/main.lua": `super.order = super.order .. "early "`, // inherits onStart and onStop
		"own/main.lua":   `function onStart(p) super.order = super.order .. "own" .. p .. path .. " " end`,
		"own/in/main.lua": `
			super.super.order = super.super.order .. "in "
			function onStop(p) super.super.order = super.super.order .. "instop" .. p .. " " end`,
		"folder/x.txt": ``,
	})
	r.expect("", `order`, "early start/early loaded start ")
	r.lua("", `order = ""`)
	r.dial("rtmfp://10.0.0.1/own/in")
	r.expect("", `order`, "own/own/own in own/own/in/own ")
	r.lua("", `order = "" children("folder")`)
	r.expect("", `order`, "") // nothing runs there

	r.write("own/main.lua", `-- no functions`)
	_ = r.reload("/own")
	r.expect("", `order`, "stop/own start/own ") // children stay
	r.expect("/own/in", `path`, "/own/in")

	r.lua("", `order = "" function onStop(p) NOTE("stopping ", p == "" and "root" or p) end`)
	r.forget()
	r.engine.drain()
	r.engine.stopAll()
	logs := r.logs.String()
	for _, pair := range [][2]string{{"stopping /own", "stopping root"}, {"stopping /early", "stopping root"}} {
		i, j := strings.Index(logs, pair[0]), strings.Index(logs, pair[1])
		if i < 0 || j < i {
			t.Errorf("%s must come before %s\n%s", pair[0], pair[1], logs)
		}
	}
}

func TestReload(t *testing.T) {
	r := newRig(t, files{"main.lua": `n = 0`, "a/main.lua": `
		counter = 0
		function onConnection(client)
			connections = (connections or 0) + 1
			function client:count() counter = (counter or -100) + 1 return counter, version end
		end
		function onDisconnection() super.n = super.n + 1 end`})
	c := r.dial("rtmfp://10.0.0.1/a")
	r.same("before", c.answer("count"), "1 null")
	loads := r.engine.counters.Loads.Load()
	_ = r.reload("/a")
	if n := r.engine.counters.Loads.Load(); n != loads {
		t.Error("loaded again without a change")
	}

	// The client stays; the functions it has see the new variables.
	r.write("a/main.lua", `counter = 10 version = "new"`)
	_ = r.reload("/a")
	r.same("after", c.answer("count"), `11 "new"`)
	r.expect("", `children("a").connections, children("a").clients.count`, "nil,1")

	// An older file is another file.
	file := filepath.Join(r.www, "a", "main.lua")
	if err := os.WriteFile(file, []byte(`version = "old"`), 0o666); err != nil {
		t.Fatal(err)
	}
	when := time.Now().Add(-time.Hour)
	if err := os.Chtimes(file, when, when); err != nil {
		t.Fatal(err)
	}
	_ = r.reload("/a")
	r.same("older", c.answer("count"), `-99 "old"`)

	// A syntax error leaves the running application as it is, and is logged once, with the line.
	r.write("a/main.lua", "version = 'bad'\nfunction (")
	r.forget()
	if err := r.reload("/a"); err != nil {
		t.Error(err)
	}
	_ = r.reload("/a")
	r.logged("www/a/main.lua:2:")
	if n := strings.Count(r.logs.String(), "www/a/main.lua:2:"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	r.same("syntax error", c.answer("count"), `-98 "old"`)
	r.same("syntax error", r.refused("/a"), "accepted")

	// An error while it runs: the old code is gone, new clients get the text, the others stay.
	r.write("a/main.lua", "version = 'broken'\nerror('my error')")
	_ = r.reload("/a")
	r.logged("www/a/main.lua:2: my error")
	r.same("run-time error", r.refused("/a"), "www/a/main.lua:2: my error")
	r.same("run-time error", c.answer("count"), `-99 null`)

	r.write("a/main.lua", "version = 'repaired'")
	r.engine.apps["/a"].checked = time.Time{}
	r.same("repaired", r.refused("/a"), "accepted")
	r.same("repaired", c.answer("count"), `-99 "repaired"`)

	// Without the file the application inherits everything.
	r.write("main.lua", `n = 0 version = "of root"`)
	_ = r.reload("")
	r.remove("a/main.lua")
	_ = r.reload("/a")
	r.same("deleted", c.answer("count"), `-99 "of root"`)
	r.same("deleted", r.refused("/a"), "accepted")

	// Without the folder it does not exist any more; its clients stay.
	r.write("a/main.lua", `function onStop(p) super.stopped = p end`)
	r.write("a/in/main.lua", `function onStop(p) super.super.inner = p end`)
	_ = r.reload("/a")
	r.lua("", `children("a/in")`)
	r.remove("a")
	if err := r.reload("/a"); err != errNoApp {
		t.Error(err)
	}
	r.expect("", `stopped, inner, children.a, #children`, "/a,/a/in,nil,0")
	r.same("removed", r.refused("/a"), "Application /a doesn't exist")
	if r.engine.apps["/a/in"] != nil {
		t.Error("the child is there")
	}
	r.write("a/main.lua", `version = "back"`)
	r.same("back", r.refused("/a"), "accepted")
	c.leave()
}

// TestReloadRoot: the root application is checked at each tick too; what it makes is replaced.
func TestReloadRoot(t *testing.T) {
	r := newRig(t, files{"main.lua": `ticks = 0 function onManage() ticks = ticks + 1 end`})
	a := r.engine.root
	r.engine.manage()
	r.engine.manage()
	r.expect("", `ticks`, "2")
	r.write("main.lua", `version = 2`)
	r.engine.manage()
	r.expect("", `version`, "nil") // not yet: there was a check just now
	a.checked = a.checked.Add(-manageInterval)
	r.engine.manage()
	r.expect("", `version, ticks`, "2,nil")
}

// TestReloadThrottle: at most one look at the file in 2 s, at opens only.
func TestReloadThrottle(t *testing.T) {
	now := time.Unix(1000, 0)
	r := newRig(t, files{"main.lua": ``, "a/main.lua": `version = 1`}, func(c *Config) { c.Clock = func() time.Time { return now } })
	r.dial("rtmfp://10.0.0.1/a")
	r.write("a/main.lua", `version = 2`)
	now = now.Add(manageInterval - 1)
	r.dial("rtmfp://10.0.0.1/a")
	r.expect("/a", `version`, "1")
	now = now.Add(1)
	r.engine.manage()
	r.run(0)
	r.expect("/a", `version`, "1") // time alone does nothing
	r.expect("", `children("a").version`, "2")
	r.write("a/main.lua", `version = 3`)
	now = now.Add(manageInterval)
	r.engine.OpenApplication("/a")
	r.run(0)
	r.expect("/a", `version`, "3")
}

// TestParentInError: the clients of its children are refused with its text.
func TestParentInError(t *testing.T) {
	r := newRig(t, files{"main.lua": ``, "a/main.lua": `error("parent", 0)`, "a/b/main.lua": `ran = true`, "s/main.lua": `x = = 1`})
	r.same("child", r.refused("/a/b"), "parent")
	if r.engine.apps["/a/b"] != nil {
		t.Error("the child is loaded")
	}
	if text := r.refused("/s"); !strings.HasPrefix(text, "www/s/main.lua:1:") {
		t.Error(text)
	}
	r.expect("", `children("a"), children("a/b")`, "nil,nil")
	r.logged("application /a: parent")
	if strings.Contains(r.logs.String(), r.www) {
		t.Error("messages show the file system")
	}
}

func TestIncludes(t *testing.T) {
	r := newRig(t, files{
		"main.lua":        `where = "root"`,
		"common.lua":      `count = (count or 0) + 1 return path, where, ...`,
		"lib/deep.lua":    `return path .. "deep"`,
		"a/main.lua":      `where = "a"`,
		"a/own.lua":       `mine = where return where, 2`,
		"a/bad.lua":       "\nx = = 1",
		"a/fails.lua":     "\nerror('inside')",
		"a/mod.lua":       `local name = ... return {name = name, where = where}`,
		"a/pack/init.lua": `loads = (loads or 0) + 1`,
		"a/folder/x.txt":  ``,
	})
	r.lua("", `children("a")`)
	r.expectAll("/a", [][2]string{
		{`dofile("own.lua")`, "a,2"},
		{`dofile("./own.lua")`, "a,2"},
		{`mine`, "a"},
		{`dofile("common.lua")`, ",root"}, // found above, so it runs with that environment
		{`dofile("lib/deep.lua")`, "deep"},
		{`super.count, rawget(this, "count")`, "1,nil"},
		{`loadfile("own.lua")()`, "a,2"},
		{`loadfile("common.lua")(7)`, ",root,7"},
		{`require("own.lua"), require("own.lua")`, "a,a,2"},
		{`require("mod").name, require("mod").where, require("mod") == require("mod")`, "mod,a,true"},
		{`require("pack"), require("pack"), loads`, "true,true,1"},
		{`require("lib.deep")`, "deep"},
		{`select("#", dofile("missing.lua")), select("#", loadfile("missing.lua")), select("#", dofile("folder"))`, "0,0,0"},
		{`select("#", dofile("bad.lua")), select("#", loadfile("bad.lua"))`, "0,0"},
		{`pcall(dofile, "fails.lua")`, "false,www/a/fails.lua:2: inside"},
		{`pcall(require, "fails.lua")`, "false,www/a/fails.lua:2: inside"},
	})
	r.logged("missing.lua not found in the folder of application /a or of its parents")
	r.logged("www/a/bad.lua:2:")
	for _, name := range []string{"nothing", "missing.lua", "bad.lua"} {
		if _, err := r.tryLua("/a", `require("`+name+`")`); err == nil {
			t.Errorf("require(%q) raised nothing", name)
		}
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(r.www), "outside.lua"), []byte(`return "outside"`), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../outside.lua", "../../outside.lua", filepath.ToSlash(filepath.Dir(r.www)) + "/outside.lua"} {
		r.forget()
		r.expect("/a", `select("#", dofile("`+name+`"))`, "0")
		r.logged("not found")
	}
	r.expect("", `select("#", dofile("a/own.lua"))`, "2") // below is allowed

	// io has the files of the application only.
	r.expect("/a", `io.open("own.lua"):read("*a")`, "mine = where return where, 2")
	r.expect("/a", `(io.open("../main.lua")), (io.open("/etc/hostname"))`, "nil,nil")

	// Absolute names, as scripts make them of mona:absolutePath, of the same files.
	r.expectAll("/a", [][2]string{
		{`io.open(mona:absolutePath(path) .. "own.lua"):read("*a")`, "mine = where return where, 2"},
		{`(io.open(mona:absolutePath("") .. "main.lua"))`, "nil"}, // of the parent
		{`dofile(mona:absolutePath(path) .. "own.lua"), (dofile(mona:absolutePath("") .. "common.lua"))`, "a,"},
		{`pcall(dofile, mona:absolutePath(path) .. "fails.lua")`, "false,www/a/fails.lua:2: inside"},
	})

	// Modules are loaded again after a reload.
	r.write("a/main.lua", `where = "new"`)
	r.write("a/mod.lua", `return "changed"`)
	_ = r.reload("/a")
	r.expect("/a", `require("mod")`, "changed")
}

// TestModules: modules of Lua 5.1, written with module or as a table.
func TestModules(t *testing.T) {
	r := newRig(t, files{
		"main.lua":        ``,
		"shared.lua":      `module("shared", package.seeall) function who() return _NAME, path, type(print) end`,
		"a/main.lua":      `function add(t) t.added = true end`,
		"a/deep/mod.lua":  `module(..., package.seeall, add) local x = 5 function get() return x end y = 6`,
		"a/closed.lua":    `module("closed") ok = print == nil`,
		"a/plain.lua":     `calls = (calls or 0) + 1 return {calls = calls}`,
		"a/ring1.lua":     `return require("ring2")`,
		"a/ring2.lua":     `return require("ring1")`,
		"a/broken.lua":    `tries = (tries or 0) + 1 error("not yet")`,
		"a/parts/one.lua": `return "one"`,
	})
	r.lua("", `children("a")`)
	r.expectAll("/a", [][2]string{
		{`type(require("shared")), shared.who()`, "table,shared,,function"},
		{`require("deep.mod") == deep.mod, deep.mod.get(), deep.mod.y, y, deep.mod.added`, "true,5,6,nil,true"},
		{`deep.mod._M == deep.mod, deep.mod._NAME, deep.mod._PACKAGE`, "true,deep.mod,deep."},
		{`require("closed").ok, package.loaded.closed == closed`, "true,true"},
		{`require("plain").calls, require("plain").calls, package.loaded.plain.calls`, "1,1,1"},
		{`(function() package.loaded.plain = nil return require("plain").calls end)()`, "2"},
		{`(function() package.preload.made = function(n) return n .. "!" end return require("made") end)()`, "made!"},
		{`(function() package.path = package.path .. ";./parts/?.lua" return require("one") end)()`, "one"},
		{`require("string") == string, package.loaded._G == this`, "true,true"},
	})
	r.expect("", `shared.who() .. type(package.loaded.plain)`, "sharednil") // each application has its own
	for _, c := range [][2]string{
		{`require("ring1")`, "loop or previous error loading module 'ring1'"},
		{`require("broken")`, "not yet"},
		{`require("broken")`, "not yet"}, // an error is no module
		{`number = 5 module("number")`, "name conflict for module 'number'"},
		{`package.path = nil require("unknown")`, "'package.path' must be a string"},
	} {
		if _, err := r.tryLua("/a", c[0]); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v, want %s", c[0], err, c[1])
		}
	}
	r.expect("/a", `tries`, "2")
}

func TestLogs(t *testing.T) {
	r := newRig(t, files{"main.lua": `
		NOTE("note ", 1, true, nil, 0.5, false)
		INFO() ERROR("error") WARN("warn") DEBUG("debug") TRACE("trace")
		INFO(setmetatable({}, {__tostring = function() return "mine" end}), "|", path, "|", children)`})
	for _, want := range []string{
		`"level":"info","application":"/","message":"www/main.lua:2: note 1truenil0.5false"`,
		`"level":"error","application":"/","message":"www/main.lua:3: error"`,
		`"level":"warn","application":"/","message":"www/main.lua:3: warn"`,
		`"level":"debug","application":"/","message":"www/main.lua:3: debug"`,
		`"level":"trace","application":"/","message":"www/main.lua:3: trace"`,
		`"message":"www/main.lua:4: mine||`,
	} {
		r.logged(want)
	}
	r.expect("", `FATAL, CRITIC`, "nil,nil")
	r.forget()
	r.lua("", `for i = 1, 2000 do NOTE("line ", i, ".") end`)
	if n := strings.Count(r.logs.String(), "line "); n > logBurst+logPerSecond || n < logBurst/2 {
		t.Errorf("%d lines of a storm", n)
	}
	if r.engine.counters.LogsDropped.Load() == 0 {
		t.Error("nothing was counted")
	}
}
