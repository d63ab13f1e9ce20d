package amf

import (
	"errors"
	"io"
)

// errSwitch stops a Reader that only looks for marker 0x11.
var errSwitch = errors.New("switch to AMF3")

// ContainsAMF3 says whether the AMF0 message b switches to AMF3 anywhere.
func ContainsAMF3(b []byte, l Limits) (bool, error) {
	r := NewReader(b, l)
	r.plain = true
	for {
		switch err := r.Skip(); {
		case errors.Is(err, errSwitch):
			return true, nil
		case err == io.EOF:
			return false, nil
		case err != nil:
			return false, err
		}
	}
}

// AppendPlain appends the AMF0 message src to dst for readers that know AMF0 only. Without AMF3 inside
// it is copied as it is; otherwise all its values are written again, as AMF0Lossy and in full.
func AppendPlain(dst, src []byte, l Limits) ([]byte, error) {
	mixed, err := ContainsAMF3(src, l)
	if err != nil {
		return dst, err
	}
	if !mixed {
		return append(dst, src...), nil
	}
	r := NewReader(src, l)
	e := Encoder{Mode: AMF0Lossy}
	out := dst
	for {
		v, err := r.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return dst, err
		}
		if out, err = e.Append(out, v); err != nil {
			return dst, err
		}
	}
}
