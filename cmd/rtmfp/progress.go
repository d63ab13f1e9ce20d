package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

const progressEvery = 500 * time.Millisecond

// progress is the line that tells how a transfer goes, rewritten in place on a terminal.
type progress struct {
	w     io.Writer
	clock clock
	stats func() stats

	mu        sync.Mutex
	begun     bool
	first     uint32 // timestamp
	elapsed   time.Duration
	bytes     int64
	shownAt   time.Time
	shown     int64 // bytes at that time
	lastWidth int
}

// startProgress shows a progress line until the returned function is called, if stderr is a terminal and
// it is wanted. The progress itself is never nil.
func (c *call) startProgress(ctx context.Context, conn interface{ Stats() stats }) (*progress, func()) {
	p := &progress{w: c.stderr, clock: c.clock, stats: conn.Stats, shownAt: c.clock.Now()}
	if c.quiet || !c.terminal(c.stderr) {
		return p, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for p.clock.Sleep(ctx, progressEvery) == nil {
			p.show()
		}
	})
	return p, func() {
		cancel()
		wg.Wait()
		p.show()
		fmt.Fprintln(p.w)
	}
}

// add counts a tag of audio or video.
func (p *progress) add(ts uint32, bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.begun {
		p.begun, p.first = true, ts
	}
	p.bytes += int64(bytes)
	p.elapsed = max(p.elapsed, since(ts, p.first))
}

func (p *progress) show() {
	line := p.line(p.clock.Now(), p.stats())
	pad := max(0, p.lastWidth-len(line))
	p.lastWidth = len(line)
	fmt.Fprint(p.w, "\r", line, strings.Repeat(" ", pad))
}

// line is the text: media time, bitrate since the last line, loss, round trip time.
func (p *progress) line(now time.Time, s stats) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var rate float64 // kbit/s
	if d := now.Sub(p.shownAt); d > 0 {
		rate = float64(p.bytes-p.shown) * 8 / 1000 / d.Seconds()
	}
	p.shownAt, p.shown = now, p.bytes
	var loss float64
	if s.Sent > 0 {
		loss = 100 * float64(s.Lost) / float64(s.Sent)
	}
	rtt := "-"
	if s.RTT > 0 {
		rtt = fmt.Sprintf("%.1f ms", float64(s.RTT)/float64(time.Millisecond))
	}
	t := p.elapsed
	return fmt.Sprintf("%02d:%02d:%02d.%d  %.0f kbit/s  loss %.1f%%  rtt %s",
		int(t.Hours()), int(t.Minutes())%60, int(t.Seconds())%60, t.Milliseconds()/100%10, rate, loss, rtt)
}
