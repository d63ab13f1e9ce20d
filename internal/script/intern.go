package script

import (
	"weak"

	lua "github.com/yuin/gopher-lua"
)

// interned gives equal values the same object for as long as a script holds it, so that scripts may use
// it as a key of a table. It keeps nothing alive.
type interned[K comparable] struct {
	objects map[K]weak.Pointer[lua.LUserData]
	sweepAt int // size at which the dead are removed
}

const internedMin = 64

func (t *interned[K]) get(key K, create func() *object) *lua.LUserData {
	if p, ok := t.objects[key]; ok {
		if ud := p.Value(); ud != nil {
			return ud
		}
	}
	if len(t.objects) >= max(t.sweepAt, internedMin) {
		for k, p := range t.objects {
			if p.Value() == nil {
				delete(t.objects, k)
			}
		}
		t.sweepAt = 2 * len(t.objects)
	}
	if t.objects == nil {
		t.objects = make(map[K]weak.Pointer[lua.LUserData])
	}
	ud := create().ud
	t.objects[key] = weak.Make(ud)
	return ud
}
