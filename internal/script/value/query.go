package value

import (
	"encoding/base64"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/script/value/decimal"
	"github.com/monaserver/monaserver/pkg/amf"
)

// maxParams is how many parameters of a query are read. A peer chooses the query of its URL.
const maxParams = 1024

// ParseQuery reads the parameters of a URL: percent and plus decoded, several & between them, a key without
// value has an empty one. When a key occurs twice the later one counts.
func ParseQuery(query string) *Params {
	p := NewParams()
	eachPair(query, func(key, text string, _ bool) bool {
		p.Set(key, text)
		return p.Len() < maxParams
	})
	return p
}

// eachPair calls f with the parts of a query; hasValue says whether there was an equals sign.
func eachPair(query string, f func(key, text string, hasValue bool) bool) {
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		key, text, hasValue := strings.Cut(part, "=")
		if !f(unescape(key), unescape(text), hasValue) {
			return
		}
	}
}

// unescape decodes percent and plus. What is not an escape stays as it is.
func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b = append(b, ' ')
		case s[i] == '%' && i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0:
			b = append(b, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// escape encodes what is not unreserved (RFC 3986 §2.3).
func escape(b []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b = append(b, c)
		} else {
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return b
}

// FromQuery reads a query as values: a part without equals sign is a value, those with one that follow each
// other are one table. Texts are typed, dates included.
func (c *Converter) FromQuery(query string) ([]lua.LValue, error) {
	if len(query) > c.o.Limits.Bytes {
		return nil, limitError("bytes of a query", c.o.Limits.Bytes)
	}
	var vs []lua.LValue
	var t *lua.LTable
	left := c.o.Limits.Elements
	eachPair(query, func(key, text string, hasValue bool) bool {
		if !hasValue {
			t = nil
			vs = append(vs, c.typedDate(key))
		} else {
			if t == nil {
				t = c.L.NewTable()
				vs = append(vs, t)
			}
			t.RawSetString(key, c.typedDate(text))
		}
		left--
		return left >= 0
	})
	if left < 0 {
		return nil, limitError("elements", c.o.Limits.Elements)
	}
	return vs, nil
}

func (c *Converter) typedDate(text string) lua.LValue {
	if d, ok := c.parseISO(text); ok {
		return c.date(d.Millis)
	}
	return Typed(text)
}

// ToQuery writes values as a query: tables as pairs, those inside with dotted names, other values as they
// are.
func (c *Converter) ToQuery(vs ...lua.LValue) (string, error) {
	w := c.startWriting()
	q := queryWriter{limit: c.o.Limits.Bytes}
	for _, v := range vs {
		q.value("", w.value(v))
		w.forget()
	}
	err := w.err
	c.endWriting(w)
	if err == nil && q.over {
		err = limitError("bytes of a query", c.o.Limits.Bytes)
	}
	if err != nil {
		return "", err
	}
	return string(q.b), nil
}

type queryWriter struct {
	b     []byte
	limit int
	over  bool
}

func (q *queryWriter) value(name string, v amf.Value) {
	if len(q.b) > q.limit {
		q.over = true
		return
	}
	if name != "" {
		name += "."
	}
	switch v := v.(type) {
	case *amf.Object:
		for _, m := range v.Members {
			q.value(name+m.Name, m.Value)
		}
	case *amf.Dictionary:
		for _, e := range v.Entries {
			if key, ok := dictionaryKey(e.Key); ok {
				q.value(name+key, e.Value)
			}
		}
	case *amf.Array:
		for _, m := range v.Named {
			q.value(name+m.Name, m.Value)
		}
		for i, e := range v.Dense {
			if name != "" {
				q.value(name+decimal.Key(float64(i+1)), e)
			} else {
				q.value("", e)
			}
		}
	default:
		q.pair(strings.TrimSuffix(name, "."), scalarText(v))
	}
}

func (q *queryWriter) pair(name, text string) {
	if len(q.b) > 0 {
		q.b = append(q.b, '&')
	}
	if name != "" {
		q.b = append(escape(q.b, name), '=')
	}
	q.b = escape(q.b, text)
}

func scalarText(v amf.Value) string {
	switch v := v.(type) {
	case amf.Bool:
		if v {
			return "true"
		}
		return "false"
	case amf.Number:
		return decimal.Text(float64(v))
	case amf.String:
		return string(v)
	case *amf.Date:
		if s, ok := isoText(v.Millis); ok {
			return s
		}
	case *amf.ByteArray:
		return base64.StdEncoding.EncodeToString(v.Data)
	}
	return "null"
}

// dictionaryKey is a key of a dictionary as text, for formats that have only named members.
func dictionaryKey(v amf.Value) (string, bool) {
	switch v := v.(type) {
	case amf.String:
		return string(v), true
	case amf.Number:
		return decimal.Key(float64(v)), true
	case amf.Bool:
		return scalarText(v), true
	}
	return "", false
}
