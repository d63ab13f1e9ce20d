package value

import (
	"encoding/json"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/pkg/amf"
)

func FuzzFromAMF(f *testing.F) {
	for _, s := range []string{
		"00 3ff0000000000000 02 0001 61 01 01 05 06", "11 09 03 01 0401 11 09 00", "11 0a0b01 0378 0a00 01",
		"03 0001 61 07 0000 000009 07 0000", "08 00000002 0001 30 02 0001 61 0001 6b 01 01 000009",
		"11 0d 05 00 00000001 ffffffff", "11 0b 09 3c612f3e", "01 01 02 0001 61 0d 01 01",
		"11 11 05 01 06036b 0402 0401 0403", "11 0801 426a5e2632886000", "1111070707070707070700020000", "110907010c000301", "110c05ff00", "110a0b07612e42036604 0101",
		"0b 426a5e2632886000 0000", "10 0001 42 0001 66 01 01 000009", "0a 00000002 05 01 01", "11 09 03 0378 0401 01 060361",
	} {
		f.Add(unhexText(f, strings.ReplaceAll(s, " ", "")))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		r := fuzzRig(t)
		vs, _ := r.Decode(nil, message)
		for _, mode := range []amf.Mode{ObjectEncoding0, ObjectEncoding3} {
			b, err := r.Encode(nil, mode, vs...)
			if err != nil {
				continue // a member name that the form does not have, or too long when written in full
			}
			// Writing cuts cycles, and may take a table whose element 1 is lost by that for an object; after
			// that nothing changes any more.
			shown := ""
			for round := range 3 {
				back, err := r.Decode(nil, b)
				if err != nil || len(back) != len(vs) {
					t.Fatalf("%x written as %x: %d values of %d, %v", message, b, len(back), len(vs), err)
				}
				if now := showApart(back); round == 2 && now != shown {
					t.Fatalf("%x written as %x: %s became %s", message, b, shown, now)
				} else {
					shown = now
				}
				if b, err = r.Encode(nil, mode, back...); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := r.ToJSON(vs...); err != nil && !strings.Contains(err.Error(), "limit") {
			t.Fatal(err)
		}
	})
}

func FuzzFromJSON(f *testing.F) {
	for _, s := range []string{
		`[]`, `{}`, `[1,-2.5e3,"a\u00e9\ud83d\ude00\n",true,false,null]`, `{"__type":"T","a":[{"__raw":"/wAU"}]}`,
		`["2014-09-30T13:15:17.123Z"]`, `[[[[[]]]]]`, `{"a":{"b":{}}}`, `[1,]`, `["\x"]`, "[\"\xff\n\"]", `[01]`, `{"__size":1,"1":2}`, `{"__time":1}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := fuzzRig(t)
		vs, err := r.FromJSON(s)
		trimmed := strings.Trim(s, " \t\r\n")
		container := trimmed != "" && (trimmed[0] == '[' || trimmed[0] == '{')
		if valid := json.Valid([]byte(s)) && container; valid && err != nil && !strings.Contains(err.Error(), "limit") {
			t.Fatalf("%q is valid: %v", s, err)
		}
		if err != nil {
			return
		}
		// Control characters inside strings are all that is accepted beside JSON.
		if !json.Valid([]byte(strings.Map(func(c rune) rune {
			if c < ' ' {
				return ' '
			}
			return c
		}, s))) {
			t.Fatalf("%q is not valid: %s", s, showAll(vs))
		}
		text, err := r.ToJSON(vs...)
		if err != nil {
			return
		}
		if !json.Valid([]byte(text)) {
			t.Fatalf("%q written as %s", s, text)
		}
		if _, err := r.FromJSON(text); err != nil && !strings.Contains(err.Error(), "limit") {
			t.Fatalf("%q written as %s: %v", s, text, err)
		}
	})
}

func FuzzFromXML(f *testing.F) {
	for _, s := range []string{
		`<a/>`, `<?xml version="1.0"?><a b="c">x<d/>y<![CDATA[ z ]]></a>`, `<a>&lt;&#65;</a>`, `<!-- c --><a/>`, `<!DOCTYPE a><a/>`,
		`<x:a xmlns:x="u"/>`, `<a><b></a></b>`, "<?xml version='1.0' encoding='latin1'?><a>\xe9</a>", `<?s a='1' b="2"?><a/>`, "<?l V=''b=\"<a/\"?><a/>", `<a`, `</a>`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := fuzzRig(t)
		table, err := r.FromXML(s)
		if err != nil {
			return
		}
		text, err := r.ToXML(table)
		if err != nil {
			if !strings.Contains(err.Error(), "limit") && !strings.Contains(err.Error(), "cannot be the name") && !strings.Contains(err.Error(), "__name") && !strings.Contains(err.Error(), "instruction") && !strings.Contains(err.Error(), "encoding") {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		back, err := r.FromXML(text)
		if err != nil {
			if strings.Contains(err.Error(), "limit") || strings.Contains(err.Error(), "encoding") {
				return
			}
			t.Fatalf("%q written as %q: %v", s, text, err)
		}
		// Blanks of CDATA and the places of comments are lost; after that nothing changes any more.
		again, err := r.ToXML(back)
		if err != nil {
			t.Fatal(err)
		}
		if third, err := r.FromXML(again); err != nil || show(third) != show(back) {
			t.Fatalf("%q written as %q, then as %q: %v", s, text, again, err)
		}
	})
}

func FuzzParams(f *testing.F) {
	for _, s := range []string{"", "a=1&b=x", "a.b=1&a.c=2&a=3", "%41=%zz&+", "&&=&", "a&a=2", "k=2014-09-30T00:00:00Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		p := ParseQuery(query)
		last := ""
		for i, key := range p.Keys() {
			if i > 0 && key <= last {
				t.Fatalf("%q before %q", last, key)
			}
			last = key
			text, ok := p.Text(key)
			v, part := p.Get(key)
			if !ok || (v != Typed(text) && part == nil) {
				t.Fatalf("%q: %q, %v", key, text, v)
			}
			if name, rest, dotted := strings.Cut(key, "."); dotted {
				inner := p.Part(name)
				if inner == nil {
					t.Fatalf("no part %q", name)
				}
				if got, _ := inner.Text(rest); got != text {
					t.Fatalf("%q in part %q: %q, want %q", rest, name, got, text)
				}
			}
		}
		r := fuzzRig(t)
		vs, err := r.FromQuery(query)
		if err != nil {
			return
		}
		text, err := r.ToQuery(vs...)
		if err != nil {
			return
		}
		if strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) {
			t.Fatalf("%q written as %q", query, text)
		}
		for _, v := range vs {
			if t2, ok := v.(*lua.LTable); ok && t2.Len() > 0 {
				t.Fatalf("%q: a table with elements: %s", query, show(v))
			}
		}
	})
}
