package script

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/script/store"
)

// newData makes the persistent table of an application. That of /a/b is the table b in the table a of root's.
func (e *Engine) newData(a *App) lua.LValue {
	n := e.data.Root()
	for name := range strings.SplitSeq(strings.TrimPrefix(a.path, "/"), "/") {
		if name != "" {
			n = n.Child(name)
		}
	}
	return e.dataObject(n)
}

// dataObject is a table of the persistent tree as scripts see it.
func (e *Engine) dataObject(n *store.Node) *lua.LUserData {
	return e.objects.tables.get(n, func() *object { return e.newObject(e.classes.data, n) })
}

func (e *Engine) dataClass() *class {
	node := func(o *object) *store.Node { return o.v.(*store.Node) }
	get := func(o *object, key lua.LValue) lua.LValue {
		if name, ok := keyText(key); ok {
			if entry, ok := node(o).Get(name); ok {
				return e.dataValue(entry)
			}
		}
		return nil
	}
	return &class{
		name: "data",
		text: func(o *object) string { return node(o).Path() },
		members: map[string]member{
			// Unlike other names of the table itself, this one gives way to a key.
			"count": prop(func(o *object) lua.LValue {
				if v := get(o, lua.LString("count")); v != nil {
					return v
				}
				return lua.LNumber(node(o).Count())
			}),
		},
		set: func(o *object, key, v lua.LValue) {
			if err := e.setData(node(o), key, v); err != nil {
				e.complain(zerolog.ErrorLevel, err.Error())
			}
		},
		coll: &collection{
			get: get,
			pairs: func(o *object) []pair {
				var list []pair
				node(o).Each(func(key string, entry store.Entry) bool {
					list = append(list, pair{lua.LString(key), e.dataValue(entry)})
					return true
				})
				return list
			},
			list: func(o *object) []lua.LValue {
				var list []lua.LValue
				for {
					entry, ok := node(o).Get(strconv.Itoa(len(list) + 1))
					if !ok {
						return list
					}
					list = append(list, e.dataValue(entry))
				}
			},
			len: func(o *object) int { return node(o).Count() },
		},
	}
}

func (e *Engine) dataValue(entry store.Entry) lua.LValue {
	switch entry.Kind {
	case store.KindBool:
		return lua.LBool(entry.Bool)
	case store.KindNumber:
		return lua.LNumber(entry.Number)
	case store.KindTable:
		return e.dataObject(entry.Node)
	}
	return lua.LString(entry.Text)
}

// setData is an assignment to a persistent table.
func (e *Engine) setData(n *store.Node, key, v lua.LValue) error {
	name, ok := keyText(key)
	if !ok {
		return fmt.Errorf("%s: a %s is no key of data, texts and numbers are", n.Path(), key.Type())
	}
	if v == lua.LNil {
		return n.Delete(name)
	}
	entry, err := e.dataEntry(v, 0)
	if err != nil {
		return fmt.Errorf("%s.%s: %w", n.Path(), name, err)
	}
	return n.Set(name, entry)
}

var errTooLong = errors.New("it takes too long")

// dataEntry is a value of a script to be stored.
func (e *Engine) dataEntry(v lua.LValue, depth int) (store.Entry, error) {
	switch v := v.(type) {
	case lua.LString:
		return store.Text(string(v)), nil
	case lua.LNumber:
		return store.Number(float64(v)), nil
	case lua.LBool:
		return store.Bool(bool(v)), nil
	case *lua.LTable:
		if depth >= store.MaxDepth {
			return store.Entry{}, store.ErrLimit
		}
		n := store.NewNode()
		for k, inner := v.Next(lua.LNil); k != lua.LNil; k, inner = v.Next(k) {
			if e.watch.Exceeded() {
				return store.Entry{}, errTooLong
			}
			name, ok := keyText(k)
			if !ok {
				return store.Entry{}, fmt.Errorf("a %s is no key of data, texts and numbers are", k.Type())
			}
			entry, err := e.dataEntry(inner, depth+1)
			if err != nil {
				return store.Entry{}, err
			}
			if err := n.Set(name, entry); err != nil {
				return store.Entry{}, err
			}
		}
		return store.Table(n), nil
	case *lua.LUserData:
		if o := objectOf(v); o != nil && !o.gone {
			if n, ok := o.v.(*store.Node); ok {
				return store.Table(n), nil
			}
			if o.class.ops != nil { // addresses
				return store.Text(e.text(v)), nil
			}
		}
	}
	return store.Entry{}, fmt.Errorf("a %s cannot be stored", v.Type())
}
