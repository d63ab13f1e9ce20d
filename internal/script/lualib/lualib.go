package lualib

import (
	crand "crypto/rand"
	"encoding/binary"
	"io"
	"os"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// Budget bounds one call into Lua. The library asks it every few hundred steps of its own loops and raises an error when
// it is exceeded; pcall, xpcall and coroutine.resume pass that error on instead of returning it.
//
// The virtual machine itself is interrupted by the context of the state, which the owner of the state closes at the same
// moment; threads that the library makes use the context of the state they are made from.
type Budget interface {
	// Exceeded reports whether the running call must stop. It is cheap (an atomic load) and stays true until the call is over.
	// If the Budget has a method Err() error, as a context has, its text says why.
	Exceeded() bool
}

// Defaults of Options.
const (
	DefaultMaxString     = 16 << 20
	DefaultMaxSource     = 256 << 10
	DefaultMaxCoroutines = 10_000
	DefaultMaxFiles      = 64
)

// Options are the settings of a Library. The zero value is usable.
type Options struct {
	// Budget bounds the loops of the library; nil never stops them.
	Budget Budget
	// MaxString is the largest string in bytes that a library function or the operator .. builds.
	MaxString int
	// MaxSource is the largest source text in bytes that load and loadstring take.
	MaxSource int
	// MaxCoroutines is how many coroutines that have not finished one application may hold.
	MaxCoroutines int
	// MaxFiles is how many files one application may have open.
	MaxFiles int
	// Seed starts the random numbers of each application. Default: the system's source of randomness.
	Seed func() uint64
	// Stdout receives what print and io.write write. Default os.Stdout.
	Stdout io.Writer
	// Now is the clock of os.time, os.date and os.clock. Default time.Now.
	Now func() time.Time
	// Zone is the local time of os.time and os.date. Default time.Local.
	Zone *time.Location
	// Warn is told about source text given to load or loadstring that was accepted although it is not Lua; nil drops it.
	Warn func(text string)
}

// App is what belongs to one application.
type App struct {
	// Parent is the environment of the parent application: what it has added to the library tables until now is added to
	// the copies too. Nil starts from the originals.
	Parent *lua.LTable
	// Open opens a file for io.open and io.lines; nil refuses every file. See RootFiles.
	Open func(name string, flag int) (File, error)
}

// Library is the library of one lua.LState. Only the goroutine that owns the state may use it.
type Library struct {
	o     Options
	g     *lua.Global
	main  *lua.LState
	start time.Time // what os.clock counts from

	originals map[string]*lua.LTable // library tables that are the same for all applications
	scopes    map[*lua.LTable]*Scope // by environment
	methods   *lua.LTable            // metatable of strings
	extended  bool                   // an application has methods of its own for strings
	files     *lua.LTable            // metatable of files
	globals   *lua.LTable            // see Globals
	next      *lua.LFunction         // the functions that pairs and ipairs return
	inext     *lua.LFunction
	brief     *lua.LFunction // callBriefly
	coCreate  lua.LValue     // coroutine.create and coroutine.resume of gopher-lua
	coResume  lua.LValue
	yields    map[uintptr]frameKind

	// What is running, see PCall and coroutine.go.
	raised     lua.LValue // by error, last
	nest       int        // protected calls, coroutines and callbacks on the Go stack
	helpers    []helper   // threads that protected calls run on
	idle       []*lua.LState
	coroutines []*lua.LState // running coroutines, the innermost last
}

// libraryKey is where the state keeps its Library, for functions that are shared by all states.
const libraryKey = "lualib"

// New prepares L, which comes from lua.NewState(StateOptions()) and has no libraries open: its globals get the base
// functions.
func New(L *lua.LState, o Options) *Library {
	setMaxArrayIndex()
	o.setDefaults()
	l := &Library{
		o: o, g: L.G, main: L, start: o.Now(),
		originals: make(map[string]*lua.LTable),
		scopes:    make(map[*lua.LTable]*Scope),
		yields:    make(map[uintptr]frameKind),
	}
	L.G.MainThread, L.G.CurrentThread = L, L // what its first call does
	ud := L.NewUserData()
	ud.Value = l
	L.G.Registry.RawSetString(libraryKey, ud)
	l.brief = L.NewFunction(callBriefly)
	l.openBase(L)
	l.openString(L)
	l.openCoroutine(L)
	l.originals["table"] = l.newTable(L, "table", tableFunctions)
	l.originals["os"] = l.newTable(L, "os", osFunctions)
	l.originals["bit"] = l.newTable(L, "bit", bitFunctions)
	l.originals["debug"] = l.newTable(L, "debug", debugFunctions)
	l.files = l.newFileMetatable(L)
	return l
}

func (o *Options) setDefaults() {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def(&o.MaxString, DefaultMaxString)
	def(&o.MaxSource, DefaultMaxSource)
	def(&o.MaxCoroutines, DefaultMaxCoroutines)
	def(&o.MaxFiles, DefaultMaxFiles)
	if o.Seed == nil {
		o.Seed = func() uint64 {
			var b [8]byte
			_, _ = crand.Read(b[:]) // never fails
			return binary.NativeEndian.Uint64(b[:])
		}
	}
	if o.Stdout == nil {
		o.Stdout = os.Stdout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.Local
	}
	if o.Warn == nil {
		o.Warn = func(string) {}
	}
}

// libraryOf finds the library of a state.
func libraryOf(L *lua.LState) *Library {
	if ud, ok := L.G.Registry.RawGetString(libraryKey).(*lua.LUserData); ok {
		if l, ok := ud.Value.(*Library); ok {
			return l
		}
	}
	return nil
}

// newTable makes a library table.
func (l *Library) newTable(L *lua.LState, name string, functions map[string]function) *lua.LTable {
	t := L.CreateTable(0, len(functions)+2)
	for k, f := range functions {
		t.RawSetString(k, l.function(L, name+"."+k, f))
	}
	return t
}

// function makes a Lua function of f. name is what errors call it, "string.rep".
func (l *Library) function(L *lua.LState, name string, f function) *lua.LFunction {
	return L.NewFunction(func(L *lua.LState) int { return f(call{l, L, name}) })
}
