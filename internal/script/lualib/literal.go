package lualib

import (
	"fmt"
	"math"
	"strconv"
)

// number takes a numeral over (read_numeral of Lua 5.1), in a form that gopher-lua does not read as octal, infinite or NaN.
func (sc *scanner) number() {
	n := 0
	for ; sc.pos+n < len(sc.src); n++ {
		if ch := sc.src[sc.pos+n]; isName(ch) || ch == '.' {
			continue
		} else if (ch == '+' || ch == '-') && isExponentMark(sc.src[sc.pos:sc.pos+n]) {
			continue
		}
		break
	}
	text := string(sc.src[sc.pos : sc.pos+n])
	f, ok := parseNumber(text)
	if !ok {
		sc.fail("malformed number near '%s'", shorten(text))
	}
	sc.pos += n
	if math.IsInf(f, 0) {
		sc.out = append(sc.out, "(1/0)"...)
		return
	}
	sc.out = strconv.AppendFloat(sc.out, f, 'g', -1, 64)
}

// isExponentMark reports whether a sign after text belongs to the numeral.
func isExponentMark(text []byte) bool {
	last := text[len(text)-1] | 0x20
	if len(text) > 1 && text[0] == '0' && text[1]|0x20 == 'x' {
		return last == 'p'
	}
	return last == 'e'
}

// quoted takes a string in quotes over.
func (sc *scanner) quoted(quote byte) {
	start := sc.pos
	skipped := 0 // line ends left out of the string
	sc.copy(1)
	for {
		if sc.pos >= len(sc.src) {
			sc.fail("unfinished string near '<eof>'")
		}
		switch ch := sc.src[sc.pos]; ch {
		case '\n', '\r':
			sc.line -= skipped
			sc.fail("unfinished string near '%s'", shorten(string(sc.src[start:sc.pos])))
		case '\\':
			skipped += sc.escape()
		default:
			sc.copy(1)
			if ch == quote {
				for range skipped {
					sc.out = append(sc.out, '\n')
				}
				sc.line += skipped
				return
			}
		}
	}
}

// escape takes an escape sequence over and returns how many line ends it leaves out.
func (sc *scanner) escape() (skipped int) {
	switch ch := sc.peek(1); {
	case ch == 'x':
		high, low := hexDigit(sc.peek(2)), hexDigit(sc.peek(3))
		if high > 15 || low > 15 {
			sc.fail("invalid escape sequence")
		}
		sc.out = fmt.Appendf(sc.out, "\\%03d", high<<4|low)
		sc.pos += 4
	case ch == 'z':
		for sc.pos += 2; isSpace(sc.peek(0)); sc.pos++ {
			if ch, next := sc.peek(0), sc.peek(1); ch == '\n' || ch == '\r' {
				if skipped++; (next == '\n' || next == '\r') && next != ch {
					sc.pos++
				}
			}
		}
	case ch-'0' <= 9:
		n, v := 1, 0
		for ; n < 4 && sc.peek(n)-'0' <= 9; n++ {
			v = v*10 + int(sc.peek(n)-'0')
		}
		if v > 255 {
			sc.fail("escape sequence too large near '\\%d'", v)
		}
		sc.out = fmt.Appendf(sc.out, "\\%03d", v)
		sc.pos += n
	case ch == '\n' || ch == '\r':
		sc.copy(1)
		sc.newline()
	case sc.pos+1 < len(sc.src):
		sc.copy(2)
	default:
		sc.copy(1) // the end follows
	}
	return skipped
}
