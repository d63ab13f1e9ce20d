package lualib

import (
	"sync"

	lua "github.com/yuin/gopher-lua"
)

// Sizes of the stacks. A frame of the call stack takes 80 bytes, a slot of the data stack (registry) 16; a data stack grows
// by at least its step, copying, and never shrinks.
const (
	mainFrames = 4096
	mainSlots  = 8192
	maxSlots   = 1 << 18
	slotStep   = 8192

	// Threads that protected calls run on: the outer ones are deep enough for any script, of the inner ones there may
	// be many (maxNest).
	outerHelpers      = 8
	outerHelperFrames = 2048
	innerHelperFrames = 256
	helperSlots       = 1024
	helperSlotStep    = 4096

	coroutineFrames   = 1024
	coroutineSlots    = 256
	coroutineMaxSlots = 1 << 15
	coroutineSlotStep = 1024

	// maxNest is the number of protected calls, coroutines and callbacks of library functions inside each other
	// (LUAI_MAXCCALLS of Lua 5.1). Each takes stack of the goroutine, whose overflow cannot be recovered from.
	maxNest = 200

	// maxResults is how many values unpack and string.byte return (LUAI_MAXCSTACK of Lua 5.1).
	maxResults = 8000

	// maxArrayIndex is the largest integer key that gopher-lua stores in the array part of a table, which it allocates
	// densely: t[60000000]=1 took a gigabyte with its default. Above it # and ipairs do not see elements.
	maxArrayIndex = 1 << 20
)

// setMaxArrayIndex sets a variable of gopher-lua that must not change while tables exist.
var setMaxArrayIndex = sync.OnceFunc(func() { lua.MaxArrayIndex = maxArrayIndex })

// StateOptions are the options of the lua.LState that a Library runs on. The call stack is not of the growing kind
// (MinimizeStackMemory): that one reports its overflow by a panic that leaves captured variables of the script behind.
func StateOptions() lua.Options {
	return lua.Options{
		SkipOpenLibs:     true,
		CallStackSize:    mainFrames,
		RegistrySize:     mainSlots,
		RegistryMaxSize:  maxSlots,
		RegistryGrowStep: slotStep,
	}
}

func helperOptions(outer bool) lua.Options {
	o := lua.Options{
		SkipOpenLibs:     true,
		CallStackSize:    innerHelperFrames,
		RegistrySize:     helperSlots,
		RegistryMaxSize:  maxSlots,
		RegistryGrowStep: helperSlotStep,
	}
	if outer {
		o.CallStackSize = outerHelperFrames
	}
	return o
}

// coroutineOptions keep a coroutine at about 9 KB.
func coroutineOptions() lua.Options {
	return lua.Options{
		SkipOpenLibs:        true,
		CallStackSize:       coroutineFrames,
		RegistrySize:        coroutineSlots,
		RegistryMaxSize:     coroutineMaxSlots,
		RegistryGrowStep:    coroutineSlotStep,
		MinimizeStackMemory: true,
	}
}

// newThread makes a thread of L.
func newThread(L *lua.LState, o lua.Options) (th *lua.LState) {
	withOptions(L, o, func() { th, _ = L.NewThread() })
	return th
}

// withOptions runs f, in which threads that L makes have options of their own. gopher-lua derives a context for each thread
// of a state that has one, and its parent holds that until the thread ends: an abandoned coroutine would leave a context,
// or with a context of one's own type a goroutine, behind. Threads are therefore made without and share the context later.
func withOptions(L *lua.LState, o lua.Options, f func()) {
	saved, ctx := L.Options, L.RemoveContext()
	defer func() {
		L.Options = saved
		if ctx != nil {
			L.SetContext(ctx)
		}
	}()
	L.Options = o
	f()
}

// shareContext gives th the context L has now.
func shareContext(th, L *lua.LState) {
	if ctx := L.Context(); ctx == th.Context() {
		return
	} else if ctx == nil {
		th.RemoveContext()
	} else {
		th.SetContext(ctx)
	}
}
