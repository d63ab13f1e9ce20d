package lualib

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func fileVM(t *testing.T, o Options, content map[string]string) (*vm, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "app")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "..", "secret.txt"), []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, text := range content {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return newVM(t, o, App{Open: RootFiles(root)}), dir
}

func TestFiles(t *testing.T) {
	v, dir := fileVM(t, Options{}, map[string]string{"in.txt": "one\ntwo\n\n 12.5 0x10 -3e2x last", "empty": "", "crlf": "a\r\nb"})
	v.want(`local f = assert(io.open("in.txt")) local a, b, c = f:read("*l", "*l", "*l") local x, y, z = f:read("*n", "*n", "*n") local r = f:read("*a") f:close()
		return a .. b .. "[" .. c .. "]" .. x .. " " .. y .. " " .. z .. "|" .. r`, "onetwo[]12.5 16 -300|x last")
	v.want(`local f = io.open("in.txt") return f:read(3) .. f:read(0) .. f:read("l") .. f:read(2) .. tostring(f:read(1000) ~= nil) .. tostring(f:read(1)) .. tostring(f:read(0)) .. tostring(f:read("*l")) .. f:read("*a")`,
		"onetwtruenilnilnil")
	v.want(`local f = io.open("empty") return tostring(f:read()) .. f:read("*a") .. "|" .. tostring(f:read("*n")) .. select("#", f:read("*n", "*l"))`, "nil|nil1")
	v.want(`local out = "" for l in io.lines("in.txt") do out = out .. l .. ";" end return out`, "one;two;; 12.5 0x10 -3e2x last;")
	v.want(`local f = io.open("crlf") local out = "" for l in f:lines() do out = out .. l .. ";" end return out .. io.type(f)`, "a\r;b;file")
	v.want(`local f = assert(io.open("sub/out.bin", "wb")) f:write("a", 1, "\0", 0.1, "\n") f:close() f = io.open("./sub/out.bin", "rb") return f:read("*a")`, "a1\x000.1\n")
	v.want(`local f = io.open("sub/out.bin", "a") f:write("more") f:close() f = io.open("sub/out.bin") return f:read("*a")`, "a1\x000.1\nmore")
	v.want(`local f = io.open("sub/out.bin", "r+") local first = f:read(1) f:write("X") local at = f:seek() f:seek("set", 0) return first .. f:read("*a") .. at .. f:seek("end", -2) .. f:read(9)`,
		"aaX\x000.1\nmore29re")
	v.want(`local f = io.open("new", "w+") f:write("12345") f:seek("set", 2) return f:read(2) .. f:seek("cur") .. tostring(f:seek("set"))`, "3440")
	v.want(`local f = io.open("in.txt") f:close() return io.type(f) .. tostring(f) .. tostring(io.type(1)) .. tostring(pcall(f.read, f))`, "closed filefile (closed)nilfalse")
	v.want(`return tostring(io.open("in.txt")):match("^file %(0x") and "ok"`, "ok")
	v.want(`return tostring(getmetatable(io.stdout))`, "false")
	if _, err := os.Stat(filepath.Join(dir, "sub", "out.bin")); err != nil {
		t.Error(err)
	}
	v.eval(`io.write("a", 1) io.stdout:write("b", "\n") print("c", nil, 1e15)`)
	if got := v.out.String(); got != "a1b\nc\tnil\t1e+15\n" {
		t.Errorf("standard output %q", got)
	}
}

func TestFileErrors(t *testing.T) {
	v, dir := fileVM(t, Options{MaxString: 1000}, map[string]string{"in.txt": strings.Repeat("x", 2000)})
	for src, want := range map[string]string{
		`io.open("nothing")`:              "nil nothing: no such file or directory 2",
		`io.open("in.txt", "q")`:          "nil in.txt: invalid argument 22",
		`io.open("../secret.txt")`:        "nil ../secret.txt: path escapes from parent 0",
		`io.open("sub/../../secret.txt")`: "nil sub/../../secret.txt: path escapes from parent 0",
		`io.open("../new", "w")`:          "nil ../new: path escapes from parent 0",
		`io.open("sub")`:                  "nil sub: not a regular file 0",
		`io.open("no/such/folder", "w")`:  "nil no/such/folder: no such file or directory 2",
		`io.open("link")`:                 "nil link: path escapes from parent 0",
		`io.open("` + dir + `/in.txt")`:   "nil " + dir + "/in.txt: path escapes from parent 0",
		`io.stdout:close()`:               "nil standard output can only be written 0",
		`io.stdout:read()`:                "nil standard output can only be written 0",
		`io.stdout:seek()`:                "nil standard output can only be written 0",
	} {
		if strings.Contains(src, "link") {
			if err := os.Symlink("../secret.txt", filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}
		}
		v.want("local a, b, c = "+src+" return tostring(a) .. ' ' .. b .. ' ' .. c", want)
	}
	for src, want := range map[string]string{
		`io.open("in.txt"):read("*a")`:                   "file.read: result would have 1001 bytes, the limit is 1000",
		`io.open("in.txt"):read("*l")`:                   "file.read: result would have 2000 bytes, the limit is 1000",
		`io.open("in.txt"):read(5000)`:                   "file.read: result would have 5000 bytes, the limit is 1000",
		`io.open("in.txt"):read("*x")`:                   "bad argument #2 to 'read' (invalid format)",
		`io.open("in.txt"):read("")`:                     "bad argument #2 to 'read' (invalid option)",
		`io.open("in.txt"):seek("x")`:                    "bad argument #2 to 'seek' (invalid option 'x')",
		`io.open("in.txt"):write({})`:                    "bad argument #2 to 'write' (string expected, got table)",
		`io.lines("nothing")`:                            "bad argument #1 to 'lines' (nothing: no such file or directory)",
		`io.stdout.read(1)`:                              "bad argument #1 to 'read' (FILE* expected, got number)",
		`io.close()`:                                     "standard output cannot be closed",
		`local f = io.open("in.txt") f:close() f:read()`: "attempt to use a closed file",
		`local n = io.lines("sub/../in.txt")`:            "",
	} {
		if want == "" {
			v.eval(src)
			continue
		}
		v.wantFail(src, "test:1: "+want)
	}
	none := newVM(t, Options{}, App{})
	none.want(`local f, err = io.open("x") return err`, "x: permission denied")
}

func TestFileLimit(t *testing.T) {
	v, _ := fileVM(t, Options{MaxFiles: 3}, map[string]string{"in.txt": "x"})
	v.want(`open = {} for i = 1, 3 do open[i] = assert(io.open("in.txt")) end local f, err = io.open("in.txt") return err`, "in.txt: too many open files")
	v.want(`open[1]:close() open[1] = assert(io.open("in.txt")) return "again"`, "again")
	// Lines read to the end close their file; forgotten files are closed when they are collected.
	v.eval(`open[2]:close() for i = 1, 10 do for l in io.lines("in.txt") do end end`)
	v.eval(`open = nil`)
	deadline := time.Now().Add(10 * time.Second)
	for v.eval(`local t = {} for i = 1, 3 do t[i] = io.open("in.txt") end for i = 1, #t do t[i]:close() end return #t`) != "3" {
		if time.Now().After(deadline) {
			t.Fatal("forgotten files are not closed")
		}
		runtime.GC()
	}
	v.eval(`open = { io.open("in.txt") }`)
	s := v.lib.scopes[v.env]
	s.Close()
	v.want(`return io.type(open[1])`, "closed file")
	v.want(`local f, err = io.open("in.txt") return err`, "in.txt: permission denied")
}

func TestOS(t *testing.T) {
	now := time.Unix(1700000000, 0)
	zone := time.FixedZone("CET", 3600)
	v := newVM(t, Options{Now: func() time.Time { return now }, Zone: zone}, App{})
	v.want(`return os.time()`, "1700000000")
	v.want(`return os.date()`, "Tue Nov 14 23:13:20 2023")
	v.want(`return os.date("!%H") .. os.date("%H %Z %z")`, "2223 CET +0100")
	v.want(`return os.time(os.date("*t"))`, "1700000000")
	v.want(`return os.date("*t", 0).hour .. os.date("!*t", 0).hour`, "10")
	v.want(`return os.clock()`, "0")
	now = now.Add(1500 * time.Millisecond)
	v.want(`return os.clock()`, "1.5")
	v.want(`return os.date("!%Y", 1e300) .. type(os.date("%c", -1e300)) .. os.date("!%Y", 0/0)`, "4461763string1970")
	v.want(`return type(os.time({ year = 1e300, month = -1e300, day = 0/0 }))`, "number")
	if berlin, err := time.LoadLocation("Europe/Berlin"); err == nil {
		v.lib.o.Zone = berlin
		v.want(`return os.time { year = 2024, month = 7, day = 1, hour = 12 } - os.time { year = 2024, month = 7, day = 1, hour = 12, isdst = false }`, "-3600")
		v.want(`return os.time { year = 2024, month = 1, day = 1, hour = 12, isdst = true } - os.time { year = 2024, month = 1, day = 1, hour = 12 }`, "-3600")
		v.want(`return tostring(os.date("*t", 1719835200).isdst) .. os.date("%Z", 1719835200)`, "trueCEST")
	}
}
