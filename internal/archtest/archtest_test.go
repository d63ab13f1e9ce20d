package archtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// TestRepository runs every rule on this repository.
func TestRepository(t *testing.T) {
	root, err := filepath.Abs(filepath.FromSlash("../.."))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := Load(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Go) < 20 {
		t.Fatalf("only %d Go files found", len(tree.Go))
	}
	for name, violations := range map[string][]string{
		"imports":       Imports(tree),
		"passive code":  Passive(tree),
		"sleeps":        Sleeps(tree),
		"sizes":         Sizes(tree),
		"machine paths": MachinePaths(tree, root),
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range violations {
				t.Error(v)
			}
		})
	}
}

// load makes a tree of a few files.
func load(t *testing.T, files map[string]string) *Tree {
	t.Helper()
	root := fstest.MapFS{"go.mod": {Data: []byte("module example.org/mona\n\ngo 1.26\n")}}
	for name, text := range files {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	tree, err := Load(root)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestImports(t *testing.T) {
	const own = "example.org/mona/"
	for _, tc := range []struct {
		file, imported string
		want           string // part of the complaint, empty = allowed
	}{
		{"pkg/amf/a.go", "encoding/binary", ""},
		{"pkg/amf/a.go", "golang.org/x/text", "may not use this module"},
		{"pkg/amf/a.go", own + "pkg/rtmfp", "may not depend on it"},
		{"pkg/amf/a_test.go", "pgregory.net/rapid", ""},
		{"pkg/rtmfp/a.go", own + "internal/config", "pkg never depends on internal"},
		{"pkg/rtmfp/a.go", own + "pkg/amf", "may not depend on it"},
		{"pkg/rtmfp/a.go", own + "pkg/rtmfp/udp", ""}, // its own subpackage: the compiler forbids the cycle
		{"pkg/rtmfp/a.go", "filippo.io/bigmod", ""},
		{"pkg/rtmfp/udp/a.go", own + "pkg/rtmfp", ""},
		{"pkg/rtmfp/udp/a.go", "golang.org/x/sys/unix", ""},
		{"pkg/rtmfp/udp/a.go", "github.com/rs/zerolog", "may not use this module"},
		{"internal/media/a.go", "net", "no network"},
		{"internal/media/a.go", "net/netip", ""},
		{"internal/media/a.go", own + "internal/netconn", "may not depend on it"},
		{"internal/netconn/a.go", own + "internal/media", ""},
		{"internal/netconn/a.go", own + "pkg/rtmfp/udp", "may not depend on it"},
		{"internal/netconn/a.go", own + "internal/simnet", "only tests may"},
		{"internal/netconn/a_test.go", own + "internal/simnet", ""},
		{"internal/netconn/a_test.go", "github.com/yuin/gopher-lua", "only internal/script may"},
		{"internal/script/a.go", "github.com/yuin/gopher-lua/parse", ""},
		{"internal/script/lualib/a.go", "github.com/yuin/gopher-lua", ""},
		{"internal/script/a.go", own + "internal/server", "may not depend on it"},
		{"internal/server/a.go", own + "internal/script", ""},
		{"internal/server/a.go", "github.com/yuin/gopher-lua", "only internal/script may"},
		{"internal/server/a.go", "github.com/google/go-cmp/cmp", "only tests may"},
		{"internal/config/a.go", "gopkg.in/ini.v1", ""},
		{"internal/server/a.go", "gopkg.in/ini.v1", "only internal/config may"},
		{"internal/server/a.go", "github.com/rs/zerolog/log", "not used in this project"},
		{"cmd/monaserver/main.go", own + "internal/media", "may not depend on it"},
		{"cmd/rtmfp/main.go", own + "internal/netconn", ""},
		{"cmd/rtmfp/main.go", own + "internal/server", "may not depend on it"},
		{"internal/new/a.go", "fmt", "not in the table"},
	} {
		t.Run(tc.file+" "+tc.imported, func(t *testing.T) {
			got := strings.Join(Imports(load(t, map[string]string{tc.file: "package p\n\nimport _ \"" + tc.imported + "\"\n"})), "\n")
			if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestPassive(t *testing.T) {
	tree := load(t, map[string]string{
		"pkg/rtmfp/bad.go": `package rtmfp

import (
	"crypto/rand"
	mr "math/rand/v2"
	"net"
	"os"
	"time"
)

func f() {
	_ = time.Now()
	time.AfterFunc(time.Second, func() {})
	go f()
	_, _ = net.ListenPacket("udp", "")
	_ = os.Args
	_, _ = rand.Read(nil)
	_ = mr.Int()
	r := rand.Reader
}
`,
		"pkg/rtmfp/good.go": `package rtmfp

import (
	"crypto/rand"
	"net"
	"time"
)

func (c *Config) defaults() error {
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	c.Timeout = 2 * time.Second
	return net.ErrClosed
}
`,
		"internal/media/bad.go": "package media\n\nimport (\"os\"; \"time\")\n\nvar _, _ = time.Now(), os.Args\n",
		"pkg/rtmfp/a_test.go":   "package rtmfp\n\nimport \"time\"\n\nvar now = time.Now()\n",
		"pkg/rtmfp/udp/loop.go": "package udp\n\nimport \"time\"\n\nfunc f() { go f(); _ = time.Now() }\n",
	})
	want := []string{
		"internal/media/bad.go:5: time.Now in internal/media",
		"pkg/rtmfp/bad.go:12: time.Now in pkg/rtmfp",
		"pkg/rtmfp/bad.go:13: time.AfterFunc in pkg/rtmfp",
		"pkg/rtmfp/bad.go:14: starts a goroutine in pkg/rtmfp",
		"pkg/rtmfp/bad.go:15: net.ListenPacket in pkg/rtmfp",
		"pkg/rtmfp/bad.go:16: os.Args in pkg/rtmfp",
		"pkg/rtmfp/bad.go:17: crypto/rand.Read (only as the default of a Reader) in pkg/rtmfp",
		"pkg/rtmfp/bad.go:18: math/rand/v2.Int in pkg/rtmfp",
		"pkg/rtmfp/bad.go:19: crypto/rand.Reader (only as the default of a Reader) in pkg/rtmfp",
	}
	if diff := cmp.Diff(want, Passive(tree)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSleepsAndSizes(t *testing.T) {
	long := "package p\n" + strings.Repeat("\n", 700)
	tree := load(t, map[string]string{
		"internal/media/a_test.go":     "package media\n\nimport clock \"time\"\n\nfunc f() { clock.Sleep(1) }\n",
		"internal/media/a.go":          "package media\n\nimport \"time\"\n\nfunc f() { time.Sleep(1) }\n",
		"internal/media/b.go":          long,
		"internal/media/b_test.go":     long,
		"internal/media/c_test.go":     long + strings.Repeat("\n", 701),
		"internal/media/testdata/c.go": long,
	})
	if diff := cmp.Diff([]string{"internal/media/a_test.go:5: time.Sleep in a test"}, Sleeps(tree)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want := []string{"internal/media/b.go: 701 lines, at most 600", "internal/media/c_test.go: 1402 lines, at most 900"}
	if diff := cmp.Diff(want, Sizes(tree)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMachinePaths(t *testing.T) {
	home := "/home" + "/ada/"
	tree := load(t, map[string]string{
		"README.md":      "a\nrun " + home + "mona\n",
		"docs/b.md":      "see /srv/checkout/mona/docs\n",
		"docs/c.md":      "an URL http://example.org" + home + " is none, nor /homepage/ada/\n",
		"logs/log.0":     home + "x\n",
		".cache/x":       home + "x\n",
		".ci/run":        "cd " + home + "x\n",
		"docs/image.png": "\x00" + home + "x\n",
	})
	got := strings.Join(MachinePaths(tree, "/srv/checkout/mona"), "\n")
	want := strings.Join([]string{
		".ci/run:1: a path of one machine: " + home,
		"README.md:2: a path of one machine: " + home,
		"docs/b.md:1: the path of this repository: /srv/checkout/mona",
	}, "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
