package lualib

import (
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// baseLoad is load (Lua 5.1 §5.1). As in LuaJIT the first argument may be the text itself.
func baseLoad(c call) int {
	if _, ok := c.L.Get(1).(lua.LString); ok {
		return baseLoadString(c)
	}
	f := c.fn(1)
	var b strings.Builder
	for {
		v := c.call1(f)
		piece, ok := toString(v)
		if !ok && v != lua.LNil {
			c.L.Push(lua.LNil)
			c.L.Push(lua.LString("reader function must return a string"))
			return 2
		}
		if piece == "" {
			break
		}
		b.WriteString(piece)
		if b.Len() > c.l.o.MaxSource {
			break // load refuses it
		}
	}
	return c.load(b.String(), chunkName(c.optString(2, "=(load)")))
}

func baseLoadString(c call) int {
	s := c.string(1)
	return c.load(s, chunkName(c.optString(2, s)))
}

// load compiles a text to a function with the environment of the caller.
func (c call) load(text, name string) int {
	proto, err := compile(name, []byte(text), c.l.o.Warn, limits{source: c.l.o.MaxSource, cost: maxLoadCost, stop: c.l.overdue})
	c.check()
	if err != nil {
		c.L.Push(lua.LNil)
		c.L.Push(lua.LString(err.Error()))
		return 2
	}
	fn := c.L.NewFunctionFromProto(proto)
	fn.Env = c.l.callerEnv(c.L)
	return c.push(fn)
}

// chunkName is how a chunk is called in messages (luaO_chunkid).
func chunkName(source string) string {
	const size = 60 // LUA_IDSIZE
	switch {
	case source == "":
		return `[string ""]`
	case source[0] == '=':
		return source[1:min(len(source), size)]
	case source[0] == '@':
		name, limit := source[1:], size-len(" '...' ")-1
		if len(name) > limit {
			return "..." + name[len(name)-limit:]
		}
		return name
	}
	line, _, more := strings.Cut(source, "\n")
	if limit := size - len(` [string "..."] `) - 1; more || len(line) > limit {
		line = line[:min(len(line), limit)] + "..."
	}
	return fmt.Sprintf(`[string "%s"]`, line)
}
