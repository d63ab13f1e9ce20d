//go:build !race

package rtmfp

import "testing"

// The race detector makes pools forget at random, so allocations are not counted under it.
func TestPacketPathAllocs(t *testing.T) {
	for _, m := range sealModes {
		send, recv := m.keys()
		packet := make([]byte, 1150)
		buf := make([]byte, 0, 1300)
		n := testing.AllocsPerRun(100, func() {
			d := send.begin(buf)
			d = send.seal(append(d, packet...), 0, 5)
			if _, err := recv.open(d); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations per packet sealed and opened", m.name, n)
		}
	}

	data := loadVectors().Transcripts[0].Datagrams[6].Chunks
	a := ack{flowID: 1, ranges: []ackRange{{3, 4}, {7, 9}}, allowBitmap: true}
	var (
		ud  userData
		got ack
	)
	buf := make([]byte, 0, 1300)
	got.ranges = make([]ackRange, 0, 8)
	n := testing.AllocsPerRun(100, func() {
		consumeUserData(data[0].Payload, &ud)
		parseFlowOptions(ud.options)
		consumeNextUserData(data[1].Payload, &ud)
		b := appendPacketHeader(buf, packetHeader{mode: modeInitiator, hasTimestamp: true})
		b, mark := beginChunk(b, chunkUserData)
		b = append(appendUserDataHeader(b, &ud), ud.data...)
		endChunk(b, mark)
		b = appendAck(b, &a, 100)
		_, m := consumePacketHeader(b)
		_, _, rest, _ := nextChunk(b[m:])
		_, p, _, _ := nextChunk(rest)
		consumeBitmapAck(p, &got)
	})
	if n != 0 {
		t.Errorf("%v allocations to parse and build chunks", n)
	}
}
