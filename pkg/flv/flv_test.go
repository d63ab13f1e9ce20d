package flv

import (
	"bytes"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// golden is one second of H.264 (10 frames, a key frame every 5) and AAC:
//
//	ffmpeg -f lavfi -i testsrc=size=64x36:rate=10:duration=1 \
//	  -f lavfi -i sine=frequency=440:duration=1:sample_rate=22050 -c:v libx264 -preset veryfast \
//	  -g 5 -bf 0 -pix_fmt yuv420p -c:a aac -b:a 32k -bitexact h264_aac.flv
func golden(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/h264_aac.flv")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readAll(r *Reader) (tags []Tag, err error) {
	for {
		t, err := r.Next()
		if err == io.EOF {
			return tags, nil
		}
		if err != nil {
			return tags, err
		}
		tags = append(tags, t)
	}
}

func TestGolden(t *testing.T) {
	b := golden(t)
	r := NewReader(bytes.NewReader(b), Options{})
	h, err := r.Header()
	if err != nil || !h.Audio || !h.Video {
		t.Fatal(h, err)
	}
	tags, err := readAll(r)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ script, keys, inter, videoHeaders, ends, audioHeaders, audio int }
	for _, tag := range tags {
		switch tag.Type {
		case Script:
			got.script++
		case Video:
			v := ClassifyVideo(tag.Data)
			if v.Codec != AVC || v.Enhanced || v.Disposable {
				t.Errorf("%+v", v)
			}
			got.keys += count(v.Key)
			got.inter += count(v.Inter)
			got.videoHeaders += count(v.Header)
			got.ends += count(v.EndOfSequence)
		case Audio:
			a := ClassifyAudio(tag.Data)
			if a.Codec != AAC {
				t.Errorf("%+v", a)
			}
			got.audioHeaders += count(a.Header)
			got.audio += count(a.Frame)
		}
	}
	want := got
	want.script, want.keys, want.inter, want.videoHeaders, want.ends, want.audioHeaders, want.audio = 1, 2, 8, 1, 1, 1, 23
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	// Written again, byte for byte.
	var out bytes.Buffer
	w := NewWriter(&out, h)
	for _, tag := range tags {
		if err := w.WriteTag(tag); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(out.Bytes(), b) {
		t.Error("written file differs")
	}
	if r.Offset() != int64(len(b)-sizeSize) {
		t.Error(r.Offset(), len(b))
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Whatever pieces the input comes in, and with a reused buffer.
func TestPieces(t *testing.T) {
	b := golden(t)
	want, err := readAll(NewReader(bytes.NewReader(b), Options{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []io.Reader{
		iotest.OneByteReader(bytes.NewReader(b)), iotest.HalfReader(bytes.NewReader(b)), iotest.DataErrReader(bytes.NewReader(b)),
	} {
		got, err := readAll(NewReader(in, Options{}))
		if err != nil {
			t.Error(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	r := NewReader(bytes.NewReader(b), Options{Reuse: true})
	for _, w := range want {
		got, err := r.Next()
		if err != nil || !reflect.DeepEqual(got, w) && len(got.Data) > 0 {
			t.Fatalf("%v, %v", got, err)
		}
	}
}

// A cut file gives its whole tags and says how much is left over.
func TestTruncated(t *testing.T) {
	b := golden(t)
	b = b[:2000]
	all, _ := readAll(NewReader(bytes.NewReader(golden(t)), Options{}))
	for n := range b {
		r := NewReader(bytes.NewReader(b[:n]), Options{})
		tags, err := readAll(r)
		if len(tags) > 0 && !reflect.DeepEqual(all[:len(tags)], tags) {
			t.Fatalf("%d: other tags", n)
		}
		end := headerSize + sizeSize // of the last whole tag, with its size
		for _, tag := range tags {
			end += tagHeaderSize + len(tag.Data) + sizeSize
		}
		if n == 0 {
			if !errors.Is(err, ErrNotFLV) {
				t.Errorf("empty: %v", err)
			}
			continue
		}
		if n == end || n == end-sizeSize {
			if err != nil {
				t.Errorf("%d: %v", n, err)
			}
			continue
		}
		var te *TruncatedError
		if !errors.As(err, &te) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d: %v", n, err)
			continue
		}
		if int(te.Offset)+te.Left != n {
			t.Errorf("%d: offset %d, left %d", n, te.Offset, te.Left)
		}
		if n > end && int(te.Offset) != end {
			t.Errorf("%d: offset %d, want %d", n, te.Offset, end)
		}
		if _, again := r.Next(); again != err {
			t.Errorf("%d: went on: %v", n, again)
		}
	}
}

func TestWrongPreviousSize(t *testing.T) {
	b := AppendHeader(nil, Header{Video: true})
	for i := range 3 {
		b = AppendTag(b, Tag{Type: Video, Time: uint32(i), Data: []byte{0x17, 1}})
		copy(b[len(b)-sizeSize:], "\xff\xff\xff\xff")
	}
	tags, err := readAll(NewReader(bytes.NewReader(b), Options{}))
	if err != nil || len(tags) != 3 {
		t.Error(len(tags), err)
	}
}

func TestTagFields(t *testing.T) {
	want := []Tag{
		{Type: Video, Time: 0x01020304, Data: []byte{1, 2, 3}},
		{Type: Audio, Time: 1<<32 - 1, Encrypted: true, Data: []byte{}},
		{Type: TagType(15), Data: bytes.Repeat([]byte{7}, 200_000)},
	}
	var out bytes.Buffer
	w := NewWriter(&out, Header{Audio: true})
	for _, tag := range want {
		if err := w.WriteTag(tag); err != nil {
			t.Fatal(err)
		}
	}
	// AMF and others write timestamps in this odd order of bytes.
	if got := out.Bytes()[headerSize+sizeSize+4 : headerSize+sizeSize+8]; string(got) != "\x02\x03\x04\x01" {
		t.Errorf("% x", got)
	}
	got, err := readAll(NewReader(&out, Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if got[1].Data = append([]byte{}, got[1].Data...); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got[:2])
	}
}

func TestHeader(t *testing.T) {
	tag := AppendTag(nil, Tag{Type: Audio, Data: []byte{0xAF, 1}})
	for _, tt := range []struct {
		in   string
		want error
	}{
		{"FLV\x01\x05\x00\x00\x00\x0b??\x00\x00\x00\x00" + string(tag), nil}, // longer header
		{"FLV\x01\x05\x00\x00\x00\x08\x00\x00\x00\x00", ErrNotFLV},
		{"FLV\x01\x05\xff\x00\x00\x09\x00\x00\x00\x00", ErrNotFLV},
		{"FLX\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00", ErrNotFLV},
		{"RIFF", ErrNotFLV},
		{"FL", io.ErrUnexpectedEOF},
		{"FLV\x01\x05\x00\x00\x00\x0b?", io.ErrUnexpectedEOF},
	} {
		_, err := readAll(NewReader(strings.NewReader(tt.in), Options{}))
		if !errors.Is(err, tt.want) {
			t.Errorf("%q: %v", tt.in, err)
		}
	}
}

func TestTooLong(t *testing.T) {
	b := AppendTag(AppendHeader(nil, Header{}), Tag{Type: Video, Data: make([]byte, 101)})
	if _, err := readAll(NewReader(bytes.NewReader(b), Options{MaxData: 100})); !errors.Is(err, ErrTooLong) {
		t.Error(err)
	}
	if _, err := readAll(NewReader(bytes.NewReader(b), Options{MaxData: 101})); err != nil {
		t.Error(err)
	}
	w := NewWriter(io.Discard, Header{})
	if err := w.WriteTag(Tag{Data: make([]byte, MaxData+1)}); !errors.Is(err, ErrTooLong) {
		t.Error(err)
	}
	if err := w.WriteTag(Tag{Data: make([]byte, MaxData)}); err != nil {
		t.Error(err)
	}
	// A tag that promises much takes memory for what comes.
	b = append(AppendHeader(nil, Header{}), 9, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3)
	if n := testing.AllocsPerRun(1, func() { _, _ = readAll(NewReader(bytes.NewReader(b), Options{})) }); n > 10 {
		t.Error(n)
	}
	r := NewReader(bytes.NewReader(b), Options{})
	var te *TruncatedError
	if _, err := r.Next(); !errors.As(err, &te) || te.Left != 14 || te.Offset != headerSize+sizeSize {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	broken := errors.New("broken pipe")
	r := NewReader(io.MultiReader(bytes.NewReader(golden(t)[:100]), iotest.ErrReader(broken)), Options{})
	if _, err := readAll(r); !errors.Is(err, broken) {
		t.Error(err)
	}
	w := NewWriter(brokenWriter{broken}, Header{})
	if err := w.WriteTag(Tag{}); !errors.Is(err, broken) {
		t.Error(err)
	}
	if err := w.Flush(); !errors.Is(err, broken) {
		t.Error(err)
	}
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestFlush(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, Header{Audio: true, Video: true})
	for range 2 {
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	tags, err := readAll(NewReader(&out, Options{}))
	if err != nil || len(tags) != 0 {
		t.Error(tags, err)
	}
}

func FuzzReader(f *testing.F) {
	b := golden(f)
	f.Add(b)
	f.Add(b[:1000])
	f.Add(AppendHeader(nil, Header{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		tags, err := readAll(NewReader(bytes.NewReader(b), Options{}))
		reused := NewReader(bytes.NewReader(b), Options{Reuse: true})
		var out bytes.Buffer
		w := NewWriter(&out, Header{})
		for _, tag := range tags {
			again, err := reused.Next()
			if err != nil || again.Time != tag.Time || !bytes.Equal(again.Data, tag.Data) {
				t.Fatal(again, err)
			}
			if err := w.WriteTag(tag); err != nil {
				t.Fatal(err)
			}
		}
		if len(tags) == 0 {
			return
		}
		again, err2 := readAll(NewReader(&out, Options{}))
		if d := cmp.Diff(tags, again); d != "" || err2 != nil {
			t.Fatal(err, err2, d)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	file := golden(b)
	b.SetBytes(int64(len(file)))
	b.ReportAllocs()
	in := bytes.NewReader(file)
	for b.Loop() {
		in.Reset(file)
		r := NewReader(in, Options{Reuse: true})
		for {
			if _, err := r.Next(); err != nil {
				break
			}
		}
	}
}

func BenchmarkWriter(b *testing.B) {
	w := NewWriter(io.Discard, Header{})
	tag := Tag{Type: Video, Data: make([]byte, 1000)}
	b.ReportAllocs()
	for b.Loop() {
		if err := w.WriteTag(tag); err != nil {
			b.Fatal(err)
		}
	}
}
