package value

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/script/value/decimal"
)

// ToXML writes a document of the form that FromXML makes. Blanks stand where MonaServer 1.x has them:
// after every name and every attribute of a start tag.
func (c *Converter) ToXML(t *lua.LTable) (string, error) {
	x := xmlWriter{c: c, left: c.o.Limits.Elements}
	if err := x.instruction("xml", t.RawGetString("xml")); err != nil {
		return "", err
	}
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		if name, ok := k.(lua.LString); ok && name != "xml" {
			if err := x.instruction(string(name), v); err != nil {
				return "", err
			}
		}
	}
	elements := 0
	for i, n := 1, t.Len(); i <= n; i++ {
		switch v := t.RawGetInt(i).(type) {
		case *lua.LTable:
			if err := x.element(v, 1); err != nil {
				return "", err
			}
			elements++
		case *lua.LNilType:
		default:
			return "", fmt.Errorf("xml: a %s outside of elements", v.Type())
		}
	}
	if elements == 0 {
		return "", errors.New("xml: no element")
	}
	return string(x.b), nil
}

type xmlWriter struct {
	c    *Converter
	b    []byte
	left int
}

func (x *xmlWriter) charge() error {
	if x.c.stopped() {
		return ErrStopped
	}
	if x.left--; x.left < 0 {
		return limitError("elements of XML", x.c.o.Limits.Elements)
	}
	if len(x.b) > x.c.o.Limits.Bytes {
		return limitError("bytes of XML", x.c.o.Limits.Bytes)
	}
	return nil
}

func (x *xmlWriter) instruction(name string, v lua.LValue) error {
	if v == lua.LNil {
		return nil
	}
	t, ok := v.(*lua.LTable)
	if !ok || !isXMLName(name) {
		return fmt.Errorf("xml: %s of the document must be a table with its attributes", name)
	}
	if charset := t.RawGetString("encoding"); name == "xml" && charset != lua.LNil && !strings.EqualFold(charset.String(), "UTF-8") {
		return fmt.Errorf("xml: encoding %s is not supported, texts are UTF-8", charset)
	}
	x.b = append(append(append(x.b, "<?"...), name...), ' ')
	err := x.attributes(name, t, x.plain)
	x.b = append(x.b, "?>"...)
	return err
}

// plain writes the value of an attribute of an instruction, in which nothing is escaped.
func (x *xmlWriter) plain(s string) error {
	quote := byte('"')
	if strings.IndexByte(s, quote) >= 0 {
		quote = '\''
	}
	if strings.IndexByte(s, quote) >= 0 || strings.Contains(s, "?>") || !utf8.ValidString(s) || strings.ContainsFunc(s, notXML) {
		return fmt.Errorf("xml: %q cannot be written in an instruction", s)
	}
	x.b = append(append(append(x.b, quote), s...), quote)
	return nil
}

// quoted writes the value of an attribute of an element.
func (x *xmlWriter) quoted(s string) error {
	x.b = append(x.b, '"')
	x.escape(s, true)
	x.b = append(x.b, '"')
	return nil
}

// attributes writes the texts of t that have a name.
func (x *xmlWriter) attributes(of string, t *lua.LTable, write func(text string) error) error {
	for k, v := t.Next(lua.LNil); k != lua.LNil; k, v = t.Next(k) {
		name, ok := k.(lua.LString)
		if !ok || name == "__name" {
			continue
		}
		if err := x.charge(); err != nil {
			return err
		}
		text, ok := xmlScalar(v)
		if !ok {
			x.c.warn("xml: attribute %s of %s is a %s, left out", keyName(name), of, v.Type())
			continue
		}
		if !isXMLName(string(name)) {
			return fmt.Errorf("xml: %q cannot be the name of an attribute", keyName(name))
		}
		x.b = append(append(x.b, name...), '=')
		if err := write(text); err != nil {
			return err
		}
		x.b = append(x.b, ' ')
	}
	return nil
}

func (x *xmlWriter) element(t *lua.LTable, depth int) error {
	if err := x.charge(); err != nil {
		return err
	}
	if depth > x.c.o.Limits.Depth {
		return limitError("nesting of XML", x.c.o.Limits.Depth)
	}
	n, _ := t.RawGetString("__name").(lua.LString)
	name := string(n)
	if !isXMLName(name) {
		return fmt.Errorf("xml: an element needs a __name, %q is none", keyName(n))
	}
	x.b = append(append(append(x.b, '<'), name...), ' ')
	if err := x.attributes(name, t, x.quoted); err != nil {
		return err
	}
	if t.Len() == 0 {
		x.b = append(x.b, "/>"...)
		return nil
	}
	x.b = append(x.b, '>')
	if err := x.content(name, t, depth); err != nil {
		return err
	}
	x.b = append(append(append(x.b, "</"...), name...), '>')
	return nil
}

func (x *xmlWriter) content(name string, t *lua.LTable, depth int) error {
	for i, n := 1, t.Len(); i <= n; i++ {
		v := t.RawGetInt(i)
		if child, ok := v.(*lua.LTable); ok {
			if err := x.element(child, depth+1); err != nil {
				return err
			}
			continue
		}
		if err := x.charge(); err != nil {
			return err
		}
		if v == lua.LNil {
			continue
		}
		text, ok := xmlScalar(v)
		if !ok {
			return fmt.Errorf("xml: a %s inside element %s", v.Type(), name)
		}
		x.escape(text, false)
	}
	return nil
}

func xmlScalar(v lua.LValue) (string, bool) {
	switch v := v.(type) {
	case lua.LString:
		return string(v), true
	case lua.LNumber:
		return decimal.Text(float64(v)), true
	case lua.LBool:
		return v.String(), true
	}
	return "", false
}

// escape writes text. Characters that XML does not allow, and bytes that are not UTF-8, become the
// replacement character.
func (x *xmlWriter) escape(s string, attribute bool) {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '&':
			x.b = append(x.b, "&amp;"...)
		case r == '<':
			x.b = append(x.b, "&lt;"...)
		case r == '>':
			x.b = append(x.b, "&gt;"...)
		case r == '"' && attribute:
			x.b = append(x.b, "&quot;"...)
		case r == '\r' || (attribute && (r == '\n' || r == '\t')):
			x.b = fmt.Appendf(x.b, "&#%d;", r) // a parser would make it another blank
		case notXML(r) || (r == utf8.RuneError && n == 1):
			x.b = utf8.AppendRune(x.b, utf8.RuneError)
		default:
			x.b = append(x.b, s[i:i+n]...)
		}
		i += n
	}
}

// notXML says whether XML has no such character.
func notXML(r rune) bool {
	return (r < ' ' && r != '\n' && r != '\t' && r != '\r') || r == 0xFFFE || r == 0xFFFF
}

// isXMLName says whether s can be a name: nothing in it can end a tag.
func isXMLName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == ':' || c >= utf8.RuneSelf
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '-' || c == '.')) {
			return false
		}
	}
	return s != "" && utf8.ValidString(s)
}
