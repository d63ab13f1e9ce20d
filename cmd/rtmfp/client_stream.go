package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/flv"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

const (
	// maxQueued is how much a publisher leaves in the send queues before it waits, in bytes.
	maxQueued = 512 << 10
	// maxReceived is how far the output of a player may be behind, in bytes.
	maxReceived = 64 << 20
	// tailQuiet is how long nothing must arrive after a publisher stopped: servers that do not
	// synchronize their flows announce the end before the last frames.
	tailQuiet = 250 * time.Millisecond
)

// clientStream is a stream of a client.
type clientStream struct {
	c *client

	// Owned by the shard's goroutine.
	ns      *netconn.ClientStream
	answer  func(netconn.Info)
	follow  bool
	written uint64

	mu     sync.Mutex
	tags   []flv.Tag
	bytes  int
	err    error
	ending time.Time     // when the end was announced or something arrived after that; zero = not yet
	more   chan struct{} // has an element after something changed
}

func newClientStream(c *client) *clientStream {
	return &clientStream{c: c, more: make(chan struct{}, 1)}
}

func (s *clientStream) changed() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

func (s *clientStream) fail(err error) {
	s.mu.Lock()
	if s.err == nil {
		if s.err = err; err == nil {
			s.err = io.EOF
		}
	}
	s.mu.Unlock()
	s.changed()
}

// status handles a status of the stream.
func (s *clientStream) status(_ rtmfp.Time, info netconn.Info) {
	s.c.logf("stream status: %s %s", info.Code, info.Description)
	s.answer(info)
	switch {
	case info.Level == "error":
		s.fail(&refusedError{info.Code, info.Description})
	case info.Code == netconn.CodePlayUnpublishNotify && !s.follow:
		s.mu.Lock()
		s.ending = time.Now()
		s.mu.Unlock()
		s.changed()
	}
}

// frame keeps what arrives for Read.
func (s *clientStream) frame(_ rtmfp.Time, kind media.Kind, ts uint32, body *rtmfp.Buffer) {
	tag := flv.Tag{Type: flv.TagType(kind), Time: ts, Data: append([]byte(nil), body.Bytes()...)}
	s.mu.Lock()
	if s.bytes+len(tag.Data) > maxReceived && s.err == nil {
		s.err = fmt.Errorf("the output is too slow: %d MB wait for it", maxReceived>>20)
	}
	if s.err == nil {
		s.tags = append(s.tags, tag)
		s.bytes += len(tag.Data)
		if !s.ending.IsZero() {
			s.ending = time.Now()
		}
	}
	s.mu.Unlock()
	s.changed()
}

func (s *clientStream) Read(ctx context.Context) (flv.Tag, error) {
	for {
		tag, wait, err := s.next()
		if wait == 0 {
			return tag, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-s.more:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return flv.Tag{}, ctx.Err()
		}
		timer.Stop()
	}
}

// next returns a tag or the end; if there is neither, how long to wait at most.
func (s *clientStream) next() (tag flv.Tag, wait time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.tags) > 0:
		tag = s.tags[0]
		s.tags[0] = flv.Tag{}
		s.tags = s.tags[1:]
		s.bytes -= len(tag.Data)
		return tag, 0, nil
	case s.err != nil:
		return tag, 0, s.err
	case s.ending.IsZero():
		return tag, time.Hour, nil
	}
	if wait = tailQuiet - time.Since(s.ending); wait <= 0 {
		return tag, 0, io.EOF
	}
	return tag, wait, nil
}

func (s *clientStream) Write(ctx context.Context, t flv.Tag) error {
	body := rtmfp.CopyBuffer(t.Data)
	_, err := await(ctx, s.c, func(now rtmfp.Time, done func(struct{}, error)) {
		s.mu.Lock()
		err := s.err
		s.mu.Unlock()
		if err != nil {
			body.Release()
			done(struct{}{}, err)
			return
		}
		if err := s.write(now, t, body); err != nil {
			done(struct{}{}, err)
			return
		}
		if s.ns.Queued() <= maxQueued {
			done(struct{}{}, nil)
			return
		}
		s.ns.NotifyBelow(now, maxQueued/2, func(rtmfp.Time) { done(struct{}{}, nil) })
	})
	return err
}

func (s *clientStream) write(now rtmfp.Time, t flv.Tag, body *rtmfp.Buffer) error {
	s.written++
	if t.Type != flv.Script {
		return s.ns.WriteFrame(now, media.Kind(t.Type), t.Time, body, media.WriteOptions{})
	}
	if isMetadata(t.Data) {
		defer body.Release()
		return s.ns.SetMetadata(now, body)
	}
	return s.ns.WriteData(now, t.Time, body)
}

func (s *clientStream) Finish(ctx context.Context) error {
	_, err := await(ctx, s.c, func(now rtmfp.Time, done func(struct{}, error)) {
		s.ns.Finish(now, func(rtmfp.Time) { done(struct{}{}, nil) })
	})
	return err
}

// isMetadata reports whether a script tag sets metadata.
func isMetadata(script []byte) bool {
	name, err := amf.NewReader(script, amf.Limits{}).ReadString()
	return err == nil && name == "onMetaData"
}
