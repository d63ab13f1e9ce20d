package server

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Keys of [limits] reach what keeps them.
func TestLimits(t *testing.T) {
	d := startDaemonWith(t, map[string]string{"live/main.lua": `
		function onHandshake() end
		function onConnection(client)
			function client:slow() local t = mona:time() while mona:time() < t + 50 do end return "done" end
		end`}, "[limits]\ncallsPerSession = 1\nhelloTags = 1\n")
	p, _ := visit(t, d.addr), visit(t, d.addr)
	if n := d.rtmfp.intro.Counters().Uncounted.Load(); n == 0 {
		t.Error("attempts of both clients are counted")
	}
	var wait sync.WaitGroup
	wait.Add(2)
	var results [2]netconn.Result
	p.do(func(now rtmfp.Time) {
		for i := range results {
			p.conn.Call(now, "slow", func(_ rtmfp.Time, r netconn.Result) { results[i] = r; wait.Done() })
		}
	})
	wait.Wait()
	var refused *netconn.StatusError
	if results[0].Err != nil || !errors.As(results[1].Err, &refused) || !strings.Contains(refused.Description, "Too many calls in flight") {
		t.Errorf("calls: %v, %v", results[0].Err, results[1].Err)
	}
}

// Above limits.memory nobody new gets in, and who is connected stays.
func TestMemoryLimit(t *testing.T) {
	d := startDaemonWith(t, nil, "[limits]\nmemory = 1\n")
	if d.rtmfp.cfg.Limits.Memory != 1 {
		t.Fatal(d.rtmfp.cfg.Limits)
	}
	connected := make(chan *peer)
	go func() {
		defer close(connected)
		connected <- dialPeer(t, d.addr)
	}()
	counters := d.rtmfp.intro.Counters()
	until(t, "refusal", func() bool { return counters.NoMemory.Load() > 1 })
	if n := d.clients(); n != 0 {
		t.Fatalf("%d clients", n)
	}
	d.rtmfp.memory.limit.Store(1 << 60) // the client goes on trying
	if p := <-connected; p != nil {
		p.close()
	}
}

func TestWatermark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if newWatermark(0).full() {
			t.Error("no limit is full")
		}
		used, reads := uint64(100), 0
		w := newWatermark(100)
		w.read = func() uint64 { reads++; return used }
		if w.full() {
			t.Error("full at the limit")
		}
		used = 101
		if w.full() {
			t.Error("read again at once")
		}
		<-time.After(watermarkInterval)
		if first, again := w.full(), w.full(); !first || !again || reads != 2 {
			t.Errorf("not full after %d reads", reads)
		}
		used = 50
		<-time.After(watermarkInterval)
		if w.full() {
			t.Error("still full")
		}
	})
	if n := memoryInUse(); n < 1<<12 || n > 1<<32 {
		t.Errorf("%d bytes in use", n)
	}
}

// When clients left, new ones are let in soon, although hardly anything is allocated where nobody is let in.
func TestWatermarkFalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		known, used, collected := uint64(150), uint64(150), 0
		w := newWatermark(100)
		w.read = func() uint64 { return known }
		w.collect = func() {
			known = used
			collected++
		}
		if !w.full() {
			t.Fatal("not full")
		}
		used = 50 // but nobody knows
		began := time.Now()
		for w.full() {
			if time.Since(began) > time.Minute {
				t.Fatal("still full")
			}
			<-time.After(watermarkInterval)
			synctest.Wait()
		}
		if d := time.Since(began); d < collectInterval || d > 2*collectInterval || collected != 1 {
			t.Errorf("%d collections, full for %v", collected, d)
		}
		known, used = 150, 150
		for range 60 {
			<-time.After(watermarkInterval)
			w.full()
			synctest.Wait()
		}
		if collected < 5 || collected > 8 {
			t.Errorf("%d collections in a minute", collected-1)
		}
	})
}
