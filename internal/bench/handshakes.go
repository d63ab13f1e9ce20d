package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Handshakes connects clients as fast as the server lets it.
type Handshakes struct {
	Count int  // connects; 0 = as many as fit into the time
	Close bool // each as soon as it is connected
	// Rate starts that many connects per second, whatever becomes of them; 0 starts one when another is
	// done.
	Rate float64
	// Flood sends so many hellos per second besides, from addresses that never answer.
	Flood float64
}

// Name implements Scenario.
func (h *Handshakes) Name() string { return "handshakes" }

func (h *Handshakes) closedLoop() bool { return h.Rate == 0 }

// Check implements Scenario.
func (h *Handshakes) Check() error {
	switch {
	case h.Count < 0 || h.Count > maxClients:
		return fmt.Errorf("count %d: must be 0 to %d", h.Count, maxClients)
	case h.Rate < 0:
		return fmt.Errorf("rate %v is negative", h.Rate)
	case h.Flood < 0:
		return fmt.Errorf("flood %v is negative", h.Flood)
	}
	return nil
}

// maxPrepared bounds the keys drawn in advance.
const maxPrepared = 50000

func (h *Handshakes) run(ctx context.Context, r *run) error {
	r.result.Unit = "connects"
	o := r.result.Options
	o["count"], o["close"], o["rate"], o["flood"] = h.Count, h.Close, h.Rate, h.Flood
	r.histograms()
	r.stage.Store("drawing keys")
	n := h.Count
	if n == 0 {
		n = int(2000 * r.Time.Seconds())
	}
	if err := r.farm.ids.prepare(min(n, maxPrepared)); err != nil {
		return err
	}
	var flood *flood
	if h.Flood > 0 {
		var err error
		if flood, err = r.flood(h.Flood); err != nil {
			return err
		}
		defer flood.stop()
		if err := sleep(ctx, r.Warmup); err != nil {
			return err
		}
	}
	r.stage.Store("connecting")
	m, err := r.meter()
	if err != nil {
		return err
	}
	started, pending, err := h.connect(ctx, r)
	if h.Count > 0 {
		h.finish(ctx, r, pending)
	}
	inTime := r.done.Load()
	if e := m.end(); err == nil {
		err = e
	}
	h.finish(ctx, r, pending)
	r.checkSecured()
	r.result.Clients = int(r.connected.Load())
	r.result.Expected, r.result.Done = started, r.done.Load()
	r.inTime(inTime)
	r.result.Latency = r.total().latency()
	if flood != nil {
		r.note("%d hellos of the flood were sent, %.0f/s", flood.sent.Load(), float64(flood.sent.Load())/flood.lasted().Seconds())
	}
	return err
}

// connect starts connects for the time of the measurement. It returns how many were started and how many
// are still under way.
func (h *Handshakes) connect(ctx context.Context, r *run) (started uint64, pending *atomic.Int64, err error) {
	slots := make(chan struct{}, max(r.Parallel, 1))
	end := time.NewTimer(r.Time)
	defer end.Stop()
	pending = new(atomic.Int64)
	begin := time.Now()
	for h.Count == 0 || started < uint64(h.Count) {
		if h.Rate > 0 {
			due := begin.Add(time.Duration(float64(started) / h.Rate * 1e9))
			if due.Sub(begin) >= r.Time {
				return started, pending, sleep(ctx, time.Until(begin.Add(r.Time)))
			}
			if err := sleep(ctx, time.Until(due)); err != nil {
				return started, pending, err
			}
		} else {
			select {
			case slots <- struct{}{}:
			case <-end.C:
				return started, pending, nil
			case <-ctx.Done():
				return started, pending, ctx.Err()
			}
		}
		h.one(r, r.farm.workers[started%uint64(len(r.farm.workers))], int(started), pending, func() {
			if h.Rate == 0 {
				<-slots
			}
		})
		started++
	}
	return started, pending, nil
}

// finish waits for the connects under way.
func (h *Handshakes) finish(ctx context.Context, r *run, pending *atomic.Int64) {
	for end := time.Now().Add(r.Patience); pending.Load() > 0 && time.Now().Before(end) && ctx.Err() == nil; {
		time.Sleep(time.Millisecond)
	}
}

func (h *Handshakes) one(r *run, w *worker, i int, pending *atomic.Int64, done func()) {
	pending.Add(1)
	w.post(func(begun rtmfp.Time) {
		hist := r.hist[i%len(r.hist)]
		r.join(w, begun, i, setup{target: r.Target, joined: func(m *member, now rtmfp.Time) {
			hist.record(now.Sub(begun))
			r.done.Add(1)
			m.ready(now, nil)
			if h.Close {
				m.close(now)
			}
		}}, func(error) {
			pending.Add(-1)
			done()
		})
	})
}
