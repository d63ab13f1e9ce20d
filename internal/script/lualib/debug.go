package lualib

import (
	"fmt"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// debugFunctions looks at functions; nothing changes what they do or reads their variables.
var debugFunctions = map[string]function{
	"getinfo":   debugGetInfo,
	"traceback": debugTraceback,
}

// debugGetInfo is debug.getinfo without the fields activelines and namewhat, which gopher-lua does not know. Of functions
// written in Go it does not give the value.
func debugGetInfo(c call) int {
	th, arg := c.L, 1
	if other, ok := c.L.Get(1).(*lua.LState); ok {
		th, arg = other, 2
	}
	what := c.optString(arg+1, "flnSu")
	dbg, owner := &lua.Debug{}, th
	var fn *lua.LFunction
	switch v := c.L.Get(arg).(type) {
	case *lua.LFunction:
		fn = v
		if _, err := th.GetInfo(">Slu", dbg, fn); err != nil {
			c.errorf("%s", err.Error())
		}
		dbg.CurrentLine = -1
	default:
		level := c.int(arg)
		if level < 0 {
			return c.push(lua.LNil)
		}
		var ok bool
		if owner, dbg, ok = c.l.frame(th, level); !ok {
			return c.push(lua.LNil)
		}
		v2, err := owner.GetInfo("fSlnu", dbg, nil)
		if err != nil {
			c.errorf("%s", err.Error())
		}
		fn, _ = v2.(*lua.LFunction)
	}
	t := c.L.NewTable()
	set := func(k string, v lua.LValue) { t.RawSetString(k, v) }
	for i := range len(what) {
		switch what[i] {
		case 'S':
			source, kind := dbg.Source, "Lua"
			switch {
			case fn == nil:
			case fn.IsG:
				source, kind = "=[C]", "C"
			case fn.Proto.LineDefined == 0:
				kind = "main"
			}
			set("source", lua.LString(source))
			set("short_src", lua.LString(strings.TrimPrefix(source, "=")))
			set("what", lua.LString(kind))
			set("linedefined", lua.LNumber(definedAt(fn, dbg.LineDefined)))
			set("lastlinedefined", lua.LNumber(definedAt(fn, dbg.LastLineDefined)))
		case 'l':
			set("currentline", lua.LNumber(dbg.CurrentLine))
		case 'u':
			set("nups", lua.LNumber(dbg.NUpvalues))
		case 'n':
			name, nameWhat := lua.LValue(lua.LNil), ""
			if n := frameName(dbg); n != "" {
				name, nameWhat = lua.LString(n), "local"
			}
			set("name", name)
			set("namewhat", lua.LString(nameWhat))
		case 'f':
			if fn != nil && !fn.IsG {
				set("func", fn)
			}
		case 'L':
		default:
			c.argError(arg+1, "invalid option")
		}
	}
	return c.push(t)
}

func definedAt(fn *lua.LFunction, line int) int {
	if fn == nil || fn.IsG {
		return -1
	}
	return line
}

// frameName is the name a function was called by, empty if there is none.
func frameName(dbg *lua.Debug) string {
	switch n := dbg.Name; {
	case n == "" || n == "?" || n == "main chunk" || n == "corountine" || n[0] == '(' || n[0] == '<':
		return ""
	default:
		return n
	}
}

// Parts of a stack that a traceback shows (LEVELS1 and LEVELS2 of Lua 5.1).
const (
	tracebackFirst = 12
	tracebackLast  = 10
)

func debugTraceback(c call) int {
	th, arg, level := c.L, 1, 1
	if other, ok := c.L.Get(1).(*lua.LState); ok {
		th, arg, level = other, 2, 0
	}
	msg := c.L.Get(arg)
	text, isText := toString(msg)
	if !isText && msg != lua.LNil {
		return c.push(msg)
	}
	if msg != lua.LNil {
		text += "\n"
	}
	return c.pushString(text + c.l.traceback(th, c.optInt(arg+1, level)))
}

// Traceback is the stack traceback of L from a level on (0 is the running function), also through protected calls.
func (l *Library) Traceback(L *lua.LState, level int) string { return l.traceback(L, level) }

func (l *Library) traceback(L *lua.LState, level int) string {
	var lines []string
	depth := l.stackDepth(L)
	for ; ; level++ {
		if len(lines) == tracebackFirst && depth-level > tracebackLast {
			lines = append(lines, "\t...")
			level = depth - tracebackLast
		}
		th, dbg, ok := l.frame(L, level)
		if !ok {
			break
		}
		fn, err := th.GetInfo("fSln", dbg, nil)
		if err != nil {
			break
		}
		if dbg.Source == coroutineSource {
			continue
		}
		lines = append(lines, traceLine(fn, dbg))
	}
	return "stack traceback:\n" + strings.Join(lines, "\n")
}

func traceLine(v lua.LValue, dbg *lua.Debug) string {
	fn, _ := v.(*lua.LFunction)
	name := frameName(dbg)
	if fn == nil || fn.IsG {
		if name == "" {
			return "\t[C]: ?"
		}
		return "\t[C]: in function '" + name + "'"
	}
	in := fmt.Sprintf("in function <%s:%d>", dbg.Source, dbg.LineDefined)
	switch {
	case fn.Proto.LineDefined == 0:
		in = "in main chunk"
	case name != "":
		in = "in function '" + name + "'"
	}
	return fmt.Sprintf("\t%s:%d: %s", dbg.Source, dbg.CurrentLine, in)
}
