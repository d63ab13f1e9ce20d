package value

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

func TestTyped(t *testing.T) {
	tests := []struct{ text, want string }{
		{"true", "true"},
		{"TRUE", "true"},
		{"False", "false"},
		{"null", "nil"},
		{"NULL", "nil"},
		{"", `""`},
		{"12", "12"},
		{"-1.50", "-1.5"},
		{"007", "7"},
		{"1935", "1935"},
		{"1e3", `"1e3"`},
		{"0x10", `"0x10"`},
		{"+1", `"+1"`},
		{" 1", `" 1"`},
		{"1 ", `"1 "`},
		{"-", `"-"`},
		{"--1", `"--1"`},
		{".5", `".5"`},
		{"5.", `"5."`},
		{"1.2.3", `"1.2.3"`},
		{"1,5", `"1,5"`},
		{"nan", `"nan"`},
		{"inf", `"inf"`},
		{"1_000", `"1_000"`},
		{strings.Repeat("9", 400), strconv.Quote(strings.Repeat("9", 400))},
		{"truetrue", `"truetrue"`},
		{"text", `"text"`},
	}
	for _, tt := range tests {
		if got := show(Typed(tt.text)); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.text, got, tt.want)
		}
	}
}

func TestParams(t *testing.T) {
	p := ParamsOf(map[string]string{"host": "h:1935", "RTMFP.port": "1935", "RTMFP": "null", "RTMFP.a.b": "TRUE", "RTMFP-x": "1", "a": "1", "a.b": "2", "": "empty"})
	want := []string{"", "RTMFP", "RTMFP-x", "RTMFP.a.b", "RTMFP.port", "a", "a.b", "host"}
	if got := p.Keys(); !reflect.DeepEqual(got, want) || p.Len() != len(want) {
		t.Errorf("keys %q", got)
	}
	get := func(p *Params, key string) string {
		v, part := p.Get(key)
		if part != nil {
			return fmt.Sprint(show(v), part.Keys())
		}
		return show(v)
	}
	for _, tt := range []struct{ key, want string }{
		{"host", `"h:1935"`},
		{"Host", "nil"},
		{"RTMFP.port", "1935"},
		{"RTMFP", "nil[a.b port]"}, // its own text stands for nil
		{"RTMFP.a", "nil[b]"},
		{"RTMFP.a.b", "true"},
		{"a", "1"}, // a text wins over a part
		{"a.b", "2"},
		{"", `"empty"`},
		{"none", "nil"},
		{"RTM", "nil"},
		{"RTMFP.", "nil"},
	} {
		if got := get(p, tt.key); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.key, got, tt.want)
		}
	}
	rtmfp := p.Part("RTMFP")
	if got := get(rtmfp, "port") + get(rtmfp, "a") + get(rtmfp, "a.b") + get(rtmfp.Part("a"), "b"); got != "1935nil[b]truetrue" {
		t.Error(got)
	}
	if p.Part("none") != nil || rtmfp.Part("port") != nil {
		t.Error("a part without keys")
	}
	if text, ok := p.Text("RTMFP"); text != "null" || !ok {
		t.Error(text, ok)
	}

	var pairs []string
	p.Each(func(key, text string) bool { pairs = append(pairs, key+"="+text); return len(pairs) < 3 })
	if got := strings.Join(pairs, " "); got != "=empty RTMFP=null RTMFP-x=1" {
		t.Error(got)
	}

	c := rtmfp.Clone()
	rtmfp.Set("port", "80")
	rtmfp.Set("c", "new")
	p.Delete("RTMFP.a.b")
	p.Delete("none")
	if got := get(p, "RTMFP.port") + get(p, "RTMFP.c") + get(p, "RTMFP.a.b"); got != `80"new"nil` {
		t.Error("a part is a view:", got)
	}
	if got := get(c, "port") + get(c, "a.b"); got != "1935true" || c.Len() != 2 {
		t.Error("a clone is not:", got, c.Keys())
	}
}

func TestFoldedParams(t *testing.T) {
	p := NewFoldedParams()
	p.Set("RTMFP.keepalivePeer", "10")
	p.Set("RTMFP.keepAlivePeer", "20")
	p.Set("rtmfp.Port", "1935")
	p.Set("\xffÉ", "bytes")
	if got := p.Keys(); !reflect.DeepEqual(got, []string{"RTMFP.keepAlivePeer", "rtmfp.Port", "\xffÉ"}) {
		t.Errorf("%q", got)
	}
	part := p.Part("Rtmfp")
	if part == nil || part.Len() != 2 || part.Keys()[0] != "keepAlivePeer" {
		t.Fatal("part", part)
	}
	if v, _ := part.Get("KEEPALIVEPEER"); v != lua.LNumber(20) {
		t.Error(v)
	}
	if v, _ := p.Get("\xffÉ"); v != lua.LString("bytes") {
		t.Error(v)
	}
	if v, _ := p.Clone().Get("RTMFP.PORT"); v != lua.LNumber(1935) {
		t.Error(v)
	}
}

func TestParseQuery(t *testing.T) {
	tests := []struct{ query, want string }{
		{"", ``},
		{"a=1&b=x", `a="1" b="x"`},
		{"a", `a=""`},
		{"a=", `a=""`},
		{"&&a=1&&", `a="1"`},
		{"a=b=c", `a="b=c"`},
		{"=x", `="x"`},
		{"a+b=c+d", `a b="c d"`},
		{"%41%2f=%3d%26%00", `A/="=&\x00"`},
		{"a=%&b=%4&c=%zz", `a="%" b="%4" c="%zz"`},
		{"a=1&a=2", `a="2"`},
		{"type=master&x.y=1", `type="master" x.y="1"`},
	}
	for _, tt := range tests {
		var pairs []string
		ParseQuery(tt.query).Each(func(k, v string) bool { pairs = append(pairs, k+"="+strconv.Quote(v)); return true })
		if got := strings.Join(pairs, " "); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.query, got, tt.want)
		}
	}
	var many strings.Builder
	for i := range 2 * maxParams {
		fmt.Fprintf(&many, "k%d&", i)
	}
	if n := ParseQuery(many.String()).Len(); n != maxParams {
		t.Error(n, "parameters")
	}
}

func TestQuery(t *testing.T) {
	r := newRig(t)
	tests := []struct{ lua, want string }{
		{``, ``},
		{`{a="1",b="x y"}, "s#", {c=10,d=true}`, `a=1&b=x%20y&s%23&c=10&d=true`},
		{`nil, 1.5, false`, `null&1.5&false`},
		{`{1,"b"}`, `1&b`},
		{`{a={b={c=1}},l={7,8}}`, `a.b.c=1&l.1=7&l.2=8`},
		{`{1,k=2}`, `k=2&1`},
		{`{__time=0}, {__raw="\255"}`, `1970-01-01T00%3A00%3A00.000Z&%2Fw%3D%3D`},
		{`{__size=1,[true]=1}`, `true=1`},
	}
	for _, tt := range tests {
		if got, err := r.ToQuery(r.eval("return " + tt.lua)...); err != nil || got != tt.want {
			t.Errorf("%s: got %s, %v; want %s", tt.lua, got, err, tt.want)
		}
	}
	for _, tt := range []struct{ query, want string }{
		{``, ``},
		{`a=1&b=x%20y&s%23&c=10&d=true`, `{a=1,b="x y"}, "s#", {c=10,d=true}`},
		{`null&1.5&false&`, `nil, 1.5, false`},
		{`a=null`, `{}`},
	} {
		if vs, err := r.FromQuery(tt.query); err != nil || showAll(vs) != tt.want {
			t.Errorf("%s: got %s, %v; want %s", tt.query, showAll(vs), err, tt.want)
		}
	}
	vs, err := r.FromQuery("d=2014-09-30T13:15:17.123Z")
	if err != nil || !strings.HasPrefix(show(vs[0]), "{d={__time=1.412082917123e+12,day=30") {
		t.Error(showAll(vs), err)
	}
	small := newRig(t, func(o *Options) { o.Limits.Elements, o.Limits.Bytes = 5, 20 })
	for _, query := range []string{"a&b&c&d&e&f", strings.Repeat("x", 21)} {
		if vs, err := small.FromQuery(query); err == nil {
			t.Error(query, showAll(vs))
		}
	}
	if s, err := small.ToQuery(lua.LString(strings.Repeat("x", 30)), lua.LTrue); err == nil {
		t.Error(s)
	}
}

func TestSplit(t *testing.T) {
	tests := []struct {
		text, separators string
		options          int
		want             []string
	}{
		{"a,b;c", ",;", 0, []string{"a", "b", "c"}},
		{"a,,b,", ",", 0, []string{"a", "", "b", ""}},
		{"a,,b,", ",", SplitDropEmpty, []string{"a", "b"}},
		{" a , b\t,", ",", SplitTrim, []string{"a", "b", ""}},
		{" a , , b ", ",", SplitTrim | SplitDropEmpty, []string{"a", "b"}},
		{" a , b", ",", 0, []string{" a ", " b"}},
		{"a  b", " ", SplitTrim, []string{"a", "b"}},
		{"", ",", 0, []string{""}},
		{"", ",", SplitDropEmpty, nil},
		{"  ", ",", SplitTrim, []string{""}},
		{"  ", ",", SplitTrim | SplitDropEmpty, nil},
		{"a,b", "", 0, []string{"a,b"}},
		{"a\x00b\xffc", "\x00\xff", 0, []string{"a", "b", "c"}},
	}
	for _, tt := range tests {
		if got := Split(tt.text, tt.separators, tt.options); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q at %q, %d: got %q, want %q", tt.text, tt.separators, tt.options, got, tt.want)
		}
	}
}

func TestDigests(t *testing.T) {
	if got := hexText(MD5("")); got != "d41d8cd98f00b204e9800998ecf8427e" {
		t.Error(got)
	}
	if got := hexText(SHA256("abc")); got != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Error(got)
	}
}
