package script

import (
	"fmt"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// Fields behave like a table, be they few or many.
func TestFields(t *testing.T) {
	for _, n := range []int{0, 1, maxFew, maxFew + 1, 40} {
		f := new(fields)
		key := func(i int) lua.LValue {
			if i%2 == 0 {
				return lua.LNumber(i)
			}
			return lua.LString(fmt.Sprint(i))
		}
		for i := range n {
			f.set(key(i), lua.LFalse)
			f.set(key(i), lua.LNumber(i))
		}
		f.set(lua.LString("other"), lua.LNil)
		for i := range n {
			if got := f.get(key(i)); got != lua.LNumber(i) {
				t.Errorf("%d of %d fields: %v", i, n, got)
			}
		}
		for i := 0; i < n; i += 2 {
			f.set(key(i), lua.LNil)
		}
		left := 0
		f.each(func(k, v lua.LValue) {
			left++
			if v == lua.LNil || f.get(k) != v {
				t.Errorf("field %v is %v", k, v)
			}
		})
		if left != n/2 {
			t.Errorf("%d of %d fields left", left, n)
		}
	}
	if (*fields)(nil).get(lua.LString("x")) != lua.LNil {
		t.Error("a field of nothing")
	}
}

// What no script looks at is not made for each client.
func TestClientParts(t *testing.T) {
	r := newRig(t, files{"main.lua": `function onConnection(client) c = client; client.mine = client.nothing end`})
	r.dial("rtmfp://10.0.0.1/?a.b=5")
	for _, c := range r.engine.objects.clients {
		if c.props != nil || c.params != nil || c.writer.obj != nil || c.streams != nil {
			t.Error("made for nobody")
		}
	}
	r.expect("", `c.a.b, c["a.b"], c.nothing, c.properties["a.b"], c.writer == c.writer`, "5,5,nil,5,true")
}
