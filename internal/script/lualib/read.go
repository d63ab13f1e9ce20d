package lualib

import (
	"bufio"
	"errors"
	"io"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// fileRead is file:read (Lua 5.1 §5.7). The formats are also known without their asterisk.
func fileRead(c call) int {
	f := c.file()
	top := c.L.GetTop()
	if top < 2 {
		c.L.Push(lua.LString("*l"))
		top = 2
	}
	for i := 2; i <= top; i++ {
		v, err := c.readFormat(f, i)
		if err != nil && !errors.Is(err, io.EOF) {
			return c.failure("", err)
		}
		c.L.Push(v)
		if v == lua.LNil { // the formats after the one that failed are not tried
			return i - 1
		}
	}
	return top - 1
}

func (c call) readFormat(f *file, arg int) (lua.LValue, error) {
	if n, ok := c.L.Get(arg).(lua.LNumber); ok {
		return c.readBytes(f, toInt(float64(n)))
	}
	format := strings.TrimPrefix(c.string(arg), "*")
	if format == "" {
		c.argError(arg, "invalid option")
	}
	switch format[0] {
	case 'l':
		return c.readLine(f)
	case 'a':
		return c.readAll(f)
	case 'n':
		return c.readNumber(f)
	}
	c.argError(arg, "invalid format")
	return lua.LNil, nil
}

// readBytes reads at most n bytes; at the end of the file nil. For 0 it tells whether there is more.
func (c call) readBytes(f *file, n int) (lua.LValue, error) {
	if n <= 0 {
		if _, err := f.reader().Peek(1); err != nil {
			return lua.LNil, err
		}
		return lua.LString(""), nil
	}
	c.checkSize(n)
	data, err := io.ReadAll(io.LimitReader(f.reader(), int64(n)))
	if len(data) == 0 {
		return lua.LNil, err
	}
	return lua.LString(data), nil
}

func (c call) readAll(f *file) (lua.LValue, error) {
	data, err := io.ReadAll(io.LimitReader(f.reader(), int64(c.l.o.MaxString)+1))
	c.checkSize(len(data))
	return lua.LString(data), err
}

// readLine reads a line without its end.
func (c call) readLine(f *file) (lua.LValue, error) {
	var line []byte
	for {
		part, err := f.reader().ReadSlice('\n')
		line = append(line, part...)
		c.checkSize(len(line))
		switch {
		case err == nil:
			return lua.LString(line[:len(line)-1]), nil
		case errors.Is(err, bufio.ErrBufferFull):
			c.check()
		case len(line) > 0 && errors.Is(err, io.EOF):
			return lua.LString(line), nil
		default:
			return lua.LNil, err
		}
	}
}

// readNumber reads a number as scanf("%lf") does, of at most 200 characters.
func (c call) readNumber(f *file) (lua.LValue, error) {
	r := f.reader()
	for {
		ch, err := r.ReadByte()
		if err != nil {
			return lua.LNil, err
		}
		if !isSpace(ch) {
			_ = r.UnreadByte()
			break
		}
	}
	var text []byte
	for len(text) < 200 {
		ch, err := r.ReadByte()
		if err != nil {
			break
		}
		if strings.IndexByte("0123456789+-.xXabcdefABCDEFpPinytINFTY", ch) < 0 || !numberPrefix(string(append(text, ch))) {
			_ = r.UnreadByte()
			break
		}
		text = append(text, ch)
	}
	if n, ok := parseNumber(string(text)); ok {
		return lua.LNumber(n), nil
	}
	return lua.LNil, nil
}

// numberPrefix reports whether s can be the beginning of a number.
func numberPrefix(s string) bool {
	for _, rest := range []string{"", "0", "1", "x1", ".1", "p1"} {
		if _, ok := parseNumber(s + rest); ok {
			return true
		}
	}
	return false
}
