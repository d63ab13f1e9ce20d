package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeysTable(t *testing.T) {
	seen := map[string]bool{}
	sections := []string{}
	for _, k := range Keys {
		if seen[fold(k.Name)] {
			t.Errorf("%s stands twice", k.Name)
		}
		seen[fold(k.Name)] = true
		if len(sections) == 0 || sections[len(sections)-1] != k.Section() {
			for _, s := range sections {
				if s == k.Section() {
					t.Errorf("%s: its section is not in one piece", k.Name)
				}
			}
			sections = append(sections, k.Section())
		}
		if !strings.HasSuffix(k.Doc, ".") && !strings.HasSuffix(k.Doc, "…") {
			t.Errorf("%s: the description is not a sentence: %q", k.Name, k.Doc)
		}
		if k.Default != "" {
			c := &Config{}
			if err := k.set(c, k.Default); err != nil || k.show(c) != k.Default {
				t.Errorf("%s: default %q is shown as %q (%v)", k.Name, k.Default, k.show(c), err)
			}
		}
		for _, o := range Options {
			if fold(o.Name) == fold(k.Name) || o.Short != "" && fold(o.Short) == fold(k.Name) {
				t.Errorf("--%s is an option and a key", o.Name)
			}
		}
	}
}

func TestHelpNamesEverything(t *testing.T) {
	var b bytes.Buffer
	if err := WriteHelp(&b); err != nil {
		t.Fatal(err)
	}
	for _, o := range Options {
		if !strings.Contains(b.String(), "\n  --"+o.Name) {
			t.Errorf("--%s is missing", o.Name)
		}
	}
	for _, k := range Keys {
		if !strings.Contains(b.String(), "\n  "+k.Name+"=") {
			t.Errorf("%s is missing", k.Name)
		}
	}
	for line := range strings.Lines(b.String()) {
		if len([]rune(line)) > 125 {
			t.Errorf("longer than a terminal: %s", line)
		}
	}
}

// TestDocumentedKeys compares the table in docs/operations.md with the keys; -update writes it.
func TestDocumentedKeys(t *testing.T) {
	const begin, end = "<!-- keys: begin -->\n", "<!-- keys: end -->\n"
	file := filepath.FromSlash("../../docs/operations.md")
	doc, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(doc), begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no table between %q and %q", file, begin, end)
	}
	var want bytes.Buffer
	if err := WriteMarkdown(&want); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, []byte(before+begin+want.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want.String(), got); diff != "" {
		t.Errorf("%s (-want +got; rewrite it with go test ./internal/config -update):\n%s", file, diff)
	}
}

// TestShippedFile checks that MonaServer.ini in the root means the defaults, as it stands and with every key switched on
// that is commented out (";key = value", without a blank after ";"), and that it names every key.
func TestShippedFile(t *testing.T) {
	text, err := os.ReadFile(filepath.FromSlash("../../MonaServer.ini"))
	if err != nil {
		t.Fatal(err)
	}
	plain := load(t, "")
	shipped := load(t, string(text))
	if d := Diff(plain, shipped); len(d) != 0 || len(shipped.Warnings()) != 0 {
		t.Errorf("as shipped: %v %q", d, shipped.Warnings())
	}

	var on strings.Builder
	for line := range strings.Lines(string(text)) {
		if len(line) > 1 && line[0] == ';' && line[1] != ' ' && line[1] != '\n' {
			line = line[1:]
		}
		on.WriteString(line)
	}
	all := load(t, on.String())
	example := map[string]bool{} // keys without a fixed default are shown with an example
	for _, k := range Keys {
		if _, ok := all.given(k.Name); !ok {
			t.Errorf("%s is missing", k.Name)
		}
		example[k.Name] = k.Default == "" || k.Note != ""
	}
	for _, c := range Diff(plain, all) {
		if k, known := FindKey(c.Name); !known || !example[k.Name] {
			t.Errorf("%s = %q, the default is %q", c.Name, c.New, c.Old)
		}
	}
}
