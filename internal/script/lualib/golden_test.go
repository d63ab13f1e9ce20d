package lualib

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The expectations were printed by lua5.1 5.1.5 and luajit 2.1 with TZ=UTC: lua5.1 pattern.lua > pattern.out

// functionName is what the reference calls "?" when a library function is called by pcall.
var functionName = regexp.MustCompile(`to '[^']*' \(`)

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/lua*/*.lua")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file))+"/"+filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(strings.TrimSuffix(file, ".lua") + ".out")
			if err != nil {
				t.Fatal(err)
			}
			v := newVM(t, Options{}, App{})
			if _, err := v.run(v.env, filepath.Base(file), string(src)); err != nil {
				t.Errorf("%v", err)
			}
			compareLines(t, v.out.String(), string(want))
		})
	}
}

func compareLines(t *testing.T, got, want string) {
	t.Helper()
	a, b := lines(got), lines(want)
	for i := range max(len(a), len(b)) {
		var x, y string
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			t.Errorf("line %d\n got %q\nwant %q", i+1, x, y)
			return
		}
	}
}

func lines(s string) []string {
	return strings.Split(functionName.ReplaceAllString(s, "to 'f' ("), "\n")
}
