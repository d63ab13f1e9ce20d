package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/monaserver/monaserver/pkg/amf"
)

// parseValue reads an argument: JSON, or else a string as it is.
func parseValue(s string) amf.Value {
	d := json.NewDecoder(strings.NewReader(s))
	v, err := decodeJSON(d)
	if err != nil {
		return amf.String(s)
	}
	if _, err := d.Token(); err != io.EOF { // something follows
		return amf.String(s)
	}
	return v
}

// decodeJSON goes token by token to keep members in their order.
func decodeJSON(d *json.Decoder) (amf.Value, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case nil:
		return amf.Null{}, nil
	case bool:
		return amf.Bool(t), nil
	case float64:
		return amf.Number(t), nil
	case string:
		return amf.String(t), nil
	case json.Delim:
		if t == '[' {
			return decodeArray(d)
		}
		if t == '{' {
			return decodeObject(d)
		}
	}
	return nil, errors.New("not a value")
}

func decodeArray(d *json.Decoder) (amf.Value, error) {
	a := &amf.Array{}
	for d.More() {
		v, err := decodeJSON(d)
		if err != nil {
			return nil, err
		}
		a.Dense = append(a.Dense, v)
	}
	_, err := d.Token()
	return a, err
}

func decodeObject(d *json.Decoder) (amf.Value, error) {
	o := amf.NewObject()
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := decodeJSON(d)
		if err != nil {
			return nil, err
		}
		o.Add(name.(string), v)
	}
	_, err := d.Token()
	return o, err
}

// formatValue writes a value as JSON, on one line.
func formatValue(v amf.Value) string {
	f := formatter{}
	f.value(v)
	return f.b.String()
}

// maxText bounds the text of a value: one that holds another twice, which holds another twice and so on,
// is small in memory and endless when written out.
const maxText = 4 << 20

type formatter struct {
	b    bytes.Buffer
	path []amf.Value // what is being written
}

func (f *formatter) value(v amf.Value) {
	if f.b.Len() > maxText {
		f.text("(too long)")
		return
	}
	switch v := v.(type) {
	case amf.Bool:
		f.b.WriteString(strconv.FormatBool(bool(v)))
	case amf.Number:
		f.number(float64(v))
	case amf.String:
		f.text(string(v))
	case *amf.Date:
		if t := v.Time(); t.IsZero() {
			f.b.WriteString("null")
		} else {
			f.text(t.Format(time.RFC3339Nano))
		}
	case *amf.XML:
		f.text(v.Text)
	case *amf.ByteArray:
		f.b.WriteString(`{"__raw":`)
		f.text(base64.StdEncoding.EncodeToString(v.Data))
		f.b.WriteByte('}')
	case *amf.Object, *amf.Array, *amf.Dictionary, *amf.Vector:
		if slices.Contains(f.path, v) {
			f.text("(cycle)")
			return
		}
		f.path = append(f.path, v)
		f.container(v)
		f.path = f.path[:len(f.path)-1]
	default:
		f.b.WriteString("null")
	}
}

func (f *formatter) number(x float64) {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		f.b.WriteString("null") // JSON has none
		return
	}
	b, _ := json.Marshal(x) // cannot fail for a finite number
	f.b.Write(b)
}

func (f *formatter) text(s string) {
	e := json.NewEncoder(&f.b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s)             // cannot fail for a string
	f.b.Truncate(f.b.Len() - 1) // the end of line
}

func (f *formatter) container(v amf.Value) {
	switch v := v.(type) {
	case *amf.Object:
		ms := v.Members
		if v.Class != "" {
			ms = append([]amf.Member{{Name: "__type", Value: amf.String(v.Class)}}, ms...)
		}
		f.members(ms)
	case *amf.Array:
		// Members in front of the elements, as toJSON of scripts does (lua-api §6.17).
		f.b.WriteByte('[')
		if len(v.Named) > 0 {
			f.members(v.Named)
		}
		for i, e := range v.Dense {
			if i > 0 || len(v.Named) > 0 {
				f.b.WriteByte(',')
			}
			f.value(e)
		}
		f.b.WriteByte(']')
	case *amf.Vector:
		f.b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				f.b.WriteByte(',')
			}
			f.value(v.At(i))
		}
		f.b.WriteByte(']')
	case *amf.Dictionary:
		f.b.WriteByte('{')
		for i, e := range v.Entries {
			if i > 0 {
				f.b.WriteByte(',')
			}
			f.key(e.Key)
			f.b.WriteByte(':')
			f.value(e.Value)
		}
		f.b.WriteByte('}')
	}
}

// key writes a key of a dictionary: anything but a string as a string with its JSON.
func (f *formatter) key(k amf.Value) {
	if s, ok := k.(amf.String); ok {
		f.text(string(s))
		return
	}
	inner := formatter{path: f.path}
	inner.value(k)
	f.text(inner.b.String())
}

func (f *formatter) members(ms []amf.Member) {
	f.b.WriteByte('{')
	for i, m := range ms {
		if i > 0 {
			f.b.WriteByte(',')
		}
		f.text(m.Name)
		f.b.WriteByte(':')
		f.value(m.Value)
	}
	f.b.WriteByte('}')
}
