package mesh

import (
	"errors"
	"io"

	"github.com/monaserver/monaserver/pkg/amf"
)

// maxDepth is how deep values of a call may be nested.
const maxDepth = 64

// elementSize is about what a value takes in memory beside its bytes.
const elementSize = 48

// callReader reads the arguments of calls.
type callReader struct{ amf amf.Reader }

// read returns the arguments and about what they take in memory. With an error come those before it; one
// that is nested too deep is null.
func (c *callReader) read(payload []byte, limit int) (args []amf.Value, size int, err error) {
	c.amf.Reset(payload, amf.Limits{Depth: maxDepth, Bytes: max(limit, 1)})
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
