package lualib

import (
	"sort"
	"strconv"

	lua "github.com/yuin/gopher-lua"
)

// frame finds a level of the call stack, as lua_getstack does: 0 is the running function. The result belongs to the
// thread it is returned with. A protected call runs on a thread of its own; the stack of the script goes on in the one that
// made the call.
func (l *Library) frame(L *lua.LState, level int) (*lua.LState, *lua.Debug, bool) {
	for {
		if dbg, ok := l.levelOf(L, level); ok {
			return L, dbg, true
		}
		below := l.below(L)
		if below == nil {
			return nil, nil, false
		}
		level -= l.depth(L)
		L = below
	}
}

// levelOf is L.GetStack without callBriefly, with which protected calls begin.
func (l *Library) levelOf(L *lua.LState, level int) (*lua.Debug, bool) {
	dbg, ok := L.GetStack(level)
	if !ok {
		return nil, false
	}
	if _, more := L.GetStack(level + 1); !more {
		if fn, _ := L.GetInfo("f", dbg, nil); fn == l.brief {
			return nil, false
		}
	}
	return dbg, true
}

// depth is the number of levels of a thread. Tail calls count: there may be millions.
func (l *Library) depth(L *lua.LState) int {
	has := func(level int) bool {
		_, ok := l.levelOf(L, level)
		return ok
	}
	limit := 1
	for has(limit - 1) {
		limit *= 2
	}
	return sort.Search(limit, func(level int) bool { return !has(level) })
}

// stackDepth is the number of levels of the call stack.
func (l *Library) stackDepth(L *lua.LState) (n int) {
	for ; L != nil; L = l.below(L) {
		n += l.depth(L)
	}
	return n
}

// below is the thread in which the protected call was made that L runs.
func (l *Library) below(L *lua.LState) *lua.LState {
	for i := len(l.helpers) - 1; i >= 0; i-- {
		if l.helpers[i].thread == L {
			return l.helpers[i].caller
		}
	}
	return nil
}

// where is the position of a level, "file:line: ", or empty for a function that has none (luaL_where).
func (l *Library) where(L *lua.LState, level int) string {
	th, dbg, ok := l.frame(L, level)
	if !ok {
		return ""
	}
	if _, err := th.GetInfo("Sl", dbg, nil); err != nil || dbg.CurrentLine <= 0 || dbg.Source == coroutineSource {
		return ""
	}
	return dbg.Source + ":" + strconv.Itoa(dbg.CurrentLine) + ": "
}

// position is where the innermost function is that has a position.
func (l *Library) position(L *lua.LState) string {
	for level := 1; ; level++ {
		if where := l.where(L, level); where != "" {
			return where
		}
		if _, _, ok := l.frame(L, level); !ok {
			return ""
		}
	}
}

// functionAt is the function running at a level.
func (l *Library) functionAt(L *lua.LState, level int) *lua.LFunction {
	th, dbg, ok := l.frame(L, level)
	if !ok {
		return nil
	}
	v, _ := th.GetInfo("f", dbg, nil)
	fn, _ := v.(*lua.LFunction)
	return fn
}

// callerFunction is the innermost running function written in Lua.
func (l *Library) callerFunction(L *lua.LState) *lua.LFunction {
	for level := 1; ; level++ {
		fn := l.functionAt(L, level)
		if fn == nil || !fn.IsG {
			return fn
		}
	}
}

// callerEnv is the environment of the innermost running function written in Lua.
func (l *Library) callerEnv(L *lua.LState) *lua.LTable {
	if fn := l.callerFunction(L); fn != nil {
		return fn.Env
	}
	return L.Env
}
