package amf

import "encoding/binary"

// value0 reads one AMF0 value.
func (r *Reader) value0() (Value, error) {
	at := r.pos
	m, err := r.byte("an AMF0 marker")
	if err != nil {
		return nil, err
	}
	switch m {
	case m0Number:
		f, err := r.double()
		return Number(f), err
	case m0Bool:
		b, err := r.byte("a boolean")
		return Bool(b != 0), err
	case m0String:
		s, err := r.short0()
		return String(r.cut(s)), err
	case m0LongString:
		s, err := r.long0()
		return String(r.cut(s)), err
	case m0Null:
		return Null{}, nil
	case m0Undefined:
		return Undefined{}, nil
	case m0Reference:
		return r.reference0(at)
	case m0Date:
		return r.date0()
	case m0XML:
		s, err := r.long0()
		return &XML{Text: r.cut(s), Document: true}, err
	case m0Object, m0Typed, m0ECMAArray, m0StrictArray:
		return r.nested0(m)
	case m0AVMPlus:
		return r.value3()
	}
	return nil, badMarker0(at, m)
}

// badMarker0 tells the types that exist but cannot be read from bytes that are not AMF0 at all.
func badMarker0(at int, m byte) error {
	switch m {
	case m0MovieClip:
		return errAt(at, ErrUnsupported, "a value, have a movie clip (marker 0x04)")
	case m0Unsupported:
		return errAt(at, ErrUnsupported, "a value, have the marker for unsupported types (0x0d)")
	case m0RecordSet:
		return errAt(at, ErrUnsupported, "a value, have a record set (marker 0x0e)")
	case m0End:
		return errAt(at, ErrMalformed, "a value, have an end of object")
	}
	return errAt(at, ErrMalformed, "an AMF0 marker, have "+hexByte(m))
}

func (r *Reader) nested0(m byte) (v Value, err error) {
	if err := r.enter(); err != nil {
		return nil, err
	}
	switch m {
	case m0Object:
		v, err = r.object0(&Object{})
	case m0Typed:
		var s span
		if s, err = r.short0(); err == nil {
			v, err = r.object0(&Object{Class: r.cut(s)})
		}
	case m0ECMAArray:
		v, err = r.ecmaArray()
	case m0StrictArray:
		v, err = r.strictArray()
	}
	r.leave()
	return v, err
}

func (r *Reader) object0(o *Object) (Value, error) {
	r.objects0 = append(r.objects0, o)
	base := len(r.members)
	for {
		name, end, err := r.name0()
		if err != nil {
			return nil, err
		}
		if end {
			o.Members = r.takeMembers(base)
			return o, nil
		}
		v, err := r.value0()
		if err != nil {
			return nil, err
		}
		r.members = append(r.members, Member{Name: r.name(name), Value: v})
	}
}

func (r *Reader) strictArray() (Value, error) {
	n, err := r.count0()
	if err != nil {
		return nil, err
	}
	if int64(n) > int64(len(r.b)-r.pos) { // a value takes at least one byte
		return nil, truncated(r.pos, "elements of an array")
	}
	if err := r.charge(int(n)); err != nil {
		return nil, err
	}
	a := &Array{}
	r.objects0 = append(r.objects0, a)
	if n == 0 {
		return a, nil
	}
	a.Dense = make([]Value, 0, n)
	for range n {
		v, err := r.value0()
		if err != nil {
			return nil, err
		}
		a.Dense = append(a.Dense, v)
	}
	return a, nil
}

func (r *Reader) reference0(at int) (Value, error) {
	if len(r.b)-r.pos < 2 {
		return nil, truncated(r.pos, "a reference")
	}
	i := int(binary.BigEndian.Uint16(r.b[r.pos:]))
	r.pos += 2
	if i >= len(r.objects0) {
		return nil, errAt(at, ErrReference, "a reference to an earlier object or array")
	}
	if err := r.restore(r.objects0[i]); err != nil {
		return nil, err
	}
	return r.objects0[i], nil
}

func (r *Reader) date0() (Value, error) {
	f, err := r.double()
	if err != nil {
		return nil, err
	}
	if len(r.b)-r.pos < 2 {
		return nil, truncated(r.pos, "the time zone of a date")
	}
	r.pos += 2
	return &Date{Millis: f}, nil
}

// name0 reads a member name, or the end of the members: an empty name and the end marker. An empty name
// in front of a value is a member without a name.
func (r *Reader) name0() (name span, end bool, err error) {
	if name, err = r.short0(); err != nil {
		return name, false, err
	}
	if name.n == 0 && r.pos < len(r.b) && r.b[r.pos] == m0End {
		r.pos++
		return name, true, nil
	}
	return name, false, r.charge(1)
}

func (r *Reader) short0() (span, error) {
	if len(r.b)-r.pos < 2 {
		return span{}, truncated(r.pos, "length of a string")
	}
	n := int(binary.BigEndian.Uint16(r.b[r.pos:]))
	r.pos += 2
	return r.take(n)
}

func (r *Reader) long0() (span, error) {
	n, err := r.count0()
	if err != nil {
		return span{}, err
	}
	if int64(n) > int64(len(r.b)-r.pos) {
		return span{}, truncated(r.pos, "rest of a long string")
	}
	return r.take(int(n))
}

func (r *Reader) count0() (uint32, error) {
	if len(r.b)-r.pos < 4 {
		return 0, truncated(r.pos, "a 32-bit count")
	}
	n := binary.BigEndian.Uint32(r.b[r.pos:])
	r.pos += 4
	return n, nil
}

func (r *Reader) byte(want string) (byte, error) {
	if r.pos >= len(r.b) {
		return 0, truncated(r.pos, want)
	}
	c := r.b[r.pos]
	r.pos++
	return c, nil
}
