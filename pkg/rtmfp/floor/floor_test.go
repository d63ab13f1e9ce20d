package floor

import (
	"bytes"
	"testing"
)

// Packets are as long as a session's, every one is encrypted with keys of its own, and nothing is allocated.
func TestSeal(t *testing.T) {
	message := bytes.Repeat([]byte("message "), 125)
	for _, withHMAC := range []bool{false, true} {
		want := idSize + 1024
		if withHMAC {
			want += macSize
		}
		var x Sealer
		var sessions []*Session
		bufs := make([][]byte, 5)
		for i := range bufs {
			sessions = append(sessions, NewSession(withHMAC))
			bufs[i] = make([]byte, 0, 2048)
		}
		seal := func() [][]byte {
			for i, s := range sessions {
				x.Add(s, bufs[i], message)
			}
			return x.Seal()
		}
		seen := make(map[string]bool)
		for _, b := range seal() {
			if len(b) != want {
				t.Errorf("%d bytes, want %d", len(b), want)
			}
			if bytes.Contains(b, []byte("message ")) {
				t.Error("not encrypted")
			}
			if seen[string(b)] {
				t.Error("two sessions have the same keys")
			}
			seen[string(b)] = true
		}
		if n := testing.AllocsPerRun(100, func() { seal() }); n > 0 {
			t.Errorf("%v allocations for a batch", n)
		}
	}
}

// BenchmarkSeal encrypts a batch of messages of 1000 bytes, as large as one system call sends.
func BenchmarkSeal(b *testing.B) {
	for _, withHMAC := range []bool{false, true} {
		name := "plain"
		if withHMAC {
			name = "HMAC"
		}
		b.Run(name, func(b *testing.B) {
			const batch = 32
			var x Sealer
			message := make([]byte, 1000)
			sessions, bufs := make([]*Session, batch), make([][]byte, batch)
			for i := range sessions {
				sessions[i], bufs[i] = NewSession(withHMAC), make([]byte, 0, 2048)
			}
			b.ReportAllocs()
			for b.Loop() {
				for i, s := range sessions {
					x.Add(s, bufs[i], message)
				}
				x.Seal()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(batch*b.N), "ns/packet")
		})
	}
}
