package rtmfp

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPacketHeader(t *testing.T) {
	for _, tt := range []struct {
		hex  string
		want packetHeader
	}{
		{"0b1e60", packetHeader{mode: modeStartup, hasTimestamp: true, timestamp: 0x1e60}},
		{"0e56781235", packetHeader{
			mode: modeResponder, hasTimestamp: true, timestamp: 0x5678, hasEcho: true, echo: 0x1235,
		}},
		{"891235", packetHeader{mode: modeInitiator, timeCritical: true, hasTimestamp: true, timestamp: 0x1235}},
		{"41", packetHeader{mode: modeInitiator, timeCriticalReverse: true}},
		{"061235", packetHeader{mode: modeResponder, hasEcho: true, echo: 0x1235}},
	} {
		b := unhex(tt.hex)
		got, n := consumePacketHeader(append(b, 0xff))
		if got != tt.want || n != len(b) {
			t.Errorf("%s: %+v, %d", tt.hex, got, n)
		}
		if enc := appendPacketHeader(nil, tt.want); !bytes.Equal(enc, b) {
			t.Errorf("encoded %x, want %s", enc, tt.hex)
		}
		for i := range b {
			if _, n := consumePacketHeader(b[:i]); n != 0 {
				t.Errorf("prefix %x of %s accepted", b[:i], tt.hex)
			}
		}
	}
	if _, n := consumePacketHeader(unhex("081234")); n != 0 {
		t.Error("the forbidden mode 0 was accepted")
	}
	if h, n := consumePacketHeader([]byte{0x31}); n != 1 || h.mode != modeInitiator {
		t.Error("reserved bits are not ignored")
	}
}

func TestNextChunkPadding(t *testing.T) {
	for _, h := range []string{"", "ff", "ffff", "ffffff", "ffffffffff", "010001", "10ffff00"} {
		if typ, _, _, ok := nextChunk(unhex(h)); ok {
			t.Errorf("%s taken for a chunk of type %02x", h, typ)
		}
	}
	if _, p, rest, ok := nextChunk(unhex("01000050")); !ok || len(p) != 0 || len(rest) != 1 {
		t.Error("empty chunk not understood")
	}
}

// reencode parses a whole plain packet and writes it anew, without its padding.
func reencode(t testing.TB, packet []byte) (h packetHeader, again []byte, types []byte) {
	t.Helper()
	h, n := consumePacketHeader(packet)
	if n == 0 {
		t.Fatalf("%x: header refused", packet)
	}
	again = appendPacketHeader(nil, h)
	var prev userData
	for rest := packet[n:]; ; {
		typ, payload, r, ok := nextChunk(rest)
		if !ok {
			break
		}
		rest = r
		d, ok := decodeChunk(typ, payload, &prev)
		if !ok {
			t.Fatalf("chunk %02x %x refused", typ, payload)
		}
		var mark int
		again, mark = beginChunk(again, typ)
		again = append(again, d.encode()...)
		endChunk(again, mark)
		types = append(types, typ)
	}
	return h, again, types
}

func TestStartupPackets(t *testing.T) {
	send, recv := newDefaultSendKey(), newDefaultRecvKey()
	for _, v := range loadVectors().Startup {
		sid := binary.BigEndian.Uint32(v.SID)
		if got, ok := unscrambleID(v.Datagram); !ok || got != sid {
			t.Errorf("%s: session %08x, want %08x", v.What, got, sid)
		}
		packet, err := recv.open(bytes.Clone(v.Datagram))
		if err != nil || !bytes.Equal(packet, v.Padded[2:]) {
			t.Errorf("%s: opened %x, %v", v.What, packet, err)
			continue
		}
		_, again, _ := reencode(t, packet)
		if !bytes.Equal(again, v.Plain) {
			t.Errorf("%s: encoded %x, want %x", v.What, again, v.Plain)
		}
		got := send.seal(append(send.begin([]byte{9}), again...), 1, sid)
		if !bytes.Equal(got[1:], v.Datagram) {
			t.Errorf("%s: sealed %x, want %x", v.What, got[1:], v.Datagram)
		}
	}
}

func TestTranscripts(t *testing.T) {
	for _, v := range loadVectors().Transcripts {
		t.Run(v.Name, func(t *testing.T) {
			near, err := parseKeyComponent(v.SKIC)
			if err != nil {
				t.Fatal(err)
			}
			far, err := parseKeyComponent(v.SKRC)
			if err != nil {
				t.Fatal(err)
			}
			a, ok := agree(&Security{}, near, far)
			if !ok {
				t.Fatal("no agreement")
			}
			opens := map[string]*recvKey{
				"client": newRecvKey(v.ClientAES, v.ClientHMAC, a.sendHMAC, a.sendSSEQ),
				"server": newRecvKey(v.ServerAES, v.ServerHMAC, a.recvHMAC, a.recvSSEQ),
			}
			seals := map[string]*sendKey{
				"client": newSendKey(v.ClientAES, v.ClientHMAC, a.sendHMAC, a.sendSSEQ),
				"server": newSendKey(v.ServerAES, v.ServerHMAC, a.recvHMAC, a.recvSSEQ),
			}
			defaultOpen, defaultSeal := newDefaultRecvKey(), newDefaultSendKey()
			for i, d := range v.Datagrams {
				open, seal := opens[d.From], seals[d.From]
				if d.Key == "default" {
					open, seal = defaultOpen, defaultSeal
				}
				checkTranscriptDatagram(t, i, d, open, seal)
			}
		})
	}
}

func checkTranscriptDatagram(t *testing.T, i int, d transcriptDatagram, open *recvKey, seal *sendKey) {
	t.Helper()
	sid, _ := unscrambleID(d.Datagram)
	if sid != binary.BigEndian.Uint32(d.SID) {
		t.Errorf("datagram %d: session %08x, want %x", i, sid, d.SID)
	}
	packet, err := open.open(bytes.Clone(d.Datagram))
	if err != nil {
		t.Errorf("datagram %d from %s: %v", i, d.From, err)
		return
	}
	if d.SSEQ != nil && *d.SSEQ != open.window.highest {
		t.Errorf("datagram %d: sequence number %d, want %d", i, open.window.highest, *d.SSEQ)
	}
	h, again, types := reencode(t, packet)
	if packet[0] != d.Flags[0] || h.hasTimestamp != (d.Timestamp != nil) || h.hasEcho != (d.Echo != nil) {
		t.Errorf("datagram %d: flags %02x, want %02x", i, packet[0], d.Flags)
	}
	if d.Timestamp != nil && *d.Timestamp != h.timestamp || d.Echo != nil && *d.Echo != h.echo {
		t.Errorf("datagram %d: timestamps %d %d", i, h.timestamp, h.echo)
	}
	if len(types) != len(d.Chunks) {
		t.Errorf("datagram %d: %d chunks, want %d", i, len(types), len(d.Chunks))
		return
	}
	_, n := consumePacketHeader(packet)
	rest := packet[n:]
	for j, c := range d.Chunks {
		typ, payload, r, _ := nextChunk(rest)
		rest = r
		if typ != c.Type[0] || !bytes.Equal(payload, c.Payload) {
			t.Errorf("datagram %d chunk %d: %02x %x, want %x %x", i, j, typ, payload, c.Type, c.Payload)
		}
	}
	// Written anew, even the datagram must be the same.
	if got := seal.seal(append(seal.begin(nil), again...), 0, sid); !bytes.Equal(got, d.Datagram) {
		t.Errorf("datagram %d: sealed %x, want %x", i, got, d.Datagram)
	}
}

func TestTranscriptChunkPrefixes(t *testing.T) {
	for _, v := range loadVectors().Transcripts {
		for _, d := range v.Datagrams {
			var prev userData
			for _, c := range d.Chunks {
				checkPrefixes(t, c.Type[0], c.Payload, prev)
				decodeChunk(c.Type[0], c.Payload, &prev)
			}
		}
	}
}

// TestLibrtmfpDialogue parses every packet that librtmfp and MonaServer 1.x exchanged.
func TestLibrtmfpDialogue(t *testing.T) {
	for _, p := range loadDialogue().Packets {
		h, again, types := reencode(t, p.Hex)
		if len(types) == 0 {
			t.Errorf("%s %d: no chunk", p.Session, p.N)
		}
		if !h.hasTimestamp {
			t.Errorf("%s %d: no timestamp", p.Session, p.N)
		}
		want, padding := p.Hex[:len(again)], p.Hex[len(again):]
		if diff := cmp.Diff([]byte(want), again); diff != "" {
			t.Errorf("%s %d (-want +got):\n%s", p.Session, p.N, diff)
		}
		if len(bytes.Trim(padding, "\xff")) != 0 || len(padding) > 15 {
			t.Errorf("%s %d: padding %x", p.Session, p.N, padding)
		}
	}
}

func FuzzPacket(f *testing.F) {
	for _, v := range loadVectors().Startup {
		f.Add([]byte(v.Padded[2:]))
	}
	for _, p := range loadDialogue().Packets[:20] {
		f.Add([]byte(p.Hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, n := consumePacketHeader(b)
		if n == 0 {
			return
		}
		again := appendPacketHeader(nil, h)
		if h2, m := consumePacketHeader(again); h2 != h || m != n {
			t.Fatalf("%+v became %+v", h, h2)
		}
		total := 0
		for rest := b[n:]; ; {
			_, payload, r, ok := nextChunk(rest)
			if !ok {
				break
			}
			total += chunkHeaderLen + len(payload)
			rest = r
		}
		if total > len(b)-n {
			t.Fatalf("chunks of %d bytes in %d", total, len(b)-n)
		}
	})
}
