package main

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestPacer(t *testing.T) {
	for _, tt := range []struct {
		name  string
		times []uint32
		busy  []time.Duration // spent after each tag
		want  []time.Duration // when each goes
	}{
		{"steady", []uint32{0, 40, 80, 120}, nil, ms(0, 40, 80, 120)},
		{"starts late", []uint32{5000, 5040}, nil, ms(0, 40)},
		{"audio before video", []uint32{0, 100, 60, 140}, nil, ms(0, 100, 100, 140)},
		{"slow network catches up", []uint32{0, 40, 80, 120}, ms(100), ms(0, 100, 100, 120)},
		{"pause", []uint32{0, 9000}, nil, ms(0, 9000)},
		{"jump forward", []uint32{0, 40, 3_600_000, 3_600_040}, nil, ms(0, 40, 40, 80)},
		{"jump back", []uint32{60_000, 60_040, 0, 40}, nil, ms(0, 40, 40, 80)},
		{"jump when late", []uint32{0, 40, 3_600_000, 3_600_040}, ms(0, 500), ms(0, 40, 540, 580)},
		{"wraps", []uint32{1<<32 - 40, 0, 40}, nil, ms(0, 40, 80)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := pacer{clock: systemClock{}}
				start := time.Now()
				for i, ts := range tt.times {
					if err := p.wait(t.Context(), ts); err != nil {
						t.Fatal(err)
					}
					if got := time.Since(start); got != tt.want[i] {
						t.Errorf("tag %d at %v, want %v", i, got, tt.want[i])
					}
					if i < len(tt.busy) {
						<-time.After(tt.busy[i])
					}
				}
			})
		})
	}
}

func ms(ns ...int) (ds []time.Duration) {
	for _, n := range ns {
		ds = append(ds, time.Duration(n)*time.Millisecond)
	}
	return ds
}

func TestPacerCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := pacer{clock: systemClock{}}
	if err := p.wait(ctx, 0); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := p.wait(ctx, 9000); err != context.Canceled {
		t.Error(err)
	}
}

func TestProgressLine(t *testing.T) {
	start := time.Unix(1000, 0)
	var out bytes.Buffer
	p := &progress{w: &out, shownAt: start}
	if got := p.line(start, stats{}); got != "00:00:00.0  0 kbit/s  loss 0.0%  rtt -" {
		t.Error(got)
	}
	p.add(1000, 100_000)
	p.add(3_726_432, 25_000)
	p.add(3_726_400, 0) // out of order
	got := p.line(start.Add(500*time.Millisecond), stats{RTT: 12_340 * time.Microsecond, Sent: 200, Lost: 3})
	if want := "01:02:05.4  2000 kbit/s  loss 1.5%  rtt 12.3 ms"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
