package bench

import (
	"context"
	"fmt"
	"sync/atomic"
)

// Mesh publishes at one server and plays at another that gets the streams from the first, and also plays
// at the first, to compare.
type Mesh struct {
	Fanout
	Far    Target
	Direct int // listeners at the first server
}

// Name implements Scenario.
func (s *Mesh) Name() string { return "mesh" }

// Check implements Scenario.
func (s *Mesh) Check() error {
	if s.Direct < s.Publications {
		return fmt.Errorf("%d listeners at the first server: at least one for each of %d publications is needed", s.Direct, s.Publications)
	}
	return s.Fanout.Check()
}

func (s *Mesh) run(ctx context.Context, r *run) error {
	r.result.Unit = "messages delivered"
	s.options(r.result.Options)
	r.result.Options["far_url"], r.result.Options["direct"] = s.Far.URL, s.Direct
	var on atomic.Bool
	pubs, err := s.publish(ctx, r, r.Target, &on)
	if err != nil {
		return err
	}
	near := s.Fanout
	near.Listeners = s.Direct
	direct, err := near.listen(ctx, r, r.Target)
	if err != nil {
		return fmt.Errorf("at the first server: %w", err)
	}
	audience, err := s.listen(ctx, r, s.Far)
	if err != nil {
		return fmt.Errorf("at the second server: %w", err)
	}
	r.result.Clients = int(r.connected.Load())
	r.checkSecured()
	start(r, pubs)
	err = r.measureFanout(ctx, &on, audience)
	hop := s.compare(r, pubs, direct)
	s.count(r, pubs, audience)
	if l := r.result.Latency; l != nil && hop.Direct != nil {
		hop.AddedP50, hop.AddedP99 = round(l.P50-hop.Direct.P50, 3), round(l.P99-hop.Direct.P99, 3)
	}
	r.result.Hop = hop
	if r.result.Done == 0 && err == nil {
		r.note("nothing arrived at the second server: are the servers connected, and does the application pass streams on?")
	}
	return err
}

// compare returns what the listeners at the first server got.
func (s *Mesh) compare(r *run, pubs []*publisher, direct *audience) *Hop {
	s.count(r, pubs, direct)
	res := &r.result
	hop := &Hop{Direct: res.Latency}
	if res.Expected > res.Done {
		hop.Lost = res.Expected - res.Done
	}
	res.Expected, res.Done, res.Latency = 0, 0, nil
	return hop
}
