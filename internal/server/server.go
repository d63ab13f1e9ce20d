// Package server is the composition root: it builds the parts of the daemon from the configuration, starts them in
// order and stops them in the reverse order. It is the only package that knows all others.
package server

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/config"
)

// lastMoment is what a part gets to come to its end after the time for an orderly stop is over.
const lastMoment = 200 * time.Millisecond

// Part is something the server is made of, with a life of its own.
type Part interface {
	// Name is what logs and errors call it.
	Name() string
	// Start returns when the part serves. The context bounds the start, not the life of the part.
	Start(ctx context.Context) error
	// Shutdown stops in order (a transport tells its clients) and returns when all has stopped. When the context ends
	// it cuts short what is left and returns.
	Shutdown(ctx context.Context) error
}

// Env is what a part is built from.
type Env struct {
	Config  *config.Config
	Log     zerolog.Logger
	Metrics *Metrics
	// Fail reports an error after the start that the server cannot live with; it is then stopped. It does not wait.
	Fail func(error)
}

// Builder makes a part; it opens nothing yet.
type Builder func(Env) (Part, error)

// Option changes what a server is made of.
type Option func(*Server)

// With adds a part, started after those before it and stopped before them.
func With(b Builder) Option {
	return func(s *Server) { s.builders = append(s.builders, b) }
}

// Server is the running daemon. Its methods are called from one goroutine, except Failed.
type Server struct {
	cfg      *config.Config
	log      zerolog.Logger
	metrics  *Metrics
	builders []Builder
	parts    []Part // in the order of their start
	started  int
	failed   chan error
}

// New builds the parts without opening anything.
func New(cfg *config.Config, log zerolog.Logger, options ...Option) (*Server, error) {
	s := &Server{
		cfg: cfg, log: log, failed: make(chan error, 1),
		metrics: NewMetrics(netip.AddrPortFrom(cfg.Metrics.Host, cfg.Metrics.Port), log),
	}
	for _, o := range options {
		o(s)
	}
	s.parts = append(s.parts, s.metrics)
	env := Env{Config: cfg, Log: log, Metrics: s.metrics, Fail: s.fail}
	for _, build := range s.builders {
		p, err := build(env)
		if err != nil {
			return nil, err
		}
		s.parts = append(s.parts, p)
	}
	return s, nil
}

// Start makes the folders and starts the parts. When one fails those before it are stopped again.
func (s *Server) Start(ctx context.Context) error {
	if err := s.makeFolders(); err != nil {
		return err
	}
	for _, p := range s.parts {
		if err := p.Start(ctx); err != nil {
			err = fmt.Errorf("%s: %w", p.Name(), err)
			return errors.Join(err, s.Shutdown(ctx))
		}
		s.started++
		s.log.Debug().Str("part", p.Name()).Msg("started")
	}
	return nil
}

// Shutdown stops the parts in reverse order. It returns soon after the context has ended, whatever they do.
func (s *Server) Shutdown(ctx context.Context) error {
	var errs []error
	for ; s.started > 0; s.started-- {
		p := s.parts[s.started-1]
		if err := stop(ctx, p); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.Name(), err))
		}
		s.log.Debug().Str("part", p.Name()).Msg("stopped")
	}
	return errors.Join(errs...)
}

func stop(ctx context.Context, p Part) error {
	done := make(chan error, 1)
	go func() { done <- p.Shutdown(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(lastMoment):
		return errors.New("did not stop in time")
	}
}

// Metrics is where more counters can be registered.
func (s *Server) Metrics() *Metrics { return s.metrics }

// Failed delivers the error that made the server unable to go on.
func (s *Server) Failed() <-chan error { return s.failed }

func (s *Server) fail(err error) {
	select {
	case s.failed <- err:
	default: // one reason is enough
	}
}

// makeFolders creates what applications expect to find. Without www nothing can be served; data may be missing.
func (s *Server) makeFolders() error {
	dir := s.cfg.Application.Dir
	if err := os.MkdirAll(filepath.Join(dir, "www"), 0o755); err != nil {
		return fmt.Errorf("application.dir: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o755); err != nil {
		s.log.Warn().Err(err).Msg("no folder for data of applications (application.dir)")
	}
	return nil
}
