package value

import (
	"errors"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/pkg/amf"
)

func TestFromXML(t *testing.T) {
	tests := []struct{ name, xml, want string }{
		{"element", `<a/>`, `{{__name="a"}}`},
		{
			"document", `<?xml version="1.0"?> <doc a="1" b='x y'> <p>text</p> more <q/> </doc>`,
			`{{{"text",__name="p"},"more",{__name="q"},__name="doc",a="1",b="x y"},xml={version="1.0"}}`,
		},
		{"blanks around texts go", "<a>\n x  y\t</a>", `{{"x  y",__name="a"}}`},
		{"blanks in between go", "<a> <b/> </a>", `{{{__name="b"},__name="a"}}`},
		{"CDATA stays as it is", `<a><![CDATA[ <&> ]]></a>`, `{{" <&> ",__name="a"}}`},
		{"CDATA and text are one", `<a> x <![CDATA[ y ]]> z </a>`, `{{"x  y  z",__name="a"}}`},
		{"empty CDATA", `<a><![CDATA[]]></a>`, `{{"",__name="a"}}`},
		{"entities", `<a b="&lt;&quot;&#233;">&amp;&gt;&#x41;</a>`, `{{"&>A",__name="a",b="<\"é"}}`},
		{"comments", `<!-- c --><a>x<!-- <b> -->y</a><!-- d -->`, `{{"x","y",__name="a"}}`},
		{"document type", `<!DOCTYPE a [<!ELEMENT a ANY>]><a/>`, `{{__name="a"}}`},
		{"several instructions", `<?xml version="1.0" encoding="UTF-8"?><?style href="a.css"?><?note free text?><a/>`, `{{__name="a"},style={href="a.css"},xml={encoding="UTF-8",version="1.0"}}`},
		{"several roots", `<a/><b/>`, `{{__name="a"},{__name="b"}}`},
		{"prefixes", `<x:a xmlns:x="urn:x" x:b="1"/>`, `{{__name="x:a",x:b="1",xmlns:x="urn:x"}}`},
		{"__name as an attribute", `<a __name="b"/>`, `{{__name="a"}}`},
		{"latin 1", "<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe9<![CDATA[ \xe9 ]]></a>", `{{"é é ",__name="a"},xml={encoding="UTF-8",version="1.0"}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			table, err := r.FromXML(tt.xml)
			if err != nil {
				t.Fatal(err)
			}
			if got := show(table); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestFromXMLAccess(t *testing.T) {
	r := newRig(t)
	table, err := r.FromXML(`<?xml version="1.0"?><doc id="7"><art><p>first</p></art><art><p>second</p></art></doc>`)
	if err != nil {
		t.Fatal(err)
	}
	r.L.SetGlobal("t", table)
	for _, expression := range []string{
		`t.xml.version == "1.0"`, `t.doc == t[1] and t.doc == t.__value`, `t.doc.art == t[1][1]`, `t.doc.id == "7"`,
		`t.doc.art.p.__value == "first"`, `t.doc.none == nil and t.doc[5] == nil`, `t.doc[2].p.__value == "second"`,
		`#t == 1 and #t.doc == 2`, `getmetatable(t) == false`,
		`(function() t.doc.art.p.__value = "new"; return t[1][1][1][1] == "new" and #t.doc.art.p == 1 end)()`,
		`(function() t.doc.added = "x"; t.doc[3] = {__name="art"}; return t.doc.added == "x" and #t.doc == 3 end)()`,
	} {
		if r.one(expression) != lua.LTrue {
			t.Error(expression)
		}
	}
}

func TestFromXMLInvalid(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits = amf.Limits{Depth: 3, Elements: 10, Bytes: 1000} })
	tests := []struct{ xml, want string }{
		{``, "no element"},
		{`<?xml version="1.0"?>`, "no element"},
		{`text`, "outside of elements"},
		{`<a/>text`, "outside of elements"},
		{"<a>\n<b>", "line 2: no end of element b"},
		{`</a>`, "end of element a"},
		{"<a>\n</b>", "line 2: end of element b"},
		{`<a`, "EOF"},
		{`<a b=1/>`, "line 1"},
		{`<a>&undefined;</a>`, "entity"},
		{`<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>`, "entity"},
		{`<?xml version="1.0" encoding="UTF-16"?><a/>`, "UTF-16"},
		{"<a>\xff</a>", "UTF-8"},
		{`<a><a><a><a/></a></a></a>`, "nesting"},
		{`<a>` + strings.Repeat(`<b/>`, 10) + `</a>`, "elements"},
		{`<a>` + strings.Repeat(`x<!---->`, 10) + `</a>`, "elements"},
		{`<a b1="" b2="" b3="" b4="" b5="" b6="" b7="" b8="" b9="" b10=""/>`, "elements"},
		{`<a>` + strings.Repeat("x", 1000) + `</a>`, "bytes"},
	}
	for _, tt := range tests {
		if table, err := r.FromXML(tt.xml); err == nil || !strings.Contains(err.Error(), tt.want) || table != nil {
			t.Errorf("%s: %v, want %s", tt.xml, err, tt.want)
		}
	}
	if _, err := r.FromXML(`<a><a><a/></a></a>`); err != nil {
		t.Error(err)
	}
	if _, err := newRig(t).FromXML(strings.Repeat(" ", maxXML+1)); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
}

func TestToXML(t *testing.T) {
	tests := []struct{ lua, want string }{
		{`{{__name="a"}}`, `<a />`},
		{`{xml={version="1.0"},{__name="a","x"}}`, `<?xml version="1.0" ?><a >x</a>`},
		{`{style={href="s"},xml={version="1.0"},{__name="a"}}`, `<?xml version="1.0" ?><?style href="s" ?><a />`},
		{`{s={a="<&'",b='"'},{__name="a"}}`, `<?s a="<&'" b='"' ?><a />`},
		{`{{__name="a",b="1",{__name="c",d="2","x"},"y",{__name="e"}}}`, `<a b="1" ><c d="2" >x</c>y<e /></a>`},
		{`{{__name="a",n=1.5,b=true,7,false}}`, `<a n="1.5" b="true" >7false</a>`},
		{`{{__name="a",q="<&>\"\n\t","<&>\"\n\r"}}`, `<a q="&lt;&amp;&gt;&quot;&#10;&#9;" >&lt;&amp;&gt;"` + "\n" + `&#13;</a>`},
		{`{{__name="a","\0\255é"}}`, `<a >` + "\ufffd\ufffdé" + `</a>`},
		{`{{__name="a"},{__name="b"}}`, `<a /><b />`},
		{`{{__name="a",1,nil,3}}`, `<a >13</a>`},
	}
	for _, tt := range tests {
		t.Run(tt.lua, func(t *testing.T) {
			r := newRig(t)
			got, err := r.ToXML(r.one(tt.lua).(*lua.LTable))
			if err != nil || got != tt.want {
				t.Errorf("got %s, %v; want %s", got, err, tt.want)
			}
			r.silent()
		})
	}
}

func TestToXMLInvalid(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits = amf.Limits{Depth: 3, Elements: 10, Bytes: 1000} })
	tests := []struct{ lua, want string }{
		{`{}`, "no element"},
		{`{"text"}`, "outside of elements"},
		{`{xml="1.0",{__name="a"}}`, "must be a table"},
		{`{xml={encoding="latin1"},{__name="a"}}`, "encoding latin1"},
		{`{s={a="?>"},{__name="a"}}`, "instruction"},
		{`{s={a="'\""},{__name="a"}}`, "instruction"},
		{`{s={a="\0"},{__name="a"}}`, "instruction"},
		{`{["a b"]={},{__name="a"}}`, "must be a table"},
		{`{{}}`, "__name"},
		{`{{__name=""}}`, "__name"},
		{`{{__name="a><b"}}`, "__name"},
		{`{{__name="1"}}`, "__name"},
		{`{{__name="a",["b c"]=1}}`, "attribute"},
		{`{{__name="a",print}}`, "a function inside element a"},
		{`{{__name="a",{__name="a",{__name="a",{__name="a"}}}}}`, "nesting"},
		{`(function() local e={__name="a"} e[1]=e return {e} end)()`, "nesting"},
		{`{{__name="a",1,2,3,4,5,6,7,8,9,10}}`, "elements"},
		{`{{__name="a",("x"):rep(600),("x"):rep(600),"x"}}`, "bytes"},
	}
	for _, tt := range tests {
		if got, err := r.ToXML(r.one(tt.lua).(*lua.LTable)); err == nil || !strings.Contains(err.Error(), tt.want) || got != "" {
			t.Errorf("%s: %s, %v; want %s", tt.lua, got, err, tt.want)
		}
	}
	r.silent()
	if got, err := r.ToXML(r.one(`{{__name="a",b={},c=1}}`).(*lua.LTable)); got != `<a c="1" />` || err != nil {
		t.Error(got, err)
	}
	r.warned("attribute b of a is a table")
}

// A document in the form of MonaServer 1.x comes back byte by byte.
func TestXMLRoundTrip(t *testing.T) {
	r := newRig(t)
	const document = `<?xml version="1.0" ?><doc ><art n="1" ><p >One &amp; two</p><h class="c" >T</h></art><art ><p >Some<b >bold</b>text.</p><e /></art></doc>`
	table, err := r.FromXML(document)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.ToXML(table); err != nil || got != document {
		t.Errorf("got %s, %v", got, err)
	}
}
