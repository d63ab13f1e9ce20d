package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// layer says what the packages below a folder may import, besides the standard library. Test files may import more.
type layer struct {
	dir   string
	own   []string // folders of this module; "pkg/" with a slash means everything below
	other []string // other modules
}

// layers is the table of docs/architecture.md. The longest matching folder decides; a folder that is not in the table
// is an error, so that a new package gets its place on purpose.
var layers = []layer{
	{dir: "pkg/amf"},
	{dir: "pkg/flv", own: []string{"pkg/amf"}},
	{dir: "pkg/rtmfp", own: []string{"pkg/rtmfp/internal/cbc"}, other: []string{"filippo.io/bigmod", "golang.org/x/time/rate"}},
	{dir: "pkg/rtmfp/internal/cbc", other: []string{"golang.org/x/sys"}},
	{dir: "pkg/rtmfp/floor", own: []string{"pkg/rtmfp/internal/cbc"}},
	{dir: "pkg/rtmfp/udp", own: []string{"pkg/rtmfp"}, other: []string{"golang.org/x/sys", "golang.org/x/net", "golang.org/x/sync"}},

	{dir: "internal/config", other: []string{"gopkg.in/ini.v1"}},
	{dir: "internal/media", own: []string{"pkg/amf", "pkg/flv", "pkg/rtmfp"}, other: logs},
	{dir: "internal/netconn", own: []string{"pkg/amf", "pkg/flv", "pkg/rtmfp", "internal/media"}, other: logs},
	{
		dir:   "internal/rendezvous",
		own:   []string{"pkg/rtmfp", "internal/netconn"},
		other: slices.Concat(logs, []string{"golang.org/x/time/rate"}),
	},
	{dir: "internal/mesh", own: []string{"pkg/amf"}, other: slices.Concat(logs, []string{"golang.org/x/crypto", "golang.org/x/sync", "golang.org/x/sys", "golang.org/x/time/rate"})},
	{
		dir:   "internal/script",
		own:   []string{"pkg/", "internal/script", "internal/mesh", "internal/netconn", "internal/media", "internal/rendezvous"},
		other: slices.Concat(logs, []string{"github.com/yuin/gopher-lua", "go.etcd.io/bbolt", "golang.org/x/time/rate"}),
	},
	{dir: "internal/bench", own: []string{"pkg/", "internal/netconn", "internal/media"}, other: []string{"golang.org/x/sys"}},
	{dir: "internal/server", own: []string{"pkg/", "internal/"}, other: anyModule},

	{dir: "cmd/monaserver", own: []string{"internal/server", "internal/config"}, other: []string{"golang.org/x/term"}},
	{dir: "cmd/rtmfp", own: []string{"pkg/", "internal/bench", "internal/netconn", "internal/media"}, other: []string{"golang.org/x/term", "golang.org/x/sync"}},

	{dir: "scripts/benchmark", own: []string{"internal/bench"}},

	{dir: "internal/simnet", own: []string{"pkg/rtmfp"}},
	{dir: "internal/archtest"},
}

var (
	logs      = []string{"github.com/rs/zerolog"}
	anyModule = []string{""}
)

// only lists modules that belong to one place, whatever the layer allows; tests included.
var only = map[string]string{
	"github.com/yuin/gopher-lua":    "internal/script",
	"gopkg.in/ini.v1":               "internal/config",
	"github.com/prometheus":         "internal/server",
	"internal/archtest":             "internal/archtest",
	"github.com/rs/zerolog/log":     "", // its logger is a global variable
	"github.com/stretchr/testify":   "",
	"gopkg.in/natefinch/lumberjack": "",
}

// testOnly lists what only test files may import.
var testOnly = []string{"internal/simnet", "github.com/google/go-cmp", "pgregory.net/rapid", "go.uber.org/goleak", "testing"}

// noSockets lists folders whose code decides and transforms but never talks to a network itself.
var noSockets = []string{"pkg/amf", "pkg/flv", "internal/media", "internal/netconn"}

// Imports reports imports that the layers do not allow.
func Imports(t *Tree) []string {
	var bad []string
	for _, f := range t.Go {
		l, ok := layerOf(f.Dir)
		if !ok {
			bad = append(bad, fmt.Sprintf("%s: the folder %s is not in the table of layers", f.Path, f.Dir))
			continue
		}
		for _, s := range f.AST.Imports {
			if why := l.judge(f, t.relative(importPath(s))); why != "" {
				bad = append(bad, fmt.Sprintf("%s: imports %s: %s", t.at(s), importPath(s), why))
			}
		}
	}
	return bad
}

// relative cuts the module's own path off.
func (t *Tree) relative(imported string) string { return strings.TrimPrefix(imported, t.Module+"/") }

func layerOf(dir string) (layer, bool) {
	var best layer
	for _, l := range layers {
		if within(dir, l.dir) && len(l.dir) > len(best.dir) {
			best = l
		}
	}
	return best, best.dir != ""
}

// within reports that a path is the folder or below it; every path is within "".
func within(p, dir string) bool {
	return dir == "" || p == dir || strings.HasPrefix(p, strings.TrimSuffix(dir, "/")+"/")
}

func withinAny(p string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool { return within(p, d) })
}

// judge tells why a file must not import something, or nothing.
func (l layer) judge(f GoFile, imported string) string {
	for module, place := range only {
		if within(imported, module) && (place == "" || !within(f.Dir, place)) {
			if place == "" {
				return "not used in this project"
			}
			return "only " + place + " may"
		}
	}
	if f.Test {
		return ""
	}
	if within(f.Dir, "pkg") && within(imported, "internal") {
		return "pkg never depends on internal"
	}
	if withinAny(f.Dir, noSockets) && slices.Contains([]string{"net", "net/http", "syscall"}, imported) {
		return l.dir + " has no network of its own"
	}
	if withinAny(imported, testOnly) && !within(f.Dir, "internal/simnet") {
		return "only tests may"
	}
	switch {
	case withinAny(imported, []string{"pkg", "internal", "cmd"}):
		if !slices.ContainsFunc(l.own, func(own string) bool {
			return imported == own || strings.HasSuffix(own, "/") && within(imported, own)
		}) && !within(imported, l.dir) {
			return l.dir + " may not depend on it"
		}
	case strings.Contains(strings.SplitN(imported, "/", 2)[0], "."): // another module
		if !withinAny(imported, l.other) {
			return l.dir + " may not use this module"
		}
	}
	return ""
}
