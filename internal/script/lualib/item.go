package lualib

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
