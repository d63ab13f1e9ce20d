package rtmfp

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"testing"
)

// sealMode is one of the four plaintext forms of a packet.
type sealMode struct {
	name    string
	hmacLen int
	sseq    bool
}

var sealModes = []sealMode{{"plain", 0, false}, {"sseq", 0, true}, {"hmac", 10, false}, {"hmac+sseq", 16, true}}

func (m sealMode) keys() (*sendKey, *recvKey) {
	key, mac := bytes.Repeat([]byte{7}, 16), bytes.Repeat([]byte{8}, 32)
	return newSendKey(key, mac, m.hmacLen, m.sseq), newRecvKey(key, mac, m.hmacLen, m.sseq)
}

func TestSealOpenLengths(t *testing.T) {
	for _, m := range sealModes {
		t.Run(m.name, func(t *testing.T) {
			send, recv := m.keys()
			for n := 1; n < 300; n++ {
				packet := bytes.Repeat([]byte{0x09}, n)
				limit := n + send.overhead()
				d := send.seal(append(send.begin(nil), packet...), 0, 0xdeadbeef)
				if len(d) > limit {
					t.Fatalf("%d bytes, at most %d expected", len(d), limit)
				}
				if sid, ok := unscrambleID(d); !ok || sid != 0xdeadbeef {
					t.Fatalf("session ID %08x", sid)
				}
				got, err := recv.open(d)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.HasPrefix(got, packet) || len(bytes.Trim(got[n:], "\xff")) != 0 || len(got) > n+15 {
					t.Fatalf("opened %x", got)
				}
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, m := range sealModes {
		t.Run(m.name, func(t *testing.T) {
			send, recv := m.keys()
			d := send.seal(append(send.begin(nil), make([]byte, 40)...), 0, 1)
			for i := range d {
				if _, err := recv.open(bytes.Clone(d[:i])); err == nil {
					t.Fatalf("%d of %d bytes accepted", i, len(d))
				}
			}
			want := errChecksum
			if m.hmacLen > 0 {
				want = errMAC
			}
			for i := sessionIDLen; i < len(d); i++ {
				bad := bytes.Clone(d)
				bad[i] ^= 0x10
				// A damaged sequence number may fail on its own.
				if _, err := recv.open(bad); err == nil || (!m.sseq || m.hmacLen > 0) && !errors.Is(err, want) {
					t.Fatalf("byte %d damaged: %v, want %v", i, err, want)
				}
			}
			if _, err := recv.open(bytes.Clone(d)); err != nil {
				t.Fatalf("after all the refused ones: %v", err)
			}
			_, err := recv.open(bytes.Clone(d))
			if m.sseq && !errors.Is(err, errReplay) || !m.sseq && err != nil {
				t.Fatalf("replayed: %v", err)
			}
		})
	}
	for _, d := range [][]byte{nil, make([]byte, 4), make([]byte, 19), make([]byte, 21)} {
		if _, err := newDefaultRecvKey().open(d); !errors.Is(err, errShort) {
			t.Errorf("%d bytes: %v", len(d), err)
		}
	}
}

func TestOpenBadSequence(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 16)
	raw := newSendKey(key, key, 16, false) // seals what it is given, without a number
	recv := newRecvKey(key, key, 16, true)
	d := raw.seal(append(raw.begin(nil), bytes.Repeat([]byte{0xff}, 16)...), 0, 1)
	if _, err := recv.open(d); !errors.Is(err, errSequence) {
		t.Errorf("endless sequence number: %v", err)
	}

	plain := newSendKey(key, nil, 0, false)
	d = plain.begin(nil)
	d = append(d[:sessionIDLen], bytes.Repeat([]byte{0x80}, 15)...)
	recv = newRecvKey(key, nil, 0, true)
	d = raw.seal(append(d, 0), 0, 1)[:sessionIDLen+16]
	if _, err := recv.open(d); !errors.Is(err, errChecksum) {
		t.Errorf("a sequence number that leaves no room for the checksum: %v", err)
	}
}

// TestOpenRecordsLate: a forged packet must not use up the sequence number of a real one.
func TestOpenRecordsLate(t *testing.T) {
	send, recv := sealModes[1].keys()
	d := send.seal(append(send.begin(nil), 1, 2, 3), 0, 1)
	send.next = 0
	forged := send.begin(nil)
	forged = send.seal(append(forged, 4, 5, 6), 0, 1)
	forged[len(forged)-1] ^= 1
	if _, err := recv.open(forged); err == nil {
		t.Fatal("forgery accepted")
	}
	if _, err := recv.open(d); err != nil {
		t.Fatal(err)
	}
}

func TestShrink(t *testing.T) {
	for _, m := range sealModes {
		send, recv := m.keys()
		for range 3 {
			send.shrink()
			d := send.seal(append(send.begin(nil), 1, 2, 3), 0, 1)
			recv.shrink()
			if got, err := recv.open(d); err != nil || !bytes.HasPrefix(got, []byte{1, 2, 3}) {
				t.Errorf("%s: %x, %v", m.name, got, err)
			}
		}
	}
}

func TestUnscrambleShort(t *testing.T) {
	if _, ok := unscrambleID(make([]byte, 19)); ok {
		t.Error("19 bytes cannot hold a packet")
	}
}

func FuzzOpen(f *testing.F) {
	for _, v := range loadVectors().Keying[:4] {
		for _, p := range v.Packets {
			f.Add([]byte(p.Datagram), byte(0))
		}
	}
	for i, m := range sealModes {
		send, _ := m.keys()
		f.Add(send.seal(append(send.begin(nil), "some packet"...), 0, 1), byte(i))
	}
	f.Fuzz(func(t *testing.T, b []byte, mode byte) {
		m := sealModes[int(mode)%len(sealModes)]
		send, recv := m.keys()
		orig := bytes.Clone(b)
		packet, err := recv.open(b)
		if err != nil || len(packet) == 0 {
			return
		}
		sid, _ := unscrambleID(orig)
		send.next = recv.window.highest
		if m.sseq && !bytes.HasPrefix(b[sessionIDLen:], appendVLU(nil, send.next)) {
			return // a sequence number with leading zero digits is not written again
		}
		if got := send.seal(append(send.begin(nil), packet...), 0, sid); !bytes.Equal(got, orig) {
			t.Fatalf("sealed %x, want %x", got, orig)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	for _, m := range sealModes {
		b.Run(m.name, func(b *testing.B) {
			send, _ := m.keys()
			packet, buf := make([]byte, 1200), make([]byte, 0, 1300)
			b.ReportAllocs()
			b.SetBytes(int64(len(packet)))
			for b.Loop() {
				send.seal(append(send.begin(buf), packet...), 0, 5)
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, m := range sealModes {
		b.Run(m.name, func(b *testing.B) {
			send, recv := m.keys()
			sealed := send.seal(append(send.begin(nil), make([]byte, 1200)...), 0, 5)
			buf := make([]byte, len(sealed))
			b.ReportAllocs()
			b.SetBytes(1200)
			for b.Loop() {
				copy(buf, sealed)
				recv.window = replayWindow{}
				if _, err := recv.open(buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParsePacket(b *testing.B) {
	v := loadVectors().Transcripts[0]
	recv := newRecvKey(v.ServerAES, v.ServerHMAC, 16, true)
	packet, err := recv.open(bytes.Clone(v.Datagrams[6].Datagram))
	if err != nil {
		b.Fatal(err)
	}
	var ud userData
	b.ReportAllocs()
	for b.Loop() {
		_, n := consumePacketHeader(packet)
		for rest := packet[n:]; ; {
			typ, p, r, ok := nextChunk(rest)
			if !ok {
				break
			}
			rest = r
			switch typ {
			case chunkUserData:
				consumeUserData(p, &ud)
			case chunkNextUserData:
				consumeNextUserData(p, &ud)
			}
		}
	}
}

// BenchmarkKeyMemory reports what the keys of one session, both directions, hold.
func BenchmarkKeyMemory(b *testing.B) {
	for _, m := range sealModes {
		for _, used := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/used=%v", m.name, used), func(b *testing.B) {
				const sessions = 2000
				for b.Loop() {
					keys := make([]any, 0, 2*sessions)
					var before, after runtime.MemStats
					runtime.GC()
					runtime.ReadMemStats(&before)
					for range sessions {
						send, recv := m.keys()
						if used {
							if _, err := recv.open(send.seal(append(send.begin(nil), 1), 0, 5)); err != nil {
								b.Fatal(err)
							}
							send.seal(append(send.begin(nil), 1), 0, 5)
						}
						keys = append(keys, send, recv)
					}
					runtime.GC()
					runtime.ReadMemStats(&after)
					runtime.KeepAlive(keys)
					b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/sessions, "B/session")
				}
			})
		}
	}
}
