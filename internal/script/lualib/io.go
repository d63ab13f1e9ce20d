package lualib

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"syscall"
	"weak"

	lua "github.com/yuin/gopher-lua"
)

// newIO makes the io table of an application: its files, standard output, no processes.
func (s *Scope) newIO(L *lua.LState) *lua.LTable {
	t := s.l.newTable(L, "io", map[string]function{
		"close": ioClose,
		"lines": s.ioLines,
		"open":  s.ioOpen,
		"type":  ioType,
		"write": func(c call) int { return c.writeAll(c.l.o.Stdout, 1) },
	})
	out := s.newFile(L, &file{f: console{s.l.o.Stdout}, std: true})
	t.RawSetString("stdout", out)
	t.RawSetString("stderr", out)
	return t
}

// RootFiles opens files in a folder for App.Open; names cannot lead out of it, nor to devices and pipes, at which a script
// would wait.
func RootFiles(root *os.Root) func(name string, flag int) (File, error) {
	return func(name string, flag int) (File, error) {
		name = strings.TrimPrefix(name, "./")
		st, err := root.Stat(name)
		if err == nil && !st.Mode().IsRegular() {
			return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("not a regular file")}
		}
		if err != nil && (flag&os.O_CREATE == 0 || !errors.Is(err, fs.ErrNotExist)) {
			return nil, err
		}
		return root.OpenFile(name, flag, 0o644)
	}
}

// openFlags are the flags of a mode of io.open.
func openFlags(mode string) (int, bool) {
	switch strings.ReplaceAll(mode, "b", "") {
	case "r":
		return os.O_RDONLY, true
	case "r+":
		return os.O_RDWR, true
	case "w":
		return os.O_WRONLY | os.O_CREATE | os.O_TRUNC, true
	case "w+":
		return os.O_RDWR | os.O_CREATE | os.O_TRUNC, true
	case "a":
		return os.O_WRONLY | os.O_CREATE | os.O_APPEND, true
	case "a+":
		return os.O_RDWR | os.O_CREATE | os.O_APPEND, true
	}
	return 0, false
}

func (s *Scope) openFile(L *lua.LState, name, mode string) (*lua.LUserData, error) {
	flag, ok := openFlags(mode)
	switch {
	case !ok:
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EINVAL}
	case s.app.Open == nil || s.closed:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	case !s.roomForFile():
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EMFILE}
	}
	opened, err := s.app.Open(name, flag)
	if err != nil {
		return nil, err
	}
	f := &file{f: opened, scope: s}
	s.open[weak.Make(f)] = struct{}{}
	// A script may forget its files: what it cannot reach any more is closed.
	runtime.AddCleanup(f, func(o File) { _ = o.Close() }, opened)
	return s.newFile(L, f), nil
}

// roomForFile reports whether the application may open another file.
func (s *Scope) roomForFile() bool {
	if len(s.open) < s.l.o.MaxFiles {
		return true
	}
	for w := range s.open {
		if w.Value() == nil {
			delete(s.open, w)
		}
	}
	return len(s.open) < s.l.o.MaxFiles
}

func (s *Scope) newFile(L *lua.LState, f *file) *lua.LUserData {
	ud := L.NewUserData()
	ud.Value = f
	ud.Metatable = s.l.files
	return ud
}

// failure pushes what functions of io return for an error (Lua 5.1 §5.7): nil, message, number.
func (c call) failure(name string, err error) int {
	text := err.Error()
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) { // the real path is nobody's business
		text = pathErr.Err.Error()
	}
	if name != "" {
		text = name + ": " + text
	}
	var number syscall.Errno
	errors.As(err, &number)
	c.L.Push(lua.LNil)
	c.L.Push(lua.LString(text))
	c.L.Push(lua.LNumber(number))
	return 3
}

func (s *Scope) ioOpen(c call) int {
	name := c.string(1)
	ud, err := s.openFile(c.L, name, c.optString(2, "r"))
	if err != nil {
		return c.failure(name, err)
	}
	return c.push(ud)
}

func (s *Scope) ioLines(c call) int {
	name := c.string(1)
	ud, err := s.openFile(c.L, name, "r")
	if err != nil {
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		c.argError(1, name+": "+err.Error())
	}
	return c.push(c.l.linesIterator(c.L, ud.Value.(*file), true))
}

func ioClose(c call) int {
	if c.L.GetTop() == 0 {
		c.errorf("standard output cannot be closed")
	}
	return fileClose(c)
}

func ioType(c call) int {
	if ud, ok := c.any(1).(*lua.LUserData); ok {
		if f, ok := ud.Value.(*file); ok {
			if f.closed() {
				return c.pushString("closed file")
			}
			return c.pushString("file")
		}
	}
	return c.push(lua.LNil)
}
