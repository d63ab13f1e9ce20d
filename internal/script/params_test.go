package script

import (
	"fmt"
	"testing"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/script/value"
)

// paramsRig makes a rig whose global p is a table of parameters.
func paramsRig(t *testing.T, texts map[string]string) *rig {
	r := newRig(t, files{"main.lua": ``})
	r.engine.root.env.RawSetString("p", r.engine.newObject(r.engine.classes.params, value.ParamsOf(texts)).ud)
	return r
}

func TestParamsTypes(t *testing.T) {
	r := paramsRig(t, map[string]string{
		"yes": "TRUE", "no": "false", "none": "null", "n": "12", "f": "-1.5", "exp": "1e3", "hex": "0x10", "empty": "", "text": "abc", "1": "one",
	})
	r.expectAll("", [][2]string{
		{`p.yes, p.no, p.none, p.missing`, "true,false,nil,nil"},
		{`type(p.yes), type(p.no), type(p.n), type(p.f), type(p.exp), type(p.hex), type(p.empty)`, "boolean,boolean,number,number,string,string,string"},
		{`p.n, p.f, p.exp, p.hex, p.empty, p.text`, "12,-1.5,1e3,0x10,,abc"},
		{`p[1], p["1"], p({}), p[true]`, "one,one,nil,nil"},
	})
}

func TestParamsForms(t *testing.T) {
	r := paramsRig(t, map[string]string{"b": "2", "a": "1", "RTMFP.port": "1935", "RTMFP.host": "x", "count": "5", "none": "null"})
	r.lua("", `
		function keys(iterator, ...)
			local list = {}
			for k, v in iterator, ... do table.insert(list, k .. "=" .. tostring(v)) end
			return table.concat(list, " ")
		end`)
	all := "RTMFP.host=x RTMFP.port=1935 a=1 b=2 count=5"
	r.expectAll("", [][2]string{
		{`p("a"), p["a"], p.a, p("a", "b", "zz")`, "1,1,1,1,2,nil"},
		{`p["RTMFP.port"], p.RTMFP.port, p.RTMFP["port"], p("RTMFP").host`, "1935,1935,1935,x"},
		{`p.RTMFP.count, #p.RTMFP, keys(pairs(p.RTMFP))`, "2,2,host=x port=1935"},
		{`keys(pairs(p))`, all},
		{`keys(p:pairs())`, all},
		{`keys(next, p)`, all},
		{`keys(ipairs(p)), keys(p:ipairs())`, ","},
		{`#p, p.count, p("count")`, "5,5,5"},
		{`next(p), next(p, "b"), next(p, "count")`, "RTMFP.host,count,nil"},
		{`p.RTMFP == p.RTMFP`, "true"},
	})
	r.lua("", `p.a = 2`)
	r.logged("parameters is read-only")
	r.expect("", `p.a`, "1")
}

func TestParamsSnapshot(t *testing.T) {
	r := paramsRig(t, map[string]string{"a": "1", "b": "2", "c": "3"})
	p := objectOf(r.lua("", `return p`)[0]).v.(*value.Params)
	r.engine.root.env.RawSetString("change", r.engine.L.NewFunction(func(L *lua.LState) int {
		p.Delete("b")
		p.Set("d", "4")
		return 0
	}))
	r.expect("", `(function() local s = "" for k in pairs(p) do if k == "a" then change() end s = s .. k end return s end)()`, "abc")
	r.expect("", `(function() local s = "" for k in pairs(p) do s = s .. k end return s end)()`, "acd")
}

func TestFlattenParams(t *testing.T) {
	r := newRig(t, files{"main.lua": `
		function onConnection(client)
			local deep = {}
			deep.deep = deep
			return {timeout=7, text="x", on=true, nested={a=1, b={c="y"}, [5]="five"}, deep=deep,
				address=client.address, bad=print}
		end`}, func(c *Config) {
		c.Params = map[string]string{"RTMFP.keepalivePeer": "10", "RTMFP.timeout": "1", "host": "h"}
	})
	c := r.dial("rtmfp://10.0.0.1/?q=5")
	r.lua("", `c = mona.clients("`+r.idOf(c)+`")`)
	r.expectAll("", [][2]string{
		{`c.parameters.timeout, c.parameters.text, c.parameters.on`, "7,x,true"},
		{`c.parameters.keepalivePeer, c.RTMFP.keepalivePeer, c.parameters.host`, "10,10,nil"},
		{`c.parameters.nested.a, c.parameters["nested.b.c"], c.parameters.nested.b.c, c.parameters.nested[5]`, "1,y,y,five"},
		{`c.parameters.address`, "10.1.0.1:5000"},
		{`c.parameters == c.parameters, c.properties.q, c.q`, "true,5,5"},
	})
	r.logged("parameter bad: a function is ignored")
	members := map[string]bool{}
	for _, m := range c.info.Object.Members {
		members[m.Name] = true
	}
	if !members["timeout"] || !members["nested"] {
		t.Error("the table is part of the answer:", fmt.Sprint(c.info))
	}
}
