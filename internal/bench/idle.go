package bench

import (
	"context"
	"fmt"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Idle connects clients that do nothing.
type Idle struct {
	Clients int
}

// Name implements Scenario.
func (s *Idle) Name() string { return "idle" }

func (s *Idle) closedLoop() bool { return false }

// Check implements Scenario.
func (s *Idle) Check() error {
	return checkCount(s.Clients, "clients")
}

func (s *Idle) run(ctx context.Context, r *run) error {
	r.result.Unit = "clients"
	r.result.Options["clients"] = s.Clients
	n, err := r.crowd(ctx, setup{
		n: s.Clients, stage: "connecting", target: r.Target,
		lost: func(_ *member, _ rtmfp.Time, err error) { r.fail(fmt.Errorf("lost a client: %w", err)) },
	})
	if err == nil {
		err = r.need(n, s.Clients, "clients")
	}
	if err != nil {
		return err
	}
	r.checkSecured()
	err = r.measure(ctx, func() {}, func() {})
	r.result.Clients = int(r.connected.Load())
	r.result.Expected, r.result.Done = uint64(s.Clients), uint64(r.result.Clients)
	return err
}
