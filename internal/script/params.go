package script

import (
	"fmt"
	"strconv"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/script/value"
	"github.com/monaserver/monaserver/internal/script/value/decimal"
)

// paramsClass is a table of texts, presented as the values they look like.
func (e *Engine) paramsClass() *class {
	params := func(o *object) *value.Params { return o.v.(*value.Params) }
	return &class{
		name: "parameters",
		coll: &collection{
			readOnly: true,
			get: func(o *object, key lua.LValue) lua.LValue {
				name, ok := keyText(key)
				if !ok {
					return nil
				}
				v, part := params(o).Get(name)
				if part == nil {
					return v
				}
				return e.paramsPart(o, name, part).ud
			},
			pairs: func(o *object) []pair {
				var list []pair
				params(o).Each(func(key, text string) bool {
					if v := value.Typed(text); v != lua.LNil {
						list = append(list, pair{lua.LString(key), v})
					}
					return true
				})
				return list
			},
			len: func(o *object) int {
				n := 0
				params(o).Each(func(_, text string) bool {
					if value.Typed(text) != lua.LNil {
						n++
					}
					return true
				})
				return n
			},
		},
	}
}

// paramsPart is the object of the keys that begin with a name and a dot; always the same one.
func (e *Engine) paramsPart(o *object, name string, part *value.Params) *object {
	if p := o.parts[name]; p != nil {
		return p
	}
	if o.parts == nil {
		o.parts = make(map[string]*object)
	}
	p := e.newObject(e.classes.params, part)
	o.parts[name] = p
	return p
}

// keyText is a key as text: numbers and their text are the same key.
func keyText(key lua.LValue) (string, bool) {
	switch key := key.(type) {
	case lua.LString:
		return string(key), true
	case lua.LNumber:
		return decimal.Key(float64(key)), true
	}
	return "", false
}

// foldedParams makes a table of a map whose keys are found whatever their case, as in the configuration.
func foldedParams(m map[string]string) *value.Params {
	p := value.NewFoldedParams()
	for _, key := range sortedKeys(m) {
		p.Set(key, m[key])
	}
	return p
}

const (
	maxFlatDepth  = 8
	maxFlatParams = 1024
)

// flattenParams sets what a table of a script has: nested tables give dotted keys.
func (e *Engine) flattenParams(o *object, prefix string, t *lua.LTable, depth int) {
	p := o.v.(*value.Params)
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		name, ok := keyText(k)
		if !ok {
			continue
		}
		name = prefix + name
		switch v := v.(type) {
		case lua.LString:
			p.Set(name, string(v))
		case lua.LNumber:
			p.Set(name, decimal.Text(float64(v)))
		case lua.LBool:
			p.Set(name, strconv.FormatBool(bool(v)))
		case *lua.LTable:
			if depth < maxFlatDepth {
				e.flattenParams(o, name+".", v, depth+1)
			}
		default:
			if objectOf(v) == nil || objectOf(v).class.ops == nil { // addresses have a text
				e.complain(zerolog.WarnLevel, fmt.Sprintf("parameter %s: a %s is ignored", name, v.Type()))
				continue
			}
			p.Set(name, e.text(v))
		}
		if p.Len() >= maxFlatParams {
			return
		}
	}
}

// product names what stands for something of the server and cannot be sent.
func (e *Engine) product(v lua.LValue) (name string, ok bool) {
	switch v := v.(type) {
	case *lua.LUserData:
		o := objectOf(v)
		switch {
		case o == nil:
			return "a userdata", true
		case o.gone || !e.isPlain(o):
			return "a " + o.class.name, true
		}
	case *lua.LTable:
		for _, a := range e.apps {
			if v == a.env {
				return "an application", true
			}
		}
	}
	return "", false
}

// isPlain reports whether an object only is a view of plain values.
func (e *Engine) isPlain(o *object) bool {
	return o.class == e.classes.params || o.class == e.classes.data
}

// plain is what is sent in place of an object that only is a view of plain values; nil for others.
func (e *Engine) plain(ud *lua.LUserData) *lua.LTable {
	o := objectOf(ud)
	if o == nil || o.gone || !e.isPlain(o) {
		return nil
	}
	t := e.L.NewTable()
	for _, p := range o.class.coll.pairs(o) {
		t.RawSet(p.key, p.value)
	}
	return t
}
