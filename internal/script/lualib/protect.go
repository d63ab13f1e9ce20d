package lualib

import (
	"strings"
	"sync"

	lua "github.com/yuin/gopher-lua"
)

// Protected calls. When gopher-lua raises an error, it closes the captured variables (upvalues) of every function on the
// stack of the thread, also of those outside the protected call that catches the error: they go on with variables of
// their own, and
//
//	local n = 0
//	local function count() n = n + 1 end
//	pcall(error)
//	count()
//
// leaves n at 0. With a handler (xpcall) it closes none, also not those of the functions that the error ends. A protected
// call inside a running script therefore runs on a thread of its own, whose functions all end with an error.

// helper is a thread that runs a protected call.
type helper struct {
	thread, caller *lua.LState
}

// mark is what a protected call puts back after an error.
type mark struct {
	nest, helpers, coroutines int
	current                   *lua.LState
}

func (l *Library) mark() mark {
	return mark{l.nest, len(l.helpers), len(l.coroutines), l.g.CurrentThread}
}

func (l *Library) restore(m mark) {
	l.nest = m.nest
	for i := len(l.helpers) - 1; i >= m.helpers; i-- {
		l.helpers[i] = helper{} // its thread has not been left in order: not used again
	}
	l.helpers = l.helpers[:m.helpers]
	clear(l.coroutines[m.coroutines:])
	l.coroutines = l.coroutines[:m.coroutines]
	l.g.CurrentThread = m.current
}

// PCall calls the function below the nargs arguments on top of the stack in protected mode, as L.PCall does without a
// handler. Every call of Lua from Go goes through it: it counts how deep calls are, and a call made while a script is
// running leaves the closures of that script intact.
func (l *Library) PCall(L *lua.LState, nargs, nret int) error {
	if l.nest == 0 {
		m := l.mark()
		l.nest, l.raised = 1, nil
		err := l.briefly(L, nargs, nret)
		l.restore(m)
		if isPanic(err) {
			closeLost(L, maxSlots)
		}
		return err
	}
	return l.protected(L, nargs, nret)
}

// briefly is L.PCall without the traceback that it makes of every error: that takes time with the square of the depth
// of the stack, and with the number of tail calls, which has no bound.
func (l *Library) briefly(L *lua.LState, nargs, nret int) error {
	L.Insert(l.brief, -nargs-1)
	return L.PCall(nargs+1, nret, nil)
}

// callBriefly calls its first argument with the others.
func callBriefly(L *lua.LState) int {
	L.Panic = raise // until PCall puts it back
	L.Call(L.GetTop()-1, lua.MultRet)
	return L.GetTop()
}

// raise is what gopher-lua does with the error on top of the stack, except that it has a traceback already.
func raise(L *lua.LState) {
	panic(&lua.ApiError{Type: lua.ApiErrorRun, Object: L.Get(-1), StackTrace: "stack traceback:"})
}

// protected is PCall on a helper thread.
func (l *Library) protected(L *lua.LState, nargs, nret int) error {
	th := l.begin(L)
	L.XMoveTo(th, nargs+1)
	m := l.mark()
	err := l.briefly(th, nargs, lua.MultRet)
	l.restore(m)
	if err == nil {
		moveResults(th, L, nret)
	}
	l.end(th, err)
	return err
}

// moveResults moves all values of a thread that has ended to L, as many as nret asks for.
func moveResults(th, L *lua.LState, nret int) {
	if nret != lua.MultRet {
		th.SetTop(nret)
	}
	th.XMoveTo(L, th.GetTop())
}

// begin provides a thread for a protected call made by L.
func (l *Library) begin(L *lua.LState) *lua.LState {
	if l.nest >= maxNest {
		l.throw(L, lua.LString(l.where(L, 1)+"C stack overflow"))
	}
	l.nest++
	n := len(l.helpers)
	var th *lua.LState
	if last := len(l.idle) - 1; last >= 0 && n < outerHelpers {
		th, l.idle = l.idle[last], l.idle[:last]
	} else {
		th = newThread(L, helperOptions(n < outerHelpers))
	}
	shareContext(th, L)
	l.helpers = append(l.helpers, helper{th, L})
	return th
}

// end takes back the thread of the innermost protected call.
func (l *Library) end(th *lua.LState, err error) {
	l.nest--
	n := len(l.helpers) - 1
	l.helpers[n] = helper{}
	l.helpers = l.helpers[:n]
	if n >= outerHelpers {
		return
	}
	if isPanic(err) {
		closeLost(th, maxSlots)
		return
	}
	th.SetTop(0)
	l.idle = append(l.idle, th)
}

// isPanic reports whether err is a Go panic that gopher-lua has recovered from.
func isPanic(err error) bool {
	api, ok := err.(*lua.ApiError)
	return ok && api.Type == lua.ApiErrorPanic
}

// closeLost gives captured variables that a panic has left behind the value nil. Unlike an error of Lua, a panic in a Go
// function does not close the upvalues of the functions it ends: they go on referring to places on the stack of L that
// hold no value at all, which Go code that gets hold of it does not survive. The places are among the n above the top.
func closeLost(L *lua.LState, n int) {
	for ; n > 0 && !closeUpvalues(L, n); n /= 2 {
	}
}

// closeUpvalues calls a function that does nothing with n arguments. They are nil while it returns, which closes the
// upvalues in their places. It reports false if the stack is too small.
func closeUpvalues(L *lua.LState, n int) (ok bool) {
	top := L.GetTop()
	defer func() {
		if recover() != nil {
			L.SetTop(top)
		}
	}()
	L.Push(L.NewFunctionFromProto(nothing()))
	L.SetTop(top + 1 + n)
	L.Call(n, 0)
	return true
}

var nothing = sync.OnceValue(func() *lua.FunctionProto {
	proto, err := Compile("=nothing", []byte("return function() end"), nil)
	if err != nil {
		panic(err) // a constant
	}
	return proto.FunctionPrototypes[0]
})

// errorValue is the error value of an error returned by PCall.
func errorValue(err error) lua.LValue {
	if api, ok := err.(*lua.ApiError); ok {
		return api.Object
	}
	return lua.LString(err.Error())
}

// callable reports whether v can be called; otherwise the second result is the error of the attempt.
func callable(L *lua.LState, v lua.LValue) (bool, lua.LValue) {
	if _, ok := v.(*lua.LFunction); ok {
		return true, nil
	}
	switch v.(type) {
	case *lua.LTable, *lua.LUserData: // see openPlain about the others
		if _, ok := L.GetMetaField(v, "__call").(*lua.LFunction); ok {
			return true, nil
		}
	}
	return false, lua.LString("attempt to call a " + v.Type().String() + " value")
}

// basePCall is pcall (Lua 5.1 §5.1).
func basePCall(c call) int {
	L := c.L
	if ok, err := callable(L, c.any(1)); !ok {
		L.Push(lua.LFalse)
		L.Push(err)
		return 2
	}
	th := c.l.begin(L)
	nargs := L.GetTop() - 1
	L.XMoveTo(th, nargs+1)
	m := c.l.mark()
	err := c.l.briefly(th, nargs, lua.MultRet)
	c.l.restore(m)
	return c.l.outcome(L, th, err)
}

// outcome ends the thread of pcall and xpcall and returns what they return. The stack of L is empty.
func (l *Library) outcome(L, th *lua.LState, err error) int {
	if err == nil {
		L.Push(lua.LTrue)
		n := th.GetTop()
		th.XMoveTo(L, n)
		l.end(th, nil)
		return n + 1
	}
	l.end(th, err)
	v := errorValue(err)
	l.pass(L, v)
	L.Push(lua.LFalse)
	L.Push(v)
	return 2
}

// baseXPCall is xpcall (Lua 5.1 §5.1); it passes further arguments on, as LuaJIT does.
func baseXPCall(c call) int {
	L := c.L
	handler, f := c.any(2), c.L.Get(1)
	if ok, err := callable(L, f); !ok {
		L.SetTop(0)
		L.Push(lua.LFalse)
		L.Push(c.call1(handler, err))
		return 2
	}
	th := c.l.begin(L)
	var handled bool
	var raised lua.LValue // what the handler was called with
	th.Push(L.NewFunction(func(th *lua.LState) int {
		// The handler runs before the error is raised, on top of the failed functions.
		th.Panic = func(th *lua.LState) {
			th.Panic = raise
			if raised = th.Get(-1); !c.l.exceeded() {
				th.Push(handler)
				th.Push(raised)
				th.Call(1, 1)
				handled = true
			}
			raise(th)
		}
		th.Call(th.GetTop()-1, lua.MultRet)
		return th.GetTop()
	}))
	L.Remove(2)
	nargs := L.GetTop()
	L.XMoveTo(th, nargs)
	m := c.l.mark()
	err := th.PCall(nargs, lua.MultRet, nil)
	c.l.restore(m)
	if err == nil || handled || c.l.exceeded() {
		return c.l.outcome(L, th, err)
	}
	c.l.end(th, err)
	L.Push(lua.LFalse)
	if raised != nil && !strings.HasSuffix(raised.String(), "stack overflow") {
		L.Push(lua.LString("error in error handling"))
		return 2
	}
	L.Push(handler) // has not run: the stack was full, or the error is a panic
	L.Push(errorValue(err))
	if err := c.l.protected(L, 1, 1); err != nil {
		c.l.pass(L, errorValue(err))
		L.Push(lua.LString("error in error handling"))
	}
	return 2
}
