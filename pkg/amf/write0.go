package amf

import (
	"encoding/binary"
	"math"
	"strconv"
)

const maxName0 = math.MaxUint16 // AMF0 §1.3.1

// AppendNumber, AppendBool, AppendString and AppendNull append one AMF0 value.
func AppendNumber(b []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(append(b, m0Number), math.Float64bits(f))
}

// AppendBool appends an AMF0 boolean.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, m0Bool, 1)
	}
	return append(b, m0Bool, 0)
}

// AppendString appends an AMF0 string, in the long form when needed.
func AppendString(b []byte, s string) []byte {
	if len(s) > maxName0 {
		return appendLong(append(b, m0LongString), s)
	}
	return appendName0(append(b, m0String), s)
}

// AppendNull appends an AMF0 null.
func AppendNull(b []byte) []byte { return append(b, m0Null) }

func appendName0(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

func appendLong(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

func (e *Encoder) append0(b []byte, v Value) ([]byte, error) {
	if len(b) > e.end {
		return b, encodeError(ErrLimit, "long value")
	}
	switch v := v.(type) {
	case Number:
		return AppendNumber(b, float64(v)), nil
	case Bool:
		return AppendBool(b, bool(v)), nil
	case String:
		return AppendString(b, string(v)), nil
	case Undefined:
		return append(b, m0Undefined), nil
	case nil, Null:
		return AppendNull(b), nil
	}
	if isNil(v) {
		return AppendNull(b), nil
	}
	switch v := v.(type) {
	case *Date:
		b = binary.BigEndian.AppendUint64(append(b, m0Date), math.Float64bits(v.Millis))
		return append(b, 0, 0), nil
	case *XML:
		return appendLong(append(b, m0XML), v.Text), nil
	case *Object:
		return e.complex0(b, v)
	case *Array:
		if e.Mode == AMF0Plus && len(v.Dense) > 0 && len(v.Named) > 0 {
			break
		}
		return e.complex0(b, v)
	}
	switch e.Mode {
	case AMF0Plus:
		return e.append3(append(b, m0AVMPlus), v)
	case AMF0Lossy:
		if a, ok := v.(*ByteArray); ok {
			return AppendString(b, string(a.Data)), nil
		}
		return e.complex0(b, v)
	}
	return b, encodeError(ErrUnsupported, KindOf(v).String()+" in AMF0")
}

// complex0 writes what has an entry in the reference table.
func (e *Encoder) complex0(b []byte, v Value) ([]byte, error) {
	if e.Refs == AllRefs {
		// AMF0 §2.9: references have 16 bits; what comes later is written in full.
		if i, ok := seen(&e.objects0, v); ok && i <= math.MaxUint16 {
			return binary.BigEndian.AppendUint16(append(b, m0Reference), uint16(i)), nil
		}
	}
	if err := e.enter(v); err != nil {
		return b, err
	}
	var err error
	switch v := v.(type) {
	case *Object:
		b, err = e.object0(b, v)
	case *Array:
		b, err = e.array0(b, v)
	case *Dictionary:
		b, err = e.dictionary0(b, v)
	case *Vector:
		b = binary.BigEndian.AppendUint32(append(b, m0StrictArray), uint32(v.Len()))
		for i := 0; i < v.Len() && err == nil; i++ {
			b, err = e.append0(b, v.At(i))
		}
	}
	e.leave()
	return b, err
}

func (e *Encoder) object0(b []byte, o *Object) ([]byte, error) {
	if o.Class == "" {
		b = append(b, m0Object)
	} else {
		if len(o.Class) > maxName0 {
			return b, encodeError(ErrUnsupported, "class name above 65535 bytes")
		}
		b = appendName0(append(b, m0Typed), o.Class)
	}
	return e.members0(b, o.Members)
}

func (e *Encoder) array0(b []byte, a *Array) ([]byte, error) {
	if len(a.Named) == 0 {
		b = binary.BigEndian.AppendUint32(append(b, m0StrictArray), uint32(len(a.Dense)))
		var err error
		for _, v := range a.Dense {
			if b, err = e.append0(b, v); err != nil {
				return b, err
			}
		}
		return b, nil
	}
	b = binary.BigEndian.AppendUint32(append(b, m0ECMAArray), uint32(len(a.Dense)+len(a.Named)))
	for i, v := range a.Dense {
		var err error
		if b, err = e.member0(b, strconv.Itoa(i), v); err != nil {
			return b, err
		}
	}
	return e.members0(b, a.Named)
}

// dictionary0 writes an associative array.
func (e *Encoder) dictionary0(b []byte, d *Dictionary) ([]byte, error) {
	b = binary.BigEndian.AppendUint32(append(b, m0ECMAArray), uint32(len(d.Entries)))
	for _, en := range d.Entries {
		name, err := keyText(en.Key)
		if err != nil {
			return b, err
		}
		if b, err = e.member0(b, name, en.Value); err != nil {
			return b, err
		}
	}
	return append(b, 0, 0, m0End), nil
}

func keyText(v Value) (string, error) {
	switch v := v.(type) {
	case String:
		return string(v), nil
	case Number:
		return strconv.FormatFloat(float64(v), 'g', -1, 64), nil
	case Bool:
		return strconv.FormatBool(bool(v)), nil
	}
	return "", encodeError(ErrUnsupported, "dictionary key of type "+KindOf(v).String()+" in AMF0")
}

// members0 writes members and their end.
func (e *Encoder) members0(b []byte, ms []Member) ([]byte, error) {
	var err error
	for _, m := range ms {
		if b, err = e.member0(b, m.Name, m.Value); err != nil {
			return b, err
		}
	}
	return append(b, 0, 0, m0End), nil
}

func (e *Encoder) member0(b []byte, name string, v Value) ([]byte, error) {
	if len(name) > maxName0 {
		return b, encodeError(ErrUnsupported, "member name above 65535 bytes")
	}
	return e.append0(appendName0(b, name), v)
}

// isNil finds nil pointers inside a Value.
func isNil(v Value) bool {
	switch v := v.(type) {
	case *Date:
		return v == nil
	case *ByteArray:
		return v == nil
	case *XML:
		return v == nil
	case *Object:
		return v == nil
	case *Array:
		return v == nil
	case *Dictionary:
		return v == nil
	case *Vector:
		return v == nil
	}
	return false
}
