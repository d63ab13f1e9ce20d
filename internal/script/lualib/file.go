package lualib

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"weak"

	lua "github.com/yuin/gopher-lua"
)

// File is an open file of a script; *os.File is one.
type File interface {
	io.Reader
	io.Writer
	io.Seeker
	io.Closer
}

// file is the value behind a file of a script. Reading is buffered, writing is not: nothing is lost if a script ends
// without closing.
type file struct {
	f     File // nil = closed
	r     *bufio.Reader
	scope *Scope
	std   bool // standard output: not to be closed
}

// console is standard output as a File.
type console struct{ io.Writer }

var errConsole = errors.New("standard output can only be written")

func (console) Read([]byte) (int, error)       { return 0, errConsole }
func (console) Seek(int64, int) (int64, error) { return 0, errConsole }
func (console) Close() error                   { return errConsole }

func (f *file) closed() bool { return f.f == nil }

func (f *file) close() error {
	if f.std || f.f == nil {
		return errConsole
	}
	o := f.f
	f.f, f.r = nil, nil
	if f.scope != nil {
		delete(f.scope.open, weak.Make(f))
	}
	return o.Close()
}

func (f *file) reader() *bufio.Reader {
	if f.r == nil {
		f.r = bufio.NewReader(f.f)
	}
	return f.r
}

// unread gives back what has been read ahead, before the position matters.
func (f *file) unread() error {
	if f.r == nil || f.r.Buffered() == 0 {
		return nil
	}
	_, err := f.f.Seek(int64(-f.r.Buffered()), io.SeekCurrent)
	f.r.Reset(f.f)
	return err
}

func (l *Library) newFileMetatable(L *lua.LState) *lua.LTable {
	methods := l.newTable(L, "file", map[string]function{
		"close":   fileClose,
		"flush":   fileFlush,
		"lines":   fileLines,
		"read":    fileRead,
		"seek":    fileSeek,
		"setvbuf": fileFlush,
		"write":   fileWrite,
	})
	mt := L.NewTable()
	mt.RawSetString("__index", methods)
	mt.RawSetString("__metatable", lua.LFalse)
	mt.RawSetString("__tostring", l.function(L, "file.tostring", func(c call) int {
		f := c.anyFile()
		if f.closed() {
			return c.pushString("file (closed)")
		}
		return c.pushString(fmt.Sprintf("file (%p)", f))
	}))
	return mt
}

// anyFile is the first argument, which is a file, perhaps closed.
func (c call) anyFile() *file {
	if ud, ok := c.L.Get(1).(*lua.LUserData); ok {
		if f, ok := ud.Value.(*file); ok {
			return f
		}
	}
	c.typeError(1, "FILE*")
	return nil
}

// file is the first argument, which is an open file.
func (c call) file() *file {
	f := c.anyFile()
	if f.closed() {
		c.errorf("attempt to use a closed file")
	}
	return f
}

// result pushes true, or what functions of io return for an error.
func (c call) result(err error) int {
	if err != nil {
		return c.failure("", err)
	}
	return c.push(lua.LTrue)
}

func fileClose(c call) int { return c.result(c.file().close()) }

// fileFlush is file:flush, and file:setvbuf: there is nothing to flush.
func fileFlush(c call) int {
	c.file()
	return c.push(lua.LTrue)
}

func fileWrite(c call) int {
	f := c.file()
	if err := f.unread(); err != nil {
		return c.failure("", err)
	}
	return c.writeAll(f.f, 2)
}

// writeAll writes the arguments from first on, in one piece.
func (c call) writeAll(w io.Writer, first int) int {
	var b []byte
	for i := first; i <= c.L.GetTop(); i++ {
		b = append(b, c.string(i)...)
		c.checkSize(len(b))
	}
	if _, err := w.Write(b); err != nil {
		return c.failure("", err)
	}
	return c.push(lua.LTrue)
}

func fileSeek(c call) int {
	f := c.file()
	var whence int
	switch name := c.optString(2, "cur"); name {
	case "set":
		whence = io.SeekStart
	case "cur":
		whence = io.SeekCurrent
	case "end":
		whence = io.SeekEnd
	default:
		c.argError(2, "invalid option '"+name+"'")
	}
	offset := c.optInt(3, 0)
	err := f.unread()
	var pos int64
	if err == nil {
		pos, err = f.f.Seek(int64(offset), whence)
	}
	if err != nil {
		return c.failure("", err)
	}
	return c.pushNumber(float64(pos))
}

func fileLines(c call) int { return c.push(c.l.linesIterator(c.L, c.file(), false)) }

// linesIterator makes the function that io.lines and file:lines return.
func (l *Library) linesIterator(L *lua.LState, f *file, closeAtEnd bool) *lua.LFunction {
	return l.function(L, "file.lines", func(c call) int {
		if f.closed() {
			c.errorf("file is already closed")
		}
		v, err := c.readLine(f)
		if err != nil && !errors.Is(err, io.EOF) {
			c.errorf("%s", err.Error())
		}
		if v == lua.LNil && closeAtEnd {
			_ = f.close()
		}
		return c.push(v)
	})
}
