package rtmfp

import (
	"math"
	"testing"
	"time"
)

// RFC 7016 App. A.2, with the larger additive steps of the reference implementation.
func TestCongestionWindow(t *testing.T) {
	const inf = math.MaxInt
	for _, tt := range []struct {
		what     string
		c        congestion
		a        ackSummary
		cwnd     int
		ssthresh int
		acc      int
	}{
		{
			"slow start",
			congestion{cwnd: 10000, ssthresh: inf},
			ackSummary{acked: 1000, pre: 10000, fastGrow: true},
			11000, inf, 0,
		},
		{
			"slow start, a segment per packet at most",
			congestion{cwnd: 10000, ssthresh: inf},
			ackSummary{acked: 5000, pre: 10000, fastGrow: true},
			11200, inf, 0,
		},
		{
			"window not used",
			congestion{cwnd: 10000, ssthresh: inf},
			ackSummary{acked: 1000, pre: 9000, fastGrow: true},
			10000, inf, 0,
		},
		{
			"window used but for its last 64th",
			congestion{cwnd: 6400, ssthresh: inf},
			ackSummary{acked: 100, pre: 6301, fastGrow: true},
			6500, inf, 0,
		},
		{
			"exactly 63/64 of it is not enough",
			congestion{cwnd: 6400, ssthresh: inf},
			ackSummary{acked: 100, pre: 6300, fastGrow: true},
			6400, inf, 0,
		},
		{
			"no growth with a negative acknowledgement",
			congestion{cwnd: 10000, ssthresh: inf},
			ackSummary{acked: 1000, pre: 10000, fastGrow: true, naks: true},
			10000, inf, 0,
		},
		{
			"avoidance: one step per sixteenth",
			congestion{cwnd: 16000, ssthresh: 16000},
			ackSummary{acked: 1000, pre: 16000, fastGrow: true},
			16096, 16000, 0,
		},
		{
			"avoidance: the rest waits",
			congestion{cwnd: 16000, ssthresh: 16000, accumulator: 400},
			ackSummary{acked: 1700, pre: 16000, fastGrow: true},
			16192, 16000, 100,
		},
		{
			"avoidance: below a step",
			congestion{cwnd: 16000, ssthresh: 16000},
			ackSummary{acked: 999, pre: 16000, fastGrow: true},
			16000, 16000, 999,
		},
		{
			"avoidance: scalable, 1 % of a large window",
			congestion{cwnd: 960000, ssthresh: 960000},
			ackSummary{acked: 9600, pre: 960000, fastGrow: true},
			960096, 960000, 0,
		},
		{
			"real-time elsewhere: no slow start, quarter steps",
			congestion{cwnd: 16000, ssthresh: inf},
			ackSummary{acked: 1000, pre: 16000},
			16024, inf, 0,
		},
		{
			"real-time elsewhere: scalable",
			congestion{cwnd: 480000, ssthresh: inf},
			ackSummary{acked: 4800, pre: 480000},
			480024, inf, 0,
		},
		{
			"real-time here: slow start by a quarter",
			congestion{cwnd: 16000, ssthresh: inf},
			ackSummary{acked: 1001, pre: 16000, tcSent: true},
			16251, inf, 0,
		},
		{
			"real-time here: half steps",
			congestion{cwnd: 16000, ssthresh: 16000},
			ackSummary{acked: 1000, pre: 16000, tcSent: true},
			16048, 16000, 0,
		},
		{
			"loss halves",
			congestion{cwnd: 20000, ssthresh: inf, accumulator: 5},
			ackSummary{acked: 1000, lost: 1000, pre: 20000, fastGrow: true},
			10000, 10000, 0,
		},
		{
			"loss of a window that was not used",
			congestion{cwnd: 50000, ssthresh: inf},
			ackSummary{acked: 1000, lost: 1000, pre: 20000, fastGrow: true},
			10000, 10000, 0,
		},
		{
			"more in flight than the window",
			congestion{cwnd: 20000, ssthresh: inf},
			ackSummary{acked: 1000, lost: 1000, pre: 21000, fastGrow: true},
			10000, 10000, 0,
		},
		{
			"never below the initial window",
			congestion{cwnd: 6000, ssthresh: inf},
			ackSummary{lost: 1000, pre: 6000, fastGrow: true},
			cwndInit, cwndInit, 0,
		},
		{
			"real-time here: an eighth",
			congestion{cwnd: 20000, ssthresh: inf},
			ackSummary{lost: 1000, pre: 20000, tcSent: true},
			17500, 17500, 0,
		},
		{
			"large window: an eighth",
			congestion{cwnd: 80000, ssthresh: inf},
			ackSummary{lost: 1000, pre: 80000, fastGrow: true},
			70000, 70000, 0,
		},
		{
			"large window, real-time elsewhere: a half",
			congestion{cwnd: 80000, ssthresh: inf},
			ackSummary{lost: 1000, pre: 80000},
			40000, 40000, 0,
		},
		{
			"just not large",
			congestion{cwnd: 67200, ssthresh: inf},
			ackSummary{lost: 1000, pre: 67200, fastGrow: true},
			33600, 33600, 0,
		},
		{
			"at least one and a half of what was lost",
			congestion{cwnd: 80000, ssthresh: inf},
			ackSummary{lost: 20000, pre: 80000, tcSent: true},
			50000, 50000, 0,
		},
		{
			"idle decay",
			congestion{cwnd: 20000, ssthresh: 9000},
			ackSummary{acked: 100, pre: 20000 - 6*segmentSize - 1, fastGrow: true},
			19999, 9000, 0,
		},
		{
			"not idle enough to decay",
			congestion{cwnd: 20000, ssthresh: 9000},
			ackSummary{acked: 100, pre: 20000 - 6*segmentSize, fastGrow: true},
			20000, 9000, 0,
		},
		{
			"no decay below the initial window",
			congestion{cwnd: cwndInit, ssthresh: 9000},
			ackSummary{acked: 100, pre: 0, fastGrow: true},
			cwndInit, 9000, 0,
		},
		{
			"bounded",
			congestion{cwnd: cwndMax - 100, ssthresh: inf},
			ackSummary{acked: 1000, pre: cwndMax, fastGrow: true},
			cwndMax, inf, 0,
		},
	} {
		c := tt.c
		c.onAck(tt.a)
		if c.cwnd != tt.cwnd || c.ssthresh != tt.ssthresh || c.accumulator != tt.acc {
			t.Errorf("%s: window %d, threshold %d, accumulator %d; want %d, %d, %d",
				tt.what, c.cwnd, c.ssthresh, c.accumulator, tt.cwnd, tt.ssthresh, tt.acc)
		}
	}
}

// The recovery phase, which RFC 7016 App. A lacks: the losses of one burst, found one after the other, cut
// once.
func TestCongestionRecovery(t *testing.T) {
	newCut := func() congestion {
		c := newCongestion()
		c.cwnd = 40000
		c.onAck(ackSummary{acked: 1000, lost: 2000, pre: 40000, fastGrow: true})
		if c.cwnd != 20000 || c.remaining != 37000 || c.allowance != 3000 {
			t.Fatalf("first cut: %+v", c)
		}
		return c
	}
	c := newCut()
	for range 2 { // within what the cut paid for
		c.onAck(ackSummary{acked: 1000, lost: 1500, pre: 37000, fastGrow: true})
	}
	if c.cwnd != 20000 || c.ssthresh != 20000 || c.allowance != 0 || c.remaining != 32000 {
		t.Errorf("cut twice for one burst: %+v", c)
	}
	// Beyond it, the window shrinks by what is too much, and the recovery takes longer.
	c.onAck(ackSummary{acked: 1000, lost: 1000, pre: 32000, fastGrow: true})
	if c.cwnd != 19000 || c.ssthresh != 19000 || c.remaining != 31000 {
		t.Errorf("excess loss: %+v", c)
	}
	// No growth meanwhile, nor below the initial window.
	c.onAck(ackSummary{acked: 10000, pre: 31000, fastGrow: true})
	c.onAck(ackSummary{lost: 18000, pre: 21000, fastGrow: true})
	if c.cwnd != cwndInit || c.ssthresh != cwndInit {
		t.Errorf("after heavy loss: %+v", c)
	}

	c = newCut()
	c.onAck(ackSummary{acked: 36999, pre: 37000, fastGrow: true})
	if c.cwnd != 20000 || c.remaining != 1 {
		t.Errorf("last byte of the recovery: %+v", c)
	}
	c.onAck(ackSummary{acked: 1250, pre: 20000, fastGrow: true})
	if c.cwnd != 20096 || c.remaining != 0 || c.allowance != 0 {
		t.Errorf("after the recovery: %+v", c)
	}
	// What was under way when the window was cut, but is found only now, still belongs to that burst.
	if c.onAck(ackSummary{lost: 100, old: 100, pre: 20096, fastGrow: true}) || c.cwnd != 19900 || c.remaining != 0 {
		t.Errorf("a late loss: %+v", c)
	}
	if !c.onAck(ackSummary{lost: 200, old: 100, pre: 20000, fastGrow: true}) || c.cwnd != 9950 {
		t.Errorf("a new burst did not cut: %+v", c)
	}
}

// RFC 7016 App. A.2, figure 24.
func TestCongestionTimeout(t *testing.T) {
	c := congestion{cwnd: 40000, ssthresh: 10000, accumulator: 7, remaining: 8, allowance: 9}
	c.onTimeout(true)
	if want := (congestion{cwnd: cwndTimedOut, ssthresh: 30000}); c != want {
		t.Errorf("with loss: %+v, want %+v", c, want)
	}
	c = congestion{cwnd: 8000, ssthresh: 10000}
	c.onTimeout(false)
	if want := (congestion{cwnd: cwndInit, ssthresh: 10000}); c != want {
		t.Errorf("idle: %+v, want %+v", c, want)
	}
}

// RFC 7016 §3.5.2.2.
func TestRoundTripTime(t *testing.T) {
	const ms = time.Millisecond
	r := newRTTState()
	if r.mrto != 250*ms || r.erto != 3*time.Second {
		t.Fatalf("begins with %+v", r)
	}
	now := Time(time.Hour)
	sample := func(rtt time.Duration) { // rtt is a multiple of the tick
		now = now.Add(time.Second)
		r.onEcho(now, ticks(now.Add(-rtt)))
	}
	sample(80 * ms)
	if r.srtt != 80*ms || r.rttvar != 40*ms || r.mrto != 440*ms || r.erto != 440*ms {
		t.Errorf("first measurement: %+v", r)
	}
	sample(120 * ms) // delta 40: var (3*40+40)/4, smoothed (7*80+120)/8
	if r.rttvar != 40*ms || r.srtt != 85*ms || r.erto != 445*ms {
		t.Errorf("second measurement: %+v", r)
	}
	before := r
	r.onEcho(now.Add(400*ms), r.echoRx) // TS_ECHO_RX again
	if r != before {
		t.Error("the same echo was measured twice")
	}
	r.onEcho(now, ticks(now.Add(4*ms))) // from the future
	if r.srtt != before.srtt {
		t.Error("an impossible echo was measured")
	}
	r.onEcho(now, ticks(now)-32768)
	if r.srtt != before.srtt {
		t.Error("a round trip of half the clock was measured")
	}
	for range 60 {
		sample(0)
	}
	if r.erto != minERTO || r.srtt > ms {
		t.Errorf("a fast path: %+v", r)
	}

	r = newRTTState()
	sample(2000 * ms)
	mrto := r.mrto // 2 s + 4 s + 200 ms
	r.backoff()
	if r.erto != mrto*14142/10000 {
		t.Errorf("back-off to %v", r.erto)
	}
	for range 10 {
		r.backoff()
	}
	if r.erto != maxERTO {
		t.Errorf("back-off to %v", r.erto)
	}
	sample(2000 * ms)
	if r.erto != r.mrto || r.erto >= maxERTO {
		t.Errorf("a measurement did not end the back-off: %v", r.erto)
	}
	r.mrto = 12 * time.Second
	r.backoff()
	if r.erto != 12*time.Second { // never below the measured one
		t.Errorf("back-off to %v", r.erto)
	}
}

// RFC 7016 §3.5.2.2: the echo grows with the time the timestamp was held, and expires.
func TestTimestampEcho(t *testing.T) {
	r := newRTTState()
	now := Time(time.Hour)
	if _, ok := r.echo(now); ok {
		t.Error("an echo of nothing")
	}
	r.onTimestamp(now, 65535)
	for _, tt := range []struct {
		held time.Duration
		want uint16
	}{{0, 65535}, {3 * time.Millisecond, 65535}, {4 * time.Millisecond, 0}, {10 * time.Second, 2499}} {
		if got, ok := r.echo(now.Add(tt.held)); !ok || got != tt.want {
			t.Errorf("held %v: %d %v, want %d", tt.held, got, ok, tt.want)
		}
	}
	r.onTimestamp(now.Add(time.Second), 65535) // the same again does not set TS_RX_TIME
	if got, _ := r.echo(now.Add(time.Second)); got != 249 {
		t.Errorf("%d", got)
	}
	r.onTimestamp(now.Add(2*time.Second), 100)
	if got, ok := r.echo(now.Add(2*time.Second + echoValidity)); !ok || got != 100+32000 {
		t.Errorf("%d %v", got, ok)
	}
	if _, ok := r.echo(now.Add(2*time.Second + echoValidity + 1)); ok {
		t.Error("an echo after 128 s")
	}
	if _, ok := r.echo(now.Add(2 * time.Second)); ok {
		t.Error("TS_RX must have lost its value")
	}
}
