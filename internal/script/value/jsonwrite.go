package value

import (
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/script/value/decimal"
	"github.com/monaserver/monaserver/pkg/amf"
)

// ToJSON writes the values as one JSON array. A table with elements and members is an array whose first
// element is the object of the members, a date its ISO 8601 text, a byte array {"__raw":"<base64>"}.
func (c *Converter) ToJSON(vs ...lua.LValue) (string, error) {
	w := c.startWriting()
	j := jsonWriter{w: w, b: []byte{'['}, limit: c.o.Limits.Bytes}
	for i, v := range vs {
		if i > 0 {
			j.b = append(j.b, ',')
		}
		j.value(w.value(v))
		w.forget()
	}
	err := w.err
	c.endWriting(w)
	if err != nil {
		return "", err
	}
	return string(append(j.b, ']')), nil
}

type jsonWriter struct {
	w     *writer
	b     []byte
	limit int
}

func (j *jsonWriter) value(v amf.Value) {
	if j.w.err != nil {
		return
	}
	// Shared tables are written in full: a small graph can unfold to any size.
	if len(j.b) > j.limit {
		j.w.fail(limitError("bytes of JSON", j.limit))
		return
	}
	switch v := v.(type) {
	case amf.Bool:
		j.b = strconv.AppendBool(j.b, bool(v))
	case amf.Number:
		j.number(float64(v))
	case amf.String:
		j.text(string(v))
	case *amf.Date:
		s, ok := isoText(v.Millis)
		if !ok {
			j.w.warn("a date outside the years 0 to 9999 has no JSON form, null instead")
			j.b = append(j.b, "null"...)
			return
		}
		j.text(s)
	case *amf.ByteArray:
		j.b = append(j.b, `{"__raw":"`...)
		j.b = base64.StdEncoding.AppendEncode(j.b, v.Data)
		j.b = append(j.b, `"}`...)
	case *amf.Object:
		j.object(v)
	case *amf.Dictionary:
		j.dictionary(v)
	case *amf.Array:
		j.array(v)
	default:
		j.b = append(j.b, "null"...)
	}
}

func (j *jsonWriter) number(f float64) {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		j.w.warn(decimal.Text(f) + " has no JSON form, null instead")
		j.b = append(j.b, "null"...)
	case f == math.Trunc(f) && math.Abs(f) < 1<<53:
		j.b = strconv.AppendInt(j.b, int64(f), 10)
	default:
		j.b = strconv.AppendFloat(j.b, f, 'g', -1, 64)
	}
}

func (j *jsonWriter) object(o *amf.Object) {
	j.b = append(j.b, '{')
	first := true
	if o.Class != "" {
		j.name("__type", &first)
		j.text(o.Class)
	}
	j.members(o.Members, first)
	j.b = append(j.b, '}')
}

func (j *jsonWriter) dictionary(d *amf.Dictionary) {
	entries := j.named(d)
	j.b = append(j.b, '{')
	first := true
	j.name("__size", &first)
	j.number(float64(len(entries)))
	j.members(entries, first)
	j.b = append(j.b, '}')
}

// named are the entries of a dictionary with their keys as text. A number that is a text of its own is left
// out: a reader would take one for the other.
func (j *jsonWriter) named(d *amf.Dictionary) []amf.Member {
	texts := make(map[string]bool)
	for _, e := range d.Entries {
		if s, ok := e.Key.(amf.String); ok {
			texts[string(s)] = true
		}
	}
	list := make([]amf.Member, 0, len(d.Entries))
	for _, e := range d.Entries {
		name, ok := dictionaryKey(e.Key)
		if _, isText := e.Key.(amf.String); ok && !isText && texts[name] {
			j.w.warn("key " + name + " exists as a text too, only the text is written")
			continue
		}
		if !ok {
			j.w.warn("a dictionary key of type " + amf.KindOf(e.Key).String() + " has no JSON form, left out")
			continue
		}
		list = append(list, amf.Member{Name: name, Value: e.Value})
	}
	return list
}

func (j *jsonWriter) array(a *amf.Array) {
	j.b = append(j.b, '[')
	if len(a.Named) > 0 {
		j.b = append(j.b, '{')
		j.members(a.Named, true)
		j.b = append(j.b, '}')
	}
	for i, v := range a.Dense {
		if i > 0 || len(a.Named) > 0 {
			j.b = append(j.b, ',')
		}
		j.value(v)
	}
	j.b = append(j.b, ']')
}

func (j *jsonWriter) members(ms []amf.Member, first bool) {
	for _, m := range ms {
		j.name(m.Name, &first)
		j.value(m.Value)
	}
}

func (j *jsonWriter) name(s string, first *bool) {
	if !*first {
		j.b = append(j.b, ',')
	}
	*first = false
	j.text(s)
	j.b = append(j.b, ':')
}

// text writes a string. JSON is UTF-8: other bytes become the replacement character.
func (j *jsonWriter) text(s string) {
	const hex = "0123456789abcdef"
	b := append(j.b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			switch {
			case c == '"' || c == '\\':
				b = append(b, '\\', c)
			case c == '\n':
				b = append(b, '\\', 'n')
			case c == '\r':
				b = append(b, '\\', 'r')
			case c == '\t':
				b = append(b, '\\', 't')
			case c < ' ':
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			default:
				b = append(b, c)
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			j.w.warn("a text has bytes that are not UTF-8: JSON has no form for them, {__raw=…} has")
			b = append(b, `\ufffd`...)
		} else {
			b = append(b, s[i:i+n]...)
		}
		i += n
	}
	j.b = append(b, '"')
}
