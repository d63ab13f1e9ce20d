package script

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/script/lualib"
)

// App is one application: a folder below www with its environment. It belongs to the script goroutine.
type App struct {
	path   string // "" or "/a/b"
	name   string
	dir    string
	parent *App
	logs   *appLog

	env      *lua.LTable // stable for the life of the App
	vars     *lua.LTable // what the script assigned; replaced at each load
	special  *lua.LTable // path, name, super …
	children map[string]*App
	clients  map[string]*client // by raw id

	loaded  bool  // main.lua ran without error
	broken  error // why it did not; refuses new clients
	hasMain bool
	modTime time.Time // of the main.lua that was tried last
	checked time.Time
	modules *lua.LTable       // package.loaded
	gen     uint64            // counts loads; what an older one left behind is stale
	owned   map[closer]uint64 // what the script made, with its number: closed in this order when it stops
	made    uint64
}

// closer is something an application made that must not outlive it.
type closer interface{ closeOwned() }

// running reports whether the script of the application is in effect.
func (a *App) running() bool { return a.loaded && a.broken == nil }

// label names the application in logs.
func (a *App) label() string {
	if a.path == "" {
		return "/"
	}
	return a.path
}

// chunk names a file of the application in messages: relative to the folder of www, so that errors sent
// to clients do not show the file system.
func (a *App) chunk(file string) string { return "www" + a.path + "/" + file }

var errNoApp = errors.New("no such application")

// openApp returns the application of a path, loaded and up to date. The error is errNoApp or the text of
// why it does not work; a parent that does not work refuses for its children.
func (e *Engine) openApp(path string) (*App, error) {
	var parent *App
	if path != "" {
		i := strings.LastIndexByte(path, '/')
		var err error
		if parent, err = e.openApp(path[:i]); err != nil {
			return nil, err
		}
	}
	a := e.apps[path]
	now := e.cfg.Clock()
	if a != nil && now.Sub(a.checked) < manageInterval && !a.checked.IsZero() {
		return a, a.broken
	}
	dir := filepath.Join(e.cfg.WWW, filepath.FromSlash(path))
	if path != "" {
		if st, err := os.Stat(dir); err != nil || !st.IsDir() {
			if a != nil {
				e.removeApp(a)
			}
			return nil, errNoApp
		}
	}
	if a == nil {
		a = e.newApp(path, dir, parent)
	}
	a.checked = now
	e.refresh(a)
	return a, a.broken
}

func (e *Engine) newApp(path, dir string, parent *App) *App {
	a := &App{
		path: path, name: path[strings.LastIndexByte(path, '/')+1:], dir: dir, parent: parent, logs: newAppLog(),
		children: make(map[string]*App), clients: make(map[string]*client),
	}
	if parent != nil {
		parent.children[a.name] = a
	} else {
		e.root = a
	}
	e.apps[path] = a
	e.newEnvironment(a)
	return a
}

// refresh loads main.lua if it is another than the one loaded.
func (e *Engine) refresh(a *App) {
	file := filepath.Join(a.dir, "main.lua")
	st, err := os.Stat(file)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		a.broken = fmt.Errorf("%s: %w", a.chunk("main.lua"), errors.Unwrap(err))
		e.scriptError(a, "load", a.broken)
		return
	case err != nil:
		if a.hasMain {
			e.stopApp(a)
			a.hasMain, a.broken, a.modTime = false, nil, time.Time{}
		}
		return
	case a.hasMain && st.ModTime().Equal(a.modTime):
		return
	}
	a.modTime = st.ModTime()
	proto, err := e.compile(a, file, "main.lua")
	if err != nil {
		// A typing error must not stop what works: the running code stays.
		e.scriptError(a, "load", err)
		if !a.running() {
			a.hasMain, a.broken = true, err
		}
		return
	}
	if a.hasMain {
		e.stopApp(a)
	}
	a.hasMain = true
	e.loadApp(a, proto)
}

// loadApp runs the main chunk of an application and starts it.
func (e *Engine) loadApp(a *App, proto *lua.FunctionProto) {
	e.counters.Loads.Add(1)
	e.silent.Clear()
	a.gen++
	a.broken, a.loaded = nil, false
	e.do(a, func() {
		fn := e.L.NewFunctionFromProto(proto)
		fn.Env = a.env
		if _, err := e.call(fn); err != nil {
			e.scriptError(a, "load", err)
			a.broken = errors.New(errorText(err))
			e.closeOwned(a)
			e.clearEnvironment(a)
			return
		}
		a.loaded = true
		e.log.Info().Str("application", a.label()).Msg("application loaded")
		e.event(a, "onStart", nil, lua.LString(a.path))
		e.announce(a)
	})
}

// stopApp ends the script of an application: its events, what it made, its variables.
func (e *Engine) stopApp(a *App) {
	e.silent.Clear()
	if a.running() {
		e.do(a, func() {
			e.retire(a)
			e.event(a, "onStop", nil, lua.LString(a.path))
		})
	}
	e.closeOwned(a)
	a.loaded = false
	e.clearEnvironment(a)
}

func (e *Engine) closeOwned(a *App) {
	owned := a.owned
	a.owned = nil
	for _, o := range slices.SortedFunc(maps.Keys(owned), func(x, y closer) int { return cmp.Compare(owned[x], owned[y]) }) {
		o.closeOwned()
	}
}

// own makes o end with the script of the running application.
func (e *Engine) own(o closer) {
	if a := e.running; a != nil {
		e.ownBy(a, o)
	}
}

// ownBy makes o end with the script of an application.
func (e *Engine) ownBy(a *App, o closer) {
	if a.owned == nil {
		a.owned = make(map[closer]uint64)
	}
	a.made++
	a.owned[o] = a.made
}

// disown is for what ends before the script does.
func (e *Engine) disown(a *App, o closer) { delete(a.owned, o) }

// removeApp forgets an application whose folder is gone, and its children.
func (e *Engine) removeApp(a *App) {
	for _, c := range a.children {
		e.removeApp(c)
	}
	e.stopApp(a)
	delete(e.apps, a.path)
	if a.parent != nil {
		delete(a.parent.children, a.name)
	}
	e.mu.Lock()
	if q := e.queues[a.path]; q != nil {
		q.app = nil
	}
	e.mu.Unlock()
}

// stopAll stops all applications, children before their parents.
func (e *Engine) stopAll() {
	var stop func(a *App)
	stop = func(a *App) {
		for _, c := range a.children {
			stop(c)
		}
		e.stopApp(a)
	}
	if e.root != nil {
		stop(e.root)
	}
}

// compile reads and compiles the main.lua of an application.
func (e *Engine) compile(a *App, file, name string) (*lua.FunctionProto, error) {
	return e.compileBy(lualib.Compile, a, file, name)
}

type compiler = func(name string, src []byte, warn func(text string)) (*lua.FunctionProto, error)

// compileBy reads and compiles a file of the application.
func (e *Engine) compileBy(c compiler, a *App, file, name string) (*lua.FunctionProto, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, lualib.MaxFileSource+1))
	if err != nil {
		return nil, err
	}
	return c(a.chunk(name), src, func(warning string) {
		if ev := e.logEvent(a, zerolog.WarnLevel); ev != nil {
			ev.Msg(warning)
		}
	})
}
