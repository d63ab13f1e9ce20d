package script

import (
	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/script/lualib"
)

// An environment is a chain of tables: env is always empty, so that every access goes on to vars, what
// the script assigned, which a reload replaces while functions of the old code go on using env. After it
// come the special names of the application, and then the environment of the parent, or for the root
// application the Lua globals.

// newEnvironment makes the tables of an application.
func (e *Engine) newEnvironment(a *App) {
	L := e.L
	a.env, a.special = L.NewTable(), L.NewTable()
	up := L.G.Global
	if a.parent != nil {
		up = a.parent.env
	}
	mt := L.NewTable()
	mt.RawSetString("__index", up)
	a.special.Metatable = mt
	set := func(name string, v lua.LValue) { a.special.RawSetString(name, v) }
	set("path", lua.LString(a.path))
	set("name", lua.LString(a.name))
	set("this", a.env)
	set("super", up)
	set("children", e.newChildren(a))
	set("clients", e.newAppClients(a))
	set("data", e.newData(a))
	set("mona", e.newMona(a))
	set("dofile", L.NewFunction(e.doFile(a)))
	set("loadfile", L.NewFunction(e.loadFile(a)))
	for name, level := range map[string]zerolog.Level{
		"ERROR": zerolog.ErrorLevel, "WARN": zerolog.WarnLevel, "NOTE": e.cfg.Note,
		"INFO": zerolog.InfoLevel, "DEBUG": zerolog.DebugLevel, "TRACE": zerolog.TraceLevel,
	} {
		set(name, L.NewFunction(e.logFunction(level)))
	}
	e.clearEnvironment(a)
}

// clearEnvironment gives the application a fresh, empty store behind the same environment.
func (e *Engine) clearEnvironment(a *App) {
	L := e.L
	e.installLibrary(a)
	a.vars = L.NewTable()
	mt := L.NewTable()
	mt.RawSetString("__index", a.special)
	mt.RawSetString("__newindex", L.NewFunction(func(L *lua.LState) int { return e.assign(L, a) }))
	a.vars.Metatable = mt
	front := L.NewTable()
	front.RawSetString("__index", a.vars)
	front.RawSetString("__newindex", a.vars)
	front.RawSetString("__pairs", L.NewFunction(func(L *lua.LState) int { return e.pairsTable(L, a.vars) }))
	front.RawSetString("__metatable", lua.LFalse)
	a.env.Metatable = front
}

// installLibrary gives the application library tables of its own.
func (e *Engine) installLibrary(a *App) {
	lib := lualib.App{Open: a.openFile}
	if a.parent != nil {
		lib.Parent = a.parent.env
	}
	e.lib.Install(a.env, a.special, lib)
	e.newPackage(a)
}

// assign is a first assignment to a global name; the special names cannot be assigned.
func (e *Engine) assign(L *lua.LState, a *App) int {
	vars, key, v := L.CheckTable(1), L.Get(2), L.Get(3)
	if name, ok := key.(lua.LString); ok && a.reserved(string(name)) {
		e.complain(zerolog.ErrorLevel, string(name)+" is read-only, assignment ignored")
		return 0
	}
	if key == lua.LString("onHandshake") {
		e.silent.Clear()
	}
	vars.RawSet(key, v)
	return 0
}

// reserved reports whether name belongs to the application itself. Library functions do not: scripts
// may put their own in the place.
func (a *App) reserved(name string) bool {
	switch name {
	case "path", "name", "this", "super", "children", "clients", "data", "mona":
		return true
	}
	return false
}

// own returns the function that the application itself, not a parent, defines as name.
func (a *App) own(name string) *lua.LFunction {
	fn, _ := a.vars.RawGetString(name).(*lua.LFunction)
	return fn
}
