package config

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files and generated documentation")

// testEnv is a machine with four processors on which only the given files exist.
func testEnv(files map[string]string) Env {
	return Env{
		WorkDir:    filepath.FromSlash("/srv/mona"),
		Executable: filepath.FromSlash("/opt/mona/monaserver"),
		Processors: 4,
		ReadFile: func(name string) ([]byte, error) {
			text, ok := files[filepath.ToSlash(name)]
			if !ok {
				return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
			}
			return []byte(text), nil
		},
	}
}

// directive reads "; name: values" from the comments of a golden input.
func directive(text, name string) []string {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "; "+name+": "); ok {
			return strings.Fields(rest)
		}
	}
	return nil
}

// loadGolden loads the text as MonaServer.ini of the working directory, or at the place and with the command line
// that its comments name.
func loadGolden(text string) (*Config, error) {
	file := "/srv/mona/MonaServer.ini"
	argv := append([]string{"./monaserver"}, directive(text, "args")...)
	if f := directive(text, "file"); f != nil {
		file = f[0]
		argv = append(argv, "--config="+file)
	}
	args, err := ParseArgs(argv)
	if err != nil {
		return nil, err
	}
	return Load(args, testEnv(map[string]string{file: text}))
}

// TestGolden compares what each testdata/golden/*.ini means, or which mistakes are found in it, with *.want.
func TestGolden(t *testing.T) {
	inputs, err := filepath.Glob("testdata/golden/*.ini")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no golden inputs: %v", err)
	}
	for _, input := range inputs {
		t.Run(strings.TrimSuffix(filepath.Base(input), ".ini"), func(t *testing.T) {
			text, err := os.ReadFile(input)
			if err != nil {
				t.Fatal(err)
			}
			got := describe(loadGolden(string(text)))
			golden := strings.TrimSuffix(input, ".ini") + ".want"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", golden, diff)
			}
		})
	}
}

// describe prints all that a configuration tells: what is not as without a file, warnings, the view of scripts.
func describe(c *Config, err error) string {
	var b strings.Builder
	if err != nil {
		return "ERRORS\n" + err.Error() + "\n"
	}
	plain, err := loadGolden("")
	if err != nil {
		return err.Error()
	}
	defaults := plain.Effective()
	b.WriteString("EFFECTIVE\n")
	for i, e := range c.Effective() {
		if i >= len(defaults) || e != defaults[i] {
			fmt.Fprintf(&b, "%s = %s  ; %s\n", e.Name, e.Value, e.Origin)
		}
	}
	b.WriteString("\nWARNINGS\n")
	for _, w := range c.Warnings() {
		fmt.Fprintln(&b, w)
	}
	fmt.Fprintf(&b, "\nPUBLIC ADDRESS %s\n\nSCRIPTS SEE\n", c.PublicAddress())
	for name, value := range c.Public().All() {
		fmt.Fprintf(&b, "%s = %q\n", name, value)
	}
	return b.String()
}
