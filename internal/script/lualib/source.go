package lualib

import (
	"bytes"
	"fmt"
)

const (
	// maxLevels bounds nested blocks and brackets (LUAI_MAXCCALLS of Lua 5.1): the compiler of gopher-lua recurses, and the
	// overflow of a goroutine's stack cannot be recovered from.
	maxLevels = 200
	// maxLabels bounds labels and gotos, which are looked for one by one.
	maxLabels = 1000
)

// scanner rewrites source text for the parser of gopher-lua: tokens that it does not know or reads wrongly become such as
// it reads rightly, comments go, lines stay.
type scanner struct {
	name string
	src  []byte
	out  []byte
	warn func(string)
	pos  int
	line int

	nest   []opening // open blocks and brackets
	unary  int       // unary operators in a row
	labels int
	field  bool // the last token is . or :
	isAt   int  // where in out the last token is, if it is the name "is"; otherwise 0
	local  bool // the last token is local
	named  bool // the last two tokens are local function
}

// opening is an open block or bracket.
type opening struct {
	what    string
	line    int
	waiting bool // for or while before its do
}

func (sc *scanner) fail(format string, args ...any) {
	panic(&SyntaxError{Source: sc.name, Line: sc.line, Message: fmt.Sprintf(format, args...)})
}

// peek is the character n places ahead, 0 after the end.
func (sc *scanner) peek(n int) byte {
	if sc.pos+n < len(sc.src) {
		return sc.src[sc.pos+n]
	}
	return 0
}

// copy takes n characters over.
func (sc *scanner) copy(n int) {
	sc.out = append(sc.out, sc.src[sc.pos:sc.pos+n]...)
	sc.pos += n
}

// newline takes the end of a line over, which may have two characters.
func (sc *scanner) newline() {
	first, second := sc.src[sc.pos], sc.peek(1)
	sc.pos++
	if (second == '\n' || second == '\r') && second != first {
		sc.pos++
	}
	sc.out = append(sc.out, '\n')
	sc.line++
}

func (sc *scanner) scan() {
	sc.src = bytes.TrimPrefix(sc.src, []byte("\xef\xbb\xbf"))
	sc.out = make([]byte, 0, len(sc.src)+16)
	if sc.peek(0) == chunkSignature {
		sc.fail("compiled chunks are not accepted")
	}
	if sc.peek(0) == '#' {
		sc.skipLine()
	}
	for sc.pos < len(sc.src) {
		switch ch := sc.src[sc.pos]; {
		case ch == '\n' || ch == '\r':
			sc.newline()
		case isSpace(ch):
			sc.out = append(sc.out, ' ')
			sc.pos++
		case ch == '-' && sc.peek(1) == '-':
			sc.comment()
		default:
			sc.token(ch)
		}
	}
}

func (sc *scanner) skipLine() {
	for sc.pos < len(sc.src) && sc.src[sc.pos] != '\n' && sc.src[sc.pos] != '\r' {
		sc.pos++
	}
}

func (sc *scanner) comment() {
	sc.pos += 2
	sc.out = append(sc.out, ' ')
	if level := sc.longBracket(); level >= 0 {
		mark := len(sc.out)
		line := sc.line
		sc.longString(level, "comment")
		sc.out = sc.out[:mark]
		for range sc.line - line {
			sc.out = append(sc.out, '\n')
		}
		return
	}
	sc.skipLine()
}

// longBracket is the level of the long bracket that starts here, -1 if there is none.
func (sc *scanner) longBracket() int {
	if sc.peek(0) != '[' {
		return -1
	}
	n := 1
	for sc.peek(n) == '=' {
		n++
	}
	if sc.peek(n) != '[' {
		return -1
	}
	return n - 1
}

func (sc *scanner) longString(level int, what string) {
	start := sc.line
	end := append(append([]byte{']'}, bytes.Repeat([]byte{'='}, level)...), ']')
	sc.copy(level + 2)
	for sc.pos < len(sc.src) {
		switch ch := sc.src[sc.pos]; {
		case ch == ']' && bytes.HasPrefix(sc.src[sc.pos:], end):
			sc.copy(len(end))
			return
		case ch == '\n' || ch == '\r':
			sc.newline()
		default:
			sc.copy(1)
		}
	}
	sc.fail("unfinished long %s (starting at line %d) near '<eof>'", what, start)
}

// token takes a token over.
func (sc *scanner) token(ch byte) {
	last := *sc
	sc.field, sc.isAt, sc.local, sc.named = false, 0, false, false
	unary := false
	switch {
	case ch == '"' || ch == '\'':
		sc.quoted(ch)
	case ch == '[' && sc.longBracket() >= 0:
		sc.longString(sc.longBracket(), "string")
	case ch-'0' <= 9 || ch == '.' && sc.peek(1)-'0' <= 9:
		sc.number()
	case isName(ch):
		unary = sc.word(&last)
	case ch == '.':
		n := 1
		for n < 3 && sc.peek(n) == '.' {
			n++
		}
		sc.field = n == 1
		sc.copy(n)
	case ch == ':':
		if sc.field = sc.peek(1) != ':'; !sc.field {
			sc.label()
			sc.copy(1)
		}
		sc.copy(1)
	default:
		unary = ch == '-' || ch == '#'
		sc.bracket(ch)
		sc.copy(1)
	}
	if !unary {
		sc.unary = 0
	} else if sc.unary++; sc.unary > maxLevels {
		sc.fail("chunk has too many syntax levels")
	}
}

func isName(ch byte) bool { return ch == '_' || classOf[ch]&(classAlpha|classDigit) != 0 }

func (sc *scanner) label() {
	if sc.labels++; sc.labels > 2*maxLabels {
		sc.fail("chunk has too many labels")
	}
}

func (sc *scanner) open(what string, waiting bool) {
	if len(sc.nest) >= maxLevels {
		sc.fail("chunk has too many syntax levels")
	}
	sc.nest = append(sc.nest, opening{what, sc.line, waiting})
}

func (sc *scanner) close() {
	if n := len(sc.nest); n > 0 {
		sc.nest = sc.nest[:n-1]
	}
}

func (sc *scanner) bracket(ch byte) {
	switch ch {
	case '(', '[', '{':
		sc.open(string(rune(ch)), false)
	case ')', ']', '}':
		sc.close()
	}
}

// word takes a name or keyword over and reports whether it is a unary operator. last is the scanner before it.
func (sc *scanner) word(last *scanner) (unary bool) {
	n := 1
	for sc.pos+n < len(sc.src) && isName(sc.src[sc.pos+n]) {
		n++
	}
	word := string(sc.src[sc.pos : sc.pos+n])
	if last.named {
		// local function f() is local f; f = function(): for the parser of gopher-lua it is the same as
		// local f = function(), in which f is another variable.
		sc.out = append(sc.out, word+"; "+word+" = function"...)
		sc.pos += n
		return false
	}
	switch word {
	case "local":
		sc.local = true
	case "function":
		sc.open(word, false)
		if last.local {
			sc.named = true
			sc.pos += n
			return false
		}
	case "if", "repeat":
		sc.open(word, false)
	case "for", "while":
		sc.open(word, true)
	case "do":
		if i := len(sc.nest) - 1; i >= 0 && sc.nest[i].waiting {
			sc.nest[i].waiting = false
		} else {
			sc.open(word, false)
		}
	case "end", "until":
		sc.close()
	case "goto":
		sc.label()
	case "is":
		if !last.field {
			sc.isAt = len(sc.out) + 1
		}
	case "not":
		if last.isAt > 0 {
			copy(sc.out[last.isAt-1:], "~=")
			sc.pos += n
			sc.out = append(sc.out, ' ')
			if sc.warn != nil {
				sc.warn(fmt.Sprintf("%s:%d: 'is not' is not Lua, read as ~=", sc.name, sc.line))
			}
			return false
		}
		unary = true
	}
	sc.copy(n)
	return unary
}

// chunkSignature starts a compiled chunk.
const chunkSignature = 0x1b
