package script

import (
	"errors"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// turnState is what lives as long as one event is handled.
type turnState struct {
	depth   int
	cleanup []func() // run when the event returns
}

// do runs f as an event of app: with a time budget, and with what belongs to the event's end after it.
// It reports whether the budget was exceeded.
func (e *Engine) do(app *App, f func()) (overran bool) {
	before := e.running
	e.running = app
	e.turn.depth++
	if e.turn.depth == 1 {
		e.watch.begin()
	}
	f()
	if e.turn.depth == 1 {
		for len(e.turn.cleanup) > 0 {
			list := e.turn.cleanup
			e.turn.cleanup = nil
			for _, c := range list {
				c()
			}
		}
		e.L.SetTop(0)
		if overran = e.watch.end(); overran {
			e.counters.Overruns.Add(1)
		}
	}
	e.turn.depth--
	e.running = before
	return overran
}

// atEnd runs f when the running event returns.
func (e *Engine) atEnd(f func()) { e.turn.cleanup = append(e.turn.cleanup, f) }

// call calls a Lua function and returns all its results.
func (e *Engine) call(fn *lua.LFunction, args ...lua.LValue) ([]lua.LValue, error) {
	L := e.L
	top := L.GetTop()
	defer L.SetTop(top)
	e.counters.Events.Add(1)
	L.Push(fn)
	for _, v := range args {
		L.Push(v)
	}
	if err := e.lib.PCall(L, len(args), lua.MultRet); err != nil {
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
	return strings.TrimRight(strings.ReplaceAll(text, "\n", " "), " ")
}
