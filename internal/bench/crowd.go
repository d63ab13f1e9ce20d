package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// errLate ends a client that took too long.
var errLate = errors.New("no answer")

// member is a client of a scenario that is being connected or made to do something.
type member struct {
	*Client
	i     int // number of the client, from 0
	ready func(now rtmfp.Time, err error)
}

// setup is how the clients of a crowd are made.
type setup struct {
	n      int
	stage  string // for the progress line
	target Target
	called func(m *member, now rtmfp.Time, name string, args []amf.Value)
	// joined goes on when the server has accepted the client; it must sooner or later call m.ready once.
	// Nil: that was all.
	joined func(m *member, now rtmfp.Time)
	// ready is told when that was done without error.
	ready func(m *member)
	// lost is told when a client that was ready ends.
	lost func(m *member, now rtmfp.Time, err error)
}

// crowd connects clients, at most Parallel at once, and returns how many are ready. Those that are not
// are counted as errors.
func (r *run) crowd(ctx context.Context, s setup) (int, error) {
	r.stage.Store(s.stage)
	if err := r.farm.ids.prepare(s.n); err != nil {
		return 0, err
	}
	slots := make(chan struct{}, max(r.Parallel, 1))
	results := make(chan error, s.n)
	for i := range s.n {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		w := r.farm.workers[i%len(r.farm.workers)]
		w.post(func(now rtmfp.Time) {
			r.join(w, now, i, s, func(err error) {
				results <- err
				<-slots
			})
		})
	}
	ready := 0
	for range s.n {
		select {
		case err := <-results:
			if err == nil {
				ready++
			}
		case <-ctx.Done():
			return ready, ctx.Err()
		}
	}
	return ready, nil
}

// join makes one client. done is called once, with nil when it is ready.
func (r *run) join(w *worker, now rtmfp.Time, i int, s setup, done func(error)) {
	m := &member{i: i}
	over := false
	m.ready = func(now rtmfp.Time, err error) {
		if over {
			return
		}
		over = true
		if err != nil {
			r.fail(err)
			if m.Client != nil {
				m.close(now)
			}
		} else {
			r.connected.Add(1)
			r.ready.Store(true)
			if m.session.Secured() {
				r.secured.Store(true)
			}
			if s.ready != nil {
				s.ready(m)
			}
		}
		done(err)
	}
	id, err := r.farm.ids.take()
	if err == nil {
		m.Client, err = w.dial(now, s.target, id, callbacks{
			opened: func(now rtmfp.Time) {
				if s.joined == nil {
					m.ready(now, nil)
				} else {
					s.joined(m, now)
				}
			},
			closed: func(now rtmfp.Time, err error) {
				if over {
					r.connected.Add(-1)
					if s.lost != nil && err != nil {
						s.lost(m, now, err)
					}
				}
				if err == nil {
					err = rtmfp.ErrClosed
				}
				m.ready(now, err)
			},
			called: func(now rtmfp.Time, name string, args []amf.Value) {
				if s.called != nil {
					s.called(m, now, name, args)
				}
			},
		})
	}
	if err != nil {
		m.ready(now, err)
		return
	}
	w.at(now.Add(r.Patience), func(now rtmfp.Time) { m.ready(now, errLate) })
}

// stream makes a stream and starts it; m.ready follows when the server says code.
func (m *member) stream(now rtmfp.Time, cfg netconn.StreamConfig, code string, start func(now rtmfp.Time, s *netconn.ClientStream) error) {
	cfg.OnStatus = func(now rtmfp.Time, info netconn.Info) {
		switch {
		case info.Code == code:
			m.ready(now, nil)
		case info.Level == "error":
			m.ready(now, errors.New(info.Code))
		}
	}
	m.conn.CreateStream(now, cfg, func(now rtmfp.Time, s *netconn.ClientStream, err error) {
		if err == nil {
			err = start(now, s)
		}
		if err != nil {
			m.ready(now, err)
		}
	})
}

// maxClients bounds what one generator is asked for.
const maxClients = 200_000

// checkCount tells when a number of things, at least one, makes no sense.
func checkCount(n int, what string) error {
	switch {
	case n < 1:
		return fmt.Errorf("%d %s: at least one is needed", n, what)
	case n > maxClients:
		return fmt.Errorf("%d %s: at most %d", n, what, maxClients)
	}
	return nil
}

// need fails when too few of n are ready to measure anything.
func (r *run) need(ready, n int, what string) error {
	switch {
	case ready == n:
		return nil
	case ready == 0:
		r.finish0()
		return fmt.Errorf("none of %d %s could be connected: %s", n, what, r.result.ErrorList())
	}
	r.note("only %d of %d %s are there", ready, n, what)
	return nil
}

func (r *run) finish0() { r.result.Errors = r.errors }

// checkSecured notes whether the sessions are authenticated.
func (r *run) checkSecured() {
	r.result.Secured = r.secured.Load()
	if r.result.Secured != r.HMAC && r.ready.Load() {
		r.note("HMAC was to be %s but the server made it %s", onOff(r.HMAC), onOff(r.result.Secured))
	}
}

// measure lets things go on for the time of the measurement. begin and end are called around it.
func (r *run) measure(ctx context.Context, begin, end func()) error {
	r.stage.Store("warming up")
	if err := sleep(ctx, r.Warmup); err != nil {
		return err
	}
	r.stage.Store("measuring")
	begin()
	m, err := r.meter()
	if err != nil {
		return err
	}
	err = sleep(ctx, r.Time)
	if e := m.end(); err == nil {
		err = e
	}
	end()
	r.stage.Store("ending")
	return err
}

// settle waits until count does not change any more, at most for the given time.
func settle(count func() uint64, most time.Duration) {
	const quiet = 200 * time.Millisecond
	for end := time.Now().Add(most); time.Now().Before(end); {
		before := count()
		time.Sleep(quiet)
		if count() == before {
			return
		}
	}
}
