package amf

import (
	"testing"
)

// connectCommand is what librtmfp sends first.
func connectCommand(t testing.TB) []byte { return loadDialogue(t)[0].payload(t) }

// metadata is the object an encoder for live video usually publishes.
func metadata() *Array {
	return &Array{Named: []Member{
		{"duration", Number(0)},
		{"width", Number(1280)},
		{"height", Number(720)},
		{"videodatarate", Number(2500)},
		{"framerate", Number(30)},
		{"videocodecid", Number(7)},
		{"audiodatarate", Number(128)},
		{"audiosamplerate", Number(44100)},
		{"audiosamplesize", Number(16)},
		{"stereo", Bool(true)},
		{"audiocodecid", Number(10)},
		{"encoder", String("Lavf60.16.100")},
		{"filesize", Number(0)},
	}}
}

func BenchmarkDecodeConnect(b *testing.B) {
	msg := connectCommand(b)
	var r Reader
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(msg, Limits{})
		name, err := r.ReadStringBytes()
		if err != nil || string(name) != "connect" {
			b.Fatal(err)
		}
		if _, err := r.ReadNumber(); err != nil {
			b.Fatal(err)
		}
		if v, err := r.Next(); err != nil || len(v.(*Object).Members) != 11 {
			b.Fatal(v, err)
		}
	}
}

func BenchmarkSkipConnect(b *testing.B) {
	msg := connectCommand(b)
	var r Reader
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(msg, Limits{})
		for r.More() {
			if err := r.Skip(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// A call with three simple arguments, read value by value.
func BenchmarkDecodeCall(b *testing.B) {
	msg := AppendNull(AppendNumber(AppendString(nil, "sayHello"), 4))
	msg = AppendNumber(AppendString(msg, "a user"), 42)
	var r Reader
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(msg, Limits{})
		if _, err := r.ReadStringBytes(); err != nil {
			b.Fatal(err)
		}
		if _, err := r.ReadNumber(); err != nil {
			b.Fatal(err)
		}
		for r.More() {
			if _, err := r.Next(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkEncodeMetaData(b *testing.B) {
	v := metadata()
	for _, tt := range []struct {
		name string
		e    Encoder
	}{
		{"AMF0", Encoder{}},
		{"AMF3InAMF0", Encoder{Mode: AMF3InAMF0}},
		{"AMF3", Encoder{Mode: AMF3, Refs: StringRefs}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			buf := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				e := tt.e
				out, err := e.Append(AppendString(buf, "onMetaData"), v)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(out)))
			}
		})
	}
}

func BenchmarkDecodeMetaData(b *testing.B) {
	for _, mode := range []Mode{AMF0, AMF3InAMF0} {
		e := Encoder{Mode: mode}
		msg, err := e.Append(nil, metadata())
		if err != nil {
			b.Fatal(err)
		}
		b.Run([]string{AMF0: "AMF0", AMF3InAMF0: "AMF3"}[mode], func(b *testing.B) {
			var r Reader
			b.ReportAllocs()
			for b.Loop() {
				r.Reset(msg, Limits{})
				if _, err := r.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// 1000 objects with the same member names, the bulk of a large call.
func BenchmarkDecodeTable(b *testing.B) {
	a := &Array{}
	for i := range 1000 {
		a.Dense = append(a.Dense, NewObject(Member{"id", Number(i)}, Member{"name", String("somebody")}, Member{"score", Number(1.5)}))
	}
	for _, amf3 := range []bool{false, true} {
		e := Encoder{}
		if amf3 {
			e = Encoder{Mode: AMF3, Refs: StringRefs}
		}
		msg, err := e.Append(nil, a)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(map[bool]string{false: "AMF0", true: "AMF3"}[amf3], func(b *testing.B) {
			var r Reader
			b.SetBytes(int64(len(msg)))
			b.ReportAllocs()
			for b.Loop() {
				r.Reset(msg, Limits{})
				r.amf3 = amf3
				if _, err := r.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendPlain(b *testing.B) {
	e := Encoder{Mode: AMF3InAMF0}
	mixed, err := e.Append(AppendString(nil, "onMetaData"), metadata())
	if err != nil {
		b.Fatal(err)
	}
	plain, err := AppendPlain(nil, mixed, Limits{})
	if err != nil {
		b.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		msg  []byte
	}{{"mixed", mixed}, {"plain", plain}} {
		b.Run(tt.name, func(b *testing.B) {
			buf := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := AppendPlain(buf, tt.msg, Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Hot paths stay free of allocations.
func TestAllocations(t *testing.T) {
	msg := AppendNumber(AppendString(nil, "play"), 3)
	v := metadata()
	buf := make([]byte, 0, 1024)
	var r Reader
	if n := testing.AllocsPerRun(100, func() {
		r.Reset(msg, Limits{})
		_, _ = r.ReadStringBytes()
		_, _ = r.ReadNumber()
	}); n != 0 {
		t.Errorf("reading name and number: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = AppendAMF0(buf, v) }); n != 0 {
		t.Errorf("writing metadata: %v allocations", n)
	}
}
