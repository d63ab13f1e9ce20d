package rtmfp

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s did not panic", what)
		}
	}()
	f()
}

func TestBufferMisusePanics(t *testing.T) {
	b := NewBuffer(10)
	b.Retain().Release()
	b.Release()
	mustPanic(t, "second Release", b.Release)
	c := CopyBuffer([]byte("x"))
	c.Release()
	mustPanic(t, "Retain after Release", func() { c.Retain() })
}

func TestBufferSizes(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 257, 1160, 2048, 2049, 1 << 20, 1<<20 + 1, MaxMessageSize} {
		b := NewBuffer(n)
		if b.Len() != n || len(b.Bytes()) != n {
			t.Errorf("buffer of %d has %d", n, b.Len())
		}
		pooled := n <= 1<<maxBufferClass
		if (b.mem != nil) != pooled {
			t.Errorf("buffer of %d: pooled %v", n, b.mem != nil)
		}
		if pooled && (len(b.mem) < n || (len(b.mem) > 256 && len(b.mem) >= 2*n)) {
			t.Errorf("buffer of %d in a block of %d", n, len(b.mem))
		}
		b.Release()
		if b.Bytes() != nil {
			t.Errorf("a released buffer still shows its content")
		}
	}
}

// A buffer whose front was trimmed gives back its whole block.
func TestBufferTrimFront(t *testing.T) {
	b := CopyBuffer([]byte("header and body"))
	b.TrimFront(len("header "))
	if string(b.Bytes()) != "and body" || b.Len() != 8 {
		t.Errorf("%q", b.Bytes())
	}
	block := len(b.mem)
	b = b.append(bytes.Repeat([]byte{'x'}, block)) // no room behind: moves
	if b.Len() != 8+block || string(b.Bytes()[:9]) != "and bodyx" {
		t.Errorf("after append: %d bytes, %q", b.Len(), b.Bytes()[:9])
	}
	b.Release()
	for range 100 { // whatever the pool gives, it is whole
		n := NewBuffer(256)
		if n.Len() != 256 || cap(n.Bytes()) < 256 {
			t.Fatal("a trimmed block came back short")
		}
		defer n.Release()
	}
}

func TestBufferAppend(t *testing.T) {
	b := NewBuffer(0)
	var want []byte
	r := rand.New(rand.NewPCG(1, 2))
	for len(want) < 3<<20 { // across all classes and beyond them
		p := make([]byte, r.IntN(100_000))
		for i := range p {
			p[i] = byte(r.Uint32())
		}
		want = append(want, p...)
		b = b.append(p)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Error("content differs")
	}
	b.Release()
}

func TestSlabRecyclesClean(t *testing.T) {
	var s slab
	f, m := s.fragment(), s.message()
	body := NewBuffer(1)
	*f = fragment{prev: f, next: f, tprev: f, tnext: f, msg: m, seq: 7, inFlight: true, naks: 2}
	*m = sendMessage{prev: m, next: m, id: 3, body: body, cut: 9, abandoned: true}
	s.putFragment(f)
	s.putMessage(m)
	if f.msg != nil || f.prev != nil || m.body != nil || m.prev != nil {
		t.Error("an entry in the slab keeps what it pointed to alive")
	}
	if f2 := s.fragment(); f2 != f || *f2 != (fragment{}) {
		t.Errorf("%+v", f2)
	}
	if m2 := s.message(); m2 != m || *m2 != (sendMessage{}) {
		t.Errorf("%+v", m2)
	}
	if f3 := s.fragment(); f3 == f {
		t.Error("one entry handed out twice")
	}
	body.Release()
}

func TestSlabBounded(t *testing.T) {
	var s slab
	for range slabSize + 100 {
		s.putFragment(new(fragment))
		s.putMessage(new(sendMessage))
	}
	n := 0
	for f := s.fragments; f != nil; f = f.next {
		n++
	}
	for m := s.messages; m != nil; m = m.next {
		n++
	}
	if n != 2*slabSize {
		t.Errorf("%d entries kept", n)
	}
	for range 2 * slabSize {
		s.fragment()
		s.message()
	}
	if s.nf != 0 || s.nm != 0 || s.fragments != nil || s.messages != nil {
		t.Errorf("%d and %d left", s.nf, s.nm)
	}
}

// Head and body are one message on the wire, wherever it is cut.
func TestMessageCutAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := sendMessage{headLen: uint8(rapid.IntRange(0, 8).Draw(t, "head"))}
		body := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "body")
		for i := range m.head {
			m.head[i] = byte(0xa0 + i)
		}
		if len(body) > 0 {
			m.body = CopyBuffer(body)
			defer m.body.Release()
		}
		want := append(slices.Clone(m.head[:m.headLen]), body...)
		var got []byte
		for len(got) < len(want) {
			n := rapid.IntRange(1, len(want)-len(got)).Draw(t, "n")
			got = m.appendTo(got, len(got), n)
		}
		if got = m.appendTo(got, len(got), 0); !bytes.Equal(got, want) {
			t.Fatalf("%x, want %x", got, want)
		}
	})
}

// naiveBuffer is RECV_BUFFER as a plain list.
type naiveBuffer []recvFragment

func (n naiveBuffer) find(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(n, seq, func(f recvFragment, seq uint64) int { return int(f.seq) - int(seq) })
}

// run returns the limits of the message part that entry i belongs to (RFC 7016 §3.6.3.3).
func (n naiveBuffer) run(i int) (first, last, size int) {
	joined := func(a, b recvFragment) bool { return b.seq == a.seq+1 && follows(a.fra, b.fra) }
	for first = i; first > 0 && joined(n[first-1], n[first]); {
		first--
	}
	for last = i; last+1 < len(n) && joined(n[last], n[last+1]); {
		last++
	}
	for _, f := range n[first : last+1] {
		size += f.data.Len()
	}
	return first, last, size
}

func TestFragBufferAgainstNaive(t *testing.T) {
	one := CopyBuffer([]byte("x"))
	rapid.Check(t, func(t *rapid.T) {
		var b fragBuffer
		var n naiveBuffer
		top := rapid.Uint64Range(1, 1500).Draw(t, "top")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		fras := []uint8{fragWhole, fragBegin, fragMiddle, fragMiddle, fragMiddle, fragEnd}
		for range rapid.IntRange(1, 1200).Draw(t, "operations") {
			seq := 1 + r.Uint64N(top)
			i, found := n.find(seq)
			switch {
			case !found:
				fr := recvFragment{seq: seq, fra: fras[r.IntN(len(fras))], data: one}
				n = slices.Insert(n, i, fr)
				start := b.insert(fr)
				first, last, size := n.run(i)
				if start.seq != n[first].seq || start.far != n[last].seq || start.bytes != size {
					t.Fatalf("%d is in run %d–%d of %d, want %d–%d of %d", seq, start.seq, start.far, start.bytes,
						n[first].seq, n[last].seq, size)
				}
				if e := b.at(start.far); e == nil || e.far != start.seq || e.bytes != size {
					t.Fatalf("the end of the run of %d says %+v", seq, e)
				}
			case r.IntN(3) == 0:
				first, last, _ := n.run(i)
				k := n[first].seq
				b.remove(n[first].seq, n[last].seq, func(*Buffer) { k++ })
				if k != n[last].seq+1 {
					t.Fatalf("removed %d to %d", n[first].seq, k)
				}
				n = slices.Delete(n, first, last+1)
			case r.IntN(50) == 0:
				b.rebuild()
			}
		}
		k := 0
		b.all(func(fr *recvFragment) {
			if k >= len(n) || fr.seq != n[k].seq {
				t.Fatalf("entry %d is %d", k, fr.seq)
			}
			k++
		})
		for _, want := range n {
			if b.front().seq != want.seq || b.from(want.seq-1).seq > want.seq || b.pop().seq != want.seq {
				t.Fatalf("at %d", want.seq)
			}
		}
		if !b.empty() || b.front() != nil || b.from(0) != nil {
			t.Fatal("not empty in the end")
		}
	})
}

// A window full of tiny fragments must cost each of them about the same, in whatever order they come:
// backwards into one list would be a million moves of half the list each.
func TestFragBufferStaysFast(t *testing.T) {
	one := CopyBuffer([]byte("x"))
	const n = 100_000
	var b fragBuffer
	for i := uint64(n); i > 0; i-- {
		b.insert(recvFragment{seq: i, fra: fragMiddle, data: one})
	}
	if start := b.front(); start.far != n || start.bytes != n {
		t.Fatalf("%+v", start)
	}
	if len(b.blocks) > 2*n/(blockSize/2) {
		t.Errorf("%d blocks for %d fragments", len(b.blocks), n)
	}
	moved := 0
	b.remove(1, n, func(*Buffer) { moved++ })
	if moved != n || !b.empty() {
		t.Errorf("%d removed", moved)
	}
}
