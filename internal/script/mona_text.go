package script

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/script/value"
	"github.com/monaserver/monaserver/pkg/amf"
)

// maxReturned is how many values a function of mona returns at most, as unpack.
const maxReturned = 8000

// pushAll returns values to the script.
func pushAll[T lua.LValue](L *lua.LState, values []T) int {
	if len(values) > maxReturned {
		L.RaiseError("too many results: %d", len(values))
	}
	for _, v := range values {
		L.Push(v)
	}
	return len(values)
}

// split is mona:split(text, separators[, option]).
func (e *Engine) split(_ *object, L *lua.LState) int {
	tokens := value.Split(L.CheckString(2), L.OptString(3, ""), L.OptInt(4, 0))
	values := make([]lua.LString, len(tokens))
	for i, t := range tokens {
		values[i] = lua.LString(t)
	}
	return pushAll(L, values)
}

// digests makes mona:md5(text, …) and the like.
func (e *Engine) digests(digest func(string) string) func(o *object, L *lua.LState) int {
	return func(_ *object, L *lua.LState) int {
		args := arguments(L, 2)
		for i, v := range args {
			switch v := v.(type) {
			case lua.LString:
				args[i] = lua.LString(digest(string(v)))
			case lua.LNumber:
				args[i] = lua.LString(digest(e.text(v)))
			default:
				e.complain(zerolog.ErrorLevel, "digest: a text was expected, got "+v.Type().String())
				args[i] = lua.LNil
			}
			if e.watch.Exceeded() {
				L.RaiseError("%s", errBudget.Error())
			}
		}
		return pushAll(L, args)
	}
}

// toAMF makes mona:toAMF(...) and mona:toAMF0(...). What they make may contain itself: the script reads it
// again, or knows who does.
func (e *Engine) toAMF(mode amf.Mode) func(o *object, L *lua.LState) int {
	return func(_ *object, L *lua.LState) int {
		b, err := e.conv.EncodeGraph(mode, arguments(L, 2)...)
		if err != nil {
			return e.failed(L, nil, "toAMF", err)
		}
		L.Push(lua.LString(b))
		return 1
	}
}

// fromAMF is mona:fromAMF(text): what precedes an error counts.
func (e *Engine) fromAMF(_ *object, L *lua.LState) int {
	values, err := e.conv.Decode(nil, []byte(L.CheckString(2)))
	if err != nil {
		e.complain(zerolog.ErrorLevel, "fromAMF: "+err.Error())
	}
	return pushAll(L, values)
}

// toText makes functions that write their arguments in a format.
func (e *Engine) toText(name string, write func(...lua.LValue) (string, error)) func(o *object, L *lua.LState) int {
	return func(_ *object, L *lua.LState) int {
		s, err := write(arguments(L, 2)...)
		if err != nil {
			return e.failed(L, nil, name, err)
		}
		L.Push(lua.LString(s))
		return 1
	}
}

// fromText makes functions that read a format.
func (e *Engine) fromText(name string, read func(string) ([]lua.LValue, error)) func(o *object, L *lua.LState) int {
	return func(_ *object, L *lua.LState) int {
		values, err := read(L.CheckString(2))
		if err != nil {
			e.complain(zerolog.ErrorLevel, name+": "+err.Error())
			return 0
		}
		return pushAll(L, values)
	}
}

// toXML is mona:toXML([error function,] table).
func (e *Engine) toXML(_ *object, L *lua.LState) int {
	onError, args := errorFunction(arguments(L, 2))
	err := errors.New("a table was expected")
	if len(args) > 0 {
		if t, ok := args[0].(*lua.LTable); ok {
			var s string
			if s, err = e.conv.ToXML(t); err == nil {
				L.Push(lua.LString(s))
				return 1
			}
		}
	}
	return e.failed(L, onError, "toXML", err)
}

// fromXML is mona:fromXML([error function,] text).
func (e *Engine) fromXML(_ *object, L *lua.LState) int {
	onError, args := errorFunction(arguments(L, 2))
	err := errors.New("a text was expected")
	if len(args) > 0 {
		if s, ok := args[0].(lua.LString); ok {
			var t *lua.LTable
			if t, err = e.conv.FromXML(string(s)); err == nil {
				L.Push(t)
				return 1
			}
		}
	}
	return e.failed(L, onError, "fromXML", err)
}

// maxDump bounds a dump in bytes when the dumplimit option does not.
const maxDump = 64 << 10

// dump is mona:dump(name, data[, size]): bytes in the log if the dump option asks for this name, or for all.
// The first word of the name is what the option names, the rest a title.
func (e *Engine) dump(_ *object, L *lua.LState) int {
	name, data := L.CheckString(2), ""
	switch v := L.Get(3).(type) {
	case lua.LString:
		data = string(v)
	case *lua.LNilType:
		name, data = "", name
	default:
		data = L.CheckString(3)
	}
	name, title, _ := strings.Cut(name, " ")
	filter, on := e.cfg.Arguments["dump"]
	if !on || (filter != "" && !strings.EqualFold(filter, name)) {
		return 0
	}
	size := len(data)
	limit := min(max(L.OptInt(4, size), 0), size, maxDump)
	if n, err := strconv.Atoi(e.cfg.Arguments["dumplimit"]); err == nil && n > 0 {
		limit = min(limit, n)
	}
	if title = strings.TrimSpace(title); title == "" {
		title = fmt.Sprintf("%d bytes", size)
	}
	if ev := e.logEvent(e.running, zerolog.InfoLevel); ev != nil {
		ev.Str("dump", name).Msg(title + "\n" + hex.Dump([]byte(data[:limit])))
	}
	return 0
}
