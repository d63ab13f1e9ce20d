package script

import (
	"fmt"
	"io/fs"
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
	for ; a != nil; a = a.parent {
		local, ok := a.localName(name)
		if !ok {
			continue
		}
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
	local, _ := owner.localName(name) // an error must not show where the server is in the file system
	proto, err := e.compileBy(e.lib.Compile, owner, file, filepath.ToSlash(local))
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

// localName is the name of a file relative to the folder of the application. An absolute name, which scripts
// make of mona:absolutePath, counts when it is in that folder.
func (a *App) localName(name string) (string, bool) {
	local := filepath.FromSlash(strings.TrimPrefix(name, "./"))
	if filepath.IsAbs(local) {
		dir, err := filepath.Abs(a.dir)
		if err != nil {
			return "", false
		}
		if local, err = filepath.Rel(dir, local); err != nil {
			return "", false
		}
	}
	return local, filepath.IsLocal(local)
}

// openFile opens a file in the folder of the application for io.open.
func (a *App) openFile(name string, flag int) (lualib.File, error) {
	name, ok := a.localName(name)
	if !ok {
		return nil, fs.ErrPermission
	}
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
