package amf

import (
	"errors"
	"fmt"
	"io"
	"strconv"
)

// What is wrong with a message: errors.Is(err, …) on what a Reader returns. A message that ends inside a
// value gives io.ErrUnexpectedEOF.
var (
	// ErrMalformed: bytes that no writer produces.
	ErrMalformed = errors.New("malformed")
	// ErrUnsupported: a type that the format reserves or that has no Value (on writing: no form in AMF0).
	ErrUnsupported = errors.New("unsupported")
	// ErrReference: a reference to something that was not in the message before.
	ErrReference = errors.New("bad reference")
	// ErrLimit: deeper, longer or with more elements than allowed.
	ErrLimit = errors.New("limit exceeded")
	// ErrType: the value is of another type than the one asked for; the reader did not move.
	ErrType = errors.New("unexpected type")
	// ErrCycle: a value that contains itself, on writing.
	ErrCycle = errors.New("value contains itself")
)

// Error says where reading failed and what was expected there. Err is one of the errors above.
type Error struct {
	Offset int    // in the message
	Want   string // what was expected there
	Err    error
}

func (e *Error) Error() string {
	return fmt.Sprintf("amf: offset %d: %s: %v", e.Offset, e.Want, e.Err)
}

// Unwrap gives the kind of error.
func (e *Error) Unwrap() error { return e.Err }

func errAt(off int, err error, want string) error {
	return &Error{Offset: off, Want: want, Err: err}
}

func truncated(off int, want string) error { return errAt(off, io.ErrUnexpectedEOF, want) }

// encodeError is what an Encoder returns: the value's kind is known, not its place.
func encodeError(err error, what string) error { return fmt.Errorf("amf: write %s: %w", what, err) }

// quote shows a name from the wire in an error.
func quote(s string) string {
	if len(s) > 64 {
		s = s[:64] + "…"
	}
	return strconv.Quote(s)
}

func hexByte(c byte) string {
	const digits = "0123456789abcdef"
	return "0x" + string([]byte{digits[c>>4], digits[c&15]})
}
