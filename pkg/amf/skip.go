package amf

// Skip passes over one value without building it. Its strings and objects keep their places in the
// reference tables: a later value may refer to them.
func (r *Reader) Skip() error {
	if err := r.begin(); err != nil {
		return err
	}
	var err error
	if r.amf3 {
		err = r.skip3()
	} else {
		err = r.skip0()
	}
	if err != nil {
		return r.fail(err)
	}
	return nil
}

func (r *Reader) advance(n int, want string) error {
	if n > len(r.b)-r.pos {
		return truncated(r.pos, want)
	}
	r.pos += n
	return nil
}

func (r *Reader) skip0() error {
	at := r.pos
	m, err := r.byte("an AMF0 marker")
	if err != nil {
		return err
	}
	switch m {
	case m0Number:
		return r.advance(8, "8 bytes of a number")
	case m0Bool:
		return r.advance(1, "a boolean")
	case m0Null, m0Undefined:
		return nil
	case m0String:
		_, err = r.short0()
		return err
	case m0LongString, m0XML:
		_, err = r.long0()
		return err
	case m0Date:
		return r.advance(10, "a date")
	case m0Reference:
		return r.skipReference0(at)
	case m0Object, m0Typed, m0ECMAArray, m0StrictArray:
		if err := r.enter(); err != nil {
			return err
		}
		err = r.skipNested0(m)
		r.leave()
		return err
	case m0AVMPlus:
		if r.plain {
			return errSwitch
		}
		return r.skip3()
	}
	return badMarker0(at, m)
}

func (r *Reader) skipReference0(at int) error {
	if err := r.advance(2, "a reference"); err != nil {
		return err
	}
	if i := int(r.b[r.pos-2])<<8 | int(r.b[r.pos-1]); i >= len(r.objects0) {
		return errAt(at, ErrReference, "a reference to an earlier object or array")
	}
	return nil
}

func (r *Reader) skipNested0(m byte) error {
	var n uint32
	var err error
	switch m {
	case m0Typed:
		_, err = r.short0()
	case m0ECMAArray, m0StrictArray:
		n, err = r.count0()
	}
	if err != nil {
		return err
	}
	r.objects0 = append(r.objects0, placeholder{})
	if m == m0StrictArray {
		if int64(n) > int64(len(r.b)-r.pos) {
			return truncated(r.pos, "elements of an array")
		}
		if err := r.charge(int(n)); err != nil {
			return err
		}
		for range n {
			if err := r.skip0(); err != nil {
				return err
			}
		}
		return nil
	}
	for {
		if _, end, err := r.name0(); err != nil || end {
			return err
		}
		if err := r.skip0(); err != nil {
			return err
		}
	}
}

func (r *Reader) skip3() error {
	at := r.pos
	m, err := r.byte("an AMF3 marker")
	if err != nil {
		return err
	}
	switch kindAt(kinds3[:], m) {
	case KindUndefined, KindNull, KindBool:
		return nil
	case KindNumber:
		if m == m3Double {
			return r.advance(8, "8 bytes of a number")
		}
		_, err = r.u29("an integer")
		return err
	case KindString:
		_, err = r.textIndex()
		return err
	case KindInvalid:
		return errAt(at, ErrMalformed, "an AMF3 marker, have "+hexByte(m))
	}
	h, err := r.u29("a length or reference")
	if err != nil {
		return err
	}
	if h&1 == 0 {
		if int64(h>>1) >= int64(len(r.tables.objects)) {
			return errAt(at, ErrReference, "a reference to an earlier value")
		}
		return nil
	}
	if !nests3(m) {
		return r.skipLeaf3(m, int(h>>1))
	}
	if err := r.enter(); err != nil {
		return err
	}
	err = r.skipNested3(m, h, at)
	r.leave()
	return err
}

func (r *Reader) skipLeaf3(m byte, n int) error {
	r.known(placeholder{})
	size := 1
	switch m {
	case m3Date:
		n = 8
	case m3VectorInt, m3VectorUint:
		size = 4
	case m3VectorDouble:
		size = 8
	}
	if kindAt(kinds3[:], m) == KindVector {
		if err := r.advance(1, "fixed flag of a vector"); err != nil {
			return err
		}
	}
	if n > (len(r.b)-r.pos)/size {
		return truncated(r.pos, "rest of a value")
	}
	r.pos += n * size
	return nil
}

func (r *Reader) skipNested3(m byte, h uint32, at int) error {
	n := int(h >> 1)
	if m == m3Object {
		return r.skipObject3(h, at)
	}
	r.known(placeholder{})
	switch m {
	case m3Array:
		if err := r.skipDynamic3(); err != nil {
			return err
		}
	case m3VectorObject:
		if err := r.advance(1, "fixed flag of a vector"); err != nil {
			return err
		}
		if _, err := r.textIndex(); err != nil {
			return err
		}
	case m3Dictionary:
		if err := r.advance(1, "weak key flag of a dictionary"); err != nil {
			return err
		}
		n *= 2
	}
	return r.skipList3(n)
}

func (r *Reader) skipObject3(h uint32, at int) error {
	t, err := r.traits3(h, at)
	if err != nil {
		return err
	}
	if t.externalizable {
		if err := r.openExternal(t.class, at, placeholder{}); err != nil {
			return err
		}
		return r.skip3()
	}
	r.known(placeholder{})
	if err := r.skipList3(len(t.names)); err != nil {
		return err
	}
	if t.dynamic {
		return r.skipDynamic3()
	}
	return nil
}

func (r *Reader) skipList3(n int) error {
	if err := r.room(n, 1, "elements"); err != nil {
		return err
	}
	for range n {
		if err := r.skip3(); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reader) skipDynamic3() error {
	for {
		i, err := r.textIndex()
		if err != nil || i < 0 {
			return err
		}
		if err := r.charge(1); err != nil {
			return err
		}
		if err := r.skip3(); err != nil {
			return err
		}
	}
}
