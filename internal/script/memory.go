package script

import (
	"errors"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// Nothing in gopher-lua bounds the memory of a state. What is bounded is what one call adds, and what all
// applications hold: the watchdog looks at what the process has in use, and when that is above its limit the
// application that holds most is stopped until its main.lua changes.

// heapLimits are in bytes of the heap without garbage.
type heapLimits struct {
	turn  uint64 // that one call may add
	total uint64 // of the process
}

const (
	defaultTurnHeap  = 128 << 20
	defaultTotalHeap = 1 << 30
)

func (c *Config) heapLimits() heapLimits {
	h := heapLimits{turn: defaultTurnHeap, total: defaultTotalHeap}
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 { // GOMEMLIMIT
		h.total = min(h.total, uint64(limit)/2)
	}
	if c.MaxHeap > 0 {
		h.total = c.MaxHeap
	}
	h.turn = min(h.turn, h.total/4)
	return h
}

// memory is what the objects of the process take, in bytes.
type memory struct {
	objects uint64 // with garbage that was not collected yet
	live    uint64 // that the last cycle of the garbage collector found in use
	cycles  uint64 // of the garbage collector that have ended
}

// memoryUse reads it.
type memoryUse []metrics.Sample

func newMemoryUse() memoryUse {
	return memoryUse{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/gc/cycles/total:gc-cycles"},
	}
}

func (u memoryUse) read() memory {
	metrics.Read(u)
	return memory{objects: u[0].Value.Uint64(), live: u[1].Value.Uint64(), cycles: u[2].Value.Uint64()}
}

// relieveEvery is how often the applications are weighed at most: it takes time.
const relieveEvery = time.Second

var errTooMuch = errors.New("the application was stopped: it held too much memory")

// relieve stops the application that holds most. What they hold is not much: other parts of the server do.
func (e *Engine) relieve() {
	now := time.Now()
	if now.Sub(e.relieved) < relieveEvery {
		return
	}
	e.relieved = now
	defer e.watch.relieved()
	var most *App
	held := e.watch.heap.total / 8
	for _, path := range sortedKeys(e.apps) {
		a := e.apps[path]
		if n := e.weigh(a); n > held {
			if most, held = a, n; n > e.watch.heap.total/2 {
				break
			}
		}
	}
	if most == nil {
		e.log.Warn().Uint64("heap", newMemoryUse().read().live).Msg("much memory in use, but not by an application")
		return
	}
	e.log.Error().Str("application", most.label()).Uint64("bytes", held).Msg(errTooMuch.Error())
	most.broken, most.loaded = errTooMuch, false // no onStop
	e.stopApp(most)
	for _, c := range most.clients {
		c.obj.fields = nil
	}
}

// weigh estimates what the variables of an application hold, with the fields of its clients. It stops when that is more
// than any other can hold, since it takes time and memory.
func (e *Engine) weigh(a *App) uint64 {
	w := weighing{seen: make(map[any]bool)}
	for _, other := range e.apps { // what belongs to another one
		w.seen[other.env], w.seen[other.special] = true, true
		if other != a {
			w.seen[other.vars] = true
		}
	}
	w.seen[e.L.G.Global] = true
	w.add(a.vars)
	for _, c := range a.clients {
		w.addFields(c.obj.fields)
	}
	for len(w.todo) > 0 && w.sum <= e.watch.heap.total/2 {
		v := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		w.inside(v)
	}
	return w.sum
}

type weighing struct {
	seen map[any]bool // by identity, strings left out
	todo []lua.LValue
	sum  uint64
}

func (w *weighing) add(v lua.LValue) {
	switch v := v.(type) {
	case lua.LString:
		w.sum += 16 + uint64(len(v))
	case *lua.LTable, *lua.LFunction, *lua.LState:
		if !w.seen[v] {
			w.seen[v] = true
			w.todo = append(w.todo, v)
		}
	case *lua.LUserData:
		if o := objectOf(v); o != nil && o.class.name == "publication" {
			w.addFields(o.fields)
		}
	default:
		w.sum += 16
	}
}

func (w *weighing) addFields(f *fields) {
	if f == nil || w.seen[f] {
		return
	}
	w.seen[f] = true
	w.sum += 64
	f.each(func(k, v lua.LValue) {
		w.sum += 32
		w.add(k)
		w.add(v)
	})
}

func (w *weighing) inside(v lua.LValue) {
	switch v := v.(type) {
	case *lua.LTable:
		w.sum += 128
		v.ForEach(func(k, x lua.LValue) {
			w.sum += 48
			w.add(k)
			w.add(x)
		})
		w.add(v.Metatable)
	case *lua.LFunction:
		w.sum += 96
		for _, u := range v.Upvalues {
			if u != nil {
				w.add(u.Value())
			}
		}
	case *lua.LState:
		w.sum += 10 << 10
	}
}
