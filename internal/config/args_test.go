package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseArgs(t *testing.T) {
	type result struct {
		Config, PIDFile              string
		Check, Help, Version, Daemon bool
		Dump                         Dump
		Overrides, Arguments         []Property
	}
	for _, tc := range []struct {
		name string
		argv []string
		want result
	}{
		{"nothing", nil, result{}},
		{"forms", []string{"-h", "/VERSION", "--Daemon", "/log:7"}, result{
			Help: true, Version: true, Daemon: true,
			Overrides: []Property{{"logs.level", "7"}},
			Arguments: []Property{{"help", ""}, {"version", ""}, {"daemon", ""}, {"log", "7"}},
		}},
		{"the first = or : ends the name", []string{`--config:C:\mona\a=b.ini`}, result{
			Config:    `C:\mona\a=b.ini`,
			Arguments: []Property{{"config", `C:\mona\a=b.ini`}},
		}},
		{"a path after a blank is a value", []string{"--config", "/etc/mona", "-p", "/run/mona.pid", "-d"}, result{
			Config: "/etc/mona", PIDFile: "/run/mona.pid", Dump: Dump{On: true},
			Arguments: []Property{{"config", "/etc/mona"}, {"pidfile", "/run/mona.pid"}, {"dump", ""}},
		}},
		{"an optional value needs =", []string{"--dump", "--daemon", "--dumplimit=100"}, result{
			Daemon: true, Dump: Dump{On: true, Limit: 100},
			Arguments: []Property{{"dump", ""}, {"daemon", ""}, {"dumplimit", "100"}},
		}},
		{"keys and others", []string{"--rtmfp.PORT=7", "--host=a.b", "--game.title=Chess", "--colour=red", "/x"}, result{
			Overrides: []Property{{"rtmfp.PORT", "7"}, {"host", "a.b"}, {"game.title", "Chess"}},
			Arguments: []Property{{"rtmfp.PORT", "7"}, {"host", "a.b"}, {"game.title", "Chess"}, {"colour", "red"}, {"x", ""}},
		}},
		{"switched off", []string{"--check=false"}, result{Arguments: []Property{{"check", "false"}}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, err := ParseArgs(append([]string{"monaserver"}, tc.argv...))
			if err != nil {
				t.Fatal(err)
			}
			got := result{a.Config, a.PIDFile, a.Check, a.Help, a.Version, a.Daemon, a.Dump, nil, a.arguments}
			for _, o := range a.overrides {
				got.Overrides = append(got.Overrides, Property{o.name, o.value})
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseArgsErrors(t *testing.T) {
	for _, tc := range []struct {
		argv string
		want []string // parts of the message
	}{
		{"--log=7 -l=6", []string{"-l=6 is given twice (first as --log=7)"}},
		{"--Colour=red --colour=red", []string{"given twice"}},
		{"--RTMFP.port=1 --rtmfp.PORT=2", []string{"given twice"}},
		{"/etc/MonaServer.ini", []string{`unexpected "/etc/MonaServer.ini"`, "--name=value"}},
		{"--RTMFP.port 1936", []string{`unexpected "1936"`}},
		{"--config", []string{"--config", "the path of a file"}},
		{"--log=9 --dumplimit=many", []string{`--log = "9"`, `--dumplimit = "many"`, "a number of bytes"}},
		{"--", []string{`unexpected "--"`}},
	} {
		t.Run(tc.argv, func(t *testing.T) {
			_, err := ParseArgs(append([]string{"monaserver"}, strings.Fields(tc.argv)...))
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %q", want, err)
				}
			}
		})
	}
}

func TestSuggestion(t *testing.T) {
	known := []string{"RTMFP.port", "servers.port", "RTMFP.keepalivePeer", "host", "limits.sessions", "log"}
	for name, want := range map[string]string{
		"RTFMP.port":          "RTMFP.port",
		"RTMFP.prot":          "RTMFP.port",
		"keepAlivePeer":       "RTMFP.keepalivePeer",
		"game.keepalivePeer":  "RTMFP.keepalivePeer",
		"port":                "RTMFP.port or servers.port",
		"game.port":           "",
		"hots":                "host",
		"lgo":                 "log",
		"limits.sesions":      "limits.sessions",
		"colour":              "",
		"motd":                "",
		"game.hosts":          "",
		"servers.description": "",
	} {
		if got, _ := suggestion(name, known); got != want {
			t.Errorf("suggestion(%q) = %q, want %q", name, got, want)
		}
	}
}
