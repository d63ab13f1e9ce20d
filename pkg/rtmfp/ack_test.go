package rtmfp

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestAckExamples(t *testing.T) {
	for _, tt := range []struct {
		what   string
		bitmap bool
		hex    string
		want   ack
	}{
		{"RFC 7016 §2.3.13, Figure 4", true, "057f107906", ack{
			flowID: 5, bufferBlocks: 127, cumulative: 16,
			ranges: []ackRange{{18, 18}, {21, 24}, {27, 28}},
		}},
		{"RFC 7016 §2.3.14, Figure 5", false, "057f1000000103", ack{
			flowID: 5, bufferBlocks: 127, cumulative: 16, ranges: []ackRange{{18, 18}, {21, 24}},
		}},
		{"RFC 7016 §2.3.14, Figure 6", false, "057f1000000183", ack{
			flowID: 5, bufferBlocks: 127, cumulative: 16, ranges: []ackRange{{18, 18}},
		}},
		{"half a range", false, "057f1000", ack{flowID: 5, bufferBlocks: 127, cumulative: 16}},
		{"bits across bytes join", true, "010000" + "80" + "01", ack{flowID: 1, ranges: []ackRange{{9, 10}}}},
		{"empty bitmap", true, "010005", ack{flowID: 1, cumulative: 5}},
		{"run one beyond 2^64-1", false, "0100" + "81fffffffffffffffd7f" + "00" + "817f", ack{
			flowID: 1, cumulative: math.MaxUint64 - 256,
		}},
		{"range that ends at 2^64-1", false, "0100" + "81ffffffffffffffff7d" + "00" + "00", ack{
			flowID: 1, cumulative: math.MaxUint64 - 2, ranges: []ackRange{{math.MaxUint64, math.MaxUint64}},
		}},
		{"range beyond 2^64-1", false, "0100" + "81ffffffffffffffff7d" + "01" + "00", ack{
			flowID: 1, cumulative: math.MaxUint64 - 2,
		}},
		{"run beyond 2^64-1", false, "0100" + "05" + "00" + "81ffffffffffffffff7f", ack{flowID: 1, cumulative: 5}},
		{"bitmap that reaches 2^64-1", true, "0100" + "81ffffffffffffffff7c" + "ff", ack{
			flowID: 1, cumulative: math.MaxUint64 - 3, ranges: []ackRange{{math.MaxUint64 - 1, math.MaxUint64}},
		}},
		{"bitmap at 2^64-1", true, "0100" + "81ffffffffffffffff7f" + "ff", ack{
			flowID: 1, cumulative: math.MaxUint64,
		}},
	} {
		got := ack{ranges: []ackRange{{1, 2}}}
		consume := consumeRangeAck
		if tt.bitmap {
			consume = consumeBitmapAck
		}
		if !consume(unhex(tt.hex), &got) {
			t.Errorf("%s: refused", tt.what)
			continue
		}
		if got.flowID != tt.want.flowID || got.bufferBlocks != tt.want.bufferBlocks ||
			got.cumulative != tt.want.cumulative || !slices.Equal(got.ranges, tt.want.ranges) {
			t.Errorf("%s: %+v, want %+v", tt.what, got, tt.want)
		}
	}
}

func TestAckRangesBounded(t *testing.T) {
	p := appendVLU(appendVLU(appendVLU(nil, 1), 2), 3)
	ranges, bitmap := slices.Clone(p), slices.Clone(p)
	for range maxAckChunkRanges + 10 {
		ranges = append(ranges, 0, 0)
		bitmap = append(bitmap, 0x55)
	}
	var a ack
	if !consumeRangeAck(ranges, &a) || len(a.ranges) != maxAckChunkRanges {
		t.Errorf("%d ranges", len(a.ranges))
	}
	if !consumeBitmapAck(bitmap, &a) || len(a.ranges) != maxAckChunkRanges {
		t.Errorf("%d ranges of a bitmap", len(a.ranges))
	}
}

// parseAck reads back what appendAck wrote.
func parseAck(t *testing.T, b []byte) (typ byte, a ack) {
	t.Helper()
	typ, p, rest, ok := nextChunk(b)
	if !ok || len(rest) != 0 {
		t.Fatalf("%x is not one chunk", b)
	}
	if typ == chunkBitmapAck {
		ok = consumeBitmapAck(p, &a)
	} else {
		ok = consumeRangeAck(p, &a)
	}
	if !ok {
		t.Fatalf("%x refused", b)
	}
	return typ, a
}

func TestAppendAckForms(t *testing.T) {
	dense := ack{flowID: 5, bufferBlocks: 127, cumulative: 16, ranges: []ackRange{{18, 18}, {21, 24}, {27, 28}}}
	if got := appendAck(nil, &dense, 100); string(got) != string(unhex("51000905"+"7f10"+"0000"+"0103"+"0101")) {
		t.Errorf("ranges only: %x", got)
	}
	dense.allowBitmap = true
	if got := appendAck(nil, &dense, 100); string(got) != string(unhex("50000505"+"7f10"+"7906")) {
		t.Errorf("either form: %x", got) // RFC 7016 §2.3.13, Figure 4
	}
	sparse := ack{flowID: 5, cumulative: 16, allowBitmap: true, ranges: []ackRange{{18, 18}, {5000, 9000}}}
	if typ, got := parseAck(t, appendAck(nil, &sparse, 100)); typ != chunkRangeAck || !slices.Equal(got.ranges, sparse.ranges) {
		t.Errorf("%02x %v", typ, got.ranges)
	}
	// Only the bitmap holds all of it in 8 bytes; the ranges alone would need 9.
	if typ, got := parseAck(t, appendAck(nil, &dense, 8)); typ != chunkBitmapAck || len(got.ranges) != 3 {
		t.Errorf("%02x %v", typ, got.ranges)
	}
	top := ack{flowID: 1, cumulative: math.MaxUint64 - 4, ranges: []ackRange{{math.MaxUint64 - 1, math.MaxUint64}}}
	for _, top.allowBitmap = range []bool{false, true} {
		if _, got := parseAck(t, appendAck(nil, &top, 100)); !slices.Equal(got.ranges, top.ranges) {
			t.Errorf("at the end of the sequence numbers, bitmap %v: %v", top.allowBitmap, got.ranges)
		}
	}
}

func TestAppendAckRoom(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		a := ack{
			flowID: r.Uint64N(300), bufferBlocks: r.Uint64N(70000), cumulative: r.Uint64N(100000),
			allowBitmap: r.IntN(2) == 0,
		}
		for end := a.cumulative; len(a.ranges) < r.IntN(60); {
			from := end + 2 + r.Uint64N(30)*r.Uint64N(20)
			end = from + r.Uint64N(40)
			a.ranges = append(a.ranges, ackRange{from, end})
		}
		whole := len(appendAck(nil, &a, math.MaxInt))
		head := chunkHeaderLen + len(a.appendHead(nil))
		prefix := []byte{1, 2, 3}
		for room := range whole + 2 {
			b := appendAck(prefix, &a, room)
			if len(b)-len(prefix) > room {
				t.Fatalf("%d bytes in %d", len(b)-len(prefix), room)
			}
			if room < head {
				if len(b) != len(prefix) {
					t.Fatalf("%d bytes without room for the head", len(b))
				}
				continue
			}
			_, got := parseAck(t, b[len(prefix):])
			if n := len(got.ranges); n > len(a.ranges) || !slices.Equal(got.ranges, a.ranges[:n]) {
				t.Fatalf("%v became %v", a.ranges, got.ranges)
			}
			if room >= whole && len(got.ranges) != len(a.ranges) {
				t.Fatalf("ranges missing in spite of the room")
			}
		}
	}
}
