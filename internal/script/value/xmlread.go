package value

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	lua "github.com/yuin/gopher-lua"
)

// maxXML is the longest document that is read: what takes a few milliseconds in the other formats takes
// half a second in this one.
const maxXML = 4 << 20

// FromXML reads a document as a table: processing instructions by name ({xml={version="1.0"}}), then the
// elements. An element is a table with its name as __name, its attributes by name and its content as
// elements: texts, without the blanks around them, and tables. In such a table t.a is also the first child
// of that name and t.__value the first content.
//
// Entities are those of XML itself: a document cannot define any, and nothing outside is read.
func (c *Converter) FromXML(s string) (*lua.LTable, error) {
	if limit := min(c.o.Limits.Bytes, maxXML); len(s) > limit {
		return nil, limitError("bytes of XML", limit)
	}
	s = utf8Document(s)
	x := xmlReader{c: c, s: s, d: xml.NewDecoder(strings.NewReader(s)), left: c.o.Limits.Elements}
	x.d.CharsetReader = func(charset string, in io.Reader) (io.Reader, error) {
		if !isLatin1(charset) {
			return nil, fmt.Errorf("charset %q is not supported", charset)
		}
		return in, nil // it is UTF-8 by now
	}
	x.open = []*lua.LTable{x.table()}
	x.names = []string{""}
	err := x.read()
	switch {
	case err != nil:
		var syntax *xml.SyntaxError
		if errors.As(err, &syntax) {
			err = fmt.Errorf("xml: line %d: %s", syntax.Line, syntax.Msg)
		}
		return nil, err
	case len(x.open) > 1:
		return nil, x.error("no end of element " + x.names[len(x.names)-1])
	case x.open[0].Len() == 0:
		return nil, errors.New("xml: no element")
	}
	return x.open[0], nil
}

// utf8Document converts a document that declares one of the names of ISO 8859-1 as its encoding.
func utf8Document(s string) string {
	head, _, found := strings.Cut(s[:min(len(s), 256)], "?>")
	if !found || !strings.HasPrefix(head, "<?xml") {
		return s
	}
	charset := ""
	for _, a := range pseudoAttributes(strings.TrimPrefix(head, "<?xml")) {
		if a[0] == "encoding" {
			charset = a[1]
		}
	}
	if !isLatin1(charset) {
		return s
	}
	b := make([]rune, len(s))
	for i := range len(s) {
		b[i] = rune(s[i])
	}
	return string(b)
}

func isLatin1(charset string) bool {
	switch strings.ToLower(charset) {
	case "iso-8859-1", "latin1", "us-ascii", "ascii":
		return true
	}
	return false
}

type xmlReader struct {
	c     *Converter
	s     string
	d     *xml.Decoder
	left  int // elements, attributes and texts still allowed
	open  []*lua.LTable
	names []string
	text  xmlText
}

func (x *xmlReader) error(text string) error {
	line, _ := x.d.InputPos()
	return fmt.Errorf("xml: line %d: %s", line, text)
}

func (x *xmlReader) charge(n int) error {
	if x.left -= n; x.left < 0 {
		return limitError("elements of XML", x.c.o.Limits.Elements)
	}
	return nil
}

func (x *xmlReader) read() error {
	for {
		start := x.d.InputOffset()
		token, err := x.d.RawToken()
		if err == io.EOF {
			return x.endText()
		}
		if err != nil {
			return err
		}
		if data, ok := token.(xml.CharData); ok {
			x.text.add(string(data), strings.HasPrefix(x.s[start:], "<![CDATA["))
			continue
		}
		if err := x.endText(); err != nil {
			return err
		}
		switch token := token.(type) {
		case xml.StartElement:
			err = x.startElement(token)
		case xml.EndElement:
			err = x.endElement(xmlName(token.Name))
		case xml.ProcInst:
			err = x.instruction(token.Target, string(token.Inst))
		}
		if err != nil {
			return err
		}
	}
}

func xmlName(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}

func (x *xmlReader) startElement(e xml.StartElement) error {
	if err := x.charge(1 + len(e.Attr)); err != nil {
		return err
	}
	if len(x.open) > x.c.o.Limits.Depth {
		return limitError("nesting of XML", x.c.o.Limits.Depth)
	}
	t := x.table()
	name := xmlName(e.Name)
	t.RawSetString("__name", lua.LString(name))
	for _, a := range e.Attr {
		if key := xmlName(a.Name); key != "__name" {
			t.RawSetString(key, lua.LString(a.Value))
		}
	}
	x.open[len(x.open)-1].Append(t)
	x.open, x.names = append(x.open, t), append(x.names, name)
	return nil
}

func (x *xmlReader) endElement(name string) error {
	last := len(x.open) - 1
	if last == 0 || x.names[last] != name {
		return x.error("end of element " + name + ", which is not open")
	}
	x.open, x.names = x.open[:last], x.names[:last]
	return nil
}

func (x *xmlReader) endText() error {
	text, ok := x.text.take()
	if !ok {
		return nil
	}
	if len(x.open) == 1 {
		return x.error("text outside of elements")
	}
	x.open[len(x.open)-1].Append(lua.LString(text))
	return x.charge(1)
}

// instruction keeps <?name a="b"?>; others say nothing to a script.
func (x *xmlReader) instruction(name, text string) error {
	attributes := pseudoAttributes(text)
	if len(attributes) == 0 {
		return nil
	}
	t := x.c.L.CreateTable(0, len(attributes))
	for _, a := range attributes {
		t.RawSetString(a[0], lua.LString(a[1]))
	}
	if name == "xml" && isLatin1(string(lua.LVAsString(t.RawGetString("encoding")))) {
		t.RawSetString("encoding", lua.LString("UTF-8")) // what the texts are by now
	}
	x.open[0].RawSetString(name, t)
	return x.charge(1 + len(attributes))
}

// pseudoAttributes reads a="b" c='d'; nothing when the text has another form.
func pseudoAttributes(s string) [][2]string {
	var list [][2]string
	for s = strings.TrimLeft(s, blanks); s != ""; s = strings.TrimLeft(s, blanks) {
		name, rest, ok := strings.Cut(s, "=")
		name, rest = strings.TrimRight(name, blanks), strings.TrimLeft(rest, blanks)
		if !ok || !isXMLName(name) || rest == "" || (rest[0] != '"' && rest[0] != '\'') {
			return nil
		}
		text, after, ok := strings.Cut(rest[1:], rest[:1])
		if !ok {
			return nil
		}
		list = append(list, [2]string{name, text})
		s = after
	}
	return list
}

// xmlText is a run of text and CDATA. Blanks at its ends count only inside CDATA.
type xmlText struct {
	b     []byte
	exact int // up to where b must not be trimmed
	cdata bool
}

func (t *xmlText) add(s string, cdata bool) {
	if !cdata && len(t.b) == 0 && !t.cdata {
		s = strings.TrimLeft(s, blanks)
	}
	t.b = append(t.b, s...)
	if cdata {
		t.exact, t.cdata = len(t.b), true
	}
}

// take ends the run; ok is false when there is no text.
func (t *xmlText) take() (s string, ok bool) {
	s = string(t.b[:t.exact]) + strings.TrimRight(string(t.b[t.exact:]), blanks)
	ok = s != "" || t.cdata
	*t = xmlText{b: t.b[:0]}
	return s, ok
}

// table makes a table whose missing names are looked for among its children.
func (x *xmlReader) table() *lua.LTable {
	t := x.c.L.NewTable()
	t.Metatable = x.c.xmlMetatable()
	return t
}

func (c *Converter) xmlMetatable() *lua.LTable {
	if c.xmlMeta == nil {
		c.xmlMeta = c.L.NewTable()
		c.xmlMeta.RawSetString("__index", c.L.NewFunction(xmlIndex))
		c.xmlMeta.RawSetString("__newindex", c.L.NewFunction(xmlNewIndex))
		c.xmlMeta.RawSetString("__metatable", lua.LFalse)
	}
	return c.xmlMeta
}

// xmlIndex is t[name] for a name that is not in t.
func xmlIndex(L *lua.LState) int {
	t, name := L.CheckTable(1), L.Get(2)
	key, ok := name.(lua.LString)
	if !ok {
		return 0
	}
	if key == "__value" {
		L.Push(t.RawGetInt(1))
		return 1
	}
	for i, n := 1, t.Len(); i <= n; i++ {
		if child, ok := t.RawGetInt(i).(*lua.LTable); ok && child.RawGetString("__name") == name {
			L.Push(child)
			return 1
		}
	}
	return 0
}

// xmlNewIndex is t[name]=v for a name that is not in t.
func xmlNewIndex(L *lua.LState) int {
	t, key := L.CheckTable(1), L.Get(2)
	if key == lua.LString("__value") {
		key = lua.LNumber(1)
	}
	t.RawSet(key, L.Get(3))
	return 0
}
