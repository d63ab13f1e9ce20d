package mesh

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestBackoffBounds(t *testing.T) {
	want := []time.Duration{1, 2, 4, 8, 16, 16, 16}
	for _, random := range []float64{0, 0.5, 0.999999999} {
		b := newBackoff(16*time.Second, func() float64 { return random })
		for i, below := range want {
			if p := b.next(); p >= below*time.Second || p < below*time.Second/2 {
				t.Errorf("attempt %d with chance %v waits %v", i+1, random, p)
			}
		}
		b.reset()
		if p := b.next(); p >= time.Second {
			t.Errorf("after it was reached the first attempt waits %v", p)
		}
	}
}

// servers.retry may be as short as the first pause.
func TestBackoffShortest(t *testing.T) {
	b := newBackoff(time.Second, rand.Float64)
	for range 1000 {
		if p := b.next(); p < time.Second/2 || p >= time.Second {
			t.Fatalf("pause of %v", p)
		}
	}
}

// It goes on for ever, and servers that lose a neighbour at the same time come back at different times.
func TestBackoffSpreads(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 100 {
		b := newBackoff(16*time.Second, rand.Float64)
		for range 200 {
			b.next()
		}
		p := b.next()
		if p < 8*time.Second || p >= 16*time.Second {
			t.Fatalf("pause of %v after many attempts", p)
		}
		seen[p/(100*time.Millisecond)] = true
	}
	if len(seen) < 20 {
		t.Errorf("100 servers come back at %d different times", len(seen))
	}
}
