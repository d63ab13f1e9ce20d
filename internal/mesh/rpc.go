package mesh

import (
	"errors"
	"io"

	"github.com/monaserver/monaserver/pkg/amf"
)

// maxDepth is how deep values of a call may be nested.
const maxDepth = 64

const (
	// maxElements is how many values a call may have, those in tables included.
	maxElements = 1 << 16

	// elementSize is about what a value takes in memory beside its bytes.
	elementSize = 96
)

// callReader reads the arguments of calls.
type callReader struct{ amf amf.Reader }

// keepReader is up to which size of the arguments the reader keeps what it needed to read them.
const keepReader = 64 << 10

// read returns the arguments and about what they take in memory. With an error come those before it; one
// that is nested too deep is null.
func (c *callReader) read(payload []byte, limit int) (args []amf.Value, size int, err error) {
	defer func() {
		if size > keepReader {
			*c = callReader{}
		}
	}()
	c.amf.Reset(payload, amf.Limits{Depth: maxDepth, Elements: maxElements, Bytes: max(limit, 1)})
	for {
		v, err := c.amf.Next()
		size = len(payload) + c.amf.Elements()*elementSize
		switch {
		case err == io.EOF:
			return args, size, nil
		case errors.Is(err, amf.ErrLimit):
			return append(args, amf.Null{}), size, err
		case err != nil:
			return args, size, err
		}
		args = append(args, v)
	}
}
