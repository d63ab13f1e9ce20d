package script

import (
	"path/filepath"
	"testing"
)

func TestData(t *testing.T) {
	r := newRig(t, files{"main.lua": `children("a/b") children("a/c")`, "a/main.lua": ``, "a/b/main.lua": ``, "a/c/main.lua": ``})
	r.lua("", `
		data.n = 12; data.s = "text"; data.yes = true; data.no = false; data.f = 0.5
		data.t = {1, 2, {x="y"}, k="v"}
		function list(t)
			local s = ""
			for k, v in pairs(t) do s = s .. k .. "=" .. (type(v) == "userdata" and "table" or tostring(v)) .. " " end
			return s
		end`)
	r.expectAll("", [][2]string{
		{`data.n, type(data.n), data.n == "12", data.n + 1, data.f`, "12,string,true,13,0.5"},
		{`data.yes, type(data.yes), data.no, data.s`, "true,boolean,false,text"},
		{`data.t[1], data.t["1"], data.t[3].x, data.t.k, data.t("k")`, "1,1,y,v,v"},
		{`data.missing, data.t.missing, data[{}], data[true]`, "nil,nil,nil,nil"},
		{`#data, data.count, #data.t, data.t.count, #data.t[3]`, "5,5,3,3,1"},
		{`list(data.t)`, "1=1 2=2 3=table k=v "},
		{`list(data)`, "a=table f=0.5 n=12 no=false s=text t=table yes=true "},
		{`#{data.t:pairs()}, next(data.t), next(data.t, "1")`, "1,1,2,2"},
		{`(function() local s = "" for i, v in ipairs(data.t) do s = s .. i end return s end)()`, "123"},
		{`data == this.data, data.t == data.t, tostring(data), tostring(data.t)`, "true,true,data,data.t"},
	})
	r.notLogged("ERROR")

	r.lua("", `data.t = 5`) // a table is not overwritten
	r.logged("data.t is a table")
	r.expect("", `data.t.k`, "v")
	r.lua("", `data.t = nil; data.t = 5; data.missing = nil`)
	r.expect("", `data.t`, "5")
	r.lua("", `data.t = {a = 1}`) // the reverse is possible
	r.expect("", `data.t.a`, "1")
	r.lua("", `data.n = nil`)
	r.expect("", `data.n, #data`, "nil,4")
	r.lua("", `data.count = 7; data.pairs = "p"`)
	r.expect("", `data.count, #data, data("pairs"), type(data.pairs)`, "7,6,p,function")
	r.lua("", `data.copy = data.t; data.t.a = 2`)
	r.expect("", `data.copy.a, data.t.a`, "1,2")
	r.lua("", `data.where = mona:createSocketAddress("192.0.2.1:80")`)
	r.expect("", `data.where`, "192.0.2.1:80")
}

func TestDataErrors(t *testing.T) {
	r := newRig(t, files{"main.lua": ``})
	for code, want := range map[string]string{
		`data.f = print`:                                    "data.f: a function cannot be stored",
		`data.t = {f = print}`:                              "data.t: a function cannot be stored",
		`data.c = mona`:                                     "data.c: a userdata cannot be stored",
		`data[{}] = 1`:                                      "data: a table is no key of data",
		`data.t = {[true] = 1}`:                             "data.t: a boolean is no key of data",
		`local t = {} t.t = t data.loop = t`:                "data.loop: limit of data exceeded",
		`data[("k"):rep(5000)] = 1`:                         "limit of data exceeded",
		`data.long = ("x"):rep(2 * 1024 * 1024)`:            "limit of data exceeded",
		`data.x = {} local x = data.x data.x = nil x.y = 1`: "is no longer part of data",
	} {
		r.forget()
		r.lua("", code)
		r.logged(want)
		r.logged("test:1:")
	}
	r.expect("", `#data, next(data)`, "0,nil")
}

// TestDataApplications: data of /a/b is root's data.a.b, and is there without either being loaded again.
func TestDataApplications(t *testing.T) {
	r := newRig(t, files{"main.lua": ``, "a/main.lua": `data.own = 1`, "a/b/main.lua": `data.x = "deep"`})
	r.expect("", `data.a`, "nil")
	r.lua("", `children("a/b")`)
	r.expectAll("", [][2]string{
		{`data.a.own, data.a.b.x, #data, #data.a, #data.a.b`, "1,deep,0,1,1"},
		{`children("a").data == data.a, children("a/b").data == data.a.b`, "true,true"},
	})
	r.expect("/a/b", `data.x, super.data.own, super.super.data.a.b.x`, "deep,1,deep")
	r.lua("", `data.a = nil`)
	r.expect("/a/b", `data.x`, "nil")
	r.lua("/a/b", `data.x = "again"`)
	r.expect("", `data.a.b.x`, "again")
}

// TestDataRestart: after a restart texts are what they look like.
func TestDataRestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "data", "data.db")
	with := func(c *Config) { c.Data = file }
	t.Run("before", func(t *testing.T) {
		r := newRig(t, files{"main.lua": ``}, with)
		r.lua("", `data.n = 12; data.s = "text"; data.yes = true; data.t = {{x = "1.5"}}; data.null = "null"; data.bin = "\0\255"`)
	})
	r := newRig(t, files{"main.lua": `NOTE("at load ", data.n)`}, with)
	r.logged("at load 12") // before scripts run
	r.expectAll("", [][2]string{
		{`data.n, type(data.n), data.s, data.yes, type(data.yes)`, "12,number,text,true,boolean"},
		{`data.t[1].x, type(data.t[1].x), data.null, data.bin == "\0\255"`, "1.5,number,nil,true"},
	})
	if _, err := New(Config{Data: file, Log: r.engine.log}); err == nil {
		t.Error("two servers share the file")
	}
}
