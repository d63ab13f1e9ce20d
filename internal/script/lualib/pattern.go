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

// classEnd is the end of the single item that starts at p.
func (m *matcher) classEnd(p int) int {
	pat := m.pat
	first, start := pat[p], p
	p++
	switch first {
	case '%':
		if p >= len(pat) {
			m.c.errorf("malformed pattern (ends with '%%')")
		}
		return p + 1
	case '[':
		if p < len(pat) && pat[p] == '^' {
			p++
		}
		for { // a ] in first place is a member
			if p >= len(pat) {
				m.c.errorf("malformed pattern (missing ']')")
			}
			if pat[p] == '%' && p+1 < len(pat) {
				p++
			}
			if p++; p < len(pat) && pat[p] == ']' {
				m.count((p - start) >> 5)
				return p + 1
			}
		}
	}
	return p
}

// single reports whether the character at s matches the single item from p to end.
func (m *matcher) single(s, p, end int) bool {
	if s >= len(m.src) {
		return false
	}
	ch := m.src[s]
	switch m.pat[p] {
	case '.':
		return true
	case '%':
		return inClass(ch, m.pat[p+1])
	case '[':
		return m.inSet(ch, p, end-1)
	}
	return m.pat[p] == ch
}

// inSet reports whether ch is in the set from the bracket at p to the one at end.
func (m *matcher) inSet(ch byte, p, end int) bool {
	pat := m.pat
	m.count((end - p) >> 5)
	found := true
	if p++; pat[p] == '^' {
		found = false
		p++
	}
	for ; p < end; p++ {
		switch {
		case pat[p] == '%':
			p++
			if inClass(ch, pat[p]) {
				return found
			}
		case p+2 < end && pat[p+1] == '-':
			if pat[p] <= ch && ch <= pat[p+2] {
				return found
			}
			p += 2
		case pat[p] == ch:
			return found
		}
	}
	return !found
}

// frontier matches %f: the border between a character that is not in the set and one that is; a zero byte is at both ends.
func (m *matcher) frontier(s, p, end int) bool {
	var before, after byte
	if s > 0 {
		before = m.src[s-1]
	}
	if s < len(m.src) {
		after = m.src[s]
	}
	return !m.inSet(before, p, end-1) && m.inSet(after, p, end-1)
}

// balance matches %bxy.
func (m *matcher) balance(s, p int) int {
	if p+1 >= len(m.pat) {
		m.c.errorf("unbalanced pattern")
	}
	if s >= len(m.src) || m.src[s] != m.pat[p] {
		return -1
	}
	open, end, depth := m.pat[p], m.pat[p+1], 1
	for s++; s < len(m.src); s++ {
		switch m.src[s] {
		case end:
			if depth--; depth == 0 {
				return s + 1
			}
		case open:
			depth++
		}
		if s&0xff == 0 {
			m.count(16)
		}
	}
	return -1
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
