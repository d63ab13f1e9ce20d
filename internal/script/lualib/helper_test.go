package lualib

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// vm is a state with one application.
type vm struct {
	t   testing.TB
	L   *lua.LState
	lib *Library
	env *lua.LTable
	out bytes.Buffer
}

func newVM(t testing.TB, o Options, app App) *vm {
	v := &vm{t: t, L: lua.NewState(StateOptions())}
	t.Cleanup(v.L.Close)
	if o.Stdout == nil {
		o.Stdout = &v.out
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if b, ok := o.Budget.(*watch); ok {
		v.L.SetContext(b)
	}
	v.lib = New(v.L, o)
	v.env, _ = v.application(app)
	return v
}

// application adds another application.
func (v *vm) application(app App) (*lua.LTable, *Scope) {
	env, mt := v.L.NewTable(), v.L.NewTable()
	mt.RawSetString("__index", v.L.G.Global)
	env.Metatable = mt
	return env, v.lib.Install(env, env, app)
}

// run runs a chunk in an environment and returns its results.
func (v *vm) run(env *lua.LTable, name, src string) ([]lua.LValue, error) {
	proto, err := Compile(name, []byte(src), nil)
	if err != nil {
		return nil, err
	}
	fn := v.L.NewFunctionFromProto(proto)
	fn.Env = env
	return v.call(fn)
}

func (v *vm) call(fn lua.LValue, args ...lua.LValue) ([]lua.LValue, error) {
	v.t.Helper()
	top := v.L.GetTop()
	v.L.Push(fn)
	for _, a := range args {
		v.L.Push(a)
	}
	err := v.lib.PCall(v.L, len(args), lua.MultRet)
	var results []lua.LValue
	for i := top + 1; i <= v.L.GetTop(); i++ {
		results = append(results, v.L.Get(i))
	}
	v.L.SetTop(top)
	if v.lib.nest != 0 || len(v.lib.helpers) != 0 || len(v.lib.coroutines) != 0 {
		v.t.Fatalf("after a call: nest %d, %d helpers, %d coroutines", v.lib.nest, len(v.lib.helpers), len(v.lib.coroutines))
	}
	return results, err
}

// eval runs a chunk and returns its first result as text.
func (v *vm) eval(src string) string {
	v.t.Helper()
	r, err := v.run(v.env, "test", src)
	if err != nil {
		v.t.Fatalf("%s\n%v", src, err)
	}
	if len(r) == 0 {
		return ""
	}
	return v.lib.ToString(v.L, r[0])
}

// fail runs a chunk that raises an error and returns its text.
func (v *vm) fail(src string) string {
	v.t.Helper()
	r, err := v.run(v.env, "test", src)
	if err == nil {
		v.t.Fatalf("%s\nno error but %v", src, r)
	}
	var api *lua.ApiError
	if errors.As(err, &api) {
		if api.Type == lua.ApiErrorPanic {
			v.t.Fatalf("%s\na panic: %v", src, err)
		}
		return api.Object.String()
	}
	return err.Error()
}

// want runs a chunk and compares its first result.
func (v *vm) want(src, want string) {
	v.t.Helper()
	if got := v.eval(src); got != want {
		v.t.Errorf("%s\ngot  %s\nwant %s", src, got, want)
	}
}

func (v *vm) wantFail(src, want string) {
	v.t.Helper()
	if got := v.fail(src); got != want {
		v.t.Errorf("%s\ngot  %s\nwant %s", src, got, want)
	}
}

// watch is a budget and the context of a state, as the owner of a state has it.
type watch struct {
	context.Context
	over atomic.Bool
	once sync.Once
	at   time.Time // when it was exceeded
	done chan struct{}
}

var errOverrun = errors.New("interrupted: out of time")

func newWatch() *watch { return &watch{Context: context.Background(), done: make(chan struct{})} }

func (w *watch) Exceeded() bool        { return w.over.Load() }
func (w *watch) Done() <-chan struct{} { return w.done }
func (w *watch) Err() error {
	if w.over.Load() {
		return errOverrun
	}
	return nil
}

func (w *watch) exceed() {
	w.once.Do(func() {
		w.at = time.Now()
		w.over.Store(true)
		close(w.done)
	})
}

// after exceeds the budget after some time.
func (w *watch) after(d time.Duration) *watch {
	time.AfterFunc(d, w.exceed)
	return w
}

// overrun runs a chunk that is stopped after 100 ms and returns its error and how long it went on after that.
func overrun(t *testing.T, src string) (string, time.Duration) {
	t.Helper()
	w := newWatch()
	v := newVM(t, Options{Budget: w}, App{})
	proto, err := Compile("test", []byte(src), nil)
	if err != nil {
		t.Fatal(err)
	}
	fn := v.L.NewFunctionFromProto(proto)
	fn.Env = v.env
	w.after(100 * time.Millisecond)
	_, err = v.call(fn)
	if !w.over.Load() {
		t.Fatalf("%s\nended by itself: %v", src, err)
	}
	late := time.Since(w.at)
	if err == nil {
		t.Fatalf("%s\nended without an error", src)
	}
	return errorValue(err).String(), late
}

// patience is how late an interruption may be on a busy machine; on a quiet one it takes a few milliseconds. Without the
// checks it would be minutes.
const patience = 5 * time.Second
