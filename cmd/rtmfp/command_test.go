package main

import (
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/monaserver/monaserver/pkg/amf"
)

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"help"}, {"--help"}, {"-h"}} {
		r := newRig()
		if code := r.run(args...); code != exitOK || r.stderr.String() != "" {
			t.Error(args, code, r.stderr.String())
		}
		for _, want := range []string{"connect", "call", "publish", "play", "refused by the server", "rtmfp://host"} {
			if !strings.Contains(r.stdout.String(), want) {
				t.Errorf("%v: %q missing", args, want)
			}
		}
	}
	for _, cmd := range commands {
		for _, args := range [][]string{{cmd.name, "--help"}, {cmd.name, "-h"}, {"help", cmd.name}} {
			r := newRig()
			if code := r.run(args...); code != exitOK || r.stderr.String() != "" {
				t.Error(args, code, r.stderr.String())
			}
			for _, want := range []string{"Usage: rtmfp " + cmd.name + " [flags] " + cmd.args, "-timeout", "Exit codes:"} {
				if !strings.Contains(r.stdout.String(), want) {
					t.Errorf("%v: %q missing", args, want)
				}
			}
		}
	}
}

func TestUsageErrors(t *testing.T) {
	const url = "rtmfp://host/app/s"
	for _, tt := range []struct {
		args string
		want string
	}{
		{"", "Usage: rtmfp COMMAND"},
		{"dance", `unknown command "dance"`},
		{"help dance", `unknown command "dance"`},
		{"connect", "missing URL"},
		{"connect rtmp://host", "does not start with rtmfp://"},
		{"connect " + url + " more", `too many arguments: "more"`},
		{"connect " + url + " -v", "flag -v must come before URL"},
		{"connect -encoding 1 " + url, "must be 0 or 3"},
		{"connect -timeout soon " + url, "invalid value"},
		{"connect -nonsense " + url, "flag provided but not defined"},
		{"call " + url, "missing METHOD"},
		{"publish " + url, "missing FILE"},
		{"publish " + url + " -re file", "flag -re must come before URL"},
		{"publish -type best " + url + " file", `invalid -type "best"`},
		{"play -t -1s " + url + " file", "invalid -t -1s"},
		{"play rtmfp://host/ file", "missing stream name"},
	} {
		r := newRig()
		if code := r.run(strings.Fields(tt.args)...); code != exitUsage {
			t.Errorf("%q: exit code %d", tt.args, code)
		}
		if !strings.Contains(r.stderr.String(), tt.want) || r.stdout.String() != "" {
			t.Errorf("%q: %q, want %q", tt.args, r.stderr.String(), tt.want)
		}
	}
}

func TestExitCodes(t *testing.T) {
	r := newRig()
	r.dialErr = &refusedError{"NetConnection.Connect.Rejected", "no"}
	if code := r.run("connect", "rtmfp://host/app"); code != exitRefused {
		t.Error(code)
	}
	if got, want := r.stderr.String(), "rtmfp: connect: connect to host:1935: refused by the server: no (NetConnection.Connect.Rejected)\n"; got != want {
		t.Errorf("%q", got)
	}
	r = newRig()
	r.dialErr = errors.New("no route to host")
	if code := r.run("connect", "rtmfp://host/app"); code != exitFailure {
		t.Error(code)
	}
	r = newRig()
	r.conn.err = &refusedError{Code: "NetStream.Publish.BadName"}
	in, _ := flvFile(t)
	if code := r.run("publish", "rtmfp://host/app/s", in); code != exitRefused || !r.conn.closed {
		t.Error(code, r.conn.closed)
	}
	r = newRig()
	r.conn.callErr = &refusedError{"NetConnection.Call.Failed", "Method not found"}
	if code := r.run("call", "rtmfp://host/app", "f"); code != exitRefused {
		t.Error(code)
	}
	if !strings.Contains(r.stderr.String(), "call f: refused by the server: Method not found") {
		t.Error(r.stderr.String())
	}
}

func TestConnect(t *testing.T) {
	r := newRig()
	r.conn.statsNow.RTT = 1234567
	r.conn.fields = []amf.Member{{Name: "code", Value: amf.String("ok")}}
	if code := r.run("connect", "-encoding", "0", "-arg", "user", "-arg", "7", "rtmfp://host/app?x=1"); code != exitOK {
		t.Fatal(code, r.stderr.String())
	}
	want := "address: 192.0.2.1:1935\nserver id: far\nclient id: near\nobject encoding: 0\nrtt: 1.2ms\nanswer: {\"code\":\"ok\"}\n"
	if got := r.stdout.String(); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if d := cmp.Diff([]amf.Value{amf.String("user"), amf.Number(7)}, r.conn.options.Args); d != "" {
		t.Error(d)
	}
	if r.conn.target.URL != "rtmfp://host/app?x=1" || !r.conn.closed || r.conn.options.Log != nil {
		t.Error(r.conn)
	}
}

func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		start := time.Now()
		if code := r.run("connect", "-hold", "1m", "rtmfp://host/app"); code != exitOK || time.Since(start) != time.Minute {
			t.Error(code, time.Since(start))
		}
		r = newRig()
		time.AfterFunc(time.Second, func() { close(r.conn.done) })
		if code := r.run("connect", "-hold", "-1s", "rtmfp://host/app"); code != exitFailure {
			t.Error(code)
		}
		if !strings.Contains(r.stderr.String(), "ended by the server") {
			t.Error(r.stderr.String())
		}
	})
}

func TestCall(t *testing.T) {
	r := newRig()
	r.conn.results = []amf.Value{amf.String("hi"), amf.Number(2)}
	if code := r.run("call", "-v", "rtmfp://host/app", "add", "-1", "x", "[2]"); code != exitOK {
		t.Fatal(code, r.stderr.String())
	}
	if got := r.stdout.String(); got != "\"hi\"\n2\n" {
		t.Error(got)
	}
	want := []amf.Value{amf.Number(-1), amf.String("x"), &amf.Array{Dense: []amf.Value{amf.Number(2)}}}
	if d := cmp.Diff(want, r.conn.called); d != "" || r.conn.method != "add" {
		t.Error(d, r.conn.method)
	}
	if r.conn.options.Log == nil || r.conn.options.Encoding != 3 {
		t.Error("options")
	}
}

// A file that cannot be read is told before anything is sent.
func TestPublishBadFile(t *testing.T) {
	r := newRig()
	r.dialErr = errors.New("dialled")
	if code := r.run("publish", "rtmfp://host/app/s", t.TempDir()+"/none"); code != exitFailure || strings.Contains(r.stderr.String(), "dialled") {
		t.Error(code, r.stderr.String())
	}
	bad := t.TempDir() + "/bad"
	if err := os.WriteFile(bad, []byte("RIFF...."), 0o600); err != nil {
		t.Fatal(err)
	}
	if code := r.run("publish", "rtmfp://host/app/s", bad); code != exitFailure || !strings.Contains(r.stderr.String(), "not an flv file") {
		t.Error(code, r.stderr.String())
	}
}
