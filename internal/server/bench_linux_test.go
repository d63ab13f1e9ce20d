package server

import (
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// BenchmarkRPC is calls of a function of an application by real clients over the loopback interface, with some calls under
// way at once: how many there are in a second, how long one takes, and the time of processors that one takes of server
// and client together, which are both in this process.
func BenchmarkRPC(b *testing.B) {
	for _, bench := range []struct{ clients, window int }{{1, 1}, {1, 32}, {64, 1}, {64, 8}} {
		b.Run(fmt.Sprintf("clients=%d/window=%d", bench.clients, bench.window), func(b *testing.B) {
			d := startDaemonWith(b, map[string]string{"friendly/main.lua": friendly}, "[limits]\nhandshakesPerAddress = 1000\n")
			peers := dialPeers(b, bench.clients, d.addr, "friendly")
			b.ReportAllocs()
			b.ResetTimer()
			var (
				all  sync.WaitGroup
				mu   sync.Mutex
				took []time.Duration
			)
			busy := processorTime(b)
			for i, p := range peers {
				n := b.N / len(peers)
				if i < b.N%len(peers) {
					n++
				}
				all.Go(func() {
					list := p.repeat(n, bench.window)
					mu.Lock()
					took = append(took, list...)
					mu.Unlock()
				})
			}
			all.Wait()
			b.StopTimer()
			busy = processorTime(b) - busy
			slices.Sort(took)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
			b.ReportMetric(float64(busy.Nanoseconds())/1e3/float64(b.N), "cpu-µs/op")
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs-median")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs-p99")
		})
	}
}

// processorTime is the time that this process ran so far, on all processors together.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// repeat calls n times, with some calls under way at once, and returns how long each took.
func (p *peer) repeat(n, window int) []time.Duration {
	if n == 0 {
		return nil
	}
	took := make([]time.Duration, 0, n)
	done := make(chan struct{})
	started := 0
	var call func(now rtmfp.Time)
	call = func(now rtmfp.Time) {
		if started == n {
			return
		}
		started++
		start := time.Now()
		p.conn.Call(now, "add", func(now rtmfp.Time, r netconn.Result) {
			if r.Err != nil {
				p.t.Error(r.Err)
			}
			if took = append(took, time.Since(start)); len(took) == n {
				close(done)
				return
			}
			call(now)
		}, amf.Number(started), amf.Number(1))
	}
	p.do(func(now rtmfp.Time) {
		for range min(window, n) {
			call(now)
		}
	})
	<-done
	return took
}
