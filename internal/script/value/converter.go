package value

import (
	"errors"
	"fmt"
	"time"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/pkg/amf"
)

// Options are what a Converter needs from the engine. All of them may be left out.
type Options struct {
	// OnTyped is called when an object with a class name is complete; it may add methods to it. It may run
	// Lua, which may use the Converter again.
	OnTyped func(class string, obj *lua.LTable)
	// Warn tells the author of the running script that something of a value was left out.
	Warn func(text string)
	// Product says whether a userdata, or a table with a metatable, stands for something of the server,
	// and names it for a warning. Without it every userdata does and no table.
	Product func(v lua.LValue) (name string, ok bool)
	// Plain returns what is sent in place of a userdata that is only a view of plain values, nil for others.
	Plain func(ud *lua.LUserData) *lua.LTable
	// Stopped, if set, is asked before each table that is sent; true ends the conversion. No limit bounds the
	// time for a value that a script made: a table may be empty and still have a million places.
	Stopped func() bool
	// Location is the zone of the fields of dates; nil = the local one.
	Location *time.Location
	// Limits apply to one message, in both directions. Zero fields mean the defaults of this package.
	Limits amf.Limits
}

// Limits of one message. They are lower than what the format allows because a Lua table needs several
// hundred bytes for what takes four on the wire.
const (
	DefaultDepth    = 128
	DefaultElements = 1 << 17
	DefaultBytes    = amf.DefaultBytes
)

// maxHoles is how many empty slots the arrays of one message may have: a Lua table with one element far
// from the others keeps room for all that lie between.
const maxHoles = 1 << 14

// maxWarnings is how many warnings one message gives: a table of functions has many of the same kind.
const maxWarnings = 5

// Converter turns Lua values into those of other formats and back.
type Converter struct {
	L *lua.LState
	o Options

	// Spare state of a conversion, nil while one is going on: OnTyped may start another.
	reading *reader
	writing *writer

	xmlMeta *lua.LTable
}

// New makes a converter for the values of L.
func New(L *lua.LState, o Options) *Converter {
	if o.Limits.Depth == 0 {
		o.Limits.Depth = DefaultDepth
	}
	if o.Limits.Elements == 0 {
		o.Limits.Elements = DefaultElements
	}
	if o.Limits.Bytes == 0 {
		o.Limits.Bytes = DefaultBytes
	}
	if o.Location == nil {
		o.Location = time.Local
	}
	return &Converter{L: L, o: o}
}

var (
	// ErrLimit is a value that is too deep, too long or has too many elements.
	ErrLimit = errors.New("limit exceeded")
	// ErrStopped is a conversion that Stopped ended.
	ErrStopped = errors.New("took too long")
)

func limitError(what string, n int) error { return fmt.Errorf("%w: %s above %d", ErrLimit, what, n) }

func (c *Converter) stopped() bool { return c.o.Stopped != nil && c.o.Stopped() }

func (c *Converter) warn(format string, args ...any) {
	if c.o.Warn != nil {
		c.o.Warn(fmt.Sprintf(format, args...))
	}
}
