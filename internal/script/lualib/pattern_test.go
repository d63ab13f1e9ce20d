package lualib

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// A reference for patterns, slow and plain: a pattern is a list of items, and matching an item calls the rest with every
// position it may end at, in order of preference.

type refItem interface {
	match(m *refMatch, s int, rest func(int) bool) bool
}

type refMatch struct {
	src  string
	caps []capture
}

func (m *refMatch) sequence(items []refItem, s int, done func(int) bool) bool {
	if len(items) == 0 {
		return done(s)
	}
	return items[0].match(m, s, func(e int) bool { return m.sequence(items[1:], e, done) })
}

type (
	refSingle struct {
		pred  func(byte) bool
		quant byte
	}
	refOpen   struct{}
	refClose  struct{}
	refPos    struct{}
	refEnd    struct{}
	refBack   int
	refBorder func(byte) bool
	refPair   struct{ open, end byte }
)

func (i refSingle) match(m *refMatch, s int, rest func(int) bool) bool {
	n := s // the characters from s to n match
	for n < len(m.src) && i.pred(m.src[n]) {
		n++
	}
	switch i.quant {
	case '*', '+':
		least := s
		if i.quant == '+' {
			least++
		}
		for e := n; e >= least; e-- {
			if rest(e) {
				return true
			}
		}
		return false
	case '-':
		for e := s; e <= n; e++ {
			if rest(e) {
				return true
			}
		}
		return false
	case '?':
		return n > s && rest(s+1) || rest(s)
	}
	return n > s && rest(s+1)
}

func (refOpen) match(m *refMatch, s int, rest func(int) bool) bool {
	saved := m.caps
	m.caps = append(append([]capture(nil), saved...), capture{s, captureUnfinished})
	if rest(s) {
		return true
	}
	m.caps = saved
	return false
}

func (refClose) match(m *refMatch, s int, rest func(int) bool) bool {
	saved := m.caps
	m.caps = append([]capture(nil), saved...)
	for i := len(m.caps) - 1; i >= 0; i-- {
		if m.caps[i].len == captureUnfinished {
			m.caps[i].len = s - m.caps[i].start
			break
		}
	}
	if rest(s) {
		return true
	}
	m.caps = saved
	return false
}

func (refPos) match(m *refMatch, s int, rest func(int) bool) bool {
	saved := m.caps
	m.caps = append(append([]capture(nil), saved...), capture{s, capturePosition})
	if rest(s) {
		return true
	}
	m.caps = saved
	return false
}

func (refEnd) match(m *refMatch, s int, rest func(int) bool) bool { return s == len(m.src) && rest(s) }

func (i refBack) match(m *refMatch, s int, rest func(int) bool) bool {
	c := m.caps[i-1]
	text := m.src[c.start : c.start+c.len]
	return strings.HasPrefix(m.src[s:], text) && rest(s+len(text))
}

func (pred refBorder) match(m *refMatch, s int, rest func(int) bool) bool {
	at := func(i int) byte {
		if i < 0 || i >= len(m.src) {
			return 0
		}
		return m.src[i]
	}
	return !pred(at(s-1)) && pred(at(s)) && rest(s)
}

func (p refPair) match(m *refMatch, s int, rest func(int) bool) bool {
	if s >= len(m.src) || m.src[s] != p.open {
		return false
	}
	depth := 0
	for e := s; e < len(m.src); e++ {
		if m.src[e] == p.end && depth > 0 {
			depth--
		} else if m.src[e] == p.open {
			depth++
		}
		if depth == 0 {
			return rest(e + 1)
		}
	}
	return false
}

// randomPattern makes a pattern and its items.
func randomPattern(r *rand.Rand) (text string, anchored bool, items []refItem) {
	var b strings.Builder
	if anchored = r.IntN(6) == 0; anchored {
		b.WriteByte('^')
	}
	opened, closed := 0, []int{} // captures in order of opening: numbers of those that back references may name
	var stack []int
	add := func(s string, i refItem) {
		b.WriteString(s)
		items = append(items, i)
	}
	for range r.IntN(7) {
		switch r.IntN(14) {
		case 0:
			opened++
			stack = append(stack, opened)
			add("(", refOpen{})
		case 1:
			if n := len(stack); n > 0 && !strings.HasSuffix(b.String(), "(") {
				closed = append(closed, stack[n-1])
				stack = stack[:n-1]
				add(")", refClose{})
			}
		case 2:
			opened++
			add("()", refPos{})
		case 3:
			if len(closed) > 0 {
				i := closed[r.IntN(len(closed))]
				add(fmt.Sprintf("%%%d", i), refBack(i))
			}
		case 4:
			text, pred := randomSet(r)
			add("%f"+text, refBorder(pred))
		case 5:
			add("%bab", refPair{'a', 'b'})
		default:
			text, pred := randomSingle(r)
			quant := "    *+-?"[r.IntN(8)]
			if quant != ' ' {
				text += string(rune(quant))
			}
			add(text, refSingle{pred, quant})
		}
	}
	for range stack {
		if strings.HasSuffix(b.String(), "(") { // would be a position
			add(".", refSingle{func(byte) bool { return true }, ' '})
		}
		add(")", refClose{})
	}
	if r.IntN(6) == 0 {
		add("$", refEnd{})
	}
	return b.String(), anchored, items
}

func randomSingle(r *rand.Rand) (string, func(byte) bool) {
	letter := func(c byte) bool { return c >= 'a' && c <= 'c' }
	switch r.IntN(6) {
	case 0:
		return ".", func(byte) bool { return true }
	case 1:
		return "%a", letter
	case 2:
		return "%A", func(c byte) bool { return !letter(c) }
	case 3:
		return "%.", func(c byte) bool { return c == '.' }
	case 4:
		return randomSet(r)
	}
	c := "abc1 "[r.IntN(5)]
	return string(c), func(x byte) bool { return x == c }
}

func randomSet(r *rand.Rand) (string, func(byte) bool) {
	sets := []struct{ text, members string }{{"[ab]", "ab"}, {"[a-c]", "abc"}, {"[%d.]", "1."}, {"[]a-]", "]a-"}, {"[%a1]", "abc1"}, {"[b-]", "b-"}}
	s := sets[r.IntN(len(sets))]
	if r.IntN(3) == 0 {
		return "[^" + s.text[1:], func(c byte) bool { return strings.IndexByte(s.members, c) < 0 }
	}
	return s.text, func(c byte) bool { return strings.IndexByte(s.members, c) >= 0 }
}

func TestPatternsMatchReference(t *testing.T) {
	v := newVM(t, Options{}, App{})
	find := v.env.RawGetString("string").(*lua.LTable).RawGetString("find")
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	matched := 0
	for range 30000 {
		pat, anchored, items := randomPattern(r)
		src := make([]byte, r.IntN(10))
		for i := range src {
			src[i] = "aabbc1. ]-"[r.IntN(10)]
		}
		want := "nil"
		for s := 0; s <= len(src); s++ {
			m := &refMatch{src: string(src)}
			end := -1
			if m.sequence(items, s, func(e int) bool { end = e; return true }) {
				matched++
				want = fmt.Sprint(s+1, end)
				for _, c := range m.caps {
					if c.len == capturePosition {
						want += fmt.Sprint(" ", c.start+1)
					} else {
						want += fmt.Sprintf(" %q", m.src[c.start:c.start+c.len])
					}
				}
				break
			}
			if anchored {
				break
			}
		}
		results, err := v.call(find, lua.LString(src), lua.LString(pat))
		got := fmt.Sprint(err)
		if err == nil {
			parts := make([]string, len(results))
			for i, x := range results {
				parts[i] = x.String()
				if _, ok := x.(lua.LString); ok {
					parts[i] = fmt.Sprintf("%q", x.String())
				}
			}
			got = strings.Join(parts, " ")
		}
		if got != want {
			t.Fatalf("seed %d: find(%q, %q)\ngot  %s\nwant %s", seed, src, pat, got, want)
		}
	}
	if matched < 5000 {
		t.Errorf("only %d matches", matched)
	}
}

func TestPatternDepth(t *testing.T) {
	v := newVM(t, Options{}, App{})
	v.want(`return #string.match(("a"):rep(500), ("a?"):rep(500))`, "500")
	v.want(`return #string.match(("a"):rep(1e6), ".-$")`, "1000000")
	v.wantFail(`return string.match(("a"):rep(2000), ("a?"):rep(2000))`, "test:1: pattern too complex")
}
