package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Fanout publishes streams and plays each many times.
type Fanout struct {
	Publications int
	Listeners    int     // all together, spread evenly over the publications
	Rate         float64 // messages of a publication per second
	Size         int     // bytes of a message
	Kind         string  // video, audio
	Stream       string  // names of the streams begin so
}

// Name implements Scenario.
func (f *Fanout) Name() string { return "fanout" }

func (f *Fanout) closedLoop() bool { return false }

// Check implements Scenario.
func (f *Fanout) Check() error {
	if err := errors.Join(checkCount(f.Publications, "publications"), checkCount(f.Listeners, "listeners")); err != nil {
		return err
	}
	switch {
	case f.Rate <= 0 || f.Rate > 1e5:
		return fmt.Errorf("rate %v: must be above 0 and at most 100000", f.Rate)
	case f.Size < stampLen || f.Size > 64<<10:
		return fmt.Errorf("size %d: must be %d to %d bytes", f.Size, stampLen, 64<<10)
	case f.Kind != "video" && f.Kind != "audio":
		return fmt.Errorf("kind %q: must be video or audio", f.Kind)
	}
	return nil
}

// A message: a codec byte that servers look at, then our stamp.
const (
	codecKey   = 0x12 // video: a key frame, Sorenson H.263, which has no configuration of its own
	codecInter = 0x22 // video: no key frame
	codecAudio = 0x2f // MP3
	keyEvery   = time.Second

	stampMagic = 0xb5
	stampLen   = 1 + 1 + 1 + 8
	counted    = 1 // flag: sent while measuring
)

func putStamp(b []byte, codec byte, now rtmfp.Time, flags byte) {
	b[0], b[1], b[2] = codec, stampMagic, flags
	binary.BigEndian.PutUint64(b[3:], uint64(now))
}

// stampOf returns when a message was written and its flags.
func stampOf(b []byte) (at rtmfp.Time, flags byte, ok bool) {
	if len(b) < stampLen || b[1] != stampMagic {
		return 0, 0, false
	}
	return rtmfp.Time(binary.BigEndian.Uint64(b[3:])), b[2], true
}

// publisher writes messages in time. It belongs to the goroutine of its client.
type publisher struct {
	*member
	f      *Fanout
	on     *atomic.Bool // counting
	stream *netconn.ClientStream
	offset time.Duration // so that publications do not all write at once
	start  rtmfp.Time
	n      int64 // messages written
	key    rtmfp.Time
	sent   uint64 // of them counted
	late   time.Duration
	err    error
}

func (p *publisher) begin(now rtmfp.Time) {
	p.start = now.Add(p.offset)
	p.next()
}

func (p *publisher) next() {
	at := p.start.Add(time.Duration(float64(p.n) / p.f.Rate * 1e9))
	p.w.at(at, func(now rtmfp.Time) { p.tick(now, at) })
}

func (p *publisher) tick(now, due rtmfp.Time) {
	if p.socket == nil || p.leaving || p.err != nil {
		return
	}
	p.late = max(p.late, now.Sub(due))
	kind, codec := media.Video, byte(codecInter)
	switch {
	case p.f.Kind == "audio":
		kind, codec = media.Audio, codecAudio
	case p.key == 0 || now.Sub(p.key) >= keyEvery:
		codec, p.key = codecKey, now
	}
	flags := byte(0)
	if p.on.Load() {
		flags = counted
	}
	b := rtmfp.NewBuffer(p.f.Size)
	clear(b.Bytes())
	putStamp(b.Bytes(), codec, now, flags)
	if p.err = p.stream.WriteFrame(now, kind, uint32(now.Sub(p.start)/time.Millisecond), b, media.WriteOptions{}); p.err == nil {
		p.n++
		if flags != 0 {
			p.sent++
		}
	}
	p.touch()
	p.next()
}

// listeners counts what arrives at the clients of one worker.
type listeners struct {
	all  atomic.Uint64 // ever
	got  atomic.Uint64 // of those sent while measuring
	hist *histogram
}

func (l *listeners) frame(arrived rtmfp.Time, body *rtmfp.Buffer) {
	at, flags, ok := stampOf(body.Bytes())
	if !ok {
		return
	}
	l.all.Add(1)
	if flags&counted != 0 {
		l.got.Add(1)
		l.hist.record(arrived.Sub(at))
	}
}

func (f *Fanout) options(o map[string]any) {
	o["publications"], o["listeners"] = f.Publications, f.Listeners
	o["rate"], o["size"], o["kind"] = f.Rate, f.Size, f.Kind
}

func (f *Fanout) run(ctx context.Context, r *run) error {
	r.result.Unit = "messages delivered"
	f.options(r.result.Options)
	var on atomic.Bool
	pubs, err := f.publish(ctx, r, r.Target, &on)
	if err != nil {
		return err
	}
	audience, err := f.listen(ctx, r, r.Target)
	if err != nil {
		return err
	}
	r.result.Clients = int(r.connected.Load())
	r.checkSecured()
	start(r, pubs)
	err = r.measureFanout(ctx, &on, audience)
	f.count(r, pubs, audience)
	return err
}

// measureFanout also counts what arrives in the time that is measured, whenever it was sent: that is what
// the processor time was used for.
func (r *run) measureFanout(ctx context.Context, on *atomic.Bool, a *audience) error {
	var before, after uint64
	err := r.measure(ctx, func() {
		on.Store(true)
		before = a.all()
	}, func() {
		on.Store(false)
		after = a.all()
	})
	r.inTime(after - before)
	return err
}

// start lets the publishers write.
func start(r *run, pubs []*publisher) {
	r.farm.each(func(w *worker, now rtmfp.Time) {
		for _, p := range pubs {
			if p.w == w {
				p.begin(now)
			}
		}
	})
}

// publish starts the publications; they do not write yet.
func (f *Fanout) publish(ctx context.Context, r *run, t Target, on *atomic.Bool) ([]*publisher, error) {
	pubs := make([]*publisher, f.Publications)
	n, err := r.crowd(ctx, setup{
		n: f.Publications, stage: "publishing", target: t,
		joined: func(m *member, now rtmfp.Time) {
			p := &publisher{member: m, f: f, on: on}
			p.offset = time.Duration(float64(m.i) / float64(f.Publications) / f.Rate * 1e9)
			m.stream(now, netconn.StreamConfig{}, netconn.CodePublishStart, func(now rtmfp.Time, s *netconn.ClientStream) error {
				p.stream = s
				pubs[m.i] = p
				return s.Publish(now, f.name(m.i), "live")
			})
		},
	})
	if err == nil && n < f.Publications {
		r.result.Errors = r.errors
		err = fmt.Errorf("only %d of %d publications: %s", n, f.Publications, r.result.ErrorList())
	}
	return pubs, err
}

func (f *Fanout) name(i int) string { return fmt.Sprintf("%s%d", f.Stream, i%f.Publications) }

// audience is the listeners of a fanout.
type audience struct {
	parts []*listeners   // one per worker
	each  []atomic.Int64 // of each publication
	sum   *histogram     // when all is over
}

func (a *audience) got() (n uint64) {
	for _, l := range a.parts {
		n += l.got.Load()
	}
	return n
}

func (a *audience) all() (n uint64) {
	for _, l := range a.parts {
		n += l.all.Load()
	}
	return n
}

func (a *audience) histograms() (list []*histogram) {
	for _, l := range a.parts {
		list = append(list, l.hist)
	}
	return list
}

// listen starts the listeners.
func (f *Fanout) listen(ctx context.Context, r *run, t Target) (*audience, error) {
	a := &audience{each: make([]atomic.Int64, f.Publications)}
	for range r.farm.workers {
		a.parts = append(a.parts, &listeners{hist: new(histogram)})
	}
	n, err := r.crowd(ctx, setup{
		n: f.Listeners, stage: "connecting listeners", target: t,
		joined: func(m *member, now rtmfp.Time) {
			l := a.parts[m.i%len(a.parts)]
			cfg := netconn.StreamConfig{OnFrame: func(_ rtmfp.Time, _ media.Kind, _ uint32, body *rtmfp.Buffer) { l.frame(m.arrived, body) }}
			m.stream(now, cfg, netconn.CodePlayStart, func(now rtmfp.Time, s *netconn.ClientStream) error {
				return s.Play(now, f.name(m.i))
			})
		},
		ready: func(m *member) { a.each[m.i%f.Publications].Add(1) },
		lost:  func(_ *member, _ rtmfp.Time, err error) { r.fail(fmt.Errorf("lost a listener: %w", err)) },
	})
	if err != nil {
		return nil, err
	}
	return a, r.need(n, f.Listeners, "listeners")
}

// count waits for what is still under way and computes the result.
func (f *Fanout) count(r *run, pubs []*publisher, a *audience) {
	settle(a.got, drain)
	var late time.Duration
	r.farm.each(func(w *worker, _ rtmfp.Time) {
		for i, p := range pubs {
			if p.w == w {
				r.result.Expected += p.sent * uint64(a.each[i].Load())
				late = max(late, p.late)
				if p.err != nil {
					r.fail(fmt.Errorf("publisher: %w", p.err))
				}
			}
		}
	})
	r.result.Done = a.got()
	a.sum = r.merge(a.histograms())
	r.result.Latency = a.sum.latency()
	if late > 20*time.Millisecond {
		r.note("the generator wrote messages up to %v late", late.Round(time.Millisecond))
	}
}

// drain is how long messages under way are waited for at most.
const drain = 3 * time.Second
