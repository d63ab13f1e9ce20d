package value

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// text reads a string. Control characters are let through: MonaServer 1.x does not escape them.
func (j *jsonReader) text() (string, error) {
	if j.peek() != '"' {
		return "", j.error("a string")
	}
	j.i++
	start := j.i
	for j.i < len(j.s) {
		switch j.s[j.i] {
		case '"':
			j.i++
			return j.s[start : j.i-1], nil
		case '\\':
			return j.escaped([]byte(j.s[start:j.i]))
		}
		j.i++
	}
	return "", j.error("the end of a string")
}

// escaped reads the rest of a string from its first escape on.
func (j *jsonReader) escaped(b []byte) (string, error) {
	for j.i < len(j.s) {
		c := j.s[j.i]
		j.i++
		switch c {
		case '"':
			return string(b), nil
		case '\\':
			e := j.peek()
			j.i++
			if e == 'u' {
				r, err := j.unicode()
				if err != nil {
					return "", err
				}
				b = utf8.AppendRune(b, r)
				continue
			}
			at := strings.IndexByte(`"\/bfnrt`, e)
			if at < 0 {
				return "", j.error("an escape")
			}
			b = append(b, "\"\\/\b\f\n\r\t"[at])
		default:
			b = append(b, c)
		}
	}
	return "", j.error("the end of a string")
}

// unicode reads the digits of \u, and a second escape when the first is half of a pair.
func (j *jsonReader) unicode() (rune, error) {
	r, err := j.hex4()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if strings.HasPrefix(j.s[j.i:], `\u`) {
		before := j.i
		j.i += 2
		low, err := j.hex4()
		if err != nil {
			return 0, err
		}
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, nil
		}
		j.i = before
	}
	return utf8.RuneError, nil
}

func (j *jsonReader) hex4() (rune, error) {
	if len(j.s)-j.i < 4 {
		return 0, j.error("four hexadecimal digits")
	}
	r := 0
	for range 4 {
		d := unhex(j.s[j.i])
		if d < 0 {
			return 0, j.error("a hexadecimal digit")
		}
		r = r<<4 | d
		j.i++
	}
	return rune(r), nil
}
