package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/monaserver/monaserver/pkg/flv"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// playPeer plays a stream of a peer to a file.
func (c *call) playPeer(ctx context.Context, t target, id rtmfp.PeerID, file string, o peerOptions) (err error) {
	if file == "-" && c.terminal(c.stdout) {
		return usagef("standard output is a terminal")
	}
	m := newMeeting(id, false)
	n, err := c.node(ctx, t, nodeEvents{
		met:    func(_ rtmfp.Time, l *peerLink) { m.opened(l) },
		parted: func(_ rtmfp.Time, l *peerLink, err error) { m.ended(l, err) },
	})
	if err != nil {
		return err
	}
	defer c.close(ctx, n)
	l, err := c.dialPeer(ctx, n, m)
	if err != nil {
		return err
	}
	s, err := await(ctx, n.client, func(now rtmfp.Time, done func(*peerPlay, error)) { done(l.play(now, o.play)) })
	if err != nil {
		return err
	}
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
	p, stop := c.startProgress(ctx, n)
	err = receiveTags(ctx, s, w, playOptions{}, p)
	stop()
	if err != nil && ctx.Err() == nil {
		return err
	}
	return w.Flush()
}

// publishPeer publishes a file to the peers that play it.
func (c *call) publishPeer(ctx context.Context, t target, o peerOptions) error {
	in, closeInput, err := c.openInput(o.publish)
	if err != nil {
		return err
	}
	defer closeInput()
	tags := flv.NewReader(in, flv.Options{Reuse: true})
	if o.publish != "-" {
		if _, err := tags.Header(); err != nil {
			return fmt.Errorf("%s: %w", o.publish, err)
		}
	}
	pub := newPeerPublication(o.name)
	n, err := c.node(ctx, t, nodeEvents{play: pub.play, ready: pub.ready})
	if err != nil {
		return err
	}
	pub.node = n
	defer c.close(ctx, n)
	fmt.Fprintf(c.stdout, "peer id: %s\n", n.Info().NearID)
	select {
	case <-pub.began:
	case <-n.Done():
		return lost(n.Err())
	case <-ctx.Done():
		return nil
	}
	p, stop := c.startProgress(ctx, n)
	err = c.sendTags(ctx, tags, pub, publishOptions{realTime: o.realTime}, p)
	stop()
	var cut *flv.TruncatedError
	switch {
	case errors.As(err, &cut):
		c.logf("rtmfp: %s: %v", o.publish, cut)
	case err != nil && ctx.Err() == nil:
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.timeout)
	defer cancel()
	return pub.Finish(ctx)
}
