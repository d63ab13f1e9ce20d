package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/flv"
)

// need returns the path of a program.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("%s is not installed", program)
	}
	return path
}

// encode makes a file of H.264 with B-frames and AAC, a key frame every 2 s.
func encode(t *testing.T, length time.Duration) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "source.flv")
	out, err := exec.Command(need(t, "ffmpeg"), "-loglevel", "error",
		"-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30", "-f", "lavfi", "-i", "sine=frequency=440",
		"-t", fmt.Sprint(length.Seconds()), "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "2",
		"-b:v", "340k", "-maxrate", "400k", "-bufsize", "400k", "-g", "60", "-c:a", "aac", "-b:a", "60k", file).CombinedOutput()
	if err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	return file
}

// decode makes sure that a decoder has nothing to say about a file.
func decode(t *testing.T, file string) {
	t.Helper()
	out, err := exec.Command(need(t, "ffmpeg"), "-v", "error", "-i", file, "-f", "null", "-").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("decoding %s: %v\n%s", filepath.Base(file), err, out)
	}
}

// readTags returns the audio and video of a file, and shows it while it comes.
func readTags(t *testing.T, r io.Reader, seen func(flv.Tag)) (tags []flv.Tag) {
	t.Helper()
	for in := flv.NewReader(bufio.NewReader(r), flv.Options{}); ; {
		tag, err := in.Next()
		if err == io.EOF {
			return tags
		}
		if err != nil {
			t.Errorf("after %d tags: %v", len(tags), err)
			return tags
		}
		if tag.Type == flv.Script {
			continue
		}
		tags = append(tags, tag)
		if seen != nil {
			seen(tag)
		}
	}
}

func readFile(t *testing.T, name string) []flv.Tag {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return readTags(t, bytes.NewReader(b), nil)
}

func ofType(tags []flv.Tag, typ flv.TagType) (list []flv.Tag) {
	for _, tag := range tags {
		if tag.Type == typ {
			list = append(list, tag)
		}
	}
	return list
}

// same compares audio and video tag by tag: same content in the same order, times equal up to one constant, which is
// returned.
func same(want, got []flv.Tag) (offset uint32, err error) {
	for i, typ := range []flv.TagType{flv.Audio, flv.Video} {
		w, g := ofType(want, typ), ofType(got, typ)
		for j := range min(len(w), len(g)) {
			if i+j == 0 {
				offset = g[0].Time - w[0].Time
			}
			switch {
			case !bytes.Equal(w[j].Data, g[j].Data):
				return 0, fmt.Errorf("%v tag %d of %d (%d ms) differs from tag %d of %d (%d ms)", typ, j, len(g), g[j].Time, j, len(w), w[j].Time)
			case g[j].Time != w[j].Time+offset:
				return 0, fmt.Errorf("%v tag %d: time %d for %d, the first had %d more", typ, j, g[j].Time, w[j].Time, int32(offset))
			}
		}
		if len(w) != len(g) {
			return 0, fmt.Errorf("%d %v tags of %d", len(g), typ, len(w))
		}
	}
	return offset, nil
}

// sameFromKeyFrame compares what one got who came late: the headers, then everything from a key frame on.
func sameFromKeyFrame(want, got []flv.Tag) error {
	audio, video := ofType(got, flv.Audio), ofType(got, flv.Video)
	if len(audio) < 2 || len(video) < 2 || !flv.ClassifyAudio(audio[0].Data).Header || !flv.IsVideoHeader(video[0].Data) {
		return errors.New("it does not begin with headers")
	}
	if !flv.IsKeyFrame(video[1].Data) || video[1].Time != video[0].Time || audio[1].Time < video[1].Time {
		return fmt.Errorf("it begins with a video tag %x at %d ms and audio at %d ms", video[1].Data[:2], video[1].Time, audio[1].Time)
	}
	var rest []flv.Tag
	for _, first := range []flv.Tag{audio[1], video[1]} {
		w := ofType(want, first.Type)
		i := slices.IndexFunc(w, func(tag flv.Tag) bool { return bytes.Equal(tag.Data, first.Data) })
		if i < 2 {
			return fmt.Errorf("%v begins with tag %d of the source", first.Type, i)
		}
		rest = append(rest, w[i:]...)
	}
	_, err := same(rest, slices.Concat(audio[1:], video[1:]))
	return err
}

// program is the client of this repository, and what a test does with it.
type program struct {
	*testing.T
	ctx  context.Context
	path string
}

// buildClient compiles the client and returns its path.
func buildClient(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rtmfp")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	out, err := exec.Command(need(t, "go"), "build", "-buildvcs=false", "-o", path, "github.com/monaserver/monaserver/cmd/rtmfp").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

func newProgram(t *testing.T, path string) *program {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return &program{t, ctx, path}
}

// publish runs rtmfp publish to its end.
func (p *program) publish(stdin io.Reader, args ...string) {
	p.Helper()
	cmd := exec.CommandContext(p.ctx, p.path, append([]string{"publish"}, args...)...)
	cmd.Stdin = stdin
	if out, err := cmd.CombinedOutput(); err != nil {
		p.Errorf("publish %s: %v\n%s", args, err, out)
	}
}

// player is a running rtmfp play.
type player struct {
	*program
	cmd     *exec.Cmd
	playing chan struct{}
	done    chan struct{}
	stderr  strings.Builder // after done
	tags    []flv.Tag       // after done; of one that plays to standard output
}

// play starts rtmfp play and waits until the server accepted. seen, if not nil, is shown every tag that comes to
// standard output, when file is "-".
func (p *program) play(url, file string, seen func(flv.Tag)) *player {
	p.Helper()
	pl := &player{program: p, playing: make(chan struct{}), done: make(chan struct{})}
	pl.cmd = exec.CommandContext(p.ctx, p.path, "play", "-v", url, file)
	stdout, err := pl.cmd.StdoutPipe()
	if err != nil {
		p.Fatal(err)
	}
	stderr, err := pl.cmd.StderrPipe()
	if err != nil {
		p.Fatal(err)
	}
	if err := pl.cmd.Start(); err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() {
		_ = pl.cmd.Process.Kill() // does nothing when it has ended
		<-pl.done
	})
	told := make(chan struct{})
	go func() {
		defer close(told)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			pl.stderr.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), netconn.CodePlayStart) {
				close(pl.playing)
			}
		}
	}()
	go func() {
		defer close(pl.done)
		if file == "-" {
			pl.tags = readTags(p.T, stdout, seen)
		}
		<-told
	}()
	select {
	case <-pl.playing:
	case <-pl.done:
		p.Fatalf("play %s ended:\n%s", url, &pl.stderr)
	}
	return pl
}

// wait waits until it ended by itself.
func (pl *player) wait() {
	pl.Helper()
	<-pl.done
	if err := pl.cmd.Wait(); err != nil {
		pl.Errorf("play: %v\n%s", err, &pl.stderr)
	}
}

// What ffmpeg makes goes through the publishing and the playing program and the server in between, and every audio and
// video tag arrives as it was.
func TestFiles(t *testing.T) {
	length := 20 * time.Second
	if testing.Short() {
		length = 6 * time.Second
	}
	source, client, d := encode(t, length), buildClient(t), startDaemon(t)
	want := readFile(t, source)
	t.Run("burst", func(t *testing.T) { burst(newProgram(t, client), d, source, want) })
	t.Run("real time", func(t *testing.T) { realTime(newProgram(t, client), d, source, want) })
}

// realTime is about several players on both shards, and one who comes late.
func realTime(p *program, d *testDaemon, source string, want []flv.Tag) {
	url := d.url("cam")
	middle := make(chan struct{})
	begun := false
	players := []*player{p.play(url, "-", func(tag flv.Tag) {
		if !begun && tag.Time > want[len(want)-1].Time*2/5 {
			begun = true
			close(middle)
		}
	})}
	for n := d.connected(); len(players) < 3 || n[0] == 0 || n[1] == 0; n = d.connected() {
		if len(players) == 16 {
			p.Fatalf("%v clients on the shards", n)
		}
		players = append(players, p.play(url, "-", nil))
	}
	lateFile := filepath.Join(p.TempDir(), "late.flv")
	published := make(chan struct{})
	go func() {
		defer close(published)
		p.publish(nil, "-re", url, source)
	}()
	var late *player
	select {
	case <-middle:
		late = p.play(url, lateFile, nil)
	case <-published:
		p.Error("the publisher ended before a player got half of it")
	}
	<-published
	for i, player := range players {
		player.wait()
		if offset, err := same(want, player.tags); err != nil {
			p.Errorf("player %d: %v", i, err)
		} else {
			p.Logf("player %d: %d tags, times differ by %d", i, len(player.tags), int32(offset))
		}
	}
	if late != nil {
		late.wait()
		got := readFile(p.T, lateFile)
		if err := sameFromKeyFrame(want, got); err != nil {
			p.Errorf("the late player: %v", err)
		}
		p.Logf("the late player: %d of %d tags", len(got), len(want))
		decode(p.T, lateFile)
	}
}

// burst sends a file as fast as it goes, through a pipe. That is a publication as any other: nothing is lost.
func burst(p *program, d *testDaemon, source string, want []flv.Tag) {
	url := d.url("film")
	recorded := filepath.Join(p.TempDir(), "recorded.flv")
	players := []*player{p.play(url, recorded, nil), p.play(url, "-", nil), p.play(url, "-", nil)}
	in, err := os.Open(source)
	if err != nil {
		p.Fatal(err)
	}
	defer in.Close()
	p.publish(in, url, "-")
	for i, player := range players {
		player.wait()
		got := player.tags
		if i == 0 {
			got = readFile(p.T, recorded)
		}
		if _, err := same(want, got); err != nil {
			p.Errorf("player %d: %v", i, err)
		}
	}
	decode(p.T, recorded)
}
