package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLoad reads any text as a file: it must not panic, ini.v1 and the line scan must agree on every value, and what
// was understood must read back as the same configuration.
func FuzzLoad(f *testing.F) {
	seeds, err := filepath.Glob("testdata/golden/*.ini")
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range seeds {
		text, err := os.ReadFile(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		const file = "/srv/mona/MonaServer.ini"
		args, err := ParseArgs([]string{"monaserver"})
		if err != nil {
			t.Fatal(err)
		}
		if settings, err := readINI(file, []byte(text)); err == nil {
			lines := strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n")
			for _, s := range settings {
				name, value, _ := strings.Cut(lines[s.origin.Line-1], "=")
				if !strings.HasSuffix(s.name, strings.TrimSpace(name)) || s.value != strings.TrimSpace(value) {
					t.Fatalf("line %d: %s = %q, the line is %q", s.origin.Line, s.name, s.value, lines[s.origin.Line-1])
				}
			}
		}
		c, err := parse(file, []byte(text), args, testEnv(nil))
		if err != nil {
			return
		}
		var again strings.Builder
		for _, k := range Keys {
			if s, ok := c.given(k.Name); ok {
				value := k.show(c)
				if s.value == "" && k.Type != boolean().name {
					value = ""
				}
				again.WriteString(k.Name + " = " + value + "\n")
			}
		}
		c2, err := parse(file, []byte(again.String()), args, testEnv(nil))
		if err != nil {
			t.Fatalf("does not read back: %v\n%s", err, again.String())
		}
		for _, d := range Diff(c, c2) {
			if _, known := FindKey(d.Name); known {
				t.Fatalf("reads back differently: %+v\n%s", d, again.String())
			}
		}
	})
}

// FuzzParseArgs reads any command line: no panic, and no option is lost.
func FuzzParseArgs(f *testing.F) {
	f.Add("--log=7\n/x:1\n--config\n/etc/a.ini\n--RTMFP.port=1")
	f.Add("--\n-\n/\n=\n--log\n-p")
	f.Fuzz(func(t *testing.T, line string) {
		argv := append([]string{"monaserver"}, strings.Split(line, "\n")...)
		a, err := ParseArgs(argv)
		if err != nil {
			return
		}
		if len(a.arguments) > len(argv)-1 || len(a.arguments)*2 < len(argv)-1 {
			t.Fatalf("%d arguments of %q", len(a.arguments), argv[1:])
		}
		_, _ = Load(a, testEnv(nil))
	})
}
