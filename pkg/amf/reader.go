package amf

import (
	"encoding/binary"
	"io"
	"math"
)

// Reader reads the values of one message, one after the other. It copies what it returns; the message
// may be reused afterwards. After an error (ErrType excepted) it returns that error for ever. It is not
// safe for use by several goroutines.
type Reader struct {
	b      []byte
	pos    int
	start  int  // where the value at the top being read starts
	amf3   bool // values at the top are AMF3 without marker 0x11
	plain  bool // marker 0x11 is errSwitch
	err    error
	limits Limits
	left   int // elements still allowed
	depth  int
	text   string // b as a string once needed, when short

	objects0 []Value // AMF0 reference table (AMF0 §2.9)
	tables   tables3
	members  []Member   // stack of the members being read, so that each object allocates once
	names    [32]string // member names of a long message seen lately
}

// keepTables is how many entries of tables Reset keeps memory for: one large message must not cost it for
// ever.
const keepTables = 1024

// NewReader reads b as AMF0, in which marker 0x11 introduces an AMF3 value.
func NewReader(b []byte, l Limits) *Reader {
	r := new(Reader)
	r.Reset(b, l)
	return r
}

// NewReader3 reads b as a sequence of AMF3 values.
func NewReader3(b []byte, l Limits) *Reader {
	r := NewReader(b, l)
	r.amf3 = true
	return r
}

// Reset makes r read the message b as AMF0, with empty reference tables. It keeps the memory of the
// tables and nothing of what was read.
func (r *Reader) Reset(b []byte, l Limits) {
	l = l.withDefaults()
	if max(cap(r.members), cap(r.objects0), cap(r.tables.strings), cap(r.tables.objects), cap(r.tables.traits)) > keepTables {
		*r = Reader{}
	}
	clear(r.objects0)
	r.tables.reset()
	*r = Reader{b: b, limits: l, left: l.Elements, objects0: r.objects0[:0], tables: r.tables, members: r.members[:0]}
	if len(b) > l.Bytes {
		r.err = errAt(0, ErrLimit, "shorter message")
	}
}

// More says whether another value can be tried: bytes are left and nothing failed.
func (r *Reader) More() bool { return r.err == nil && r.pos < len(r.b) }

// Elements is how many values and member names were read.
func (r *Reader) Elements() int { return r.limits.Elements - r.left }

// Offset is where the next value starts.
func (r *Reader) Offset() int { return r.pos }

// Rest is what was not read yet, not a copy.
func (r *Reader) Rest() []byte { return r.b[r.pos:] }

// Next reads one value. At the end of the message it returns io.EOF.
func (r *Reader) Next() (Value, error) {
	if err := r.begin(); err != nil {
		return nil, err
	}
	v, err := r.value()
	if err != nil {
		return nil, r.fail(err)
	}
	return v, nil
}

// begin starts a value at the top.
func (r *Reader) begin() error {
	if r.err != nil {
		return r.err
	}
	if r.pos == len(r.b) {
		return io.EOF
	}
	r.start = r.pos
	if err := r.charge(1); err != nil {
		return r.fail(err)
	}
	return nil
}

func (r *Reader) fail(err error) error {
	r.err = err
	clear(r.members)
	r.members = r.members[:0]
	return err
}

func (r *Reader) value() (Value, error) {
	if r.amf3 {
		return r.value3()
	}
	return r.value0()
}

// Peek is the kind of the next value, from its marker alone. KindReference can be an object or an array.
func (r *Reader) Peek() Kind {
	if !r.More() {
		return KindInvalid
	}
	m := r.b[r.pos]
	if r.amf3 {
		return kindAt(kinds3[:], m)
	}
	if m != m0AVMPlus {
		return kindAt(kinds0[:], m)
	}
	if r.pos+1 == len(r.b) {
		return KindInvalid
	}
	return kindAt(kinds3[:], r.b[r.pos+1])
}

// expect fails with ErrType, without moving, when the next value is of another kind.
func (r *Reader) expect(k Kind) error {
	if r.err != nil {
		return r.err
	}
	if r.pos == len(r.b) {
		return io.EOF
	}
	if got := r.Peek(); got != k {
		return errAt(r.pos, ErrType, k.String()+", have "+got.String())
	}
	return r.begin()
}

// ReadString reads the next value, which must be a string.
func (r *Reader) ReadString() (string, error) {
	s, err := r.stringSpan()
	if err != nil {
		return "", err
	}
	return r.cut(s), nil
}

// ReadStringBytes is ReadString without a copy: the result is a part of the message.
func (r *Reader) ReadStringBytes() ([]byte, error) {
	s, err := r.stringSpan()
	if err != nil {
		return nil, err
	}
	return r.b[s.off : s.off+s.n], nil
}

func (r *Reader) stringSpan() (s span, err error) {
	if err = r.expect(KindString); err != nil {
		return s, err
	}
	m := r.b[r.pos]
	r.pos++
	switch {
	case r.amf3:
		s, err = r.string3()
	case m == m0AVMPlus:
		r.pos++
		s, err = r.string3()
	case m == m0LongString:
		s, err = r.long0()
	default:
		s, err = r.short0()
	}
	if err != nil {
		return s, r.fail(err)
	}
	return s, nil
}

// ReadNumber reads the next value, which must be a number.
func (r *Reader) ReadNumber() (float64, error) {
	if err := r.expect(KindNumber); err != nil {
		return 0, err
	}
	f, err := r.number()
	if err != nil {
		return 0, r.fail(err)
	}
	return f, nil
}

func (r *Reader) number() (float64, error) {
	m := r.b[r.pos]
	r.pos++
	if !r.amf3 {
		if m == m0Number {
			return r.double()
		}
		m = r.b[r.pos] // after 0x11; Peek looked at it
		r.pos++
	}
	if m == m3Double {
		return r.double()
	}
	n, err := r.int29()
	return float64(n), err
}

// ReadBool reads the next value, which must be a boolean.
func (r *Reader) ReadBool() (bool, error) {
	if err := r.expect(KindBool); err != nil {
		return false, err
	}
	v, err := r.value()
	if err != nil {
		return false, r.fail(err)
	}
	return bool(v.(Bool)), nil
}

// charge takes n elements from the allowance before anything is allocated for them.
func (r *Reader) charge(n int) error {
	if n > r.left {
		return errAt(r.pos, ErrLimit, "fewer elements")
	}
	r.left -= n
	return nil
}

// enter and leave bracket whatever nests.
func (r *Reader) enter() error {
	if r.depth >= r.limits.Depth {
		return errAt(r.pos, ErrLimit, "less nesting")
	}
	r.depth++
	return nil
}

func (r *Reader) leave() { r.depth-- }

func (r *Reader) double() (float64, error) {
	if len(r.b)-r.pos < 8 {
		return 0, truncated(r.pos, "8 bytes of a number")
	}
	u := binary.BigEndian.Uint64(r.b[r.pos:])
	r.pos += 8
	return math.Float64frombits(u), nil
}
