package rtmfp

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// decodedChunk is the outcome of parsing one chunk payload, for comparisons.
type decodedChunk struct {
	value  any
	fixed  int // bytes of the payload without which it must be refused
	encode func() []byte
}

// decodeChunk parses a payload of any type; ok is false if it is malformed. prev is the User Data chunk
// before it in the packet, if any, and is updated.
func decodeChunk(typ byte, p []byte, prev *userData) (d decodedChunk, ok bool) {
	switch typ {
	case chunkIHello:
		c, ok := consumeIHello(p)
		return decodedChunk{c, len(p) - len(c.tag), func() []byte { return appendIHello(nil, c) }}, ok
	case chunkFIHello:
		c, ok := consumeFIHello(p)
		return decodedChunk{c, len(p) - len(c.tag), func() []byte { return appendFIHello(nil, c) }}, ok
	case chunkRHello:
		c, ok := consumeRHello(p)
		return decodedChunk{c, len(p) - len(c.certificate), func() []byte { return appendRHello(nil, c) }}, ok
	case chunkRedirect:
		c, ok := consumeRedirect(p)
		fixed := vluLen(uint64(len(c.tagEcho))) + len(c.tagEcho)
		return decodedChunk{c, fixed, func() []byte { return appendRedirect(nil, c) }}, ok
	case chunkCookieChange:
		c, ok := consumeCookieChange(p)
		return decodedChunk{c, len(p) - len(c.newCookie), func() []byte { return appendCookieChange(nil, c) }}, ok
	case chunkIIKeying:
		c, ok := consumeIIKeying(p)
		c.signed = nil
		return decodedChunk{c, len(p) - len(c.signature), func() []byte { return appendIIKeying(nil, c) }}, ok
	case chunkRIKeying:
		c, ok := consumeRIKeying(p)
		return decodedChunk{c, len(p) - len(c.signature), func() []byte { return appendRIKeying(nil, c) }}, ok
	case chunkUserData:
		ok := consumeUserData(p, prev)
		c := *prev
		return decodedChunk{c, len(p) - len(c.data), func() []byte {
			return append(appendUserDataHeader(nil, &c), c.data...)
		}}, ok
	case chunkNextUserData:
		ok := consumeNextUserData(p, prev)
		c := *prev
		return decodedChunk{c, len(p) - len(c.data), func() []byte {
			return append(appendNextUserDataHeader(nil, &c), c.data...)
		}}, ok
	case chunkRangeAck, chunkBitmapAck:
		var a ack
		if typ == chunkRangeAck {
			ok = consumeRangeAck(p, &a)
		} else {
			ok = consumeBitmapAck(p, &a)
		}
		return decodedChunk{a, len(a.appendHead(nil)), func() []byte { return encodeAck(typ, &a) }}, ok
	case chunkBufferProbe:
		id, ok := consumeBufferProbe(p)
		return decodedChunk{id, len(p), func() []byte { return appendBufferProbe(nil, id) }}, ok
	case chunkFlowException:
		c, ok := consumeFlowException(p)
		return decodedChunk{c, len(p), func() []byte { return appendFlowException(nil, c) }}, ok
	case chunkFragment:
		c, ok := consumeFragment(p)
		return decodedChunk{c, len(p) - len(c.data) + 1, func() []byte { return appendFragment(nil, c) }}, ok
	}
	return decodedChunk{value: string(p), encode: func() []byte { return p }}, true
}

// encodeAck writes a in the form of typ, whichever is shorter.
func encodeAck(typ byte, a *ack) []byte {
	b := a.appendHead(nil)
	if typ == chunkRangeAck {
		return appendAckRanges(b, a.cumulative, a.ranges)
	}
	count, size := a.bitmapFit(math.MaxUint16)
	return appendAckBitmap(b, a.cumulative, a.ranges[:count], size)
}

var chunkCompare = cmp.Options{
	cmp.AllowUnexported(ihello{}, fihello{}, rhello{}, redirect{}, cookieChange{}, iikeying{}, rikeying{},
		userData{}, ack{}, ackRange{}, flowException{}, packetFragment{}),
	cmp.Comparer(func(a, b Address) bool { return a == b }),
	cmpopts.EquateEmpty(),
}

// checkPrefixes cuts a valid payload everywhere.
func checkPrefixes(t *testing.T, typ byte, p []byte, prev userData) {
	t.Helper()
	before := prev
	d, ok := decodeChunk(typ, p, &prev)
	if !ok {
		t.Errorf("chunk %02x %x refused", typ, p)
		return
	}
	for i := range p {
		prev := before
		_, ok := decodeChunk(typ, p[:i:i], &prev)
		switch {
		case ok && i < d.fixed:
			t.Errorf("chunk %02x: %d bytes of %x accepted", typ, i, p)
		case !ok && i >= d.fixed && typ != chunkRedirect:
			t.Errorf("chunk %02x: %d bytes of %x refused, %d should do", typ, i, p, d.fixed)
		}
	}
}

func TestChunkVectors(t *testing.T) {
	for _, v := range loadVectors().Chunks {
		typ, payload, rest, ok := nextChunk(v.Hex)
		if !ok || len(rest) != 0 {
			t.Errorf("%s: chunk header not understood", v.What)
			continue
		}
		d, ok := decodeChunk(typ, payload, new(userData))
		if !ok {
			t.Errorf("%s: refused", v.What)
			continue
		}
		b, mark := beginChunk([]byte{0xee}, typ)
		b = append(b, d.encode()...)
		endChunk(b, mark)
		if !bytes.Equal(b[1:], v.Hex) {
			t.Errorf("%s: encoded %x, want %x", v.What, b[1:], v.Hex)
		}
		checkPrefixes(t, typ, payload, userData{})
		for i := range v.Hex {
			if _, _, _, ok := nextChunk(v.Hex[:i]); ok {
				t.Errorf("%s: %d bytes taken for a chunk", v.What, i)
			}
		}
	}
}

func TestUserDataFields(t *testing.T) {
	var c userData
	for _, tt := range []struct {
		hex  string
		want userData
	}{
		// the chunk vectors, less the chunk header
		{"8002010105005443040000", userData{
			optionsPresent: true, flowID: 2, seq: 1, options: unhex("050054430400"),
		}},
		{"80010101050054430400020a0200", userData{
			optionsPresent: true, flowID: 1, seq: 1, options: unhex("050054430400020a02"),
		}},
		{"0303810202", userData{abandon: true, final: true, flowID: 3, seq: 130, fsn: 128}},
		// RFC 7016 §2.3.12, Figure 3
		{"00020503000102", userData{flowID: 2, seq: 5, fsn: 2, data: []byte{0, 1, 2}}},
		{"20020503ff", userData{fragment: fragEnd, flowID: 2, seq: 5, fsn: 2, data: []byte{0xff}}},
		{"4c020501", userData{flowID: 2, seq: 5, fsn: 4}},                // reserved bits
		{"02020500", userData{abandon: true, flowID: 2, seq: 5, fsn: 5}}, // fsnOffset 0
		{"80020505" + "00" + "aa", userData{optionsPresent: true, flowID: 2, seq: 5, data: []byte{0xaa}}},
	} {
		if !consumeUserData(unhex(tt.hex), &c) {
			t.Errorf("%s refused", tt.hex)
		} else if diff := cmp.Diff(tt.want, c, chunkCompare); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.hex, diff)
		}
	}
}

func TestUserDataForbidden(t *testing.T) {
	// RFC 7016 §2.3.11
	for what, h := range map[string]string{
		"fsnOffset 0 without abandon":       "00020500",
		"fsnOffset beyond sequence number":  "00020506",
		"the same, abandoned":               "02020506",
		"sequence number 0":                 "02020000",
		"options without marker":            "80020101" + "0500544304",
		"option list cut in the option":     "80020101" + "05005443",
		"option whose type is not complete": "80020101" + "0181" + "00",
		"sequence number beyond 64 bits":    "0002" + "82808080808080808000" + "01",
	} {
		var c userData
		if consumeUserData(unhex(h), &c) {
			t.Errorf("%s accepted: %+v", what, c)
		}
	}
}

// TestNextUserData is RFC 7016 §2.3.12, Figure 3.
func TestNextUserData(t *testing.T) {
	b := unhex("10000700020503000102" + "11000400030405" + "11000400060708" + "ffff")
	var (
		c   userData
		got []string
	)
	for {
		typ, p, rest, ok := nextChunk(b)
		if !ok {
			break
		}
		b = rest
		if typ == chunkUserData {
			ok = consumeUserData(p, &c)
		} else {
			ok = consumeNextUserData(p, &c)
		}
		got = append(got, fmt.Sprint(ok, c.flowID, c.seq, c.fsn, c.data))
	}
	want := []string{"true 2 5 2 [0 1 2]", "true 2 6 2 [3 4 5]", "true 2 7 2 [6 7 8]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(b) != 2 {
		t.Errorf("%d bytes of padding left", len(b))
	}

	c = userData{}
	if consumeNextUserData([]byte{0}, &c) {
		t.Error("a Next User Data without a chunk before it was accepted")
	}
	c = userData{flowID: 1, seq: math.MaxUint64, fsn: 1}
	if consumeNextUserData([]byte{0}, &c) {
		t.Error("the sequence number wrapped")
	}
}

func TestFlowOptions(t *testing.T) {
	for _, tt := range []struct {
		hex  string
		want flowOptions
		ok   bool
	}{
		{"", flowOptions{}, true},
		{"050054430400", flowOptions{metadata: unhex("54430400"), hasMetadata: true}, true},
		{"0100", flowOptions{hasMetadata: true}, true},
		{"050054430400020a02", flowOptions{
			metadata: unhex("54430400"), hasMetadata: true, assoc: 2, hasAssoc: true,
		}, true},
		{"020a02020a03", flowOptions{assoc: 2, hasAssoc: true, multipleAssoc: true}, true},
		{"0101", flowOptions{unknown: true}, true},
		{"02bf7f", flowOptions{unknown: true}, true}, // type 8191
		{"02c000", flowOptions{}, true},              // type 8192
		{"010a", flowOptions{}, false},               // association without a flow
		{"0500", flowOptions{}, false},
		{"00", flowOptions{}, false}, // the marker is not part of it
	} {
		got, ok := parseFlowOptions(unhex(tt.hex))
		if ok != tt.ok {
			t.Errorf("%q: ok = %v", tt.hex, ok)
		}
		diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(flowOptions{}), cmpopts.EquateEmpty())
		if diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.hex, diff)
		}
	}
}

func TestIIKeyingSigned(t *testing.T) {
	c := iikeying{initiatorSID: 7, cookie: make([]byte, 64), certificate: []byte{1}, skic: []byte{2}, signature: []byte{'X'}}
	p := appendIIKeying(nil, c)
	got, ok := consumeIIKeying(p)
	if !ok || !bytes.Equal(got.signed, p[:len(p)-1]) || string(got.signature) != "X" {
		t.Errorf("signed %x, signature %q", got.signed, got.signature)
	}
}

func TestRedirectBounded(t *testing.T) {
	c := redirect{tagEcho: make([]byte, 16), addresses: make([]Address, maxRedirectAddresses+10)}
	got, ok := consumeRedirect(appendRedirect(nil, c))
	if !ok || len(got.addresses) != maxRedirectAddresses {
		t.Errorf("%v, %d addresses", ok, len(got.addresses))
	}
}

func FuzzChunk(f *testing.F) {
	add := func(b []byte) {
		for {
			typ, payload, rest, ok := nextChunk(b)
			if !ok {
				return
			}
			f.Add(typ, payload)
			b = rest
		}
	}
	for _, v := range loadVectors().Chunks {
		add(v.Hex)
	}
	for _, v := range loadVectors().Startup {
		add(v.Plain[3:])
	}
	f.Add(chunkBitmapAck, unhex("057f107906"))
	f.Add(chunkRangeAck, unhex("057f100000"+"0183"))
	f.Add(chunkFragment, unhex("80010001"))
	f.Fuzz(func(t *testing.T, typ byte, p []byte) {
		before := userData{flowID: 2, seq: 5, fsn: 2}
		prev := before
		d, ok := decodeChunk(typ, p, &prev)
		if !ok {
			return
		}
		enc := d.encode()
		prev = before
		again, ok := decodeChunk(typ, enc, &prev)
		if !ok {
			t.Fatalf("chunk %02x: %x became %x, which is refused", typ, p, enc)
		}
		if diff := cmp.Diff(d.value, again.value, chunkCompare); diff != "" {
			t.Fatalf("chunk %02x (-once +twice):\n%s", typ, diff)
		}
	})
}
