package bench

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
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
	// floorHeader is what a packet has besides a message: its own header, a chunk's, the message's.
	floorHeader = 24
	floorHMAC   = 16
	floorID     = 4 // the scrambled session id, not encrypted
	// exponentiations are measured together.
	exponentiations = 64
)

// sealer has the keys of a listener.
type sealer struct {
	to  netip.AddrPort
	cbc cipher.BlockMode
	mac hash.Hash // nil = no HMAC
}

// ivSetter is what block modes of the standard library can do: begin anew without allocating.
type ivSetter interface{ SetIV([]byte) }

func newSealer(to netip.AddrPort, withHMAC bool) (sealer, error) {
	var key [aes.BlockSize + sha256.Size]byte
	if _, err := rand.Read(key[:]); err != nil {
		return sealer{}, err
	}
	block, err := aes.NewCipher(key[:aes.BlockSize])
	if err != nil {
		return sealer{}, err
	}
	s := sealer{to: to, cbc: cipher.NewCBCEncrypter(block, make([]byte, aes.BlockSize))}
	if withHMAC {
		s.mac = hmac.New(sha256.New, key[aes.BlockSize:])
	}
	return s, nil
}

var zeroIV [aes.BlockSize]byte

// seal appends a packet with a message to b.
func (s *sealer) seal(b, message []byte, sum *[sha256.Size]byte) []byte {
	b = append(b, make([]byte, floorID+floorHeader)...)
	b = append(b, message...)
	for (len(b)-floorID)%aes.BlockSize != 0 {
		b = append(b, 0xff)
	}
	s.cbc.(ivSetter).SetIV(zeroIV[:])
	s.cbc.CryptBlocks(b[floorID:], b[floorID:])
	if s.mac != nil {
		s.mac.Reset()
		s.mac.Write(b[floorID:])
		b = append(b, s.mac.Sum(sum[:0])[:floorHMAC]...)
	}
	return b
}

func (f *Floor) run(ctx context.Context, r *run) error {
	r.result.Unit = "packets"
	r.result.Options["listeners"], r.result.Options["rate"], r.result.Options["size"] = f.Listeners, f.Rate, f.Size
	list, err := f.sink(r)
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

// sink opens sockets that throw away what they get, as many as the clients of a fanout would have.
func (f *Floor) sink(r *run) (list []sealer, err error) {
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
			var k sealer
			k, err = newSealer(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}), s.port), r.HMAC)
			list = append(list, k)
		}
	})
	return list, err
}

// send sends messages to all for the time of the measurement.
func (f *Floor) send(ctx context.Context, r *run, list []sealer) (u FloorUsage, n uint64, err error) {
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
	for i := range packets {
		packets[i].Data = make([]byte, 0, readSize)
	}
	from := make([]netip.Addr, floorBatch)
	var sum [sha256.Size]byte
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
				packets[j] = rtmfp.Datagram{To: part[j].to, Data: part[j].seal(packets[j].Data[:0], message, &sum)}
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
