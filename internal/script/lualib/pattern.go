package lualib

import "strings"

// Patterns of Lua 5.1 §5.4.1. The matcher interprets the pattern text and backtracks; it counts its steps, because a
// pattern may take exponential time, and bounds its recursion. Unlike in Lua 5.1 a zero byte in a pattern is a character.

const (
	maxCaptures     = 32   // LUA_MAXCAPTURES
	maxPatternDepth = 1000 // nested calls of match; each belongs to another item of the pattern

	captureUnfinished = -1
	capturePosition   = -2

	specials = "^$*+?.([%-"
)

type capture struct{ start, len int }

type matcher struct {
	c        call
	src, pat string
	steps    int
	depth    int
	level    int // captures in use
	captures [maxCaptures]capture
}

// reset prepares another attempt at a match.
func (m *matcher) reset() { m.level, m.depth = 0, 0 }

// search finds the first match at or after s. The pattern starts at p, after an anchor if it has one.
func (m *matcher) search(s, p int, anchored bool) (start, end int) {
	first, literal := m.firstByte(p)
	for {
		if literal && !anchored {
			i := strings.IndexByte(m.src[s:], first)
			if i < 0 {
				return -1, -1
			}
			m.count(i >> 4)
			s += i
		}
		m.reset()
		if e := m.match(s, p); e >= 0 {
			return s, e
		}
		if s++; s > len(m.src) || anchored {
			return -1, -1
		}
	}
}

// firstByte is the character every match starts with, if the pattern says so plainly.
func (m *matcher) firstByte(p int) (byte, bool) {
	if p >= len(m.pat) || strings.IndexByte(specials+")", m.pat[p]) >= 0 {
		return 0, false
	}
	if p+1 < len(m.pat) && strings.IndexByte("*?-", m.pat[p+1]) >= 0 {
		return 0, false
	}
	return m.pat[p], true
}

func (m *matcher) count(n int) { m.c.step(&m.steps, n) }

// match matches the pattern from p against the subject from s and returns the end of the match, or -1.
func (m *matcher) match(s, p int) int {
	if m.depth++; m.depth > maxPatternDepth {
		m.c.errorf("pattern too complex")
	}
	e := m.items(s, p)
	m.depth--
	return e
}

// items matches the items of the pattern one after the other.
func (m *matcher) items(s, p int) int {
	for {
		m.count(1)
		if p >= len(m.pat) {
			return s
		}
		switch m.pat[p] {
		case '(':
			if p+1 < len(m.pat) && m.pat[p+1] == ')' {
				return m.startCapture(s, p+2, capturePosition)
			}
			return m.startCapture(s, p+1, captureUnfinished)
		case ')':
			return m.endCapture(s, p+1)
		case '$':
			if p+1 == len(m.pat) {
				if s == len(m.src) {
					return s
				}
				return -1
			}
		case '%':
			if p+1 < len(m.pat) {
				switch next := m.pat[p+1]; {
				case next == 'b':
					if s = m.balance(s, p+2); s < 0 {
						return -1
					}
					p += 4
					continue
				case next == 'f':
					if p += 2; p >= len(m.pat) || m.pat[p] != '[' {
						m.c.errorf("missing '[' after '%%f' in pattern")
					}
					end := m.classEnd(p)
					if !m.frontier(s, p, end) {
						return -1
					}
					p = end
					continue
				case next-'0' <= 9:
					if s = m.backReference(s, next); s < 0 {
						return -1
					}
					p += 2
					continue
				}
			}
		}
		end := m.classEnd(p)
		var suffix byte
		if end < len(m.pat) {
			suffix = m.pat[end]
		}
		switch suffix {
		case '?':
			if m.single(s, p, end) {
				if e := m.match(s+1, end+1); e >= 0 {
					return e
				}
			}
			p = end + 1
		case '*':
			return m.maxExpand(s, p, end)
		case '+':
			if !m.single(s, p, end) {
				return -1
			}
			return m.maxExpand(s+1, p, end)
		case '-':
			return m.minExpand(s, p, end)
		default:
			if !m.single(s, p, end) {
				return -1
			}
			s, p = s+1, end
		}
	}
}

func (m *matcher) maxExpand(s, p, end int) int {
	i := m.run(s, p, end)
	for ; i >= 0; i-- {
		if e := m.match(s+i, end+1); e >= 0 {
			return e
		}
	}
	return -1
}

// run counts the characters from s that match the single item from p to end.
func (m *matcher) run(s, p, end int) int {
	if m.pat[p] == '.' {
		return len(m.src) - s
	}
	i := 0
	for m.single(s+i, p, end) {
		if i++; i&0x3ff == 0 {
			m.count(64)
		}
	}
	return i
}

func (m *matcher) minExpand(s, p, end int) int {
	for {
		if e := m.match(s, end+1); e >= 0 {
			return e
		}
		if !m.single(s, p, end) {
			return -1
		}
		s++
	}
}

func (m *matcher) startCapture(s, p, kind int) int {
	if m.level >= maxCaptures {
		m.c.errorf("too many captures")
	}
	m.captures[m.level] = capture{s, kind}
	m.level++
	e := m.match(s, p)
	if e < 0 {
		m.level--
	}
	return e
}

func (m *matcher) endCapture(s, p int) int {
	i := m.level - 1
	for ; i >= 0 && m.captures[i].len != captureUnfinished; i-- {
	}
	if i < 0 {
		m.c.errorf("invalid pattern capture")
	}
	m.captures[i].len = s - m.captures[i].start
	e := m.match(s, p)
	if e < 0 {
		m.captures[i].len = captureUnfinished
	}
	return e
}

// backReference matches %1 to %9.
func (m *matcher) backReference(s int, digit byte) int {
	i := int(digit) - '1'
	if i < 0 || i >= m.level || m.captures[i].len == captureUnfinished {
		m.c.errorf("invalid capture index")
	}
	c := m.captures[i]
	if c.len < 0 {
		return -1 // a position capture is longer than any subject
	}
	m.count(c.len >> 4)
	if text := m.src[c.start : c.start+c.len]; strings.HasPrefix(m.src[s:], text) {
		return s + c.len
	}
	return -1
}
