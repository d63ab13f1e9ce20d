// Package bench generates load for RTMFP servers and measures what comes of it: how fast a server
// connects clients, relays messages and answers calls, and what that costs it.
package bench

import (
	"errors"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Target is a server and an application on it.
type Target struct {
	Addr netip.AddrPort
	URL  string // rtmfp://host:port/app, as the server gets it
	App  string // path of the application without its first slash
}

// Config is what a Farm is made of.
type Config struct {
	Target
	// Threads is the number of goroutines that clients are spread over; 0 means one per processor.
	Threads int
	// Group is the Diffie-Hellman group of the clients' keys: 2, 14 or 16.
	Group uint64
	// HMAC asks for authenticated and numbered packets.
	HMAC bool
	// Args are for the application's connect handler, Encoding is the version of AMF: 0 or 3.
	Args     []amf.Value
	Encoding uint8
}

// Farm is a number of clients on a few goroutines.
type Farm struct {
	cfg     Config
	start   time.Time
	workers []*worker
	running sync.WaitGroup
	cookies *rtmfp.CookieJar
	ids     identityPool
}

// NewFarm starts a farm without clients.
func NewFarm(cfg Config) (*Farm, error) {
	if err := checkPlatform(); err != nil {
		return nil, err
	}
	if cfg.Threads == 0 {
		cfg.Threads = runtime.GOMAXPROCS(0)
	}
	if cfg.Group == 0 {
		cfg.Group = 2
	}
	cookies, err := rtmfp.NewRandomCookieJar(nil)
	if err != nil {
		return nil, err
	}
	f := &Farm{cfg: cfg, start: time.Now(), cookies: cookies}
	f.ids.group = cfg.Group
	for range cfg.Threads {
		w, err := newWorker(f)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		f.workers = append(f.workers, w)
		f.running.Add(1)
		go func() {
			defer f.running.Done()
			w.run()
		}()
	}
	return f, nil
}

// Now returns the time on the farm's clock, which is never 0.
func (f *Farm) Now() rtmfp.Time { return rtmfp.Time(time.Hour + time.Since(f.start)) }

// clocks returns the time on the farm's clock and the Unix time in ns, of the same moment.
func (f *Farm) clocks() (rtmfp.Time, int64) {
	t := time.Now()
	return rtmfp.Time(time.Hour + t.Sub(f.start)), t.UnixNano()
}

// Close ends all goroutines; sessions that are open just fall silent. See Hang.
func (f *Farm) Close() error {
	for _, w := range f.workers {
		w.mu.Lock()
		w.stop = true
		w.mu.Unlock()
		w.net.wake()
	}
	f.running.Wait()
	var errs []error
	for _, w := range f.workers {
		errs = append(errs, w.err)
	}
	return errors.Join(errs...)
}

// clients returns how many clients there are.
func (f *Farm) clients() int {
	n := 0
	f.each(func(w *worker, _ rtmfp.Time) { n += len(w.clients) })
	return n
}

// each runs fn on one worker after the other and waits for it.
func (f *Farm) each(fn func(w *worker, now rtmfp.Time)) {
	for _, w := range f.workers {
		done := make(chan struct{})
		w.post(func(now rtmfp.Time) {
			fn(w, now)
			close(done)
		})
		<-done
	}
}

// HangUp ends all sessions in order, or stops waiting for that after a while.
func (f *Farm) HangUp(patience time.Duration) {
	f.each(func(w *worker, now rtmfp.Time) {
		for c := range w.clients {
			c.close(now)
		}
	})
	for end := time.Now().Add(patience); f.clients() > 0 && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
}

// idle returns how long each worker has waited so far.
func (f *Farm) idle() []time.Duration {
	d := make([]time.Duration, len(f.workers))
	for i, w := range f.workers {
		d[i] = time.Duration(w.idle.Load())
		if since := w.waiting.Load(); since != 0 {
			d[i] += f.Now().Sub(rtmfp.Time(since))
		}
	}
	return d
}
