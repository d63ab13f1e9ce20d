package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/config"
	"github.com/monaserver/monaserver/internal/server"
	"github.com/monaserver/monaserver/pkg/flv"
)

// patience bounds what a test waits for that should happen soon.
const patience = 30 * time.Second

// startServer starts a server on the loopback interface and returns the URL of its application live.
func startServer(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "www", "live"), 0o755); err != nil {
		t.Fatal(err)
	}
	free, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	addr := free.LocalAddr().(*net.UDPAddr).AddrPort()
	_ = free.Close()
	ini := fmt.Sprintf("threads = 1\n[RTMFP]\nhost = %s\nport = %d\n", addr.Addr(), addr.Port())
	file := filepath.Join(dir, config.FileName)
	if err := os.WriteFile(file, []byte(ini), 0o644); err != nil {
		t.Fatal(err)
	}
	args, err := config.ParseArgs([]string{"monaserver", "--config=" + file})
	if err != nil {
		t.Fatal(err)
	}
	env, err := config.SystemEnv()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(args, env)
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(cfg, zerolog.Nop(), server.Parts()...)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown = %v", err)
		}
	})
	return fmt.Sprintf("rtmfp://%s/live", addr)
}

// start runs the program in the background; the exit code comes on the channel.
func (r *rig) start(args ...string) <-chan int {
	code := make(chan int, 1)
	go func() { code <- r.run(args...) }()
	return code
}

// ends waits for the end of a program.
func (r *rig) ends(t *testing.T, what string, code <-chan int) {
	t.Helper()
	select {
	case c := <-code:
		if c != exitOK {
			t.Fatalf("%s: exit code %d\n%s", what, c, r.stderr.String())
		}
	case <-time.After(patience):
		t.Fatalf("%s does not end\n%s", what, r.stderr.String())
	}
}

// awaitText waits until the program has written what pattern matches, and returns its first group.
func (r *rig) awaitText(t *testing.T, pattern string) string {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for limit := time.After(patience); ; {
		if m := regexp.MustCompile(pattern).FindStringSubmatch(r.stdout.String()); m != nil {
			return m[len(m)-1]
		}
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("no %s\n%s\n%s", pattern, r.stdout.String(), r.stderr.String())
		}
	}
}

// A peer publishes a file, and another one plays it: the server introduces them, and all of it arrives.
func TestPeerMedia(t *testing.T) {
	url := startServer(t)
	tags := []flv.Tag{
		{Type: flv.Script, Data: []byte("\x02\x00\x0aonMetaData\x08\x00\x00\x00\x01\x00\x05width\x00\x40\x84\x00\x00\x00\x00\x00\x00\x00\x00\x09")},
		{Type: flv.Video, Data: []byte("\x17\x00\x00\x00\x00\x01\x64\x00\x15")},
		{Type: flv.Audio, Data: []byte("\xaf\x00\x12\x10")},
	}
	for i := range uint32(100) {
		kind := byte(0x27)
		if i%50 == 0 {
			kind = 0x17
		}
		picture := append([]byte{kind, 1, 0, 0, 0}, bytes.Repeat([]byte{byte(i)}, int(1+i*37%4000))...) // up to several packets
		tags = append(tags,
			flv.Tag{Type: flv.Video, Time: 40 * i, Data: picture},
			flv.Tag{Type: flv.Audio, Time: 40*i + 7, Data: []byte{0xaf, 1, byte(i)}})
	}
	in, _ := flvFile(t, tags...)
	publisher, player := newRig(), newRig()
	published := publisher.start("peer", "-publish", in, "-name", "cam", url)
	id := publisher.awaitText(t, `peer id: ([0-9a-f]{64})\n`)
	out := filepath.Join(t.TempDir(), "out.flv")
	played := player.start("peer", "-play", "cam", url, id, out)
	publisher.ends(t, "publisher", published)
	player.ends(t, "player", played)

	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	// Sound, pictures and data come on flows of their own: each kind is in order.
	for _, kind := range []flv.TagType{flv.Script, flv.Video, flv.Audio} {
		want, got := ofType(tags, kind), ofType(readTags(t, text), kind)
		got = slices.DeleteFunc(got, func(tag flv.Tag) bool { return bytes.Contains(tag.Data, []byte("|RtmpSampleAccess")) })
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%v: (-sent +received)\n%s", kind, d)
		}
	}
}

// A name that the peer does not publish is refused, and one that is no peer is not found.
func TestPeerRefuses(t *testing.T) {
	url := startServer(t)
	in, _ := flvFile(t, tagsAt(0, 40)...)
	publisher := newRig()
	ctx, cancel := context.WithCancel(t.Context())
	publisher.ctx = ctx
	published := publisher.start("peer", "-publish", in, "-name", "cam", url)
	id := publisher.awaitText(t, `peer id: ([0-9a-f]{64})\n`)
	for _, args := range [][]string{
		{"peer", "-play", "other", url, id, "-"},
		{"peer", "-timeout", "500ms", "-play", "cam", url, strings.Repeat("0", 64), "-"},
	} {
		r := newRig()
		select {
		case code := <-r.start(args...):
			if code == exitOK || r.stderr.String() == "" {
				t.Errorf("%v: exit code %d, %q", args, code, r.stderr.String())
			}
		case <-time.After(patience):
			t.Fatalf("%v does not end", args)
		}
	}
	cancel()
	publisher.ends(t, "publisher", published)
}

// Lines go both ways between two peers.
func TestPeerLines(t *testing.T) {
	url := startServer(t)
	listener, caller := newRig(), newRig()
	in, lines := io.Pipe()
	listener.stdin, caller.stdin = strings.NewReader("hello caller\n"), in
	listened := listener.start("peer", "-once", url)
	id := listener.awaitText(t, `peer id: ([0-9a-f]{64})\n`)
	called := caller.start("peer", url, id)
	caller.awaitText(t, `hello caller\n`)
	fmt.Fprint(lines, "hello listener\nbye\n")
	_ = lines.Close()
	caller.ends(t, "caller", called)
	listener.ends(t, "listener", listened)
	if got := listener.stdout.String(); !strings.HasSuffix(got, "\nhello listener\nbye\n") {
		t.Errorf("listener: %q", got)
	}
}

func readTags(t *testing.T, file []byte) (tags []flv.Tag) {
	t.Helper()
	r := flv.NewReader(bytes.NewReader(file), flv.Options{})
	for {
		tag, err := r.Next()
		if err != nil {
			return tags
		}
		tags = append(tags, tag)
	}
}

func ofType(tags []flv.Tag, kind flv.TagType) (list []flv.Tag) {
	for _, tag := range tags {
		if tag.Type == kind {
			list = append(list, tag)
		}
	}
	return list
}
