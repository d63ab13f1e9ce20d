package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/monaserver/monaserver/internal/config"
)

// openTestLog logs to files in a new folder and to a buffer.
func openTestLog(t *testing.T, change func(*config.Logs)) (*Log, *bytes.Buffer, string) {
	t.Helper()
	cfg := config.Logs{Level: config.LevelInfo, Format: "text", Directory: filepath.Join(t.TempDir(), "logs"), Name: "log", Rotation: 2, MaxSize: 1000}
	if change != nil {
		change(&cfg)
	}
	var stderr bytes.Buffer
	return OpenLog(cfg, &stderr, false), &stderr, cfg.Directory
}

func logEveryLevel(l *Log) {
	for level := config.LevelFatal; level <= config.LevelTrace; level++ {
		Event(&l.Logger, level).Msg("x")
	}
}

func TestLevels(t *testing.T) {
	names := []string{"FATAL", "CRITIC", "ERROR", "WARN", "NOTE", "INFO", "DEBUG", "TRACE"}
	for level := config.LevelNone; level <= config.LevelTrace; level++ {
		l, stderr, dir := openTestLog(t, func(c *config.Logs) { c.Level = level })
		logEveryLevel(l)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(stderr.String()) {
			got = append(got, strings.Fields(line)[2])
		}
		if diff := cmp.Diff(names[:level], got, cmp.Transformer("nil", func(s []string) []string { return append([]string{}, s...) })); diff != "" {
			t.Errorf("level %v (-want +got):\n%s", level, diff)
		}
		file, err := os.ReadFile(filepath.Join(dir, "log.0"))
		if err != nil || string(file) != stderr.String() {
			t.Errorf("level %v: the file has %q (%v), standard error %q", level, file, err, stderr)
		}
	}
}

func TestZerologMethodsAreLabelled(t *testing.T) {
	l, stderr, _ := openTestLog(t, func(c *config.Logs) { c.Level = config.LevelTrace })
	l.Logger.Info().Msg("a")
	l.Logger.Error().Err(errors.New("no such thing")).Int("port", 7).Msg("b")
	Note(&l.Logger).Msg("c")
	Critic(&l.Logger).Msg("d")
	l.Logger.Log().Msg("e")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(stderr.String()) {
		got = append(got, strings.TrimSpace(line[len(textTime)+1:]))
	}
	want := []string{"INFO   a", `ERROR  b error="no such thing" port=7`, "NOTE   c", "CRITIC d", "???    e"}
	want[4] = got[4] // lines without level are nobody's
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestJSON(t *testing.T) {
	l, stderr, dir := openTestLog(t, func(c *config.Logs) { c.Format = "json" })
	Note(&l.Logger).Str("app", "/live").Msg("two\nlines")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(dir, "log.0"))
	if err != nil || string(file) != stderr.String() {
		t.Errorf("file %q (%v), standard error %q", file, err, stderr)
	}
	var line map[string]string
	if err := json.Unmarshal(file, &line); err != nil {
		t.Fatal(err)
	}
	if line["level"] != "NOTE" || line["app"] != "/live" || line["message"] != "two\nlines" || line["time"] == "" {
		t.Errorf("line %v", line)
	}
}

func TestTextCannotBeForged(t *testing.T) {
	l, stderr, _ := openTestLog(t, nil)
	l.Logger.Info().Str("name", "a\nb\x1b[2J").Msg("x\n2026-01-01 00:00:00.000 ERROR fake\x1b[2J\n")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(stderr.String(), "\n"), "\n")
	if len(lines) != 2 || !strings.HasPrefix(lines[1], "    2026") || strings.Contains(stderr.String(), "\x1b") {
		t.Errorf("%q", lines)
	}
}

func TestRotation(t *testing.T) {
	const size = 100
	for _, tc := range []struct {
		rotation int
		maxSize  int64
		lines    int
		want     map[string]int // file → lines of 40 bytes
	}{
		{2, size, 1, map[string]int{"log.0": 1}},
		{2, size, 5, map[string]int{"log.0": 1, "log.1": 2, "log.2": 2}},
		{2, size, 20, map[string]int{"log.0": 2, "log.1": 2, "log.2": 2}},
		{1, size, 20, map[string]int{"log.0": 2, "log.1": 2}},
		{0, size, 20, map[string]int{"log": 20}},
		{2, 0, 20, map[string]int{"log.0": 20}},
		{2, 10, 3, map[string]int{"log.0": 1, "log.1": 1, "log.2": 1}},
	} {
		t.Run(fmt.Sprintf("rotation=%d,maxSize=%d,lines=%d", tc.rotation, tc.maxSize, tc.lines), func(t *testing.T) {
			dir := t.TempDir()
			for range tc.lines { // opened again each time: a restart goes on where the last run stopped
				r, err := openRotating(dir, "log", tc.rotation, tc.maxSize)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := r.Write([]byte(strings.Repeat("x", 39) + "\n")); err != nil {
					t.Fatal(err)
				}
				if err := r.Close(); err != nil {
					t.Fatal(err)
				}
			}
			got := map[string]int{}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				text, err := os.ReadFile(filepath.Join(dir, e.Name()))
				if err != nil {
					t.Fatal(err)
				}
				got[e.Name()] = strings.Count(string(text), "\n")
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNoLogFolder(t *testing.T) {
	blocker := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocker, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	l, stderr, _ := openTestLog(t, func(c *config.Logs) { c.Directory = filepath.Join(blocker, "logs") })
	l.Logger.Info().Msg("still here")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if s := stderr.String(); !strings.Contains(s, "logs.directory") || !strings.Contains(s, "still here") {
		t.Errorf("standard error: %s", s)
	}
}

// gate is an output that takes nothing until it is opened.
type gate struct {
	open chan struct{}
	b    bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	return g.b.Write(p)
}

func TestSlowOutputNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		q := newLogQueue([]io.Writer{g}, 4, 1<<20)
		line := func(i int) []byte { return fmt.Appendf(nil, `{"level":"INFO","message":"%d"}`+"\n", i) }
		_, _ = q.Write(line(0))
		synctest.Wait() // the writer has taken it and hangs
		for i := 1; i <= 10; i++ {
			_, _ = q.Write(line(i))
		}
		if got := q.missed.Load(); got != 6 {
			t.Errorf("missed %d, want 6", got)
		}
		close(g.open)
		if err := q.close(closeTimeout); err != nil {
			t.Fatal(err)
		}
		text := g.b.String()
		if strings.Count(text, "\n") != 6 || !strings.Contains(text, "missed 6 messages") || !strings.Contains(text, `"4"`) {
			t.Errorf("log:\n%s", text)
		}
		_, _ = q.Write(line(11)) // after the end: dropped, no panic
	})
}

func TestQueueIsBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		q := newLogQueue([]io.Writer{g}, 1000, 100)
		for range 10 {
			_, _ = q.Write(bytes.Repeat([]byte("x"), 30))
			synctest.Wait()
		}
		if got := q.missed.Load(); got != 6 { // one is being written, three wait
			t.Errorf("missed %d, want 6", got)
		}
		close(g.open)
		if err := q.close(closeTimeout); err != nil {
			t.Fatal(err)
		}
	})
}

func TestCloseDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		q := newLogQueue([]io.Writer{g}, 4, 1<<20)
		_, _ = q.Write([]byte("{}\n"))
		if err := q.close(closeTimeout); !errors.Is(err, errLogStuck) {
			t.Errorf("close = %v", err)
		}
		close(g.open)
	})
}

// failing is an output that fails while full is set.
type failing struct {
	full bool
	b    bytes.Buffer
}

func (f *failing) Write(p []byte) (int, error) {
	if f.full {
		return 0, errors.New("disk full")
	}
	return f.b.Write(p)
}

func (f *failing) Close() error { return nil }

func TestFailingFileIsReportedOnce(t *testing.T) {
	var stderr bytes.Buffer
	f := &failing{full: true}
	r := &reportOnce{w: f, closer: f, to: &stderr}
	for range 3 {
		_, _ = r.Write([]byte("a\n"))
	}
	f.full = false
	_, _ = r.Write([]byte("b\n"))
	f.full = true
	_, _ = r.Write([]byte("c\n"))
	if got := strings.Count(stderr.String(), "disk full"); got != 2 {
		t.Errorf("reported %d times, want 2:\n%s", got, &stderr)
	}
}
