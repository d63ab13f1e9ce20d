package lualib

import (
	"math/rand/v2"
	"time"
	"weak"

	lua "github.com/yuin/gopher-lua"
)

// Scope is the library of one application.
type Scope struct {
	l   *Library
	env *lua.LTable
	app App

	tables    map[string]*lua.LTable
	functions map[string]map[string]lua.LValue // what Install put into the tables, to tell what the script changed
	random    *rand.Rand
	source    *rand.PCG

	alive     map[weak.Pointer[lua.LState]]struct{} // coroutines that have not finished
	lastSweep time.Time
	open      map[weak.Pointer[file]]struct{}
	closed    bool
}

// Install gives an application its own library tables: it stores string, table, math, os, io, coroutine, bit and debug in
// store, and env as _G. env is the environment of the functions of the application (it may be store itself); the library
// knows by it which application is calling. A second Install for the same env replaces the first.
func (l *Library) Install(env, store *lua.LTable, app App) *Scope {
	if old := l.scopes[env]; old != nil {
		old.Close()
	}
	L := l.main
	s := &Scope{
		l: l, env: env, app: app,
		tables:    make(map[string]*lua.LTable),
		functions: make(map[string]map[string]lua.LValue),
		alive:     make(map[weak.Pointer[lua.LState]]struct{}),
		open:      make(map[weak.Pointer[file]]struct{}),
	}
	l.scopes[env] = s
	s.seed(l.o.Seed())
	for name, t := range l.originals {
		s.tables[name] = cloneTable(L, t)
	}
	s.tables["math"] = s.newMath(L)
	s.tables["io"] = s.newIO(L)
	s.tables["coroutine"] = s.newCoroutine(L)
	for name, t := range s.tables {
		own := make(map[string]lua.LValue)
		t.ForEach(func(k, v lua.LValue) {
			if k, ok := k.(lua.LString); ok {
				own[string(k)] = v
			}
		})
		s.functions[name] = own
		s.inherit(name, t)
		store.RawSetString(name, t)
	}
	l.watchString(L, s.tables["string"])
	store.RawSetString("_G", env)
	return s
}

// inherit adds what the parent application has added to its table.
func (s *Scope) inherit(name string, t *lua.LTable) {
	p := s.l.scopes[s.app.Parent]
	if p == nil {
		return
	}
	p.tables[name].ForEach(func(k, v lua.LValue) {
		if ks, ok := k.(lua.LString); !ok || p.functions[name][string(ks)] != v {
			t.RawSet(k, v)
		}
	})
}

// Close ends the library of the application: files it left open are closed.
func (s *Scope) Close() {
	s.closed = true
	for w := range s.open {
		if f := w.Value(); f != nil {
			_ = f.close()
		}
	}
	clear(s.open)
	if s.l.scopes[s.env] == s {
		delete(s.l.scopes, s.env)
	}
}

func cloneTable(L *lua.LState, t *lua.LTable) *lua.LTable {
	c := L.NewTable()
	t.ForEach(func(k, v lua.LValue) { c.RawSet(k, v) })
	return c
}

// caller finds the application that called the running library function; nil if it is none. It is the one of the innermost
// function that has the environment of an application; a script may have given others one of their own.
func (l *Library) caller(L *lua.LState) *Scope {
	for level := 1; ; level++ {
		fn := l.functionAt(L, level)
		if fn == nil {
			return nil
		}
		if s := l.scopes[fn.Env]; s != nil {
			return s
		}
	}
}
