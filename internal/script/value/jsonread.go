package value

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/pkg/amf"
)

// FromJSON reads a JSON array as one value per element, or an object as one value. ISO 8601 texts become
// dates; an object whose first member has a name ending in raw and base64 in it is a byte array.
func (c *Converter) FromJSON(s string) ([]lua.LValue, error) {
	if len(s) > c.o.Limits.Bytes {
		return nil, limitError("bytes of JSON", c.o.Limits.Bytes)
	}
	j := jsonReader{c: c, s: s, left: c.o.Limits.Elements}
	j.blanks()
	if next := j.peek(); next != '[' && next != '{' {
		return nil, j.error("an array or an object")
	}
	v, err := j.value()
	if err != nil {
		return nil, err
	}
	if j.blanks(); j.i < len(s) {
		return nil, j.error("the end")
	}
	if a, ok := v.(*amf.Array); ok {
		return c.AppendFromAMF(make([]lua.LValue, 0, len(a.Dense)), a.Dense...), nil
	}
	return []lua.LValue{c.FromAMF(v)}, nil
}

type jsonReader struct {
	c     *Converter
	s     string
	i     int
	left  int // elements still allowed
	depth int
}

func (j *jsonReader) error(want string) error {
	return fmt.Errorf("json: offset %d: expected %s", j.i, want)
}

func (j *jsonReader) blanks() {
	for j.i < len(j.s) && strings.IndexByte(" \t\r\n", j.s[j.i]) >= 0 {
		j.i++
	}
}

// peek is the next byte, 0 at the end.
func (j *jsonReader) peek() byte {
	if j.i < len(j.s) {
		return j.s[j.i]
	}
	return 0
}

// skip consumes c and the blanks around it when it is next.
func (j *jsonReader) skip(c byte) bool {
	j.blanks()
	if j.peek() != c {
		return false
	}
	j.i++
	j.blanks()
	return true
}

func (j *jsonReader) value() (amf.Value, error) {
	if j.left--; j.left < 0 {
		return nil, limitError("elements", j.c.o.Limits.Elements)
	}
	switch c := j.peek(); {
	case c == '"':
		s, err := j.text()
		if err != nil {
			return nil, err
		}
		if d, ok := j.c.parseISO(s); ok {
			return d, nil
		}
		return amf.String(s), nil
	case c == '[' || c == '{':
		if j.depth >= j.c.o.Limits.Depth {
			return nil, limitError("nesting", j.c.o.Limits.Depth)
		}
		j.depth++
		defer func() { j.depth-- }()
		if c == '[' {
			return j.array()
		}
		return j.object()
	case j.word("null"):
		return amf.Null{}, nil
	case j.word("true"):
		return amf.Bool(true), nil
	case j.word("false"):
		return amf.Bool(false), nil
	}
	return j.number()
}

func (j *jsonReader) word(w string) bool {
	if !strings.HasPrefix(j.s[j.i:], w) {
		return false
	}
	j.i += len(w)
	return true
}

func (j *jsonReader) array() (amf.Value, error) {
	j.skip('[')
	a := &amf.Array{}
	for !j.skip(']') {
		if len(a.Dense) > 0 && !j.skip(',') {
			return nil, j.error("a comma or the end of an array")
		}
		v, err := j.value()
		if err != nil {
			return nil, err
		}
		a.Dense = append(a.Dense, v)
	}
	return a, nil
}

func (j *jsonReader) object() (amf.Value, error) {
	j.skip('{')
	o := &amf.Object{}
	var raw []byte
	isRaw := false
	for first := true; !j.skip('}'); first = false {
		if !first && !j.skip(',') {
			return nil, j.error("a comma or the end of an object")
		}
		if j.left--; j.left < 0 {
			return nil, limitError("elements", j.c.o.Limits.Elements)
		}
		name, err := j.text()
		if err != nil {
			return nil, err
		}
		if !j.skip(':') {
			return nil, j.error("a colon")
		}
		v, err := j.value()
		if err != nil {
			return nil, err
		}
		if first {
			raw, isRaw = rawMember(name, v)
		}
		o.Members = append(o.Members, amf.Member{Name: name, Value: v})
	}
	if isRaw {
		return &amf.ByteArray{Data: raw}, nil
	}
	return o, nil
}

// rawMember says whether the first member of an object makes it a byte array, as in MonaServer 1.x.
func rawMember(name string, v amf.Value) ([]byte, bool) {
	s, ok := v.(amf.String)
	if !ok || len(name) < 3 || !strings.EqualFold(name[len(name)-3:], "raw") {
		return nil, false
	}
	b, err := base64.StdEncoding.DecodeString(string(s))
	if err != nil {
		b, err = base64.RawStdEncoding.DecodeString(string(s))
	}
	return b, err == nil
}

func (j *jsonReader) number() (amf.Value, error) {
	start := j.i
	if j.peek() == '-' {
		j.i++
	}
	zero := j.peek() == '0'
	if n := j.digits(); n == 0 || (zero && n > 1) {
		j.i = start
		return nil, j.error("a value")
	}
	if j.peek() == '.' {
		j.i++
		if j.digits() == 0 {
			return nil, j.error("digits after the point")
		}
	}
	if e := j.peek(); e == 'e' || e == 'E' {
		j.i++
		if sign := j.peek(); sign == '+' || sign == '-' {
			j.i++
		}
		if j.digits() == 0 {
			return nil, j.error("digits of the exponent")
		}
	}
	// Out of range is infinite, as for a number in a script.
	f, _ := strconv.ParseFloat(j.s[start:j.i], 64)
	return amfNumber(f), nil
}

func (j *jsonReader) digits() int {
	start := j.i
	for c := j.peek(); c >= '0' && c <= '9'; c = j.peek() {
		j.i++
	}
	return j.i - start
}
