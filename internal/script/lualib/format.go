package lualib

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// directive is one conversion of string.format.
type directive struct {
	minus, plus, space, sharp, zero bool

	width     int
	precision int // -1 = not given
	verb      byte
}

// stringFormat is string.format (Lua 5.1 §5.4). Beyond Lua 5.1, and as in LuaJIT: %s takes any value and converts it with
// tostring, strings may contain zero bytes, there are %a and %A. Also %F.
func stringFormat(c call) int {
	format := c.string(1)
	var out []byte
	arg, steps := 1, 0
	for {
		c.step(&steps, 1)
		i := strings.IndexByte(format, '%')
		if i < 0 {
			i = len(format)
		}
		out = append(out, format[:i]...)
		c.checkSize(len(out))
		if i == len(format) {
			return c.pushString(string(out))
		}
		format = format[i+1:]
		if strings.HasPrefix(format, "%") {
			out = append(out, '%')
			format = format[1:]
			continue
		}
		if arg++; arg > c.L.GetTop() {
			c.argError(arg, "no value")
		}
		d, n := c.parseDirective(format)
		format = format[n:]
		out = c.convert(out, d, arg)
	}
}

// parseDirective reads what follows a %.
func (c call) parseDirective(s string) (d directive, n int) {
	for ; n < len(s); n++ {
		switch s[n] {
		case '-':
			d.minus = true
		case '+':
			d.plus = true
		case ' ':
			d.space = true
		case '#':
			d.sharp = true
		case '0':
			d.zero = true
		default:
			goto width
		}
		if n >= len("-+ #0") {
			c.errorf("invalid format (repeated flags)")
		}
	}
width:
	digits := func() int {
		v, from := 0, n
		for ; n < len(s) && s[n]-'0' <= 9; n++ {
			if n-from >= 2 {
				c.errorf("invalid format (width or precision too long)")
			}
			v = v*10 + int(s[n]-'0')
		}
		return v
	}
	d.width, d.precision = digits(), -1
	if n < len(s) && s[n] == '.' {
		n++
		d.precision = digits()
	}
	if n < len(s) {
		d.verb = s[n]
		n++
	}
	return d, n
}

func (c call) convert(out []byte, d directive, arg int) []byte {
	switch d.verb {
	case 'c':
		return d.pad(out, string([]byte{byte(int64(c.number(arg)))}))
	case 'd', 'i':
		return d.integer(out, toInt64(c.number(arg)))
	case 'u', 'o', 'x', 'X':
		return d.unsigned(out, toUint64(c.number(arg)))
	case 'e', 'E', 'f', 'F', 'g', 'G', 'a', 'A':
		return d.float(out, c.number(arg))
	case 'q':
		return c.quote(out, c.string(arg))
	case 's':
		s := c.text(c.any(arg))
		if d.precision >= 0 && d.precision < len(s) {
			s = s[:d.precision]
		} else if len(s) >= 100 {
			d.width = 0
		}
		c.checkSize(len(out) + len(s))
		return d.pad(out, s)
	case 0:
		c.errorf("invalid option '%%' to 'format'")
	default:
		c.errorf("invalid option '%%%c' to 'format'", rune(d.verb))
	}
	return out
}

// pad appends s in the width of the directive.
func (d directive) pad(out []byte, s string) []byte {
	fill := max(d.width-len(s), 0)
	if d.minus {
		out = append(out, s...)
	}
	for range fill {
		out = append(out, ' ')
	}
	if !d.minus {
		out = append(out, s...)
	}
	return out
}

// padNumber is pad for a number split into its sign or prefix and its digits, with zeros between them if so asked.
func (d directive) padNumber(out []byte, prefix, digits string, zeros bool) []byte {
	if zeros && !d.minus {
		if fill := d.width - len(prefix) - len(digits); fill > 0 {
			digits = strings.Repeat("0", fill) + digits
		}
	}
	return d.pad(out, prefix+digits)
}

func (d directive) sign(negative bool) string {
	switch {
	case negative:
		return "-"
	case d.plus:
		return "+"
	case d.space:
		return " "
	}
	return ""
}

func (d directive) integer(out []byte, i int64) []byte {
	magnitude := uint64(i)
	if i < 0 {
		magnitude = -magnitude
	}
	return d.padNumber(out, d.sign(i < 0), d.digits(magnitude, 10), d.zero && d.precision < 0)
}

func (d directive) unsigned(out []byte, u uint64) []byte {
	base, prefix := 10, ""
	switch d.verb {
	case 'o':
		base = 8
	case 'x', 'X':
		base = 16
		if d.sharp && u != 0 {
			prefix = "0" + string(d.verb)
		}
	}
	digits := d.digits(u, base)
	if d.verb == 'o' && d.sharp && !strings.HasPrefix(digits, "0") {
		digits = "0" + digits
	}
	if d.verb == 'X' {
		digits = strings.ToUpper(digits)
	}
	return d.padNumber(out, prefix, digits, d.zero && d.precision < 0)
}

// digits are at least as many as the precision says; zero with precision zero has none.
func (d directive) digits(u uint64, base int) string {
	if u == 0 && d.precision == 0 {
		return ""
	}
	s := strconv.FormatUint(u, base)
	if fill := d.precision - len(s); fill > 0 {
		s = strings.Repeat("0", fill) + s
	}
	return s
}

func (d directive) float(out []byte, f float64) []byte {
	negative := math.Signbit(f)
	f = math.Abs(f)
	upper := d.verb >= 'A' && d.verb <= 'Z'
	var s string
	special := specialNumber(f)
	prefix := d.sign(negative)
	if special != "" {
		s = special
	} else {
		s, prefix = d.magnitude(f, prefix)
	}
	if upper {
		s, prefix = strings.ToUpper(s), strings.ToUpper(prefix)
	}
	return d.padNumber(out, prefix, s, d.zero && special == "")
}

// magnitude formats a finite number that is not negative.
func (d directive) magnitude(f float64, prefix string) (s, newPrefix string) {
	precision := d.precision
	switch verb := d.verb | 0x20; verb {
	case 'a':
		s = strconv.FormatFloat(f, 'x', precision, 64)
		s, exponent, _ := strings.Cut(s[2:], "p")
		if d.sharp && !strings.Contains(s, ".") {
			s += "."
		}
		if len(exponent) == 3 && exponent[1] == '0' { // two digits at least in Go, one in C
			exponent = exponent[:1] + exponent[2:]
		}
		return s + "p" + exponent, prefix + "0x"
	default:
		if precision < 0 {
			precision = 6
		}
		if !d.sharp {
			return strconv.FormatFloat(f, verb, precision, 64), prefix
		}
		return fmt.Sprintf("%#.*"+string(rune(verb)), precision, f), prefix
	}
}

// toInt64 converts like a cast on amd64: what is out of range becomes the least number.
func toInt64(f float64) int64 {
	if f >= -1<<63 && f < 1<<63 {
		return int64(f)
	}
	return math.MinInt64
}

func toUint64(f float64) uint64 {
	if f >= 1<<63 && f < 1<<64 {
		return uint64(f)
	}
	return uint64(toInt64(f))
}

// quote is %q.
func (c call) quote(out []byte, s string) []byte {
	c.checkSize(len(out) + len(s) + 2)
	out = append(out, '"')
	for i := range len(s) {
		switch ch := s[i]; ch {
		case '"', '\\', '\n':
			out = append(out, '\\', ch)
		case '\r':
			out = append(out, `\r`...)
		case 0:
			out = append(out, `\000`...)
		default:
			out = append(out, ch)
		}
	}
	out = append(out, '"')
	c.checkSize(len(out))
	return out
}
