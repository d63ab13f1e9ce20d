package bench

import (
	"math/bits"
	"time"
)

const (
	mantissa = 5 // bits of a value that are kept: buckets are 3 % wide
	buckets  = (64 - mantissa + 1) << mantissa
)

// histogram counts durations in buckets of about 3 % width. It does not grow with what is recorded.
type histogram struct {
	counts [buckets]uint64
	n      uint64
	sum    time.Duration
	max    time.Duration
}

func bucketOf(v uint64) int {
	shift := max(bits.Len64(v)-mantissa-1, 0)
	return shift<<mantissa + int(v>>shift)
}

// bucketTop returns the largest value of a bucket.
func bucketTop(i int) uint64 {
	shift := max(i>>mantissa-1, 0)
	return (uint64(i-shift<<mantissa)+1)<<shift - 1
}

func (h *histogram) record(d time.Duration) {
	d = max(d, 0)
	h.counts[bucketOf(uint64(d))]++
	h.n++
	h.sum += d
	h.max = max(h.max, d)
}

func (h *histogram) add(o *histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.n += o.n
	h.sum += o.sum
	h.max = max(h.max, o.max)
}

// percentile returns a duration that the share p of all does not exceed, up to the width of a bucket.
func (h *histogram) percentile(p float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := max(uint64(p*float64(h.n)+0.999999), 1)
	var seen uint64
	for i, n := range h.counts {
		if seen += n; seen >= rank {
			return min(time.Duration(bucketTop(i)), h.max)
		}
	}
	return h.max
}

// Latency sums up durations, in milliseconds.
type Latency struct {
	Count uint64  `json:"count"`
	Mean  float64 `json:"mean"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p99.9"`
	Max   float64 `json:"max"`
}

// latency is nil if nothing was recorded.
func (h *histogram) latency() *Latency {
	if h.n == 0 {
		return nil
	}
	ms := func(d time.Duration) float64 { return round(float64(d)/1e6, 3) }
	return &Latency{
		Count: h.n, Mean: ms(h.sum / time.Duration(h.n)),
		P50: ms(h.percentile(0.5)), P90: ms(h.percentile(0.9)), P95: ms(h.percentile(0.95)),
		P99: ms(h.percentile(0.99)), P999: ms(h.percentile(0.999)), Max: ms(h.max),
	}
}
