package amf

import (
	"encoding/binary"
	"strings"
)

// externalizable reads an object that wrote itself.
func (r *Reader) externalizable(class string, at int) (Value, error) {
	slot := len(r.tables.objects)
	if err := r.openExternal(class, at, nil); err != nil {
		return nil, err
	}
	v, err := r.value3()
	if err != nil {
		return nil, err
	}
	r.tables.objects[slot] = v
	return v, nil
}

// openExternal enters an externalizable object into the table as v. The format of its bytes is the
// class's own business; the collections of Flex are known to write exactly one value, which is used in
// place of the object.
func (r *Reader) openExternal(class string, at int, v Value) error {
	switch class[strings.LastIndexByte(class, '.')+1:] {
	case "ArrayCollection", "ArrayList", "ObjectProxy":
		r.known(v)
		return r.charge(1)
	}
	return errAt(at, ErrUnsupported, "a value, have externalizable class "+quote(class))
}

// dictionary reads
//
//	U29 count<<1|1 ‖ weak keys (1 byte) ‖ count × (key, value)
func (r *Reader) dictionary(n int) (Value, error) {
	weak, err := r.byte("weak key flag of a dictionary")
	if err != nil {
		return nil, err
	}
	d := &Dictionary{Weak: weak != 0}
	r.known(d)
	if err := r.room(n, 2, "entries of a dictionary"); err != nil {
		return nil, err
	}
	if err := r.charge(n); err != nil { // a key and a value each
		return nil, err
	}
	if n > 0 {
		d.Entries = make([]Entry, n)
	}
	for i := range d.Entries {
		if d.Entries[i].Key, err = r.value3(); err != nil {
			return nil, err
		}
		if d.Entries[i].Value, err = r.value3(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// numberVector reads
//
//	U29 count<<1|1 ‖ fixed (1 byte) ‖ count × (int32 | uint32 | float64)
func (r *Reader) numberVector(m byte, n int) (Value, error) {
	fixed, err := r.byte("fixed flag of a vector")
	if err != nil {
		return nil, err
	}
	size := 4
	if m == m3VectorDouble {
		size = 8
	}
	if n > (len(r.b)-r.pos)/size {
		return nil, truncated(r.pos, "elements of a vector")
	}
	v := &Vector{Kind: VectorKind(m - m3VectorInt), Fixed: fixed != 0}
	if n > 0 {
		v.Numbers = make([]float64, n)
	}
	for i := range v.Numbers {
		switch m {
		case m3VectorInt:
			v.Numbers[i] = float64(int32(binary.BigEndian.Uint32(r.b[r.pos:])))
			r.pos += size
		case m3VectorUint:
			v.Numbers[i] = float64(binary.BigEndian.Uint32(r.b[r.pos:]))
			r.pos += size
		default:
			v.Numbers[i], _ = r.double()
		}
	}
	return r.known(v), nil
}

// objectVector reads
//
//	U29 count<<1|1 ‖ fixed (1 byte) ‖ class name ‖ count × value
func (r *Reader) objectVector(n int) (Value, error) {
	fixed, err := r.byte("fixed flag of a vector")
	if err != nil {
		return nil, err
	}
	v := &Vector{Kind: VectorObject, Fixed: fixed != 0}
	r.known(v)
	if v.Class, err = r.text3(); err != nil {
		return nil, err
	}
	if err := r.room(n, 1, "elements of a vector"); err != nil {
		return nil, err
	}
	v.Values, err = r.list3(n)
	return v, err
}
