package amf

import "io"

// tables3 are the three reference tables of AMF3 (AMF3 §2.2). They last for a whole message: a reader
// that restarted them at each 0x11 would misread MonaServer, which refers back to earlier values.
type tables3 struct {
	strings []text
	objects []Value // nil = an externalizable object whose value is being read
	traits  []traits
}

// text is a string of the message, cut from it when first used as a Go string.
type text struct {
	span
	s string
}

// traits describe the objects of a class (AMF3 §3.12).
type traits struct {
	class          string
	names          []string // sealed members
	dynamic        bool
	externalizable bool
}

func (t *tables3) reset() {
	clear(t.strings)
	clear(t.objects)
	clear(t.traits)
	t.strings, t.objects, t.traits = t.strings[:0], t.objects[:0], t.traits[:0]
}

// object resolves an object reference. at is where it starts.
func (r *Reader) object(i uint32, at int) (Value, error) {
	for ; int64(i) < int64(len(r.tables.objects)); i++ {
		v := r.tables.objects[i]
		if v == nil {
			// A reference to an externalizable object from inside itself: it stands for the value it
			// holds, which is the next entry of the table.
			continue
		}
		if err := r.restore(v); err != nil {
			return nil, err
		}
		return r.tables.objects[i], nil
	}
	return nil, errAt(at, ErrReference, "a reference to an earlier value")
}

// placeholder stands in a reference table for a value that was skipped.
type placeholder struct{}

func (placeholder) isValue() {}

// restore fills the placeholders when a reference meets one (rare: writers seldom refer across values),
// by reading again what comes before the current value.
func (r *Reader) restore(v Value) error {
	if _, skipped := v.(placeholder); !skipped {
		return nil
	}
	before := NewReader(r.b[:r.start], r.limits)
	before.amf3 = r.amf3
	for {
		if _, err := before.Next(); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	fill(r.objects0, before.objects0)
	fill(r.tables.objects, before.tables.objects)
	return nil
}

func fill(dst, src []Value) {
	for i, v := range src[:min(len(src), len(dst))] {
		if _, skipped := dst[i].(placeholder); skipped {
			dst[i] = v
		}
	}
}
