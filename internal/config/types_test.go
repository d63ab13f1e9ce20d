package config

import (
	"strings"
	"testing"
)

func TestHostPort(t *testing.T) {
	for text, want := range map[string]string{
		"www.example.com":      "www.example.com",
		"www.example.com:1936": "www.example.com:1936",
		"node_1":               "node_1",
		"büro.example":         "büro.example",
		"192.0.2.1:80":         "192.0.2.1:80",
		"::":                   "::",
		"2001:db8::1":          "2001:db8::1",
		"[2001:db8::1]":        "2001:db8::1",
		"[2001:db8::1]:80":     "[2001:db8::1]:80",
		"0.0.0.0":              "0.0.0.0",
	} {
		h, err := parseHostPort(text)
		if err != nil || h.String() != want {
			t.Errorf("%q: %q, %v, want %q", text, h, err, want)
		}
	}
	for _, text := range []string{
		"", ":80", "a:0", "a:65536", "a:x", "a:", "a b", "a..b", "-a", "192.0.2", "192.0.2.300", "http://a", "a/b",
		"[::1", "::1]:80", "[a]:80", strings.Repeat("a", 64), strings.Repeat("a.", 130),
	} {
		if h, err := parseHostPort(text); err == nil {
			t.Errorf("%q is taken as %q", text, h)
		}
	}
}

func TestTargets(t *testing.T) {
	for text, want := range map[string]string{
		"a:1":                            "a:1",
		" a:1 ; ;b:2;":                   "a:1; b:2",
		"[::1]:1936?type=master":         "[::1]:1936?type=master",
		"a:1?x&y=&=z&n=1=2":              "a:1?x&y&n=1%3D2",
		"a:1?label=100%&q=a%3Bb+c":       "a:1?label=100%25&q=a%3Bb%2Bc",
		"a:1?name=caf%C3%A9&where=up on": "a:1?name=caf%C3%A9&where=up%20on",
	} {
		l, err := parseTargets(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := targets().show(l); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"a":               `entry "a": the port is missing`,
		"a:1; b:x":        `entry "b:x"`,
		"0.0.0.0:1936":    "wildcard",
		"http://a:1?x=y":  "without http://",
		"a:1;?type=slave": `entry "?type=slave"`,
	} {
		if _, err := parseTargets(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
