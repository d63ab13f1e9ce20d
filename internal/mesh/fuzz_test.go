package mesh

import (
	"bytes"
	"testing"
)

// What a reader makes of frames, a writer writes in the same way again.
func FuzzFrames(f *testing.F) {
	for _, b := range capture(f) {
		f.Add(b)
	}
	for _, v := range vectors {
		f.Add(unhex(f, v.hex))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		shared := newBudget(1 << 20)
		r := newFrameReader(bytes.NewReader(wire), 1<<16, shared)
		var w frameWriter
		var again []byte
		var told []string
		for {
			fr, err := r.next()
			if err != nil {
				break
			}
			if fr.unknown != 0 {
				continue
			}
			told = append(told, fr.handler+string(fr.payload))
			if again, err = w.appendHeader(again, fr.handler, len(fr.payload)); err != nil {
				t.Fatal(err)
			}
			again = append(again, fr.payload...)
		}
		r.release()
		if shared.left.Load() != 1<<20 {
			t.Fatal("memory is not given back")
		}
		r = newFrameReader(bytes.NewReader(again), 1<<17, newBudget(1<<20))
		for i, want := range told {
			fr, err := r.next()
			if err != nil || fr.handler+string(fr.payload) != want {
				t.Fatalf("frame %d: %v", i, err)
			}
		}
	})
}

func FuzzHello(f *testing.F) {
	f.Add(appendHello(nil, []pair{{"host", "www.hostA.com"}, {"type", "master"}})[1:])
	f.Fuzz(func(t *testing.T, b []byte) {
		params, err := parseHello(b)
		if err == nil && len(params) > maxHelloPairs {
			t.Fatal(len(params))
		}
		for range announced(params, nil) {
		}
		_ = parseReject(b)
		_, _ = parseOffer(b)
	})
}

func FuzzServices(f *testing.F) {
	f.Add(appendServices(nil, "", "/myGame", "/../x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		paths, _ := parseServices(b)
		for _, p := range paths {
			if bytes.Contains([]byte("/"+p+"/"), []byte("/../")) || len(p) > maxPath {
				t.Fatalf("%q", p)
			}
		}
	})
}

func FuzzCall(f *testing.F) {
	for _, v := range vectors {
		if b := unhex(f, v.hex); len(b) > 13 {
			f.Add(b[12:])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		args, size, err := new(callReader).read(b, 1<<16)
		if size < len(b) && err == nil || len(args) > len(b) {
			t.Fatal(len(args), size)
		}
	})
}
