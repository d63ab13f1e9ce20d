package script

import (
	"errors"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// turnState is what lives as long as one event is handled.
type turnState struct {
	depth   int
	calls   int // calls of Lua under way
	took    time.Duration
	cleanup []func() // run when the event returns
	args    []lua.LValue
	outbox
}

// do runs f as an event of app: with a time budget, and with what belongs to the event's end after it. An
// event that is part of another one, but not of a call of Lua, has a budget of its own: a new main.lua
// must not pay for the onStop of the old one, nor onDisconnection for what came before it.
// If a budget was exceeded, do returns how long that took.
func (e *Engine) do(app *App, f func()) (overran time.Duration) {
	t := &e.turn
	before := e.running
	e.running = app
	t.depth++
	switch {
	case t.depth == 1:
		t.took = 0
		e.watch.begin()
	case t.calls == 0:
		e.endBudget()
		e.watch.begin()
	}
	f()
	if t.depth == 1 {
		for len(t.cleanup) > 0 {
			list := t.cleanup
			t.cleanup = nil
			for _, c := range list {
				c()
			}
		}
		e.L.SetTop(0)
		e.endBudget()
		overran = t.took
		e.flushOutbox()
	} else if t.calls == 0 {
		e.endBudget()
		e.watch.begin()
	}
	t.depth--
	e.running = before
	return overran
}

func (e *Engine) endBudget() {
	if took := e.watch.end(); took > 0 {
		e.turn.took += took
		e.counters.Overruns.Add(1)
	}
}

// atEnd runs f when the running event returns.
func (e *Engine) atEnd(f func()) { e.turn.cleanup = append(e.turn.cleanup, f) }

// call calls a Lua function and returns all its results.
func (e *Engine) call(fn *lua.LFunction, args ...lua.LValue) ([]lua.LValue, error) {
	L := e.L
	top := L.GetTop()
	defer L.SetTop(top)
	if err := e.invoke(fn, lua.MultRet, args); err != nil {
		return nil, err
	}
	n := L.GetTop() - top
	if n == 0 {
		return nil, nil
	}
	results := make([]lua.LValue, n)
	for i := range results {
		results[i] = L.Get(top + 1 + i)
	}
	return results, nil
}

// invoke calls a Lua function and leaves its results on the stack.
func (e *Engine) invoke(fn *lua.LFunction, nret int, args []lua.LValue) error {
	L := e.L
	e.counters.Events.Add(1)
	L.Push(fn)
	for _, v := range args {
		L.Push(v)
	}
	e.turn.calls++
	err := e.lib.PCall(L, len(args), nret)
	e.turn.calls--
	return err
}

// event calls the event function name of app, its own or inherited, if there is one, and logs an error.
// ok is false if it raised one.
func (e *Engine) event(app *App, name string, done func(results []lua.LValue), args ...lua.LValue) (ok bool) {
	fn, isFn := e.L.GetField(app.env, name).(*lua.LFunction)
	if !isFn {
		if done != nil {
			done(nil)
		}
		return true
	}
	results, err := e.call(fn, args...)
	if err != nil {
		e.scriptError(app, name, err)
		return false
	}
	if done != nil {
		done(results)
	}
	return true
}

// method calls the function stored as name on o with o as its first argument. found is false if there
// is no such function.
func (e *Engine) method(o *object, name string, args ...lua.LValue) (results []lua.LValue, found bool, err error) {
	fn := o.function(name)
	if fn == nil {
		return nil, false, nil
	}
	results, err = e.call(fn, append([]lua.LValue{o.ud}, args...)...)
	return results, true, err
}

// notify is method for events whose results and errors nobody waits for.
func (e *Engine) notify(o *object, name string, args ...lua.LValue) {
	if _, _, err := e.method(o, name, args...); err != nil {
		e.scriptError(e.running, name, err)
	}
}

// unknownError stands for error values that are no text, as in MonaServer 1.x.
const unknownError = "Unknown error"

// errorText is what a peer is told about an error raised by a script: its message, complete and on one
// line. Clients take the last word of it for an address.
func errorText(err error) string {
	var api *lua.ApiError
	if !errors.As(err, &api) {
		return err.Error()
	}
	var text string
	switch v := api.Object.(type) {
	case lua.LString:
		text = string(v)
	case lua.LNumber:
		text = v.String()
	default:
		return unknownError
	}
	return strings.TrimRight(strings.ReplaceAll(shorten(text), "\n", " "), " ")
}
