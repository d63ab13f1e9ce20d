package rtmfp_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// dumped is a packet that a dump function was shown.
type dumped struct {
	addr    netip.AddrPort
	session uint32
	packet  []byte
}

// dump keeps what an endpoint sent and received.
type dump struct{ sent, received []dumped }

func (d *dump) show(sent bool, addr netip.AddrPort, session uint32, packet []byte) {
	x := dumped{addr, session, bytes.Clone(packet)}
	if sent {
		d.sent = append(d.sent, x)
	} else {
		d.received = append(d.received, x)
	}
}

// firstChunk is the type of the first chunk behind a header with a timestamp, and perhaps an echo.
func (x dumped) firstChunk() byte {
	if x.packet[0]&0x04 != 0 {
		return x.packet[5]
	}
	return x.packet[3]
}

// agree checks that one end was shown all that the other sent, as it was before encryption; only padding
// (RFC 7016 §2.2.4) is added.
func agree(t *testing.T, sent, received []dumped, to, from netip.AddrPort, far map[uint32]uint32) {
	t.Helper()
	if len(sent) != len(received) {
		t.Fatalf("%v shows %d packets sent, %v %d received", from, len(sent), to, len(received))
	}
	for i, s := range sent {
		r := received[i]
		if padding, ok := bytes.CutPrefix(r.packet, s.packet); !ok || len(bytes.Trim(padding, "\xff")) > 0 {
			t.Errorf("packet %d: sent %x, received %x", i, s.packet, r.packet)
		}
		if s.addr != to || r.addr != from {
			t.Errorf("packet %d: sent to %v, received from %v", i, s.addr, r.addr)
		}
		if r.session != far[s.session] {
			t.Errorf("packet %d: session %08x here is %08x there", i, s.session, r.session)
		}
	}
}

func TestDump(t *testing.T) {
	for _, sec := range benchSecurities {
		t.Run(sec.name, func(t *testing.T) {
			var client, server dump
			w := newEchoWorld(t, worldConfig{
				seed:   1,
				client: rtmfp.Config{Security: sec.Security, Dump: client.show},
				server: rtmfp.Config{Security: sec.Security, Dump: server.show},
			})
			cs, ss := w.open()
			w.exchange(cs, "one message")
			w.net.Run(time.Second) // the last acknowledgement

			ids := map[uint32]uint32{0: 0, cs.ID(): ss.ID(), ss.ID(): cs.ID()}
			agree(t, client.sent, server.received, w.server.Addr(), w.client.Addr(), ids)
			agree(t, server.sent, client.received, w.client.Addr(), w.server.Addr(), ids)

			for i, want := range []struct {
				from    dumped
				chunk   byte
				session uint32
			}{
				{client.sent[0], rtmfp.ChunkIHello, 0},
				{server.sent[0], rtmfp.ChunkRHello, 0},
				{client.sent[1], rtmfp.ChunkIIKeying, 0},
				{server.sent[1], rtmfp.ChunkRIKeying, 0},
				{client.sent[2], rtmfp.ChunkUserData, cs.ID()},
			} {
				if got := want.from; got.firstChunk() != want.chunk || got.session != want.session {
					t.Errorf("packet %d: chunk %02x of session %08x, want %02x of %08x", i, got.firstChunk(), got.session, want.chunk, want.session)
				}
			}
			for _, list := range [][]dumped{client.sent, client.received} {
				n := 0
				for _, x := range list {
					n += bytes.Count(x.packet, []byte("one message"))
				}
				if n != 1 {
					t.Errorf("the message is shown %d times in one direction", n)
				}
			}
		})
	}
}

// What cannot be decrypted is not shown.
func TestDumpOnlyWhatIsGenuine(t *testing.T) {
	var server dump
	w := newWorld(t, worldConfig{seed: 1, server: rtmfp.Config{Dump: server.show}})
	hello := rtmfp.ForgeStartup(w.net.Now(), 0, rtmfp.MakeIHello(rtmfp.EPDForURI("rtmfp://192.0.2.1/test"), []byte("tag")))
	broken := bytes.Clone(hello)
	broken[len(broken)-1] ^= 1
	w.net.Inject(w.client.Addr(), w.server.Addr(), broken)
	w.net.Run(time.Second)
	if len(server.received)+len(server.sent) > 0 {
		t.Errorf("shown: %v", server)
	}
	w.net.Inject(w.client.Addr(), w.server.Addr(), hello)
	w.net.Run(time.Second)
	if len(server.received) != 1 || len(server.sent) != 1 {
		t.Errorf("%d received, %d sent", len(server.received), len(server.sent))
	}
}

// The packet that asks a new address whether the far end is there goes there (RFC 7016 §3.5.4.2).
func TestDumpProbe(t *testing.T) {
	var server dump
	w := newEchoWorld(t, worldConfig{seed: 1, server: rtmfp.Config{Dump: server.show}})
	cs, ss := w.open()
	w.exchange(cs, "before")
	server = dump{}
	moved := netip.MustParseAddrPort("198.51.100.7:50001")
	w.client.Rebind(moved.String())
	w.exchange(cs, "after")
	for _, x := range server.sent {
		if x.addr == moved && x.session == ss.ID() && x.firstChunk() == rtmfp.ChunkPing {
			return
		}
	}
	t.Errorf("no ping to %v: %v", moved, server.sent)
}
