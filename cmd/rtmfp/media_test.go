package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/monaserver/monaserver/pkg/flv"
)

const streamURL = "rtmfp://host/app/cam?k=v"

func TestPublish(t *testing.T) {
	tags := append([]flv.Tag{{Type: flv.Script, Data: []byte{2, 0, 0}}}, tagsAt(0, 40)...)
	extra := append(tags[:len(tags):len(tags)],
		flv.Tag{Type: 15, Data: []byte{1}}, flv.Tag{Type: flv.Audio, Encrypted: true, Data: []byte{1}}) // not sent
	in, content := flvFile(t, extra...)
	for _, file := range []string{in, "-"} {
		r := newRig()
		r.stdin = strings.NewReader(string(content))
		if code := r.run("publish", "-type", "record", streamURL, file); code != exitOK {
			t.Fatal(code, r.stderr.String())
		}
		if d := cmp.Diff(tags, r.conn.stream.got); d != "" {
			t.Error(d)
		}
		if r.conn.name != "cam" || r.conn.kind != "record" || !r.conn.stream.finished || !r.conn.closed {
			t.Error(r.conn)
		}
		if r.stdout.String() != "" || r.stderr.String() != "" {
			t.Error(r.stdout.String(), r.stderr.String())
		}
	}
}

func TestPublishRealTime(t *testing.T) {
	in, _ := flvFile(t, tagsAt(1000, 1040, 1500, 3000)...)
	synctest.Test(t, func(t *testing.T) {
		r := newRig()
		r.terminals = []any{&r.stderr}
		r.conn.statsNow = stats{RTT: time.Millisecond, Sent: 100, Lost: 1}
		start := time.Now()
		if code := r.run("publish", "-re", streamURL, in); code != exitOK {
			t.Fatal(code, r.stderr.String())
		}
		for i, want := range ms(0, 40, 500, 2000) {
			if got := r.conn.stream.at[i].Sub(start); got != want {
				t.Errorf("tag %d at %v, want %v", i, got, want)
			}
		}
		lines := strings.Split(r.stderr.String(), "\r")
		if len(lines) < 4 || !strings.HasPrefix(lines[len(lines)-1], "00:00:02.0  ") || !strings.HasSuffix(lines[len(lines)-1], "\n") {
			t.Errorf("%q", lines)
		}
		if !strings.Contains(lines[1], "loss 1.0%  rtt 1.0 ms") {
			t.Errorf("%q", lines[1])
		}
	})
}

func TestQuiet(t *testing.T) {
	in, _ := flvFile(t, tagsAt(0)...)
	r := newRig()
	r.terminals = []any{&r.stderr}
	if code := r.run("publish", "-q", streamURL, in); code != exitOK || r.stderr.String() != "" {
		t.Error(code, r.stderr.String())
	}
}

// A file cut off is published as far as it goes.
func TestPublishTruncated(t *testing.T) {
	in, content := flvFile(t, tagsAt(0, 40)...)
	if err := os.WriteFile(in, content[:len(content)-6], 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRig()
	if code := r.run("publish", streamURL, in); code != exitOK || !r.conn.stream.finished {
		t.Error(code)
	}
	if len(r.conn.stream.got) != 1 || !strings.Contains(r.stderr.String(), "14 bytes left over") {
		t.Error(len(r.conn.stream.got), r.stderr.String())
	}
}

func TestPublishLost(t *testing.T) {
	in, _ := flvFile(t, tagsAt(0, 40)...)
	for _, err := range []error{io.EOF, errors.New("gone")} {
		r := newRig()
		r.conn.stream.writeErr = err
		if code := r.run("publish", streamURL, in); code != exitFailure || r.conn.stream.finished || !r.conn.closed {
			t.Error(code, r.stderr.String())
		}
	}
}

// An interrupted publisher ends in order, also while it waits for its input.
func TestPublishInterrupted(t *testing.T) {
	_, content := flvFile(t, tagsAt(0)...)
	pr, pw := io.Pipe()
	defer pw.Close()
	ctx, cancel := context.WithCancel(t.Context())
	r := newRig()
	r.ctx, r.stdin = ctx, pr
	go func() {
		_, _ = pw.Write(content)
		cancel()
	}()
	if code := r.run("publish", streamURL, "-"); code != exitOK || !r.conn.stream.finished || !r.conn.closed {
		t.Error(code, r.stderr.String())
	}
}

func TestPlay(t *testing.T) {
	tags := append(tagsAt(0, 40), flv.Tag{Type: flv.Script, Time: 40, Data: []byte{2, 0, 0}})
	_, content := flvFile(t, tags...)
	r := newRig()
	r.conn.stream.give, r.conn.stream.giveErr = tags, io.EOF
	out := t.TempDir() + "/out.flv"
	if code := r.run("play", "-follow", streamURL, out); code != exitOK {
		t.Fatal(code, r.stderr.String())
	}
	got, err := os.ReadFile(out)
	if err != nil || string(got) != string(content) {
		t.Errorf("%x, %v", got, err)
	}
	if r.conn.name != "cam" || !r.conn.follow || !r.conn.closed {
		t.Error(r.conn)
	}
	r = newRig()
	r.conn.stream.give, r.conn.stream.giveErr = tags, io.EOF
	if code := r.run("play", streamURL, "-"); code != exitOK || r.stdout.String() != string(content) || r.conn.follow {
		t.Error(code, r.stdout.String())
	}
}

func TestPlayDuration(t *testing.T) {
	r := newRig()
	r.conn.stream.give = tagsAt(500, 1000, 1499, 1500)
	if code := r.run("play", "-t", "1s", streamURL, "-"); code != exitOK {
		t.Fatal(code, r.stderr.String())
	}
	_, content := flvFile(t, tagsAt(500, 1000, 1499)...)
	if r.stdout.String() != string(content) {
		t.Errorf("%x", r.stdout.String())
	}
}

func TestPlayErrors(t *testing.T) {
	r := newRig()
	r.terminals = []any{&r.stdout}
	if code := r.run("play", streamURL, "-"); code != exitUsage {
		t.Error(code)
	}
	// A refusal leaves the file that is there alone.
	out, content := flvFile(t, tagsAt(0)...)
	r = newRig()
	r.conn.err = &refusedError{Code: "NetStream.Play.Failed"}
	if code := r.run("play", streamURL, out); code != exitRefused {
		t.Error(code)
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != string(content) {
		t.Errorf("%x, %v", got, err)
	}
	r = newRig()
	r.conn.stream.giveErr = errors.New("gone")
	if code := r.run("play", streamURL, "-"); code != exitFailure || !strings.Contains(r.stderr.String(), "receive: gone") {
		t.Error(code, r.stderr.String())
	}
	// Interrupted before anything came: an empty file, but an FLV file.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r = newRig()
	r.ctx = ctx
	if code := r.run("play", streamURL, "-"); code != exitOK || !strings.HasPrefix(r.stdout.String(), "FLV") {
		t.Error(code, r.stdout.String())
	}
}
