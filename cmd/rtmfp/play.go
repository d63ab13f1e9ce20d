package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/monaserver/monaserver/pkg/flv"
)

var playCommand = &command{
	name:  "play",
	args:  "URL FILE",
	short: "play to an FLV file, or standard output",
	long: `Plays to FILE as FLV, or to standard output if FILE is -. It waits for a publisher if there is none and
ends when the publisher stops.
`,
	prepare: preparePlay,
}

type playOptions struct {
	duration time.Duration
	follow   bool
}

func preparePlay(c *call) func(context.Context, []string) error {
	var o playOptions
	c.fs.DurationVar(&o.duration, "t", 0, "stop after this `time` of media (default: play to the end)")
	c.fs.BoolVar(&o.follow, "follow", false, "go on with the next publisher when one stops")
	c.fs.BoolVar(&c.quiet, "q", false, "no progress line")
	return func(ctx context.Context, args []string) error {
		if err := c.expect(args, 2, 2); err != nil {
			return err
		}
		if o.duration < 0 {
			return usagef("invalid -t %v", o.duration)
		}
		t, err := parseStreamTarget(args[0])
		if err != nil {
			return err
		}
		if args[1] == "-" && c.terminal(c.stdout) {
			return usagef("standard output is a terminal")
		}
		return c.play(ctx, t, args[1], o)
	}
}

func (c *call) play(ctx context.Context, t target, file string, o playOptions) (err error) {
	conn, err := c.connect(ctx, t)
	if err != nil {
		return err
	}
	defer c.close(ctx, conn)
	s, err := within(ctx, c.timeout, func(ctx context.Context) (stream, error) {
		return conn.Play(ctx, t.Stream, o.follow)
	})
	if err != nil {
		return fmt.Errorf("play %s: %w", t.Stream, err)
	}
	// Only now: a refusal leaves an old file alone.
	out, closeOutput, err := c.createOutput(file)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := closeOutput(); err == nil && closeErr != nil {
			err = closeErr
		}
	}()
	w := flv.NewWriter(out, flv.Header{Audio: true, Video: true})
	p, stop := c.startProgress(ctx, conn)
	err = receiveTags(ctx, s, w, o, p)
	stop()
	if err != nil && ctx.Err() == nil {
		return err
	}
	return w.Flush()
}

// receiveTags writes what arrives until the stream ends in order.
func receiveTags(ctx context.Context, s stream, w *flv.Writer, o playOptions, p *progress) error {
	var first uint32
	begun := false
	for {
		tag, err := s.Read(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		if tag.Type != flv.Script {
			if !begun {
				begun, first = true, tag.Time
			}
			if o.duration > 0 && since(tag.Time, first) >= o.duration {
				return nil
			}
			p.add(tag.Time, len(tag.Data))
		}
		if err := w.WriteTag(tag); err != nil {
			return err
		}
	}
}

// within runs f with a timeout.
func within[T any](ctx context.Context, d time.Duration, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return f(ctx)
}
