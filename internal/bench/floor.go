package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
	"github.com/monaserver/monaserver/pkg/rtmfp/floor"
)

// Floor does what no server can avoid, and nothing else: it encrypts each message for each listener, with
// keys of its own, and sends it, in batches. It needs no server.
type Floor struct {
	Listeners int
	Rate      float64 // messages per second
	Size      int     // bytes of a message
}

// FloorUsage is what the unavoidable costs, in microseconds of processor time.
type FloorUsage struct {
	Packet float64 `json:"us_per_packet"`
	Seal   float64 `json:"us_to_encrypt"` // of it
	Send   float64 `json:"us_to_send"`    // of it
	// Exponentiation is one of the Diffie-Hellman group; a server needs at least one for each connect.
	Exponentiation float64 `json:"us_per_exponentiation"`
}

// Name implements Scenario.
func (f *Floor) Name() string { return "floor" }

func (f *Floor) closedLoop() bool { return false }

// Check implements Scenario.
func (f *Floor) Check() error {
	if err := checkCount(f.Listeners, "listeners"); err != nil {
		return err
	}
	switch {
	case f.Rate <= 0 || f.Rate > 1e5:
		return fmt.Errorf("rate %v: must be above 0 and at most 100000", f.Rate)
	case f.Size < 1 || f.Size > maxFloorSize:
		return fmt.Errorf("size %d: must be 1 to %d bytes, what fits into one packet", f.Size, maxFloorSize)
	}
	return nil
}

const (
	maxFloorSize = 1100
	floorBatch   = 32 // datagrams of one system call, as the server's driver has it
	// exponentiations are measured together.
	exponentiations = 64
)

// sink is where a listener would be.
type sink struct {
	to      netip.AddrPort
	session *floor.Session
}

func (f *Floor) run(ctx context.Context, r *run) error {
	r.result.Unit = "packets"
	r.result.Options["listeners"], r.result.Options["rate"], r.result.Options["size"] = f.Listeners, f.Rate, f.Size
	list, err := f.sinks(r)
	if err != nil {
		return err
	}
	r.stage.Store("measuring")
	m, err := r.meter()
	if err != nil {
		return err
	}
	type outcome struct {
		usage FloorUsage
		n     uint64
		err   error
	}
	done := make(chan outcome, 1)
	go func() { // on a thread of its own, whose processor time is measured
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		var o outcome
		o.usage, o.n, o.err = f.send(ctx, r, list)
		done <- o
	}()
	o := <-done
	if err := m.end(); err != nil {
		return err
	}
	r.result.Clients, r.result.Done, r.result.Floor, r.result.Secured = f.Listeners, o.n, &o.usage, r.HMAC
	return o.err
}

// sinks opens sockets that throw away what they get, as many as the clients of a fanout would have.
func (f *Floor) sinks(r *run) (list []sink, err error) {
	r.farm.each(func(w *worker, _ rtmfp.Time) {
		var s *socket
		n := f.Listeners / len(r.farm.workers)
		if w == r.farm.workers[0] {
			n = f.Listeners - n*(len(r.farm.workers)-1)
		}
		for i := range n {
			if i%spread == 0 && err == nil {
				if s, err = w.net.open(r.Target.Addr.Addr()); err == nil {
					w.sockets[int32(s.fd)] = s
				}
			}
			if err != nil {
				return
			}
			list = append(list, sink{
				to:      netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}), s.port),
				session: floor.NewSession(r.HMAC),
			})
		}
	})
	return list, err
}

// send sends messages to all for the time of the measurement.
func (f *Floor) send(ctx context.Context, r *run, list []sink) (u FloorUsage, n uint64, err error) {
	out, err := newNetwork()
	if err != nil {
		return u, 0, err
	}
	defer out.close()
	s, err := out.openPlain()
	if err != nil {
		return u, 0, err
	}
	defer s.close()
	begun := threadTime()
	for range exponentiations {
		if _, err := rtmfp.NewClientIdentity(rand.Reader, r.Group); err != nil {
			return u, 0, err
		}
	}
	us := func(d time.Duration, n uint64) float64 { return round(float64(d)/1e3/float64(max(n, 1)), 3) }
	u.Exponentiation = us(threadTime()-begun, exponentiations)

	message := make([]byte, f.Size)
	packets := make([]rtmfp.Datagram, floorBatch)
	room := make([][]byte, floorBatch)
	for i := range room {
		room[i] = make([]byte, 0, readSize)
	}
	from := make([]netip.Addr, floorBatch)
	var sealer floor.Sealer
	var sealing, sending time.Duration
	start := time.Now()
	for i := 0; ; i++ {
		due := start.Add(time.Duration(float64(i) / f.Rate * 1e9))
		if due.Sub(start) >= r.Time {
			break
		}
		if err := sleep(ctx, time.Until(due)); err != nil {
			return u, n, err
		}
		for part := range slices.Chunk(list, floorBatch) {
			t0 := threadTime()
			for j := range part {
				sealer.Add(part[j].session, room[j], message)
			}
			for j, b := range sealer.Seal() {
				packets[j] = rtmfp.Datagram{To: part[j].to, Data: b}
			}
			t1 := threadTime()
			refused := out.write(s, packets[:len(part)], from)
			sending += threadTime() - t1
			sealing += t1 - t0
			n += uint64(len(part) - refused)
			r.done.Store(n)
		}
	}
	u.Seal, u.Send = us(sealing, n), us(sending, n)
	u.Packet = us(sealing+sending, n)
	return u, n, nil
}
