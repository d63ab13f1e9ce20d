package main

import (
	"context"
	"time"
)

// A timestamp that is further from the one before than this is a new start, not a pause: files are often
// cut or joined.
const (
	maxForward  = 10 * time.Second
	maxBackward = time.Second
)

// pacer holds tags back until their time, for -re. The first tag is due at once.
type pacer struct {
	clock   clock
	started bool
	zero    time.Time // when timestamp base is due
	base    uint32
	last    uint32
}

// wait waits until the tag with timestamp ts is due. A tag that is late goes at once, and the following
// ones catch up.
func (p *pacer) wait(ctx context.Context, ts uint32) error {
	now := p.clock.Now()
	if !p.started {
		p.started, p.zero, p.base, p.last = true, now, ts, ts
	}
	if step := since(ts, p.last); step > maxForward || step < -maxBackward {
		// Continue from when the last tag was due, or from now if that is later.
		p.zero = p.zero.Add(since(p.last, p.base))
		if now.After(p.zero) {
			p.zero = now
		}
		p.base = ts
	}
	p.last = ts
	if d := p.zero.Add(since(ts, p.base)).Sub(now); d > 0 {
		return p.clock.Sleep(ctx, d)
	}
	return ctx.Err()
}

// since is a-b. Timestamps wrap after 49.7 days.
func since(a, b uint32) time.Duration {
	return time.Duration(int32(a-b)) * time.Millisecond
}
