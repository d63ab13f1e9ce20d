package mesh

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// protocolError is what the other side must not send.
type protocolError string

func (e protocolError) Error() string { return string(e) }

func protocolErrorf(format string, args ...any) error {
	return protocolError(fmt.Sprintf(format, args...))
}

// malformed reports whether a link ended because the other side broke the protocol.
func malformed(err error) bool { return errors.As(err, new(protocolError)) }

// errShort tells that a control message or a list of services ends in the middle of something.
const errShort = protocolError("it ends too early")

// maxVL is how many bytes a number takes at most.
const maxVL = 5

// appendVL appends n in groups of 7 bits, the lowest first.
func appendVL(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)) }

// cutVL reads a number from the front of b.
func cutVL(b []byte) (n uint32, rest []byte, err error) {
	v, size := binary.Uvarint(b[:min(len(b), maxVL)])
	if size <= 0 || v > math.MaxUint32 {
		return 0, b, errShort
	}
	return uint32(v), b[size:], nil
}

// appendText appends a text behind its length.
func appendText(b []byte, s string) []byte { return append(appendVL(b, len(s)), s...) }

// cutText reads a text from the front of b.
func cutText(b []byte) (s string, rest []byte, err error) {
	n, rest, err := cutVL(b)
	if err != nil || uint64(n) > uint64(len(rest)) {
		return "", b, errShort
	}
	return string(rest[:n]), rest[n:], nil
}
