package rtmfp

import (
	"testing"
	"time"
)

// A packet that comes late does not take the place of a newer one for the timestamp echo.
func TestTimestampOfOvertakenPacket(t *testing.T) {
	now := Time(time.Hour)
	r := newRTTState()
	expect := func(at time.Duration, want uint16) {
		t.Helper()
		if echo, ok := r.echo(now.Add(at)); !ok || echo != want {
			t.Errorf("echo after %v: %d, %v, want %d", at, echo, ok, want)
		}
	}
	r.onTimestamp(now, 65500)
	r.onTimestamp(now.Add(400*time.Millisecond), 64) // 100 ticks later, past the end of the numbers
	r.onTimestamp(now.Add(500*time.Millisecond), 65510)
	expect(500*time.Millisecond, 64+25)
	r.onTimestamp(now.Add(504*time.Millisecond), 90)
	expect(504*time.Millisecond, 90)
	// After a long silence there is no telling what is newer.
	r.onTimestamp(now.Add(504*time.Millisecond+echoValidity), 80)
	expect(504*time.Millisecond+echoValidity, 80)
}
