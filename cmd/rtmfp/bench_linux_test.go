package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/monaserver/monaserver/internal/bench"
)

// Every scenario has a help text that a stranger can use, with every flag explained.
func TestBenchHelp(t *testing.T) {
	r := newRig()
	if code := r.run("bench"); code != exitUsage || !strings.Contains(r.stderr.String(), "Scenarios:") {
		t.Errorf("bench without scenario: %d\n%s", code, r.stderr.String())
	}
	r = newRig()
	if code := r.run("bench", "help"); code != exitOK {
		t.Error(code)
	}
	overview := r.stdout.String()
	for _, name := range []string{"handshakes", "fanout", "idle", "rpc", "introduce", "group", "mesh", "floor"} {
		if !strings.Contains(overview, "\n  "+name+" ") {
			t.Errorf("%s is not in\n%s", name, overview)
		}
		r := newRig()
		if code := r.run("bench", name, "--help"); code != exitOK {
			t.Errorf("%s: exit code %d", name, code)
		}
		text := r.stdout.String()
		for _, want := range []string{"Usage: rtmfp bench " + name + " [flags]", "-time", "-pid", "-json", "-group", "-hmac"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", name, want, text)
			}
		}
		if strings.Contains(text, "\n  -v\t") {
			t.Errorf("%s: -v does nothing", name)
		}
	}
	if !strings.Contains(newHelp(t), "bench ") {
		t.Error("the help of the program does not tell of bench")
	}
}

func newHelp(t *testing.T) string {
	t.Helper()
	r := newRig()
	if code := r.run("help"); code != exitOK {
		t.Error(code)
	}
	return r.stdout.String()
}

func TestBenchUsage(t *testing.T) {
	const url = "rtmfp://127.0.0.1:1/live"
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"none", url}, `unknown scenario "none"`},
		{[]string{"idle"}, "missing URL"},
		{[]string{"idle", "http://x/"}, "does not start with rtmfp://"},
		{[]string{"idle", url, "-clients", "1"}, "flag -clients must come before URL"},
		{[]string{"idle", "-clients", "0", url}, "0 clients"},
		{[]string{"idle", "-group", "5", url}, "-group 5"},
		{[]string{"idle", "-time", "0s", url}, "-time 0s"},
		{[]string{"idle", "-warmup", "-1s", url}, "-warmup"},
		{[]string{"idle", "-parallel", "0", url}, "-parallel 0"},
		{[]string{"idle", "-threads", "1000", url}, "-threads 1000"},
		{[]string{"idle", "-pid", "-3", url}, "-pid -3"},
		{[]string{"mesh", url}, "missing FARURL"},
		{[]string{"fanout", "-kind", "text", url}, `kind "text"`},
	} {
		r := newRig()
		if code := r.run(append([]string{"bench"}, c.args...)...); code != exitUsage || !strings.Contains(r.stderr.String(), c.want) {
			t.Errorf("%q: %d, %q; want %q", c.args, code, r.stderr.String(), c.want)
		}
	}
	r := newRig()
	if code := r.run("bench", "idle", "-pid", "1073741824", url); code != exitFailure || !strings.Contains(r.stderr.String(), "server process 1073741824") {
		t.Errorf("%d, %q", code, r.stderr.String())
	}
}

// A result is a table, and JSON in a file or instead of the table.
func TestBenchResult(t *testing.T) {
	file := filepath.Join(t.TempDir(), "result.json")
	r := newRig()
	if code := r.run("bench", "floor", "-listeners", "2", "-time", "60ms", "-json", file, "-q"); code != exitOK {
		t.Fatal(code, r.stderr.String())
	}
	if !strings.Contains(r.stdout.String(), "exponentiation") || r.stderr.String() != "" {
		t.Errorf("table %q, progress %q", r.stdout.String(), r.stderr.String())
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var fromFile, fromStdout bench.Result
	if err := json.Unmarshal(b, &fromFile); err != nil || fromFile.Floor == nil || fromFile.Done == 0 {
		t.Errorf("%s: %v", b, err)
	}
	r = newRig()
	if code := r.run("bench", "floor", "-listeners", "2", "-time", "60ms", "-json", "-", "-q"); code != exitOK {
		t.Fatal(code, r.stderr.String())
	}
	if err := json.Unmarshal([]byte(r.stdout.String()), &fromStdout); err != nil || fromStdout.Scenario != "floor" {
		t.Errorf("%s: %v", r.stdout.String(), err)
	}
}
