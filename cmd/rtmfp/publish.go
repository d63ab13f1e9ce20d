package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/monaserver/monaserver/pkg/flv"
)

var publishCommand = &command{
	name:  "publish",
	args:  "URL FILE",
	short: "publish an FLV file, or standard input",
	long: `Publishes FILE, an FLV file, or standard input if FILE is -. Without -re the file is sent as fast as it
goes; a live input has its own pace.
`,
	prepare: preparePublish,
}

type publishOptions struct {
	realTime bool
	kind     string
}

func preparePublish(c *call) func(context.Context, []string) error {
	o := publishOptions{kind: "live"}
	c.fs.BoolVar(&o.realTime, "re", false, "send in real time, by the timestamps of the file")
	c.fs.BoolVar(&c.quiet, "q", false, "no progress line")
	c.fs.StringVar(&o.kind, "type", o.kind, "`kind` of publication: live, record or append")
	return func(ctx context.Context, args []string) error {
		if err := c.expect(args, 2, 2); err != nil {
			return err
		}
		if !slices.Contains([]string{"live", "record", "append"}, o.kind) {
			return usagef("invalid -type %q", o.kind)
		}
		t, err := parseStreamTarget(args[0])
		if err != nil {
			return err
		}
		return c.publish(ctx, t, args[1], o)
	}
}

func (c *call) publish(ctx context.Context, t target, file string, o publishOptions) error {
	in, closeInput, err := c.openInput(file)
	if err != nil {
		return err
	}
	defer closeInput()
	tags := flv.NewReader(in, flv.Options{Reuse: true})
	if file != "-" { // where reading may wait for a program that starts slowly
		if _, err := tags.Header(); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	conn, err := c.connect(ctx, t)
	if err != nil {
		return err
	}
	defer c.close(ctx, conn)
	s, err := within(ctx, c.timeout, func(ctx context.Context) (stream, error) {
		return conn.Publish(ctx, t.Stream, o.kind)
	})
	if err != nil {
		return fmt.Errorf("publish %s: %w", t.Stream, err)
	}
	p, stop := c.startProgress(ctx, conn)
	err = c.sendTags(ctx, tags, s, o, p)
	stop()
	var cut *flv.TruncatedError
	switch {
	case errors.As(err, &cut):
		c.logf("rtmfp: %s: %v", file, cut)
	case err != nil && ctx.Err() == nil:
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.timeout)
	defer cancel()
	if err := s.Finish(ctx); err != nil {
		return fmt.Errorf("finish %s: %w", t.Stream, err)
	}
	return nil
}

// sendTags sends all tags.
func (c *call) sendTags(ctx context.Context, tags *flv.Reader, s stream, o publishOptions, p *progress) error {
	pace := pacer{clock: c.clock}
	for {
		tag, err := nextTag(ctx, tags)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		media := tag.Type == flv.Audio || tag.Type == flv.Video
		if !media && tag.Type != flv.Script || tag.Encrypted {
			continue
		}
		if media && o.realTime { // scripts often have timestamp 0 wherever they are
			if err := pace.wait(ctx, tag.Time); err != nil {
				return err
			}
		}
		if err := s.Write(ctx, tag); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		if media {
			p.add(tag.Time, len(tag.Data))
		}
	}
}

// nextTag is tags.Next, given up when ctx is done: a read from a pipe may wait for ever.
func nextTag(ctx context.Context, tags *flv.Reader) (flv.Tag, error) {
	if err := ctx.Err(); err != nil {
		return flv.Tag{}, err
	}
	type result struct {
		tag flv.Tag
		err error
	}
	done := make(chan result, 1)
	go func() {
		tag, err := tags.Next()
		done <- result{tag, err}
	}()
	select {
	case r := <-done:
		return r.tag, r.err
	case <-ctx.Done():
		return flv.Tag{}, ctx.Err()
	}
}
