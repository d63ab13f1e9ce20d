package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/flv"
)

// fakeConn is a conn without network.
type fakeConn struct {
	target   target
	options  dialOptions
	fields   []amf.Member
	results  []amf.Value
	callErr  error
	called   []amf.Value
	method   string
	err      error // of Publish, Play and Err
	stream   *fakeStream
	name     string
	kind     string
	follow   bool
	done     chan struct{}
	closed   bool
	statsNow stats
}

func (c *fakeConn) Call(ctx context.Context, name string, args []amf.Value) ([]amf.Value, error) {
	c.method, c.called = name, args
	return c.results, c.callErr
}

func (c *fakeConn) Publish(ctx context.Context, name, kind string) (stream, error) {
	c.name, c.kind = name, kind
	return c.stream, c.err
}

func (c *fakeConn) Play(ctx context.Context, name string, follow bool) (stream, error) {
	c.name, c.follow = name, follow
	return c.stream, c.err
}

func (c *fakeConn) Info() connInfo {
	return connInfo{Address: "192.0.2.1:1935", NearID: "near", FarID: "far", ObjectEncoding: c.options.Encoding, Fields: c.fields}
}
func (c *fakeConn) Stats() stats                { return c.statsNow }
func (c *fakeConn) Done() <-chan struct{}       { return c.done }
func (c *fakeConn) Err() error                  { return c.err }
func (c *fakeConn) Close(context.Context) error { c.closed = true; return nil }

// fakeStream gives tags and keeps those it is given, with the time they came.
type fakeStream struct {
	give     []flv.Tag
	giveErr  error // after them; nil = wait
	got      []flv.Tag
	at       []time.Time
	writeErr error
	finished bool
}

func (s *fakeStream) Write(ctx context.Context, t flv.Tag) error {
	t.Data = bytes.Clone(t.Data)
	s.got = append(s.got, t)
	s.at = append(s.at, time.Now())
	return s.writeErr
}

func (s *fakeStream) Read(ctx context.Context) (flv.Tag, error) {
	if len(s.give) > 0 {
		t := s.give[0]
		s.give = s.give[1:]
		return t, nil
	}
	if s.giveErr == nil {
		<-ctx.Done()
		return flv.Tag{}, ctx.Err()
	}
	return flv.Tag{}, s.giveErr
}

func (s *fakeStream) Finish(context.Context) error { s.finished = true; return nil }

// rig runs the program on a fakeConn.
type rig struct {
	conn           *fakeConn
	dialErr        error
	stdin          io.Reader
	stdout, stderr lockedBuffer
	terminals      []any // &stdout, &stderr
	ctx            context.Context
}

func newRig() *rig {
	return &rig{
		conn:  &fakeConn{stream: &fakeStream{}, done: make(chan struct{})},
		stdin: strings.NewReader(""),
		ctx:   context.Background(),
	}
}

func (r *rig) run(args ...string) int {
	return run(r.ctx, &env{
		stdin: r.stdin, stdout: &r.stdout, stderr: &r.stderr,
		clock: systemClock{},
		dial: func(ctx context.Context, t target, o dialOptions) (conn, error) {
			if r.dialErr != nil {
				return nil, r.dialErr
			}
			r.conn.target, r.conn.options = t, o
			return r.conn, nil
		},
		terminal: func(stream any) bool {
			for _, t := range r.terminals {
				if t == stream {
					return true
				}
			}
			return false
		},
	}, args)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// flvFile writes tags as a file and returns its name and content.
func flvFile(t *testing.T, tags ...flv.Tag) (string, []byte) {
	t.Helper()
	b := flv.AppendHeader(nil, flv.Header{Audio: true, Video: true})
	for _, tag := range tags {
		b = flv.AppendTag(b, tag)
	}
	name := t.TempDir() + "/in.flv"
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name, b
}

func tagsAt(times ...uint32) (tags []flv.Tag) {
	for _, ts := range times {
		tags = append(tags, flv.Tag{Type: flv.Video, Time: ts, Data: []byte{0x17, 1, 0, 0, 0}})
	}
	return tags
}
