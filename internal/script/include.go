package script

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/script/lualib"
)

// find looks for an included file in the folder of the application, then of each parent. Files outside
// of these folders do not exist for scripts.
func (e *Engine) find(a *App, name string) (owner *App, file string, ok bool) {
	local := filepath.FromSlash(strings.TrimPrefix(name, "./"))
	if !filepath.IsLocal(local) {
		return nil, "", false
	}
	for ; a != nil; a = a.parent {
		file = filepath.Join(a.dir, local)
		if st, err := os.Stat(file); err == nil && !st.IsDir() {
			return a, file, true
		}
	}
	return nil, "", false
}

// load compiles an included file with the environment of the application that has it.
func (e *Engine) load(a *App, name string) (*lua.LFunction, error) {
	owner, file, ok := e.find(a, name)
	if !ok {
		return nil, fmt.Errorf("%s not found in the folder of application %s or of its parents", name, a.label())
	}
	proto, err := e.compile(owner, file, filepath.ToSlash(strings.TrimPrefix(name, "./")))
	if err != nil {
		return nil, err
	}
	fn := e.L.NewFunctionFromProto(proto)
	fn.Env = owner.env
	return fn, nil
}

func (e *Engine) loadFile(a *App) lua.LGFunction {
	return func(L *lua.LState) int {
		fn, err := e.load(a, L.CheckString(1))
		if err != nil {
			e.complain(zerolog.ErrorLevel, err.Error())
			return 0
		}
		L.Push(fn)
		return 1
	}
}

func (e *Engine) doFile(a *App) lua.LGFunction {
	return func(L *lua.LState) int {
		fn, err := e.load(a, L.CheckString(1))
		if err != nil {
			e.complain(zerolog.ErrorLevel, err.Error())
			return 0
		}
		return tailCall(L, fn)
	}
}

// openFile opens a file in the folder of the application for io.open.
func (a *App) openFile(name string, flag int) (lualib.File, error) {
	root, err := os.OpenRoot(a.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return lualib.RootFiles(root)(name, flag)
}

// tailCall calls fn and returns all its results.
func tailCall(L *lua.LState, fn lua.LValue, args ...lua.LValue) int {
	top := L.GetTop()
	L.Push(fn)
	for _, v := range args {
		L.Push(v)
	}
	L.Call(len(args), lua.MultRet)
	return L.GetTop() - top
}

// require runs a file named with .lua at each call, as MonaServer does. Any other name is a module as in
// Lua: looked for as name.lua and name/init.lua, dots being folders, and run once for each application.
func (e *Engine) require(a *App) lua.LGFunction {
	loaded := make(map[string]lua.LValue)
	gen := uint64(0)
	return func(L *lua.LState) int {
		name := L.CheckString(1)
		if strings.HasSuffix(name, ".lua") {
			if fn, err := e.load(a, name); err == nil {
				return tailCall(L, fn)
			} else if _, _, found := e.find(a, name); found {
				L.RaiseError("%s", err.Error())
			}
		}
		if gen != a.gen { // a reload starts afresh
			gen = a.gen
			clear(loaded)
		}
		if v, ok := loaded[name]; ok {
			L.Push(v)
			return 1
		}
		path := strings.ReplaceAll(name, ".", "/")
		for _, file := range []string{path + ".lua", path + "/init.lua"} {
			if _, _, found := e.find(a, file); !found {
				continue
			}
			fn, err := e.load(a, file)
			if err != nil {
				L.RaiseError("%s", err.Error())
			}
			loaded[name] = lua.LTrue
			L.Push(fn)
			L.Push(lua.LString(name))
			L.Call(1, 1)
			if v := L.Get(-1); v != lua.LNil {
				loaded[name] = v
			}
			L.Push(loaded[name])
			return 1
		}
		L.RaiseError("module '%s' not found in the folder of application %s or of its parents", name, a.label())
		return 0
	}
}
