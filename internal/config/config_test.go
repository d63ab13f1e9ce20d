package config

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// load reads a text as MonaServer.ini of the working directory, with a command line.
func load(t *testing.T, text string, argv ...string) *Config {
	t.Helper()
	args, err := ParseArgs(append([]string{"monaserver"}, argv...))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Load(args, testEnv(map[string]string{"/srv/mona/MonaServer.ini": text}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTypedValues(t *testing.T) {
	c := load(t, `
host = [2001:db8::5]:443
threads = 3
socketBufferSize = 65536
[RTMFP]
keepaliveServer = 7.5
[servers]
targets = a.example:1936?type=master&name=A%26B
allow = 10.1.2.3/8; ::ffff:192.0.2.1
[script]
budget = 250
[logs]
level = trace
`, "--dump=RTMFP", "-dl:64")
	if want := (HostPort{Host: "2001:db8::5", Port: 443}); c.Host != want {
		t.Errorf("Host = %v, want %v", c.Host, want)
	}
	if got := c.PublicAddress().String(); got != "[2001:db8::5]:443" {
		t.Errorf("PublicAddress = %s", got)
	}
	if c.Threads != 3 || c.SocketBuffer != 65536 || c.Script.Budget != 250*time.Millisecond || c.Logs.Level != LevelTrace {
		t.Errorf("threads %d, buffer %d, budget %v, level %v", c.Threads, c.SocketBuffer, c.Script.Budget, c.Logs.Level)
	}
	if c.RTMFP.KeepaliveServer != 7500*time.Millisecond || c.RTMFP.KeepalivePeer != 10*time.Second {
		t.Errorf("keepalive %v, %v", c.RTMFP.KeepaliveServer, c.RTMFP.KeepalivePeer)
	}
	wantTargets := []Target{{HostPort{"a.example", 1936}, []Property{{"type", "master"}, {"name", "A&B"}}}}
	if diff := cmp.Diff(wantTargets, c.Servers.Targets); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
	wantAllow := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32")}
	if diff := cmp.Diff(wantAllow, c.Servers.Allow, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("allow (-want +got):\n%s", diff)
	}
	if want := (Dump{On: true, Filter: "RTMFP", Limit: 64}); c.Dump != want {
		t.Errorf("Dump = %+v, want %+v", c.Dump, want)
	}
}

func TestWhereTheFileIsFound(t *testing.T) {
	const work, beside, named = "/srv/mona/MonaServer.ini", "/opt/mona/MonaServer.ini", "/srv/mona/conf/other.ini"
	for _, tc := range []struct {
		name    string
		argv    []string
		files   []string
		want    string
		wantDir string
	}{
		{"working directory first", nil, []string{work, beside}, work, "/srv/mona"},
		{"beside the executable", nil, []string{beside}, beside, "/opt/mona"},
		{"none", nil, nil, "", "/srv/mona"},
		{"named", []string{"--config=conf/other.ini"}, []string{work, named}, named, "/srv/mona/conf"},
		{"named, with a blank", []string{"--config", "/srv/mona/conf/other.ini"}, []string{work, named}, named, "/srv/mona/conf"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files := map[string]string{}
			for _, f := range tc.files {
				files[f] = ""
			}
			args, err := ParseArgs(append([]string{"monaserver"}, tc.argv...))
			if err != nil {
				t.Fatal(err)
			}
			c, err := Load(args, testEnv(files))
			if err != nil {
				t.Fatal(err)
			}
			if c.File() != tc.want || c.Application.Dir != tc.wantDir {
				t.Errorf("file %q, dir %q, want %q, %q", c.File(), c.Application.Dir, tc.want, tc.wantDir)
			}
		})
	}
}

func TestNamedFileMustExist(t *testing.T) {
	args, err := ParseArgs([]string{"monaserver", "--config=missing.ini"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = Load(args, testEnv(nil)); err == nil || !strings.Contains(err.Error(), "missing.ini") {
		t.Errorf("err = %v", err)
	}
}

func TestErrorsCanBeInspected(t *testing.T) {
	args, _ := ParseArgs([]string{"monaserver"})
	_, err := Load(args, testEnv(map[string]string{"/srv/mona/MonaServer.ini": "\n[RTMFP]\nport=x\n"}))
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Key != "RTMFP.port" || e.Value != "x" || e.Origin.Line != 3 || e.Origin.File != "MonaServer.ini" {
		t.Errorf("err = %#v", e)
	}
}

func TestNotAText(t *testing.T) {
	for _, text := range []string{"\xff\xfeh\x00o\x00", "port\x00 = 1", strings.Repeat(";", maxFileSize+1)} {
		args, _ := ParseArgs([]string{"monaserver"})
		if _, err := Load(args, testEnv(map[string]string{"/srv/mona/MonaServer.ini": text})); err == nil {
			t.Errorf("%.10q loads", text)
		}
	}
	if c := load(t, "\ufeffhost = example.com\r\nthreads = 2\r\n"); c.Host.Host != "example.com" || c.Threads != 2 {
		t.Errorf("with a byte order mark: host %v, threads %d", c.Host, c.Threads)
	}
}

func TestDiff(t *testing.T) {
	from := load(t, "[RTMFP]\nport=1935\n[servers]\nsecret=a\n[game]\ntitle=Chess\nold=1\n")
	if d := Diff(from, from); len(d) != 0 {
		t.Errorf("the same configuration differs: %v", d)
	}
	to := load(t, "host=0.0.0.0\n[RTMFP]\nPORT=1936\n[servers]\nsecret=b\n[Game]\ntitle=Go\nnew=2\n")
	want := []Change{
		{"host", "", "0.0.0.0"},
		{"RTMFP.port", "1935", "1936"},
		{"RTMFP.publicPort", "1935", "1936"},
		{"servers.secret", hidden, hidden},
		{"game.old", "1", ""},
		{"game.title", "Chess", "Go"},
		{"Game.new", "", "2"},
	}
	if diff := cmp.Diff(want, Diff(from, to)); diff != "" {
		t.Errorf("Diff (-want +got):\n%s", diff)
	}
}

func TestReload(t *testing.T) {
	files := map[string]string{"/srv/mona/MonaServer.ini": "threads=2"}
	args, _ := ParseArgs([]string{"monaserver", "--RTMFP.port=7"})
	c, err := Load(args, testEnv(files))
	if err != nil {
		t.Fatal(err)
	}
	files["/srv/mona/MonaServer.ini"] = "threads=3\nRTMFP.port=8"
	again, err := c.Reload()
	if err != nil {
		t.Fatal(err)
	}
	if again.Threads != 3 || again.RTMFP.Port != 7 || c.Threads != 2 {
		t.Errorf("threads %d, port %d, before %d", again.Threads, again.RTMFP.Port, c.Threads)
	}
	files["/srv/mona/MonaServer.ini"] = "threads=many"
	if _, err := c.Reload(); err == nil {
		t.Error("a bad file reloads")
	}
}

func TestPublicHidesSecrets(t *testing.T) {
	c := load(t, "[servers]\nSECRET = hush", "--servers.secret=hush2", "--check")
	for name, value := range c.Public().All() {
		if strings.Contains(value, "hush") {
			t.Errorf("%s = %q", name, value)
		}
	}
	var b strings.Builder
	if err := c.WriteEffective(&b); err != nil || strings.Contains(b.String(), "hush") {
		t.Errorf("printed: %v\n%s", err, b.String())
	}
	if c.Servers.Secret != "hush2" {
		t.Errorf("Secret = %q", c.Servers.Secret)
	}
}

func TestPublicIsCaseBlind(t *testing.T) {
	p := load(t, "[Game]\nTitle=Chess\n[rtmfp]\nKEEPALIVEPEER=20").Public()
	for name, want := range map[string]string{"game.TITLE": "Chess", "RTMFP.keepAlivePeer": "20", "rtmfp.port": "1935"} {
		if got, ok := p.Get(name); !ok || got != want {
			t.Errorf("Get(%q) = %q, %v", name, got, ok)
		}
	}
	if _, ok := p.Get("nothing"); ok {
		t.Error("an unknown name is found")
	}
	if _, ok := load(t, "RTMFP.port=0").Public().Get("RTMFP.publicAddress"); ok {
		t.Error("a protocol that is off has a public address")
	}
}
