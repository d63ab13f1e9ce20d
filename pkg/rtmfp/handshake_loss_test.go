package rtmfp_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// disturbance says what happens to the n-th datagram, counted from 1, of a direction.
type disturbance struct {
	fromClient bool
	n          int
}

func (d disturbance) String() string {
	if d.fromClient {
		return fmt.Sprintf("client %d", d.n)
	}
	return fmt.Sprintf("server %d", d.n)
}

// openUnder opens a session and exchanges a message each way while act decides about the datagrams that
// list names. It returns how many datagrams each end sent until both messages had arrived.
func openUnder(t *testing.T, c worldConfig, list []disturbance, act func(l *wire, p *wirePacket) bool) (client, server int) {
	t.Helper()
	w := newEchoWorld(t, c)
	l := tap(w.net)
	l.pass = func(p *wirePacket) bool {
		d := disturbance{fromClient: p.from == w.client.Addr()}
		if d.fromClient {
			client++
			d.n = client
		} else {
			server++
			d.n = server
		}
		for _, x := range list {
			if x == d {
				return act(l, p)
			}
		}
		return true
	}
	w.cli.onOpen = func(now rtmfp.Time, s *rtmfp.Session) {
		f, err := s.Open(now, []byte("first"), rtmfp.FlowOptions{})
		if err != nil {
			t.Error(err)
			return
		}
		f.Write(now, rtmfp.Message{Body: rtmfp.CopyBuffer([]byte("hello"))})
	}
	w.dial()
	if !w.net.RunUntil(func() bool { return len(w.cli.all) > 0 }, 95*time.Second) {
		t.Fatalf("%v: no answer: client closed %v, server has %d sessions", list, w.cli.closed, len(w.srv.sessions))
	}
	sentClient, sentServer := client, server
	w.net.Run(10 * time.Second) // late copies have their chance
	if len(w.cli.all) != 1 || len(w.srv.all) != 1 || w.srv.all[0] != "hello" || w.cli.all[0] != "hello" {
		t.Errorf("%v: server got %q, client %q", list, w.srv.all, w.cli.all)
	}
	if len(w.srv.sessions) != 1 || len(w.cli.sessions) != 1 || len(w.srv.closed)+len(w.cli.closed) > 0 {
		t.Errorf("%v: %d sessions opened at the server, %d at the client; closed: %v, %v",
			list, len(w.srv.sessions), len(w.cli.sessions), w.srv.closed, w.cli.closed)
	}
	if open, all := numSessions(w.server, 1); open != 1 || all != 1 {
		t.Errorf("%v: the server has %d sessions, %d open", list, all, open)
	}
	sound(t, w.server, 1)
	sound(t, w.client, 1)
	return sentClient, sentServer
}

func drop(*wire, *wirePacket) bool { return false }

// securities are the two forms of session packets.
var securities = map[string]rtmfp.Security{
	"plain":   {},
	"secured": {RequestHMAC: true, RequestSSEQ: true},
}

func positions(client, server int) (all []disturbance) {
	for i := range client {
		all = append(all, disturbance{true, i + 1})
	}
	for i := range server {
		all = append(all, disturbance{false, i + 1})
	}
	return all
}

// TestHandshakeLosesAnyPacket: whichever datagrams are lost, the retransmissions of RFC 7016 §3.5.1.1 open
// exactly one session and its first messages arrive.
func TestHandshakeLosesAnyPacket(t *testing.T) {
	for name, sec := range securities {
		t.Run(name, func(t *testing.T) {
			c := worldConfig{link: simnet.Link{Delay: 10 * time.Millisecond}}
			c.client.Security, c.server.Security = sec, sec
			nc, ns := openUnder(t, c, nil, drop)
			if nc < 3 || ns < 3 {
				t.Fatalf("undisturbed: %d and %d datagrams", nc, ns)
			}
			all := positions(nc+2, ns+2)
			for i, a := range all {
				openUnder(t, c, []disturbance{a}, drop)
				for j, b := range all[:i] {
					openUnder(t, c, []disturbance{b, a}, drop)
					for _, third := range all[:j] {
						openUnder(t, c, []disturbance{third, b, a}, drop)
					}
				}
			}
		})
	}
}

// TestHandshakeLosesManyPackets drops the first datagrams of each direction, so that the back-off is used.
func TestHandshakeLosesManyPackets(t *testing.T) {
	c := worldConfig{link: simnet.Link{Delay: 10 * time.Millisecond}}
	for client := range 5 {
		for server := range 5 {
			openUnder(t, c, positions(client, server), drop)
		}
	}
}

// TestHandshakeDelaysAnyPacket holds single datagrams long enough to be overtaken by others and by their own
// retransmission.
func TestHandshakeDelaysAnyPacket(t *testing.T) {
	c := worldConfig{link: simnet.Link{Delay: 10 * time.Millisecond}}
	c.client.Security, c.server.Security = securities["secured"], securities["secured"]
	for _, d := range []time.Duration{15 * time.Millisecond, 1100 * time.Millisecond, 4 * time.Second} {
		hold := func(l *wire, p *wirePacket) bool { return l.hold(p, d) }
		for _, x := range positions(5, 5) {
			openUnder(t, c, []disturbance{x}, hold)
			openUnder(t, c, []disturbance{x}, func(l *wire, p *wirePacket) bool { // a late copy
				l.hold(p, d)
				return true
			})
		}
	}
}

// TestHandshakeUnderDuplication doubles every datagram, with and without a slow key agreement.
func TestHandshakeUnderDuplication(t *testing.T) {
	for _, delay := range []time.Duration{0, 150 * time.Millisecond} {
		for seed := range uint64(20) {
			w := newEchoWorld(t, worldConfig{seed: seed, link: simnet.Link{
				Delay: 10 * time.Millisecond, Jitter: 40 * time.Millisecond, Dup: 1,
			}})
			w.net.KeyDelay = delay
			s, _ := w.open()
			w.exchange(s, "twice")
			w.net.Run(10 * time.Second)
			if len(w.srv.sessions) != 1 || len(w.cli.sessions) != 1 || len(w.cli.all) != 1 || len(w.srv.all) != 1 {
				t.Errorf("seed %d: %d and %d sessions, %d and %d messages", seed, len(w.srv.sessions),
					len(w.cli.sessions), len(w.srv.all), len(w.cli.all))
			}
		}
	}
}

// TestHandshakeUnderEverything mixes loss, jitter, reordering and duplication.
func TestHandshakeUnderEverything(t *testing.T) {
	for seed := range uint64(60) {
		w := newEchoWorld(t, worldConfig{seed: seed, shards: 1 + int(seed%3), link: simnet.Link{
			Delay: 30 * time.Millisecond, Jitter: 50 * time.Millisecond, Loss: 0.25, Dup: 0.3,
			Reorder: 0.3, ReorderBy: 1200 * time.Millisecond,
		}})
		w.net.KeyDelay = time.Duration(seed%4) * 40 * time.Millisecond
		s, _ := w.open()
		w.exchange(s, "through")
		w.net.Run(10 * time.Second)
		opened := 0
		for _, r := range w.shards {
			opened += len(r.sessions)
		}
		if opened != 1 || len(w.cli.closed) > 0 {
			t.Errorf("seed %d: %d sessions at the server, client %v", seed, opened, w.cli.closed)
		}
		sound(t, w.server, len(w.shards))
	}
}

// TestStartupPacketForm: deployed clients read startup packets at fixed offsets: flags 0b, the timestamp,
// then one chunk; a cookie of 64 bytes; the signature 58.
func TestStartupPacketForm(t *testing.T) {
	for name, sec := range securities {
		c := worldConfig{}
		c.client.Security, c.server.Security = sec, sec
		w := newEchoWorld(t, c)
		l := tap(w.net)
		w.open()
		want := map[byte]struct {
			from netip.AddrPort
			sid  bool
		}{
			rtmfp.ChunkIHello:   {w.client.Addr(), false},
			rtmfp.ChunkRHello:   {w.server.Addr(), false},
			rtmfp.ChunkIIKeying: {w.client.Addr(), false},
			rtmfp.ChunkRIKeying: {w.server.Addr(), true},
		}
		for typ, x := range want {
			list := l.chunks(typ)
			if len(list) != 1 {
				t.Errorf("%s: %d packets with chunk %02x", name, len(list), typ)
				continue
			}
			p := list[0]
			if p.pkt.Flags != 0x0b || len(p.pkt.Chunks) != 1 || p.from != x.from || (p.pkt.SID != 0) != x.sid {
				t.Errorf("%s: chunk %02x: flags %02x, %d chunks, from %v, sid %d", name, typ, p.pkt.Flags,
					len(p.pkt.Chunks), p.from, p.pkt.SID)
			}
			if len(p.data) > 1192 {
				t.Errorf("%s: chunk %02x: datagram of %d bytes", name, typ, len(p.data))
			}
		}
		_, skrc, ok := rtmfp.ParseRIKeying(l.chunks(rtmfp.ChunkRIKeying)[0].pkt.Chunks[0].Payload)
		p := l.chunks(rtmfp.ChunkRIKeying)[0].pkt.Chunks[0].Payload
		if !ok || p[len(p)-1] != 0x58 {
			t.Errorf("%s: signature %02x", name, p[len(p)-1])
		}
		const old = "\x03\x1a\x00\x00\x02\x1e\x00\x81\x02\x0d\x02"
		if isOld := len(skrc) == len(old)+128 && string(skrc[:len(old)]) == old; isOld != (name == "plain") {
			t.Errorf("%s: session key responder component begins % x", name, skrc[:16])
		}
	}
}

// TestHelloEchoesTag: the tag comes back whatever its length, with a cookie of exactly 64 bytes
// (RFC 7016 §2.3.4).
func TestHelloEchoesTag(t *testing.T) {
	w := newWorld(t, worldConfig{})
	l := tap(w.net)
	from := stranger(0)
	for _, n := range []int{0, 1, 4, 8, 15, 16, 17, 64, 65, 127, 128, 200, 512} {
		tag := make([]byte, n)
		for i := range tag {
			tag[i] = byte(i + n)
		}
		got := w.ask(l, from, rtmfp.MakeIHello(rtmfp.EPDForURI("/test"), tag))
		if len(got) != 1 || !got[0].startup || len(got[0].pkt.Chunks) != 1 || got[0].pkt.Flags != 0x0b {
			t.Errorf("tag of %d bytes: %d answers", n, len(got))
			continue
		}
		echo, cookie, cert, ok := rtmfp.ParseRHello(got[0].pkt.Chunks[0].Payload)
		if !ok || string(echo) != string(tag) || len(cookie) != 64 || string(cert) != string(testServer.Certificate()) {
			t.Errorf("tag of %d bytes: echo %x, cookie of %d bytes", n, echo, len(cookie))
		}
		if len(got[0].data) > 1192 {
			t.Errorf("tag of %d bytes: answer of %d bytes", n, len(got[0].data))
		}
	}
	if got := w.ask(l, from, rtmfp.MakeIHello(rtmfp.EPDForURI("/test"), make([]byte, 600))); len(got) != 0 {
		t.Error("a tag too long for an answer was answered")
	}
	empty(t, w.server, 1)
}

// TestHelloAnsweredOnce: of several hellos in one packet only the first counts, so that answers never
// outnumber questions (RFC 7016 §5, amplification).
func TestHelloAnsweredOnce(t *testing.T) {
	w := newWorld(t, worldConfig{})
	l := tap(w.net)
	h := rtmfp.MakeIHello(rtmfp.EPDForURI("/test"), []byte("tag"))
	if got := w.ask(l, stranger(1), h, h, h); len(got) != 1 {
		t.Errorf("%d answers to three hellos in one packet", len(got))
	}
}
