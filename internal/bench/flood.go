package bench

import (
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// flood is hellos that nobody follows up.
type flood struct {
	begun   time.Time
	sent    atomic.Uint64
	stopped atomic.Bool
}

func (f *flood) stop()                 { f.stopped.Store(true) }
func (f *flood) lasted() time.Duration { return time.Since(f.begun) }

const (
	floodHellos = 512              // different ones
	floodEvery  = time.Millisecond // a burst
)

// flood starts to send hellos at a rate, spread over the workers.
func (r *run) flood(rate float64) (*flood, error) {
	f := &flood{begun: time.Now()}
	hellos, err := r.hellos()
	if err != nil {
		return nil, err
	}
	per := rate / float64(len(r.farm.workers))
	for _, w := range r.farm.workers {
		w.post(func(now rtmfp.Time) {
			s, err := w.net.open(r.Target.Addr.Addr())
			if err != nil {
				r.fail(err)
				return
			}
			w.sockets[int32(s.fd)] = s
			w.flood(f, s, hellos, now, per)
		})
	}
	return f, nil
}

// hellos makes initiator hellos with the endpoint itself: each is the first packet of another dial.
func (r *run) hellos() ([]rtmfp.Datagram, error) {
	var list []rtmfp.Datagram
	id, err := r.farm.ids.take()
	if err != nil {
		return nil, err
	}
	batch := rtmfp.NewBatch(1)
	for range floodHellos {
		ep := rtmfp.NewEndpoint(rtmfp.Config{Identity: id, Cookies: r.farm.cookies})
		now := r.farm.Now()
		if _, err := ep.Dial(now, rtmfp.DialConfig{EPD: rtmfp.EPDForURI(r.Target.URL), Addrs: []netip.AddrPort{r.Target.Addr}}); err != nil {
			return nil, err
		}
		if ep.HandleTimeout(now); !ep.Poll(now, batch) {
			return nil, errors.New("no hello to send")
		}
		d := batch.Datagrams()[0]
		list = append(list, rtmfp.Datagram{To: d.To, Data: append([]byte(nil), d.Data...)})
		batch.Reset()
	}
	return list, nil
}

// flood sends what is due since start and comes again.
func (w *worker) flood(f *flood, s *socket, hellos []rtmfp.Datagram, start rtmfp.Time, rate float64) {
	var sent uint64
	from := make([]netip.Addr, 0, sendBatch)
	var tick func(now rtmfp.Time)
	tick = func(now rtmfp.Time) {
		if f.stopped.Load() {
			return
		}
		due := uint64(now.Sub(start).Seconds() * rate)
		if due > sent+uint64(rate/10)+1 { // far behind: what was not sent stays so
			sent = due - uint64(rate/10) - 1
		}
		for sent < due {
			n := min(int(due-sent), sendBatch)
			i := int(sent) % (len(hellos) - sendBatch)
			from = from[:0]
			for k := range n {
				x := sent + uint64(k)
				from = append(from, netip.AddrFrom4([4]byte{127, 200 + byte(x>>16)%50, byte(x >> 8), byte(x)}))
			}
			w.net.write(s, hellos[i:i+n], from)
			sent += uint64(n)
			f.sent.Add(uint64(n))
		}
		w.at(now.Add(floodEvery), tick)
	}
	tick(start)
}
