package udp

import (
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// The queue holds as many handshakes as maxWait is enough for, judged by how long they took so far.
func TestWorkersQueue(t *testing.T) {
	for _, took := range []time.Duration{100 * time.Microsecond, 10 * time.Millisecond} {
		w := &workers{number: 2, costs: map[uint64]time.Duration{0: time.Millisecond}} // none of which works
		w.more.L = &w.mu
		for range 100 {
			w.took(0, took)
		}
		n := 0
		for w.add(nil, new(rtmfp.KeyAgreement)) {
			n++
		}
		if want := int(2 * maxWait / took); n < want*9/10 || n > want*11/10 {
			t.Errorf("%v each: %d handshakes wait, want %d", took, n, want)
		}
		for range n / 2 {
			w.next()
		}
		more := 0
		for w.add(nil, new(rtmfp.KeyAgreement)) {
			more++
		}
		if more < n/2-1 || more > n/2+1 {
			t.Errorf("%v each: %d more after %d are done", took, more, n/2)
		}
	}
}
