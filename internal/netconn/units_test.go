package netconn

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

func TestVLU(t *testing.T) {
	for _, tc := range []struct {
		v   uint64
		hex string
	}{
		{127, "7f"},
		{128, "8100"},
		{16383, "ff7f"},
		{16384, "818000"},
		{2097152, "81808000"},
		{1<<32 - 1, "8fffffff7f"},
		{math.MaxUint64, "81ffffffffffffffff7f"},
	} {
		b := appendVLU(nil, tc.v)
		if got := fmt.Sprintf("%x", b); got != tc.hex {
			t.Errorf("%d: %s", tc.v, got)
		}
		if v, n := consumeVLU(b); v != tc.v || n != len(b) {
			t.Errorf("%s: %d %d", tc.hex, v, n)
		}
		for i := range b {
			if _, n := consumeVLU(b[:i]); n != 0 {
				t.Errorf("%s cut at %d accepted", tc.hex, i)
			}
		}
	}
	if _, n := consumeVLU(bytes.Repeat([]byte{0xff}, 11)); n != 0 {
		t.Error("overflow accepted")
	}
}

func TestParseURL(t *testing.T) {
	for url, want := range map[string]Address{
		"rtmfp://localhost":                        {"localhost", "", ""},
		"rtmfp://localhost:1936/":                  {"localhost:1936", "", ""},
		"rtmfp://h/myApp":                          {"h", "/myApp", ""},
		"rtmfp://h/Games/myGame?x=1&y":             {"h", "/Games/myGame", "x=1&y"},
		"rtmfp://h?x=1":                            {"h", "", "x=1"},
		"rtmfp://h//a///b//":                       {"h", "/a/b", ""},
		"rtmfp://h/../../etc/passwd":               {"h", "/etc/passwd", ""},
		"rtmfp://h/a/../../../b":                   {"h", "/b", ""},
		"rtmfp://h/a/%2e%2E/%2e%2e%2f..%5c..%5cb/": {"h", "/b", ""},
		`rtmfp://h/a\..\..\b`:                      {"h", "/b", ""},
		"rtmfp://h/./a/./b/.":                      {"h", "/a/b", ""},
		"rtmfp://h/.../..a":                        {"h", "/.../..a", ""},
		"rtmfp://h/a%20b%C3%A9%zz%":                {"h", "/a bé%zz%", ""},
		"rtmfp://h/a%3fx=1":                        {"h", "/a?x=1", ""},
		"rtmfp://user:pw@[::1]:1935/live":          {"[::1]:1935", "/live", ""},
		"rtmfp:///live":                            {},
		"live":                                     {},
		"":                                         {},
	} {
		got, err := ParseURL(url)
		if got != want || (err != nil) != (want == Address{}) {
			t.Errorf("%s: %+v %v", url, got, err)
		}
	}
}

// No path leads out of the root, whatever it is made of.
func TestPathsStayBelowRoot(t *testing.T) {
	piece := rapid.SampledFrom([]string{"..", ".", "/", "\\", "a", "%2e", "%2E", "%2f", "%5c", "%", "%00", "...", "b c", "?"})
	rapid.Check(t, func(t *rapid.T) {
		p := cleanPath(strings.Join(rapid.SliceOf(piece).Draw(t, "pieces"), ""))
		if p == "" {
			return
		}
		if p[0] != '/' || strings.HasSuffix(p, "/") || strings.Contains(p, `\`) {
			t.Fatalf("%q", p)
		}
		for part := range strings.SplitSeq(p[1:], "/") {
			if part == "" || part == "." || part == ".." {
				t.Fatalf("%q", p)
			}
		}
		if joined := filepath.Join("/www", p); !strings.HasPrefix(joined, "/www/") {
			t.Fatalf("%q leads to %q", p, joined)
		}
	})
}

func TestFolders(t *testing.T) {
	root := filepath.Join(t.TempDir(), "www")
	if err := os.MkdirAll(filepath.Join(root, "live", "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	f := NewFolders(root)
	for path, want := range map[string]bool{
		"": true, "/live": true, "/live/sub": true, "/live/no": false, "/file": false, "/..": false, "/live/../..": false,
		"/live\x00": false, "/live\n": false,
	} {
		if f.Exists(path) != want {
			t.Errorf("%q: %v", path, !want)
		}
	}
	if !NewFolders(filepath.Join(root, "missing")).Exists("") {
		t.Error("the root application always exists")
	}
}

func TestQuery(t *testing.T) {
	got := fmt.Sprint(ParseQuery("a=1&b&c=%26%3d+x&&a=2&=v"))
	if got != "[{a 2} {b } {c &= x} { v}]" {
		t.Error(got)
	}
	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, "k%d=v&", i)
	}
	if n := len(ParseQuery(many.String())); n != maxProperties {
		t.Errorf("%d properties", n)
	}
}

func TestThrottle(t *testing.T) {
	var out bytes.Buffer
	th := throttle{log: zerolog.New(&out).Level(zerolog.WarnLevel)}
	now := rtmfp.Time(0)
	for range 100 {
		th.event(now, zerolog.WarnLevel, "a").Msg("m")
		th.event(now, zerolog.DebugLevel, "a").Msg("never")
	}
	th.event(now, zerolog.WarnLevel, "b").Msg("m")
	if n := strings.Count(out.String(), "\n"); n != throttleBurst+1 {
		t.Errorf("%d lines", n)
	}
	out.Reset()
	th.event(now.Add(throttleInterval+time.Second), zerolog.WarnLevel, "a").Msg("m")
	if got := out.String(); got != `{"level":"warn","suppressed":95,"message":"m"}`+"\n" {
		t.Error(got)
	}
}

func TestCounters(t *testing.T) {
	var c Counters
	c.Connected.Store(3)
	c.Plays.Add(2)
	got := map[string]float64{}
	c.Each(func(name string, v float64) { got[name] = v })
	if got["connections"] != 3 || got["plays_total"] != 2 || len(got) != 20 {
		t.Errorf("%v", got)
	}
}
