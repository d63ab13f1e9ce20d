package script

import (
	"fmt"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"
)

// object is a thing of the server as scripts see it: a userdata with the members of its class and the
// fields scripts put on it, shared by all applications. The same thing always is the same userdata.
type object struct {
	class  *class
	ud     *lua.LUserData
	v      any                // the thing; what class methods expect
	fields *fields            // of scripts, nil until there are any
	gone   bool               // the thing ended
	parts  map[string]*object // of a table of parameters, by the names that dotted keys begin with
	// changed, if set, is told of every field that a script assigns.
	changed func(key string, v lua.LValue)
}

// class describes the objects of one kind.
type class struct {
	name    string
	members map[string]member
	// index answers names that are neither members nor fields; nil = none.
	index func(o *object, key lua.LValue) lua.LValue
	// set, if there is one, takes all assignments to the objects.
	set func(o *object, key, v lua.LValue)
	// text is what logs and tostring show; nil = the name of the class.
	text func(o *object) string
	// coll makes the objects collections; nil = they are none.
	coll *collection
	// call makes the objects callable; nil = collections are, by key.
	call func(o *object, L *lua.LState) int
	// ops are further metamethods.
	ops  map[string]lua.LGFunction
	meta *lua.LTable
}

// member is a property or a method. A property without set is read-only.
type member struct {
	get    func(o *object) lua.LValue
	set    func(o *object, v lua.LValue) error
	method func(o *object, L *lua.LState) int

	fn *lua.LFunction // of method, made once
}

// prop is a read-only property.
func prop(get func(o *object) lua.LValue) member { return member{get: get} }

// method is a method; its arguments begin at 2.
func method(f func(o *object, L *lua.LState) int) member { return member{method: f} }

// define completes a class: its methods become Lua functions and its metatable is made.
func (e *Engine) define(c *class) *class {
	L := e.L
	for name, m := range c.members {
		if m.method == nil {
			continue
		}
		f := m.method
		m.fn = L.NewFunction(func(L *lua.LState) int {
			o := e.check(L, 1, c)
			if o == nil {
				return 0
			}
			return f(o, L)
		})
		c.members[name] = m
	}
	mt := L.NewTable()
	set := func(name string, f lua.LGFunction) { mt.RawSetString(name, L.NewFunction(f)) }
	set("__index", e.index)
	set("__newindex", e.newIndex)
	set("__tostring", func(L *lua.LState) int {
		L.Push(lua.LString(e.objectText(L.CheckUserData(1))))
		return 1
	})
	mt.RawSetString("__metatable", lua.LFalse)
	if c.coll != nil {
		e.defineCollection(c, set)
	}
	if c.call != nil {
		set("__call", func(L *lua.LState) int {
			if o := e.check(L, 1, c); o != nil {
				return c.call(o, L)
			}
			return 0
		})
	}
	for name, f := range c.ops {
		set(name, f)
	}
	c.meta = mt
	e.classes.all = append(e.classes.all, c)
	return c
}

// newObject makes the object of a thing.
func (e *Engine) newObject(c *class, v any) *object {
	o := &object{class: c, v: v}
	o.ud = e.L.NewUserData()
	o.ud.Value = o
	o.ud.Metatable = c.meta
	return o
}

// end makes o an object of something that is no more.
func (o *object) end() { o.gone = true }

// function returns the function a script stored on o.
func (o *object) function(name string) *lua.LFunction {
	fn, _ := o.fields.get(lua.LString(name)).(*lua.LFunction)
	return fn
}

// objectOf returns the object a value is, or nil.
func objectOf(v lua.LValue) *object {
	if ud, ok := v.(*lua.LUserData); ok {
		o, _ := ud.Value.(*object)
		return o
	}
	return nil
}

// check returns argument n, which must be an object of class c. An object whose thing is gone gives nil
// and an error in the log: scripts keep references longer than they should.
func (e *Engine) check(L *lua.LState, n int, c *class) *object {
	o := objectOf(L.Get(n))
	if o == nil || (c != nil && o.class != c) {
		L.ArgError(n, fmt.Sprintf("%s expected, got %s", c.name, L.Get(n).Type()))
	}
	if o.gone {
		e.complain(zerolog.ErrorLevel, o.class.name+" object deleted")
		return nil
	}
	return o
}

func (e *Engine) objectText(ud *lua.LUserData) string {
	o, ok := ud.Value.(*object)
	if !ok {
		return "userdata"
	}
	if o.class.text != nil && !o.gone {
		return o.class.text(o)
	}
	return o.class.name
}

// index is __index of all objects.
func (e *Engine) index(L *lua.LState) int {
	o := objectOf(L.Get(1))
	if o == nil {
		return 0
	}
	if o.gone {
		if name, ok := L.Get(2).(lua.LString); ok {
			if m, ok := o.class.members[string(name)]; ok && m.fn != nil {
				L.Push(m.fn) // its call complains
				return 1
			}
		}
		e.complain(zerolog.ErrorLevel, o.class.name+" object deleted")
		return 0
	}
	L.Push(e.get(o, L.Get(2)))
	return 1
}

func (e *Engine) get(o *object, key lua.LValue) lua.LValue {
	name, isName := key.(lua.LString)
	if isName {
		if m, ok := o.class.members[string(name)]; ok {
			if m.fn != nil {
				return m.fn
			}
			return m.get(o)
		}
	}
	if v := o.fields.get(key); v != lua.LNil {
		return v
	}
	if o.class.coll != nil {
		if v := o.class.coll.get(o, key); v != nil && v != lua.LNil {
			return v
		}
	}
	if o.class.index != nil {
		if v := o.class.index(o, key); v != nil {
			return v
		}
	}
	return lua.LNil
}

// newIndex is __newindex of all objects.
func (e *Engine) newIndex(L *lua.LState) int {
	o := objectOf(L.Get(1))
	if o == nil {
		return 0
	}
	if o.gone {
		e.complain(zerolog.ErrorLevel, o.class.name+" object deleted")
		return 0
	}
	key, v := L.Get(2), L.Get(3)
	if o.class.set != nil {
		o.class.set(o, key, v)
		return 0
	}
	name, isName := key.(lua.LString)
	if m, ok := o.class.members[string(name)]; ok && isName {
		if m.set == nil {
			e.complain(zerolog.ErrorLevel, o.class.name+"."+string(name)+" is read-only, assignment ignored")
			return 0
		}
		if err := m.set(o, v); err != nil {
			e.complain(zerolog.ErrorLevel, o.class.name+"."+string(name)+": "+err.Error())
		}
		return 0
	}
	if o.class.coll != nil && o.class.coll.readOnly {
		e.complain(zerolog.ErrorLevel, o.class.name+" is read-only, assignment ignored")
		return 0
	}
	if o.fields == nil {
		o.fields = new(fields)
	}
	o.fields.set(key, v)
	if o.changed != nil && isName {
		o.changed(string(name), v)
	}
	return 0
}
