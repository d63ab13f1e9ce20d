package mesh

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/monaserver/monaserver/pkg/amf"
)

func newBudget(n int) *budget {
	b := new(budget)
	b.give(n)
	return b
}

func readerOf(b []byte) *frameReader {
	return newFrameReader(bytes.NewReader(b), 1<<20, newBudget(1<<20))
}

// show is a value as text.
func show(v amf.Value) string {
	var list []string
	members := func(ms []amf.Member) {
		for _, m := range ms {
			list = append(list, m.Name+"="+show(m.Value))
		}
	}
	switch v := v.(type) {
	case amf.Null:
		return "nil"
	case amf.String:
		return fmt.Sprintf("%q", string(v))
	case *amf.Object:
		members(v.Members)
		return v.Class + "{" + strings.Join(list, " ") + "}"
	case *amf.Array:
		for _, e := range v.Dense {
			list = append(list, show(e))
		}
		members(v.Named)
		return "[" + strings.Join(list, " ") + "]"
	case *amf.ByteArray:
		return fmt.Sprintf("raw %x", v.Data)
	case *amf.Date:
		return fmt.Sprintf("date %.0f", v.Millis)
	}
	return fmt.Sprint(v)
}

// tell is a frame as text.
func tell(f frame) string {
	switch {
	case f.control():
		return fmt.Sprintf("control %x", f.payload)
	case f.unknown != 0:
		return fmt.Sprintf("unknown %d", f.unknown)
	case f.handler == services:
		paths, err := parseServices(f.payload)
		return fmt.Sprintf("services %q %v", paths, err)
	}
	args, _, err := new(callReader).read(f.payload, 1<<20)
	var list []string
	for _, v := range args {
		list = append(list, show(v))
	}
	if err != nil {
		list = append(list, err.Error())
	}
	return f.handler + "(" + strings.Join(list, " ") + ")"
}

// readAll reads frames up to the end.
func readAll(t testing.TB, r *frameReader) (list []string) {
	t.Helper()
	for {
		f, err := r.next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, tell(f))
	}
}

// What servers of MonaServer 1.x sent each other.
func capture(t testing.TB) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("testdata/capture.txt")
	if err != nil {
		t.Fatal(err)
	}
	m := map[string][]byte{}
	for line := range strings.Lines(string(text)) {
		if name, hex, ok := strings.Cut(line, " "); ok && name != "#" {
			m[name] = unhex(t, hex)
		}
	}
	return m
}

func TestCapture(t *testing.T) {
	m := capture(t)
	object := `{b=["x" "y"] a=1.5 c=true}`
	for _, split := range []func(io.Reader) io.Reader{
		func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader,
	} {
		for _, tc := range []struct{ name, want string }{
			{"BA", `ping(1 "hello" ` + object + `); ping(2 "hello"); ping(-3 ""); services [""] <nil>; services ["/mesh"] <nil>; ` +
				`ping(1 "hello" ` + object + `); ping(2 "hello"); ping(-3 ""); notify("from B")`},
			{"AB", `services [""] <nil>; pong(1 "hello"); pong(2 "hello"); pong(4.294967293e+09 ""); services ["/mesh"] <nil>; ` +
				`pong(1 "hello"); pong(2 "hello"); pong(4.294967293e+09 ""); notify("from A")`},
			{"reject", `control 00125365727665722069732073746f7070696e67`},
		} {
			r := newFrameReader(split(bytes.NewReader(m[tc.name])), 1<<20, newBudget(0))
			if got := strings.Join(readAll(t, r), "; "); got != tc.want {
				t.Errorf("%s:\n%s\n%s", tc.name, got, tc.want)
			}
		}
	}
}

// Numbers above 127 take two bytes; the capture leaves some of the 130 functions out.
func TestCaptureMany(t *testing.T) {
	r := readerOf(capture(t)["CA"])
	for i := range 126 {
		r.names = append(r.names, fmt.Sprintf("h%d", i+1))
	}
	var got []string
	for {
		f, err := r.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, tell(f))
		switch f.handler {
		case "h128":
			r.names = append(r.names, "h129")
		case "h130":
			if len(r.names) == 130 {
				r.names = append(r.names, "h131")
				// h130 again is number 130 all the same
			}
		}
	}
	want := []string{
		`h127(127)`, `h128(128)`, `h130(130)`, `h130(1)`,
		`strings("abc" "abc" {l=["abc"] k="abc"} "")`,
		`values(nil true false 1.5 -1 0 127 128 16383 16384 2.097151e+06 2.097152e+06 2.68435455e+08 2.68435456e+08 -2.68435455e+08 -2.68435456e+08 "é")`,
		`tables([] [1 2 3] [1 2 x="y"] [{a=1} {a=1}] date 1700000000000 raw 000102 my.Class{f=1})`,
		`refs({q=1} {q=1} [{q=1}])`, `noargs()`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s", strings.Join(got, "\n"))
	}
}

// Whole frames, as servers of MonaServer 1.x understand and write them.
var vectors = []struct{ hex, text string }{
	{"00000017 07 6f6e48656c6c6f 11 06 19 4d6f6e615365727665722041", `onHello("MonaServer A")`},
	{"0000000b 01 2e 00 07 2f6d7947616d65", `services ["" "/myGame"] <nil>`},
	{"0000000a 00 02 07 2f6d7947616d65", `services ["/myGame"] <nil>`},
	{"00000006 00 01 11 06 03 78", `onHello("x")`},
	{"00000018 05 766964656f 11 06 09 6c697665 11 04 28 11 06 0b 1701000000", `video("live" 40 "\x17\x01\x00\x00\x00")`},
	{"00000006 00 00 00 02 6e6f", `control 00026e6f`},
	{"00000005 00 04 010101", `unknown 4`},
	{"00000000", `control `},
	{"00000001 00", `control `},
}

func TestVectors(t *testing.T) {
	var wire []byte
	for _, v := range vectors {
		wire = append(wire, unhex(t, v.hex)...)
	}
	var got, want []string
	got = readAll(t, newFrameReader(iotest.OneByteReader(bytes.NewReader(wire)), 1<<20, newBudget(0)))
	var w frameWriter
	for i, v := range vectors {
		want = append(want, v.text)
		if i < 6 { // what we write the same way
			b := unhex(t, v.hex)
			f := frame{}
			r := readerOf(b)
			r.names = []string{"onHello", services}
			f, err := r.next()
			if err != nil {
				t.Fatal(err)
			}
			out, err := w.appendHeader(nil, f.handler, len(f.payload))
			if err != nil || string(append(out, f.payload...)) != string(b) {
				t.Errorf("%s: %x, %v", v.text, out, err)
			}
		}
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("%q", got)
	}
}

func TestHelloVector(t *testing.T) {
	want := unhex(t, `00 00 00 47 00 00 01 13 52 54 4D 46 50 2E 70 75 62 6C 69 63 41 64 64 72 65 73 73 10 32 30 33 2E 30 2E 31
		31 33 2E 31 3A 31 39 33 35 04 68 6F 73 74 0D 77 77 77 2E 68 6F 73 74 41 2E 63 6F 6D 04 74 79 70 65 06 6D
		61 73 74 65 72`)
	payload := appendHello(nil, []pair{{"RTMFP.publicAddress", "203.0.113.1:1935"}, {"host", "www.hostA.com"}, {"type", "master"}})
	got, err := new(frameWriter).appendHeader(nil, "", len(payload))
	if got = append(got, payload...); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%x, %v", got, err)
	}
	f, err := readerOf(want).next()
	if err != nil || !f.control() || f.payload[0] != kindHello {
		t.Fatal(f, err)
	}
	params, err := parseHello(f.payload[1:])
	if err != nil || len(params) != 3 || params["type"] != "master" || params["RTMFP.publicAddress"] != "203.0.113.1:1935" {
		t.Error(params, err)
	}
	if payload := appendReject(nil, "no"); !bytes.Equal(payload, unhex(t, "00 02 6e6f")) {
		t.Errorf("%x", payload)
	}
}

func TestVL(t *testing.T) {
	for n, hex := range map[int]string{0: "00", 127: "7f", 128: "8001", 300: "ac02", 1<<32 - 1: "ffffffff0f"} {
		b := appendVL(nil, n)
		if got, rest, err := cutVL(b); fmt.Sprintf("%x", b) != hex || got != uint32(n) || len(rest) > 0 || err != nil {
			t.Errorf("%d: %x, %d, %v", n, b, got, err)
		}
	}
	for _, bad := range []string{"", "80", "ffffffff1f", "ffffffffff01"} {
		if n, _, err := cutVL(unhex(t, bad)); err == nil {
			t.Errorf("%s: %d", bad, n)
		}
	}
}

func TestMalformedFrames(t *testing.T) {
	for _, tc := range []struct {
		hex  string
		want error
	}{
		{"000000", io.ErrUnexpectedEOF},
		{"00000005 00", io.ErrUnexpectedEOF},
		{"00000002 0261", errHeader},
		{"00000002 0080", errHeader},
		{"00000007 00 ffffffffff01", errHeader},
	} {
		if _, err := readerOf(unhex(t, tc.hex)).next(); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", tc.hex, err)
		}
	}
	if _, err := readerOf(unhex(t, "00100001 00")).next(); err == nil || !strings.Contains(err.Error(), "1048577 bytes, at most 1048576") {
		t.Error(err)
	}
}

// Names that a receiver numbers are bounded, on both sides.
func TestNames(t *testing.T) {
	var w frameWriter
	var wire []byte
	for i := range maxNames {
		var err error
		if wire, err = w.appendHeader(wire, fmt.Sprint("f", i), 0); err != nil {
			t.Fatal(err)
		}
	}
	before := len(wire)
	for _, name := range []string{"more", strings.Repeat("x", 256)} {
		out, err := w.appendHeader(wire, name, 0)
		if err == nil || len(out) != before {
			t.Errorf("%.9s: %v", name, err)
		}
	}
	if out, err := w.appendHeader(wire, "f300", 5); err != nil || fmt.Sprintf("%x", out[before:]) != "0000000800ad02" {
		t.Errorf("%x, %v", out[before:], err)
	}
	r := readerOf(append(wire, unhex(t, "00000002 0161")...))
	for range maxNames {
		if _, err := r.next(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.next(); err != errNames {
		t.Error(err)
	}
}

// A long frame takes memory as its bytes come, not as its size says.
func TestLongFrames(t *testing.T) {
	const size = 600 << 10
	body := append([]byte{1, 'f'}, bytes.Repeat([]byte("x"), size-2)...)
	wire := append([]byte{0, byte(size >> 16), byte(size >> 8 & 0xff), byte(size & 0xff)}, body...)
	shared := newBudget(1 << 21)
	r := newFrameReader(iotest.HalfReader(bytes.NewReader(append(wire, vectors0(t)...))), 1<<20, shared)
	f, err := r.next()
	if err != nil || f.handler != "f" || !bytes.Equal(f.payload, body[2:]) {
		t.Fatal(err)
	}
	if f, err := r.next(); err != nil || f.handler != "onHello" {
		t.Error(f, err)
	}
	if n := shared.left.Load(); n != 1<<21 {
		t.Errorf("%d bytes are not given back", 1<<21-n)
	}
	if _, err := newFrameReader(bytes.NewReader(wire), 1<<20, newBudget(100<<10)).next(); err != errMemory {
		t.Error(err)
	}

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := newFrameReader(bytes.NewReader(unhex(t, "3fffffff 00")), 1<<30, newBudget(1<<31)).next(); err != io.ErrUnexpectedEOF {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes for a frame that never came", n)
	}
}

func vectors0(t testing.TB) []byte { return unhex(t, vectors[0].hex) }

func TestArguments(t *testing.T) {
	deep := strings.Repeat("0903 01", maxDepth+1) + "0901 01"
	for _, tc := range []struct{ hex, want string }{
		{"", ""},
		{"11 04 ffffffff", "-1"},
		{"02 0001 61 03 0001 78 00 3ff0000000000000 000009", `"a" {x=1}`},
		{"11 04 01 0d 11 04 02", "1 error"},         // an unsupported type ends the list
		{"11 04 01 11 06 7f 61", "1 error"},         // as does one that is cut off
		{"11" + deep + "11 04 02", "nil error"},     // and too much nesting
		{"11 0a 0b 01 03 78 0a 00 01", "not shown"}, // a cycle
	} {
		args, size, err := new(callReader).read(unhex(t, tc.hex), 1<<20)
		if tc.want == "not shown" {
			if err != nil || len(args) != 1 || size <= 0 {
				t.Error(args, err)
			}
			continue
		}
		var list []string
		for _, v := range args {
			list = append(list, show(v))
		}
		if err != nil {
			list = append(list, "error")
		}
		if got := strings.Join(list, " "); got != tc.want {
			t.Errorf("%s: %s (%v)", tc.hex, got, err)
		}
	}
}
