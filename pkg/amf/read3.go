package amf

import "bytes"

// value3 reads one AMF3 value.
func (r *Reader) value3() (Value, error) {
	at := r.pos
	m, err := r.byte("an AMF3 marker")
	if err != nil {
		return nil, err
	}
	switch m {
	case m3Undefined:
		return Undefined{}, nil
	case m3Null:
		return Null{}, nil
	case m3False:
		return Bool(false), nil
	case m3True:
		return Bool(true), nil
	case m3Integer:
		n, err := r.int29()
		return Number(n), err
	case m3Double:
		f, err := r.double()
		return Number(f), err
	case m3String:
		s, err := r.text3()
		return String(s), err
	case m3XMLDocument, m3Date, m3Array, m3Object, m3XML, m3ByteArray,
		m3VectorInt, m3VectorUint, m3VectorDouble, m3VectorObject, m3Dictionary:
		return r.complex3(m, at)
	}
	return nil, errAt(at, ErrMalformed, "an AMF3 marker, have "+hexByte(m))
}

// complex3 reads the types that live in the object table. They all start with a U29 whose low bit tells
// a value (1) from a reference to one (0).
func (r *Reader) complex3(m byte, at int) (Value, error) {
	h, err := r.u29("a length or reference")
	if err != nil {
		return nil, err
	}
	if h&1 == 0 {
		return r.object(h>>1, at)
	}
	n := int(h >> 1)
	switch m {
	case m3XMLDocument, m3XML:
		s, err := r.take(n)
		if err != nil {
			return nil, err
		}
		return r.known(&XML{Text: r.cut(s), Document: m == m3XMLDocument}), nil
	case m3Date:
		f, err := r.double()
		if err != nil {
			return nil, err
		}
		return r.known(&Date{Millis: f}), nil
	case m3ByteArray:
		s, err := r.take(n)
		if err != nil {
			return nil, err
		}
		return r.known(&ByteArray{Data: bytes.Clone(r.b[s.off:r.pos])}), nil
	case m3VectorInt, m3VectorUint, m3VectorDouble:
		return r.numberVector(m, n)
	}
	return r.nested3(m, h, at)
}

// nests3 says whether a type contains values.
func nests3(m byte) bool {
	return m == m3Array || m == m3Object || m == m3VectorObject || m == m3Dictionary
}

func (r *Reader) nested3(m byte, h uint32, at int) (v Value, err error) {
	if err := r.enter(); err != nil {
		return nil, err
	}
	n := int(h >> 1)
	switch m {
	case m3Array:
		v, err = r.array3(n)
	case m3Object:
		v, err = r.object3(h, at)
	case m3VectorObject:
		v, err = r.objectVector(n)
	case m3Dictionary:
		v, err = r.dictionary(n)
	}
	r.leave()
	return v, err
}

// known enters v into the object table.
func (r *Reader) known(v Value) Value {
	r.tables.objects = append(r.tables.objects, v)
	return v
}

// room checks that n items of at least size bytes can follow, and charges them, before any is allocated.
func (r *Reader) room(n, size int, want string) error {
	if n > (len(r.b)-r.pos)/size {
		return truncated(r.pos, want)
	}
	return r.charge(n)
}

func (r *Reader) array3(n int) (Value, error) {
	a := &Array{}
	r.known(a)
	var err error
	if a.Named, err = r.dynamic3(len(r.members)); err != nil {
		return nil, err
	}
	if err := r.room(n, 1, "elements of an array"); err != nil {
		return nil, err
	}
	a.Dense, err = r.list3(n)
	return a, err
}

func (r *Reader) list3(n int) ([]Value, error) {
	if n == 0 {
		return nil, nil
	}
	vs := make([]Value, 0, n)
	for range n {
		v, err := r.value3()
		if err != nil {
			return nil, err
		}
		vs = append(vs, v)
	}
	return vs, nil
}

// dynamic3 reads pairs of name and value up to the empty name and returns them, after those that are on
// the stack of members since base.
func (r *Reader) dynamic3(base int) ([]Member, error) {
	for {
		name, err := r.text3()
		if err != nil {
			return nil, err
		}
		if name == "" {
			return r.takeMembers(base), nil
		}
		if err := r.member3(name); err != nil {
			return nil, err
		}
	}
}

func (r *Reader) member3(name string) error {
	if err := r.charge(1); err != nil {
		return err
	}
	v, err := r.value3()
	if err != nil {
		return err
	}
	r.members = append(r.members, Member{Name: name, Value: v})
	return nil
}

func (r *Reader) object3(h uint32, at int) (Value, error) {
	t, err := r.traits3(h, at)
	if err != nil {
		return nil, err
	}
	if t.externalizable {
		return r.externalizable(t.class, at)
	}
	o := &Object{Class: t.class, Sealed: len(t.names), Static: !t.dynamic}
	r.known(o)
	base := len(r.members)
	for _, name := range t.names {
		if err := r.member3(name); err != nil {
			return nil, err
		}
	}
	if t.dynamic {
		o.Members, err = r.dynamic3(base)
		return o, err
	}
	o.Members = r.takeMembers(base)
	return o, nil
}

// traits3 reads the traits of an object (AMF3 §3.12) whose header h has its low bit set.
func (r *Reader) traits3(h uint32, at int) (traits, error) {
	if h&2 == 0 {
		i := h >> 2
		if int64(i) >= int64(len(r.tables.traits)) {
			return traits{}, errAt(at, ErrReference, "a reference to earlier traits")
		}
		return r.tables.traits[i], nil
	}
	t := traits{externalizable: h&4 != 0, dynamic: h&8 != 0}
	var err error
	if t.class, err = r.text3(); err != nil {
		return t, err
	}
	// The count means nothing for an externalizable class (AMF3 §3.12, U29O-traits-ext).
	if n := int(h >> 4); n > 0 && !t.externalizable {
		if err := r.room(n, 1, "names of sealed members"); err != nil {
			return t, err
		}
		t.names = make([]string, n)
		for i := range t.names {
			if t.names[i], err = r.text3(); err != nil {
				return t, err
			}
		}
	}
	r.tables.traits = append(r.tables.traits, t)
	return t, nil
}
