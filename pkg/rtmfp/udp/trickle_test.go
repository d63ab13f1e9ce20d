package udp

import (
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// A crowd that acknowledges is let gather; who sends messages, or little, is served at once.
func TestTrickle(t *testing.T) {
	for _, tt := range []struct {
		what   string
		every  time.Duration // between two reads
		n      int           // datagrams in each
		events int           // told to the application after each
		want   bool
	}{
		{"acknowledgements of a crowd", time.Millisecond, 3, 0, true},
		{"with a publisher among them", time.Millisecond, 10, 2, true},
		{"calls", 100 * time.Microsecond, 1, 1, false},
		{"few", 5 * time.Millisecond, 1, 0, false},
		{"almost nothing", time.Second, 100, 0, false},
	} {
		t.Run(tt.what, func(t *testing.T) {
			var x trickle
			now := rtmfp.Time(time.Hour)
			for range 1000 {
				x.datagrams(now, tt.n)
				x.events += tt.events
				now = now.Add(tt.every)
			}
			if got := x.gather(); got != tt.want {
				t.Errorf("gather: %v", got)
			}
			x.datagrams(now, 0)
			if x.gather() {
				t.Error("goes on pausing although nothing comes")
			}
		})
	}
}
