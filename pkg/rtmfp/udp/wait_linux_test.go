package udp

import (
	"math/rand/v2"
	"testing"
	"time"
)

// However waits end, by a datagram before, during or after, by wake or by the deadline, the next datagram ends
// the next wait.
func TestWaitFindsEveryDatagram(t *testing.T) {
	a, b := open(t, "127.0.0.1:0", 0), open(t, "127.0.0.1:0", 0)
	r := rand.New(rand.NewPCG(3, 4))
	var counters Counters
	send := func() { a.write(datagrams(b.addr, 50), &counters) }
	for round := range 3000 {
		switch r.IntN(4) {
		case 0: // a wait that the deadline ends
			b.setReadDeadline(time.Now().Add(time.Duration(r.IntN(200)) * time.Microsecond))
			if !b.read(true) || b.received(&counters) != 0 {
				t.Fatalf("round %d: read something", round)
			}
		case 1: // one that wake ends
			go b.wake()
			if !b.read(true) || b.received(&counters) != 0 {
				t.Fatalf("round %d: read something", round)
			}
		case 2: // arrives without a wait
			send()
			if !b.read(false) || b.received(&counters) != 1 {
				t.Fatalf("round %d: not there", round)
			}
		}
		b.setReadDeadline(time.Now().Add(10 * time.Second))
		done := make(chan struct{})
		delay := r.IntN(3000)
		go func() {
			for range delay { // now before the wait, now during it
			}
			send()
			close(done)
		}()
		b.woken = false
		if !b.read(true) || b.received(&counters) != 1 || b.woken {
			t.Fatalf("round %d: the datagram did not end the wait", round)
		}
		<-done
	}
}
