package script

import lua "github.com/yuin/gopher-lua"

// fields are what scripts put on an object. There are thousands of objects with two or three of them, for which a
// table would be the larger part: it begins at 1 KB.
type fields struct {
	few  []field
	many *lua.LTable // in place of few, beyond maxFew
}

type field struct{ key, value lua.LValue }

const maxFew = 8

// get returns the field of a key, or nil.
func (f *fields) get(key lua.LValue) lua.LValue {
	switch {
	case f == nil:
	case f.many != nil:
		return f.many.RawGet(key)
	default:
		for i := range f.few {
			if f.few[i].key == key {
				return f.few[i].value
			}
		}
	}
	return lua.LNil
}

// set gives the field of a key a value; nil removes it.
func (f *fields) set(key, v lua.LValue) {
	if f.many != nil {
		f.many.RawSet(key, v)
		return
	}
	for i := range f.few {
		if f.few[i].key != key {
			continue
		}
		if v != lua.LNil {
			f.few[i].value = v
			return
		}
		last := len(f.few) - 1
		f.few[i], f.few[last] = f.few[last], field{}
		f.few = f.few[:last]
		return
	}
	switch {
	case v == lua.LNil:
	case len(f.few) < maxFew:
		f.few = append(f.few, field{key, v})
	default:
		f.many = &lua.LTable{Metatable: lua.LNil}
		for _, old := range f.few {
			f.many.RawSet(old.key, old.value)
		}
		f.few = nil
		f.many.RawSet(key, v)
	}
}

// each calls do with every field.
func (f *fields) each(do func(key, v lua.LValue)) {
	if f.many != nil {
		f.many.ForEach(do)
		return
	}
	for _, x := range f.few {
		do(x.key, x.value)
	}
}
