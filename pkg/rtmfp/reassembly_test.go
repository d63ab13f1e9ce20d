package rtmfp

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"
)

var fragmentSender = partialKey{from: netip.MustParseAddrPort("192.0.2.1:5000")}

// pieces cuts a packet.
func pieces(packet []byte, size int) []packetFragment {
	var list []packetFragment
	for i, b := range slices.Collect(slices.Chunk(packet, size)) {
		list = append(list, packetFragment{packetID: 7, number: uint64(i), data: b, more: (i+1)*size < len(packet)})
	}
	return list
}

// RFC 7016 §3.4: fragments are put together in their order, in whatever order they come, and once.
func TestReassembly(t *testing.T) {
	packet := bytes.Repeat([]byte("0123456789"), 300)
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 0, 1, 2}, {2, 2, 0, 1}} {
		var r reassembly
		list := pieces(packet, 1100)
		for i, n := range order {
			got, ok := r.add(1, fragmentSender, modeStartup, list[n])
			if last := i == len(order)-1; ok != last || (last && !bytes.Equal(got, packet)) {
				t.Fatalf("order %v, piece %d: complete %v with %d bytes", order, i, ok, len(got))
			}
		}
		if len(r.packets) != 0 {
			t.Errorf("order %v: %d packets left", order, len(r.packets))
		}
	}
}

// RFC 7016 §3.4: what does not fit together is discarded.
func TestReassemblyRefuses(t *testing.T) {
	piece := func(n uint64, more bool, size int) packetFragment {
		return packetFragment{packetID: 7, number: n, more: more, data: make([]byte, size)}
	}
	for name, list := range map[string][]packetFragment{
		"beyond the end":    {piece(1, false, 9), piece(2, true, 9), piece(0, true, 9)},
		"two ends":          {piece(3, false, 9), piece(1, false, 9)},
		"end inside":        {piece(3, true, 9), piece(1, false, 9), piece(0, true, 9)},
		"too many":          {piece(maxPartialPieces, false, 9)},
		"too large":         {piece(0, true, maxPartialBytes), piece(1, false, 1)},
		"missing beginning": {piece(1, true, 9), piece(2, false, 9)},
	} {
		var r reassembly
		n := 0
		for _, f := range list {
			if _, ok := r.add(1, fragmentSender, modeStartup, f); ok {
				n++
			}
		}
		if want := map[bool]int{name == "beyond the end": 1}[true]; n != want {
			t.Errorf("%s: %d packets complete, want %d", name, n, want)
		}
	}
	var r reassembly
	list := pieces(make([]byte, 20), 10)
	r.add(1, fragmentSender, modeStartup, list[0])
	if _, ok := r.add(1, fragmentSender, modeInitiator, list[1]); ok {
		t.Error("fragments of packets of different modes were put together")
	}
}

// RFC 7016 §3.4: the number of buffers is limited, and those without progress make room.
func TestReassemblyIsBounded(t *testing.T) {
	var r reassembly
	now := Time(time.Hour)
	for i := range 10 * maxPartials {
		f := packetFragment{packetID: uint64(i), more: true, data: make([]byte, 100)}
		r.add(now, fragmentSender, modeStartup, f)
	}
	if n := len(r.packets); n > maxPartials {
		t.Fatalf("%d buffers, the limit is %d", n, maxPartials)
	}
	now = now.Add(2 * time.Second)
	for i, f := range pieces(make([]byte, 20), 10) {
		f.packetID = 1 << 40
		if _, ok := r.add(now, fragmentSender, modeStartup, f); ok != (i == 1) {
			t.Fatal("no room although nothing makes progress")
		}
	}
}

func FuzzReassembly(f *testing.F) {
	f.Add([]byte{0x80, 7, 0, 'a', 0x00, 7, 1, 'b'})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r reassembly
		for p := range slices.Chunk(b, 4) {
			if c, ok := consumeFragment(p); ok {
				r.add(1, fragmentSender, modeStartup, c)
			}
		}
		if len(r.packets) > maxPartials {
			t.Fatal("too many buffers")
		}
	})
}
