package mesh

import (
	"fmt"
	"strings"
	"testing"
)

func TestAnnounced(t *testing.T) {
	params := map[string]string{
		"host": "www.a.com", "RTMFP.port": "1935", "my.key": "1", "My.Secret": "2", "servers.port": "1936",
		"servers.targets": "b:1936", "servers.secret": "x", "Servers.Secrt": "x", "servers.tls.cert": "c", "servers.private": "my.secret", "servers.allow": "10.0.0.0/8",
		"application.dir": "d", "arguments.log": "7", "logs.name": "l", "node.id": "fake",
	}
	var got []string
	for _, p := range announced(params, []string{"my.secret"}) {
		got = append(got, p.key+"="+p.value)
	}
	if s := strings.Join(got, " "); s != "RTMFP.port=1935 host=www.a.com my.key=1 servers.port=1936" {
		t.Error(s)
	}
}

func TestParseHello(t *testing.T) {
	for _, tc := range []struct{ hex, want string }{
		{"", "map[]"},
		{"0161 0162 0163 00", "map[a:b c:]"},
		{"0161 0162 0161 0163", "map[a:c]"}, // the last one counts
		{"0161", "error"},
		{"0161 0562", "error"},
		{"ffffffffff", "error"},
	} {
		m, err := parseHello(unhex(t, tc.hex))
		got := fmt.Sprint(m)
		if err != nil {
			got = "error"
		}
		if got != tc.want {
			t.Errorf("%s: %s (%v)", tc.hex, got, err)
		}
	}
	if _, err := parseHello([]byte(strings.Repeat("\x00\x00", maxHelloPairs+1))); err == nil {
		t.Error("too many parameters are accepted")
	}
	if _, err := parseHello(make([]byte, maxHello+1)); err == nil {
		t.Error("a hello that is too long is accepted")
	}
}

func TestParseReject(t *testing.T) {
	for hex, want := range map[string]string{"": unknownError, "00": unknownError, "02 6e6f": "no", "05 6e6f": unknownError} {
		if got := parseReject(unhex(t, hex)); got != want {
			t.Errorf("%s: %s", hex, got)
		}
	}
}

func TestParseServices(t *testing.T) {
	long := "/" + strings.Repeat("x", maxPath-1)
	for _, path := range []string{"", "/myGame", "/Games/myGame", "/a b", "/...", "/é", long} {
		got, err := parseServices(appendServices(nil, "", path, ""))
		if err != nil || len(got) != 3 || got[1] != path {
			t.Errorf("%.20q: %q, %v", path, got, err)
		}
	}
	for _, path := range []string{"a", "/", "//", "/a/", "/a//b", "/..", "/a/../b", "/.", "../a", "/a\\..\\b", "/c:", "c:/a", "/a\x00", "http://x", long + "x"} {
		got, err := parseServices(appendServices(nil, "/good", path, "/too"))
		if err == nil || fmt.Sprint(got) != "[/good /too]" {
			t.Errorf("%.20q: %q, %v", path, got, err)
		}
	}
	if got, err := parseServices(unhex(t, "022f61 052f62")); err == nil || len(got) != 1 {
		t.Error(got, err)
	}
}

func TestOffer(t *testing.T) {
	for _, o := range []offer{{1, false, false}, {300, true, false}, {1<<32 - 1, false, true}} {
		if got, err := parseOffer(appendOffer(nil, o)[1:]); got != o || err != nil {
			t.Error(got, err)
		}
	}
	for _, hex := range []string{"", "01", "01 80"} {
		if o, err := parseOffer(unhex(t, hex)); err == nil {
			t.Error(hex, o)
		}
	}
}
