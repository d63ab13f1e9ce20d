package bench

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// RPC calls a function of the application and waits for its answer, again and again.
type RPC struct {
	Clients int
	Method  string
	Pending int     // calls of a client under way
	Rate    float64 // calls per second of all clients together; 0 = as fast as answers come
	Size    int     // bytes of the argument, a string
}

// Name implements Scenario.
func (s *RPC) Name() string { return "rpc" }

func (s *RPC) closedLoop() bool { return s.Rate == 0 }

// Check implements Scenario.
func (s *RPC) Check() error {
	if err := checkCount(s.Clients, "clients"); err != nil {
		return err
	}
	switch {
	case s.Method == "":
		return fmt.Errorf("method: a name is needed")
	case s.Pending < 1 || s.Pending > 1000:
		return fmt.Errorf("%d calls under way: must be 1 to 1000", s.Pending)
	case s.Rate < 0:
		return fmt.Errorf("rate %v is negative", s.Rate)
	case s.Size < 0 || s.Size > 64<<10:
		return fmt.Errorf("size %d: must be 0 to %d bytes", s.Size, 64<<10)
	}
	return nil
}

// caller is a client that calls. It belongs to the goroutine of its worker.
type caller struct {
	*member
	s    *RPC
	r    *run
	hist *histogram
	c    *callCounts
	args []amf.Value
	at   rtmfp.Time // with a rate: when the next call is due
}

func (c *caller) call(begun rtmfp.Time) {
	if c.socket == nil || c.leaving {
		return
	}
	count := c.c.on.Load()
	if count {
		c.c.made.Add(1)
	}
	c.conn.Call(begun, c.s.Method, func(now rtmfp.Time, r netconn.Result) {
		if r.Err != nil {
			if _, ours := r.Err.(*netconn.StatusError); !ours {
				return // the connection is over
			}
		}
		if count {
			c.c.answered.Add(1)
			c.r.done.Add(1)
			c.hist.record(c.arrived.Sub(begun))
			if r.Err != nil {
				c.c.errs.Add(1)
			}
		}
		if c.s.Rate == 0 {
			c.call(now)
		}
	}, c.args...)
	c.touch()
}

// pace calls at a steady rate.
func (c *caller) pace(now rtmfp.Time) {
	c.call(now)
	c.at = c.at.Add(time.Duration(float64(c.s.Clients) / c.s.Rate * 1e9))
	c.w.at(c.at, c.pace)
}

func (s *RPC) run(ctx context.Context, r *run) error {
	r.result.Unit = "calls"
	o := r.result.Options
	o["clients"], o["method"], o["pending"], o["rate"], o["size"] = s.Clients, s.Method, s.Pending, s.Rate, s.Size
	r.histograms()
	counts := new(callCounts)
	args := []amf.Value{amf.String(strings.Repeat("x", s.Size))}
	callers := make([]*caller, s.Clients)
	n, err := r.crowd(ctx, setup{
		n: s.Clients, stage: "connecting", target: r.Target,
		joined: func(m *member, now rtmfp.Time) {
			callers[m.i] = &caller{member: m, s: s, r: r, hist: r.hist[m.i%len(r.hist)], c: counts, args: args}
			// The first call shows that the function is there.
			m.conn.Call(now, s.Method, func(now rtmfp.Time, _ netconn.Result) { m.ready(now, nil) }, args...)
		},
		lost: func(_ *member, _ rtmfp.Time, err error) { r.fail(fmt.Errorf("lost a client: %w", err)) },
	})
	if err == nil {
		err = r.need(n, s.Clients, "clients")
	}
	if err != nil {
		return err
	}
	r.result.Clients = int(r.connected.Load())
	r.checkSecured()
	r.farm.each(func(w *worker, now rtmfp.Time) {
		for i, c := range callers {
			if c == nil || c.w != w {
				continue
			}
			if s.Rate > 0 {
				c.at = now.Add(time.Duration(float64(i) / s.Rate * 1e9))
				w.at(c.at, c.pace)
				continue
			}
			for range s.Pending {
				c.call(now)
			}
		}
	})
	err = r.loop(ctx, counts, r.Patience)
	if n := counts.errs.Load(); n > 0 {
		r.note("%d of the answers were errors: does the application have the function %q? An error is a round trip, too", n, s.Method)
	}
	return err
}
