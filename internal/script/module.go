package script

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// Modules as in Lua 5.1 §5.3, as far as they are files of the application and of its parents: require, module, and a
// table package of each application, new with every load of it.

const (
	defaultPackagePath = "?.lua;?/init.lua"
	maxTemplates       = 64 // of package.path that are looked at
)

// newPackage gives the application its table package.
func (e *Engine) newPackage(a *App) {
	L := e.L
	loaded := L.NewTable()
	a.modules = loaded
	for _, name := range []string{"string", "table", "math", "os", "io", "coroutine", "bit", "debug", "_G"} {
		loaded.RawSetString(name, a.special.RawGetString(name))
	}
	p := L.NewTable()
	loaded.RawSetString("package", p)
	p.RawSetString("loaded", loaded)
	p.RawSetString("preload", L.NewTable())
	p.RawSetString("path", lua.LString(defaultPackagePath))
	p.RawSetString("cpath", lua.LString(""))
	p.RawSetString("seeall", L.NewFunction(a.seeAll))
	a.special.RawSetString("package", p)
	a.special.RawSetString("module", L.NewFunction(a.module))
	a.special.RawSetString("require", L.NewFunction(e.require(a, p)))
}

// require runs a file named with .lua at each call, as MonaServer does. Any other name is a module as in
// Lua: looked for where package.path says, dots being folders, and run once for each load of the application.
func (e *Engine) require(a *App, pkg *lua.LTable) lua.LGFunction {
	loaded := a.modules
	loading := make(map[string]bool)
	return func(L *lua.LState) int {
		name := L.CheckString(1)
		if strings.HasSuffix(name, ".lua") {
			if fn, err := e.load(a, name); err == nil {
				return tailCall(L, fn)
			} else if _, _, found := e.find(a, name); found {
				L.RaiseError("%s", err.Error())
			}
		}
		if v := loaded.RawGetString(name); lua.LVAsBool(v) {
			L.Push(v)
			return 1
		}
		if loading[name] {
			L.RaiseError("loop or previous error loading module '%s'", name)
		}
		owner, fn := e.findModule(L, a, pkg, name)
		loading[name] = true
		defer delete(loading, name)
		L.Push(fn)
		L.Push(lua.LString(name))
		L.Call(1, 1)
		v := L.Get(-1)
		if v == lua.LNil {
			v = owner.modules.RawGetString(name) // by module
		}
		if v == lua.LNil {
			v = lua.LTrue
		}
		loaded.RawSetString(name, v)
		L.Push(v)
		return 1
	}
}

// findModule is the function that makes a module, and the application that has it, or an error.
func (e *Engine) findModule(L *lua.LState, a *App, pkg *lua.LTable, name string) (*App, *lua.LFunction) {
	if t, ok := pkg.RawGetString("preload").(*lua.LTable); ok {
		if fn, ok := t.RawGetString(name).(*lua.LFunction); ok {
			return a, fn
		}
	}
	path, ok := pkg.RawGetString("path").(lua.LString)
	if !ok {
		L.RaiseError("'package.path' must be a string")
	}
	local := strings.ReplaceAll(name, ".", "/")
	for i, template := range strings.Split(string(path), ";") {
		if template == "" || i >= maxTemplates {
			continue
		}
		file := strings.ReplaceAll(template, "?", local)
		owner, _, found := e.find(a, file)
		if !found {
			continue
		}
		fn, err := e.load(a, file)
		if err != nil {
			L.RaiseError("%s", err.Error())
		}
		return owner, fn
	}
	L.RaiseError("module '%s' not found in the folder of application %s or of its parents", name, a.label())
	return nil, nil
}

// module is module(name, option, …): the rest of the file that calls it has a table of its own for its globals, which
// is a global of the application too.
func (a *App) module(L *lua.LState) int {
	name := L.CheckString(1)
	t, ok := a.modules.RawGetString(name).(*lua.LTable)
	if !ok {
		t = a.moduleTable(L, name)
		a.modules.RawSetString(name, t)
	}
	if L.GetField(t, "_NAME") == lua.LNil {
		t.RawSetString("_M", t)
		t.RawSetString("_NAME", lua.LString(name))
		t.RawSetString("_PACKAGE", lua.LString(name[:strings.LastIndexByte(name, '.')+1]))
	}
	options := arguments(L, 2)
	L.Push(L.G.Global.RawGetString("setfenv"))
	L.Push(lua.LNumber(2)) // the function that called module
	L.Push(t)
	L.Call(2, 0)
	for _, f := range options {
		L.Push(f)
		L.Push(t)
		L.Call(1, 0)
	}
	return 0
}

// moduleTable is the table behind a dotted global name, made where there is none.
func (a *App) moduleTable(L *lua.LState, name string) *lua.LTable {
	var t *lua.LTable
	set := func(key string, v lua.LValue) { L.SetField(a.env, key, v) }
	get := func(key string) lua.LValue { return a.vars.RawGetString(key) }
	for part := range strings.SplitSeq(name, ".") {
		v := get(part)
		next, ok := v.(*lua.LTable)
		switch {
		case v == lua.LNil:
			next = L.NewTable()
			set(part, next)
		case !ok:
			L.RaiseError("name conflict for module '%s'", name)
		}
		t = next
		set, get = t.RawSetString, t.RawGetString
	}
	return t
}

// seeAll is package.seeall(module): it finds the globals of the application.
func (a *App) seeAll(L *lua.LState) int {
	t := L.CheckTable(1)
	mt, ok := t.Metatable.(*lua.LTable)
	if !ok {
		mt = L.NewTable()
		t.Metatable = mt
	}
	mt.RawSetString("__index", a.env)
	return 0
}
