package lualib

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

func stringFind(c call) int  { return c.find(true) }
func stringMatch(c call) int { return c.find(false) }

// find is string.find and string.match (Lua 5.1 §5.4).
func (c call) find(positions bool) int {
	s, p := c.string(1), c.string(2)
	init := min(max(relative(c.optInt(3, 1), len(s))-1, 0), len(s))
	if positions && (lua.LVAsBool(c.L.Get(4)) || !strings.ContainsAny(p, specials)) {
		i := strings.Index(s[init:], p)
		if i < 0 {
			return c.push(lua.LNil)
		}
		c.L.Push(lua.LNumber(init + i + 1))
		c.L.Push(lua.LNumber(init + i + len(p)))
		return 2
	}
	m := matcher{c: c, src: s, pat: p}
	start := 0
	if strings.HasPrefix(p, "^") {
		start = 1
	}
	from, to := m.search(init, start, start == 1)
	if from < 0 {
		return c.push(lua.LNil)
	}
	if positions {
		c.L.Push(lua.LNumber(from + 1))
		c.L.Push(lua.LNumber(to))
		return m.pushCaptures(from, -1) + 2
	}
	return m.pushCaptures(from, to)
}

// pushCaptures pushes all captures; without any the whole match, unless end is negative.
func (m *matcher) pushCaptures(start, end int) int {
	n := m.level
	if n == 0 && end >= 0 {
		n = 1
	}
	for i := range n {
		m.c.L.Push(m.capture(i, start, end))
	}
	return n
}

// capture is the value of capture i of a match.
func (m *matcher) capture(i, start, end int) lua.LValue {
	if i >= m.level {
		if i != 0 {
			m.c.errorf("invalid capture index")
		}
		return lua.LString(m.src[start:end])
	}
	switch c := m.captures[i]; c.len {
	case captureUnfinished:
		m.c.errorf("unfinished capture")
		return lua.LNil
	case capturePosition:
		return lua.LNumber(c.start + 1)
	default:
		return lua.LString(m.src[c.start : c.start+c.len])
	}
}

// stringGmatch is string.gmatch. As in Lua 5.1 a ^ is no anchor here.
func stringGmatch(c call) int {
	s, p := c.string(1), c.string(2)
	pos := 0
	return c.push(c.L.NewFunction(func(L *lua.LState) int {
		if pos > len(s) {
			return 0
		}
		m := matcher{c: call{c.l, L, c.name}, src: s, pat: p}
		from, to := m.search(pos, 0, false)
		if from < 0 {
			pos = len(s) + 1
			return 0
		}
		if pos = to; to == from {
			pos++
		}
		return m.pushCaptures(from, to)
	}))
}

// stringGsub is string.gsub (Lua 5.1 §5.4). The result is built from left to right.
func stringGsub(c call) int {
	s, p := c.string(1), c.string(2)
	repl := c.L.Get(3)
	switch repl.(type) {
	case lua.LString, lua.LNumber, *lua.LTable, *lua.LFunction:
	default:
		c.argError(3, "string/function/table expected")
	}
	limit := c.optInt(4, len(s)+1)
	start := 0
	if strings.HasPrefix(p, "^") {
		start = 1
	}
	m := matcher{c: c, src: s, pat: p}
	g := gsub{m: &m, repl: repl}
	first, literal := m.firstByte(start)
	literal = literal && start == 0
	pos, n := 0, 0
	for n < limit {
		if literal {
			i := strings.IndexByte(s[pos:], first)
			if i < 0 {
				break
			}
			m.count(i >> 4)
			g.keep(pos, pos+i)
			pos += i
		}
		m.reset()
		end := m.match(pos, start)
		if end >= 0 {
			n++
			g.replace(pos, end)
		}
		if end > pos {
			pos = end
		} else if pos < len(s) {
			g.keep(pos, pos+1)
			pos++
		} else {
			break
		}
		if start == 1 {
			break
		}
	}
	g.keep(pos, len(s))
	c.L.Push(g.result())
	c.L.Push(lua.LNumber(n))
	return 2
}

// gsub builds the result of string.gsub.
type gsub struct {
	m    *matcher
	repl lua.LValue
	out  []byte
	kept int // the subject up to here, from where out ends, is part of the result
	from int
}

// keep takes a piece of the subject over. Neighbouring pieces are copied together.
func (g *gsub) keep(from, to int) {
	if g.kept != from {
		g.flush()
		g.from = from
	}
	g.kept = to
}

func (g *gsub) flush() {
	g.grow(g.kept - g.from)
	g.out = append(g.out, g.m.src[g.from:g.kept]...)
	g.from = g.kept
}

func (g *gsub) grow(n int) { g.m.c.checkSize(len(g.out) + n) }

func (g *gsub) result() lua.LValue {
	if g.from == 0 && g.kept == len(g.m.src) && len(g.out) == 0 {
		return lua.LString(g.m.src) // nothing replaced
	}
	g.flush()
	return lua.LString(g.out)
}

// replace adds the replacement of the match from start to end.
func (g *gsub) replace(start, end int) {
	var v lua.LValue
	switch repl := g.repl.(type) {
	case *lua.LTable:
		v = g.m.c.L.GetTable(repl, g.m.capture(0, start, end))
	case *lua.LFunction:
		v = g.call(repl, start, end)
	default:
		text, _ := toString(repl)
		g.flush()
		g.expand(text, start, end)
		g.from, g.kept = end, end
		return
	}
	if lua.LVIsFalse(v) {
		g.keep(start, end)
		return
	}
	text, ok := toString(v)
	if !ok {
		g.m.c.errorf("invalid replacement value (a %s)", v.Type().String())
	}
	g.flush()
	g.grow(len(text))
	g.out = append(g.out, text...)
	g.from, g.kept = end, end
}

func (g *gsub) call(fn *lua.LFunction, start, end int) lua.LValue {
	c := g.m.c
	c.enter()
	c.L.Push(fn)
	n := g.m.pushCaptures(start, end)
	c.L.Call(n, 1)
	c.l.nest--
	v := c.L.Get(-1)
	c.L.Pop(1)
	return v
}

// expand adds a replacement text with its %0 to %9.
func (g *gsub) expand(text string, start, end int) {
	for {
		g.m.count(1)
		i := strings.IndexByte(text, '%')
		if i < 0 || i+1 == len(text) {
			i = len(text)
		}
		plain := text[:i]
		g.grow(len(plain))
		g.out = append(g.out, plain...)
		if i == len(text) {
			return
		}
		switch d := text[i+1]; {
		case d == '0':
			g.grow(end - start)
			g.out = append(g.out, g.m.src[start:end]...)
		case d-'1' <= 8:
			s, _ := toString(g.m.capture(int(d-'1'), start, end))
			g.grow(len(s))
			g.out = append(g.out, s...)
		default:
			g.out = append(g.out, d)
		}
		text = text[i+2:]
	}
}
