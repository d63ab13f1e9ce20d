package flv

import (
	"encoding/hex"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	fourHVC1 = "68766331"
	fourAV01 = "61763031"
	fourVP09 = "76703039"
	fourAVC1 = "61766331"
	fourOpus = "4f707573"
	fourFLAC = "664c6143"
)

var videoTests = []struct {
	hex  string
	want VideoInfo
}{
	{"", VideoInfo{}},
	// AVC, as deployed clients send it
	{"17 00 000000 01640015", VideoInfo{Codec: AVC, Header: true}},
	{"17 01 000000 00", VideoInfo{Codec: AVC, Key: true}},
	{"27 01 000000 00", VideoInfo{Codec: AVC, Inter: true}},
	{"17 02 000000", VideoInfo{Codec: AVC, EndOfSequence: true}},
	{"27 02 000000", VideoInfo{Codec: AVC, EndOfSequence: true}},
	{"17 03", VideoInfo{Codec: AVC}},
	{"17", VideoInfo{Codec: AVC}},
	{"1c 00 000000", VideoInfo{Codec: HEVC, Header: true}},
	{"1c 01 000000", VideoInfo{Codec: HEVC, Key: true}},
	{"12 00", VideoInfo{Codec: H263, Key: true}},
	{"22", VideoInfo{Codec: H263, Inter: true}},
	{"32", VideoInfo{Codec: H263, Inter: true, Disposable: true}},
	{"14", VideoInfo{Codec: VP6, Key: true}},
	{"57 00", VideoInfo{Codec: AVC, Command: true}},
	{"1f", VideoInfo{Key: true}}, // a codec nobody knows
	{"00", VideoInfo{}},
	// enhanced
	{"90" + fourHVC1 + "01", VideoInfo{Codec: HEVC, Header: true, Enhanced: true}},
	{"91" + fourHVC1 + "000000", VideoInfo{Codec: HEVC, Key: true, Enhanced: true}},
	{"93" + fourAV01 + "0a", VideoInfo{Codec: AV1, Key: true, Enhanced: true}},
	{"a1" + fourAV01, VideoInfo{Codec: AV1, Inter: true, Enhanced: true}},
	{"b3" + fourVP09, VideoInfo{Codec: VP9, Inter: true, Disposable: true, Enhanced: true}},
	{"92" + fourAVC1, VideoInfo{Codec: AVC, EndOfSequence: true, Enhanced: true}},
	{"94" + fourHVC1 + "02", VideoInfo{Codec: HEVC, Metadata: true, Enhanced: true}},
	{"d4" + fourHVC1 + "02", VideoInfo{Codec: HEVC, Metadata: true, Enhanced: true}},
	{"95" + fourAV01, VideoInfo{Codec: AV1, Header: true, Enhanced: true}},
	{"d1 00", VideoInfo{Command: true, Enhanced: true}},
	{"91 687663", VideoInfo{Enhanced: true}},
	{"98" + fourHVC1, VideoInfo{Codec: HEVC, Enhanced: true}}, // packet type unknown
	// ModEx: a timestamp offset, then two of them, then the long size form
	{"97 02 000f42 01" + fourHVC1, VideoInfo{Codec: HEVC, Key: true, Enhanced: true}},
	{"a7 02 000f42 07 00 00 03" + fourHVC1, VideoInfo{Codec: HEVC, Inter: true, Enhanced: true}},
	{"97 ff 0100" + strings.Repeat("aa", 257) + "00" + fourAV01, VideoInfo{Codec: AV1, Header: true, Enhanced: true}},
	{"97", VideoInfo{Enhanced: true}},
	{"97 02 000f42", VideoInfo{Enhanced: true}},
	{"97 ff 01", VideoInfo{Enhanced: true}},
	// multitrack: one track, many tracks, many tracks with many codecs
	{"96 01" + fourHVC1 + "05 00", VideoInfo{Codec: HEVC, Key: true, Enhanced: true, Multitrack: true, Track: 5}},
	{"96 10" + fourAV01 + "00 000001 00", VideoInfo{Codec: AV1, Header: true, Enhanced: true, Multitrack: true}},
	{"a6 23" + fourVP09 + "01 000001 00", VideoInfo{Codec: VP9, Inter: true, Enhanced: true, Multitrack: true, Track: 1}},
	{"96 01" + fourHVC1, VideoInfo{Enhanced: true, Multitrack: true}},
	{"97 00 00 06 01" + fourHVC1 + "02", VideoInfo{Codec: HEVC, Key: true, Enhanced: true, Multitrack: true, Track: 2}},
}

func TestClassifyVideo(t *testing.T) {
	for _, tt := range videoTests {
		b := unhex(t, tt.hex)
		if got := ClassifyVideo(b); got != tt.want {
			t.Errorf("%.40s: %+v, want %+v", tt.hex, got, tt.want)
		}
		if IsKeyFrame(b) != tt.want.Key || IsVideoHeader(b) != tt.want.Header || IsEndOfSequence(b) != tt.want.EndOfSequence {
			t.Errorf("%.40s: helpers disagree", tt.hex)
		}
	}
}

var audioTests = []struct {
	hex  string
	want AudioInfo
}{
	{"", AudioInfo{}},
	{"af 00 1210", AudioInfo{Codec: AAC, Header: true}},
	{"af 01 21", AudioInfo{Codec: AAC, Frame: true}},
	{"af", AudioInfo{Codec: AAC}},
	{"af 02", AudioInfo{Codec: AAC}},
	{"2f ff", AudioInfo{Codec: MP3, Frame: true}},
	{"b2 00", AudioInfo{Codec: Speex, Frame: true}},
	{"5a", AudioInfo{Codec: Nellymoser, Frame: true}},
	{"c0", AudioInfo{}},
	{"90" + fourOpus, AudioInfo{Codec: Opus, Header: true, Enhanced: true}},
	{"91" + fourFLAC, AudioInfo{Codec: FLAC, Frame: true, Enhanced: true}},
	{"92" + fourOpus, AudioInfo{Codec: Opus, EndOfSequence: true, Enhanced: true}},
	{"94" + fourOpus, AudioInfo{Codec: Opus, Channels: true, Enhanced: true}},
	{"93" + fourOpus, AudioInfo{Codec: Opus, Enhanced: true}},
	{"91 4f", AudioInfo{Enhanced: true}},
	{"97 02 000001 01" + fourOpus, AudioInfo{Codec: Opus, Frame: true, Enhanced: true}},
	{"97 02 0000", AudioInfo{Enhanced: true}},
	{"95 00" + fourOpus + "03", AudioInfo{Codec: Opus, Header: true, Enhanced: true, Multitrack: true, Track: 3}},
	{"95 21" + fourFLAC + "01 000001", AudioInfo{Codec: FLAC, Frame: true, Enhanced: true, Multitrack: true, Track: 1}},
}

func TestClassifyAudio(t *testing.T) {
	for _, tt := range audioTests {
		b := unhex(t, tt.hex)
		if got := ClassifyAudio(b); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.hex, got, tt.want)
		}
		if IsAudioHeader(b) != tt.want.Header {
			t.Errorf("%s: helper disagrees", tt.hex)
		}
	}
}

func TestCodecString(t *testing.T) {
	for c, want := range map[Codec]string{AVC: "avc1", PCM: "PCM ", 0: "", 0xff00: "...."} {
		if c.String() != want {
			t.Errorf("%x: %q", uint32(c), c)
		}
	}
}

func FuzzClassify(f *testing.F) {
	for _, tt := range videoTests {
		f.Add(unhex(f, tt.hex))
	}
	for _, tt := range audioTests {
		f.Add(unhex(f, tt.hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v := ClassifyVideo(b)
		if n := count(v.Key) + count(v.Inter) + count(v.Header) + count(v.EndOfSequence) + count(v.Metadata) + count(v.Command); n > 1 {
			t.Fatalf("%+v", v)
		}
		if v.Disposable && !v.Inter {
			t.Fatalf("%+v", v)
		}
		a := ClassifyAudio(b)
		if n := count(a.Frame) + count(a.Header) + count(a.EndOfSequence) + count(a.Channels); n > 1 {
			t.Fatalf("%+v", a)
		}
	})
}

func BenchmarkClassifyVideo(b *testing.B) {
	body := unhex(b, "97 02 000f42 01"+fourHVC1)
	b.ReportAllocs()
	for b.Loop() {
		ClassifyVideo(body)
	}
}
