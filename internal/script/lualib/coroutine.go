package lualib

import (
	"runtime"
	"strings"
	"sync"
	"time"
	"weak"

	lua "github.com/yuin/gopher-lua"
)

// newCoroutine makes the coroutine table of an application.
func (s *Scope) newCoroutine(L *lua.LState) *lua.LTable {
	return s.l.newTable(L, "coroutine", map[string]function{
		"create":  func(c call) int { return c.push(s.newThread(c)) },
		"resume":  coResume,
		"running": coRunning,
		"status":  coStatus,
		"wrap":    s.coWrap,
		"yield":   coYield,
	})
}

// newThread makes a coroutine of the first argument.
func (s *Scope) newThread(c call) *lua.LState {
	if _, ok := c.L.Get(1).(*lua.LFunction); !ok {
		c.argError(1, "Lua function expected")
	}
	if !s.roomForCoroutine() {
		c.errorf("too many coroutines: %d have not finished", s.l.o.MaxCoroutines)
	}
	body := c.L.NewFunctionFromProto(coroutineBody())
	body.Env = c.l.callerEnv(c.L)
	body.Upvalues = c.L.NewClosure(nil, c.L.Get(1)).Upvalues
	var th *lua.LState
	withOptions(c.L, coroutineOptions(), func() {
		c.L.Push(c.l.coCreate)
		c.L.Push(body)
		c.L.Call(1, 1)
		th = c.L.Get(-1).(*lua.LState)
		c.L.Pop(1)
	})
	s.alive[weak.Make(th)] = struct{}{}
	return th
}

// coroutineBody is what every coroutine starts with: a function of Lua that calls the one given to coroutine.create. The
// virtual machine starts threads with functions of Lua only, and loses those that end in a tail call of coroutine.yield.
var coroutineBody = sync.OnceValue(func() *lua.FunctionProto {
	const same = "the arguments" // replaced by a function that returns its arguments
	proto, err := Compile(coroutineSource, []byte(`local f = ... return function(...) return ("`+same+`")(f(...)) end`), nil)
	if err != nil {
		panic(err) // a constant
	}
	body := proto.FunctionPrototypes[0]
	for i, k := range body.Constants {
		if k == lua.LString(same) {
			body.Constants[i] = &lua.LFunction{
				IsG: true, Env: &lua.LTable{Metatable: lua.LNil},
				GFunction: func(L *lua.LState) int { return L.GetTop() },
			}
		}
	}
	for i := range body.DbgCalls {
		body.DbgCalls[i].Name = "?" // the function has no name, least of all the one it has here
	}
	return body
})

// coroutineSource is the chunk name of coroutineBody; it is left out of tracebacks.
const coroutineSource = "=[coroutine]"

// collectEvery bounds how often a script that abandons coroutines makes the server collect its garbage.
const collectEvery = 10 * time.Second

// roomForCoroutine reports whether the application may have another coroutine. Abandoned ones count until they have been
// collected.
func (s *Scope) roomForCoroutine() bool {
	if len(s.alive) < s.l.o.MaxCoroutines {
		return true
	}
	for w := range s.alive {
		if w.Value() == nil {
			delete(s.alive, w)
		}
	}
	if len(s.alive) < s.l.o.MaxCoroutines {
		return true
	}
	if now := time.Now(); now.Sub(s.lastSweep) > collectEvery {
		s.lastSweep = now
		go runtime.GC() // not waited for
	}
	return false
}

func (c call) thread(n int) *lua.LState {
	th, ok := c.L.Get(n).(*lua.LState)
	if !ok {
		c.argError(n, "coroutine expected")
	}
	return th
}

func coResume(c call) int { return c.resume(c.thread(1)) }

func (s *Scope) coWrap(c call) int {
	th := s.newThread(c)
	return c.push(c.l.function(c.L, "wrap", func(c call) int {
		c.L.Insert(th, 1)
		n := c.resume(th)
		if first := c.L.Get(-n); first == lua.LFalse {
			v := c.L.Get(-1)
			if text, is := toString(v); is { // tells where the coroutine was called, too
				v = lua.LString(c.l.where(c.L, 1) + text)
			}
			c.l.throw(c.L, v)
		}
		return n - 1
	}))
}

// resume continues th, which is below its arguments on the stack, and pushes what coroutine.resume returns. An exceeded
// budget is raised.
func (c call) resume(th *lua.LState) int {
	l, L := c.l, c.L
	if status := l.status(th); status != "suspended" {
		L.Push(lua.LFalse)
		L.Push(lua.LString("cannot resume " + status + " coroutine"))
		return 2
	}
	m := l.mark()
	c.enter()
	l.nest++ // a coroutine may take more stack than other calls
	l.coroutines = append(l.coroutines, th)
	shareContext(th, L)
	L.Insert(l.coResume, 1)
	L.Call(L.GetTop()-1, lua.MultRet)
	l.restore(m)
	if th.Dead {
		l.finished(th)
	}
	n := L.GetTop()
	if L.Get(1) == lua.LFalse {
		v := L.Get(2)
		l.pass(L, v)
		if s, ok := v.(lua.LString); ok && strings.HasPrefix(string(s), "lua callstack overflow") {
			L.Replace(2, lua.LString("stack overflow")) // from the growing kind of call stack
			closeLost(th, maxResults+256)
		} else if ok && strings.HasPrefix(string(s), "runtime error: ") {
			closeLost(th, maxResults+256)
		}
	}
	return n
}

// openCoroutine takes the functions of gopher-lua that make and run threads.
func (l *Library) openCoroutine(L *lua.LState) {
	lua.OpenCoroutine(L)
	t := L.Get(-1).(*lua.LTable)
	l.coCreate, l.coResume = t.RawGetString("create"), t.RawGetString("resume")
	L.SetTop(0)
	L.G.Global.RawSetString(lua.CoroutineLibName, lua.LNil)
	L.G.Registry.RawSetString("_LOADED", lua.LNil)
}

// finished forgets a coroutine that has ended.
func (l *Library) finished(th *lua.LState) {
	w := weak.Make(th)
	for _, s := range l.scopes {
		delete(s.alive, w)
	}
}

// coYield is coroutine.yield. The virtual machine cannot leave a Go function that called back into Lua (a metamethod, an
// iterator, a callback of gsub or sort, pcall), and goes astray when asked to.
func coYield(c call) int {
	l := c.l
	if n := len(l.coroutines); n == 0 || l.coroutines[n-1] != c.L || l.nestedCall() {
		l.throw(c.L, lua.LString("attempt to yield across metamethod/C-call boundary"))
	}
	return -1
}

type frameKind uint8

const (
	frameOther  frameKind = 1 + iota
	frameThread           // where the virtual machine started the thread
	frameNested           // where a Go function called into Lua
)

// nestedCall reports whether the running thread is inside a call from Go: which of the two is nearer on the Go stack.
func (l *Library) nestedCall() bool {
	// The thread's start is the fifth caller of coYield if it is not inside a call. Each one costs a tenth of a microsecond.
	var pcs [6]uintptr
	for _, pc := range pcs[:runtime.Callers(3, pcs[:])] {
		kind := l.yields[pc]
		if kind == 0 {
			kind = kindOf(pc)
			l.yields[pc] = kind
		}
		if kind != frameOther {
			return kind == frameNested
		}
	}
	return true
}

func kindOf(pc uintptr) frameKind {
	frames := runtime.CallersFrames([]uintptr{pc})
	for {
		f, more := frames.Next()
		switch {
		case strings.HasSuffix(f.Function, "gopher-lua.threadRun"):
			return frameThread
		case strings.HasSuffix(f.Function, "gopher-lua.(*LState).callR"):
			return frameNested
		}
		if !more {
			return frameOther
		}
	}
}

func coRunning(c call) int {
	if n := len(c.l.coroutines); n > 0 {
		return c.push(c.l.coroutines[n-1])
	}
	return c.push(lua.LNil)
}

func coStatus(c call) int { return c.pushString(c.l.status(c.thread(1))) }

func (l *Library) status(th *lua.LState) string {
	if th.Dead {
		return "dead"
	}
	for i, running := range l.coroutines {
		if running == th {
			if i == len(l.coroutines)-1 {
				return "running"
			}
			return "normal"
		}
	}
	return "suspended"
}
