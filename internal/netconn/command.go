package netconn

import (
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// command is a command message: name, transaction, and the values behind the command object.
type command struct {
	name        string
	transaction float64
	object      amf.Value // the command object, usually null; nil when it was left out
	args        []amf.Value
	err         error // reading stopped there; args has what came before
	size        int   // of the message
}

// codec reads and writes messages with buffers it keeps. All Conns of a shard share one.
type codec struct {
	reader  amf.Reader
	encoder amf.Encoder
	buf     []byte
}

// Commands with more nesting or values than this are not calls but attacks on whoever converts them.
var commandLimits = amf.Limits{Depth: 64, Elements: 1 << 16}

// parseCommand reads the payload of a command message. It is tolerant where clients are known to differ:
// the command object may be missing, and then the arguments follow the transaction at once.
func (c *codec) parseCommand(typ uint8, p []byte) (cmd command, ok bool) {
	p, ok = stripFormat(typ, p)
	if !ok {
		return cmd, false
	}
	r := &c.reader
	r.Reset(p, commandLimits)
	name, err := r.ReadString()
	if err != nil {
		return cmd, false
	}
	cmd.name, cmd.size = name, len(p)
	if !r.More() {
		return cmd, true
	}
	if r.Peek() == amf.KindNumber {
		cmd.transaction, cmd.err = r.ReadNumber()
	}
	for first := true; cmd.err == nil && r.More(); first = false {
		v, err := r.Next()
		if err != nil {
			cmd.err = err
			break
		}
		if first && isCommandObject(v) {
			cmd.object = v
			continue
		}
		cmd.args = append(cmd.args, v)
	}
	return cmd, true
}

// stripFormat removes the format byte of the AMF3-capable message types; only format 0 exists.
func stripFormat(typ uint8, p []byte) ([]byte, bool) {
	if typ != typeCommandAMF3 && typ != typeDataAMF3 {
		return p, true
	}
	if len(p) == 0 || p[0] != 0 {
		return nil, false
	}
	return p[1:], true
}

func isCommandObject(v amf.Value) bool {
	switch v.(type) {
	case amf.Null, amf.Undefined, *amf.Object:
		return true
	}
	return false
}

// arg returns the i-th argument, nil if there are fewer.
func (c *command) arg(i int) amf.Value {
	if i < len(c.args) {
		return c.args[i]
	}
	return nil
}

// text returns the i-th argument if it is a string that is not empty.
func (c *command) text(i int) (string, bool) {
	s, ok := c.arg(i).(amf.String)
	return string(s), ok && s != ""
}

func (c *command) number(i int) (float64, bool) {
	n, ok := c.arg(i).(amf.Number)
	return float64(n), ok
}

func (c *command) bool(i int) (v, ok bool) {
	switch a := c.arg(i).(type) {
	case amf.Bool:
		return bool(a), true
	case amf.Number:
		return a != 0, true
	}
	return false, false
}

// beginCommand starts a command message: header, name, transaction and the null that stands for the
// command object; strict receivers read exactly these three. Commands are always sent as AMF0 messages.
func (c *codec) beginCommand(name string, transaction float64) []byte {
	b := appendHeader(c.buf[:0], typeCommand, 0)
	b = c.appendAMF0(b, amf.String(name))
	b = c.appendAMF0(b, amf.Number(transaction))
	return append(b, markerNull)
}

// Markers of AMF0.
const (
	markerNull      = 0x05
	markerUndefined = 0x06
	markerAVMPlus   = 0x11 // an AMF3 value follows
)

// appendAMF0 appends a value for everyone, whatever encoding was agreed.
func (c *codec) appendAMF0(b []byte, v amf.Value) []byte { return c.append(b, v, amf.AMF0Plus) }

// appendValue appends a value in the encoding that a receiver agreed to.
func (c *codec) appendValue(b []byte, v amf.Value, encoding uint8) []byte {
	if encoding == 3 {
		return c.append(b, v, amf.AMF3InAMF0)
	}
	return c.append(b, v, amf.AMF0Plus)
}

// append appends v, or null in the place of what has no form on the wire: the values after it keep
// their places.
func (c *codec) append(b []byte, v amf.Value, mode amf.Mode) []byte {
	c.encoder.Mode = mode
	out, err := c.encoder.Append(b, v)
	if err != nil {
		return append(b, markerNull)
	}
	return out
}

// keep gives the memory of b back for the next message and copies it into a buffer.
func (c *codec) keep(b []byte) *rtmfp.Buffer {
	m := rtmfp.CopyBuffer(b)
	if cap(b) <= maxKeptBuffer {
		c.buf = b[:0]
	}
	return m
}

// maxKeptBuffer bounds what a shard keeps for encoding; larger messages are rare.
const maxKeptBuffer = 64 << 10

// command returns a command message with values in the encoding (0 or 3) agreed with the receiver.
func (c *codec) command(name string, transaction float64, encoding uint8, values ...amf.Value) *rtmfp.Buffer {
	b := c.beginCommand(name, transaction)
	for _, v := range values {
		b = c.appendValue(b, v, encoding)
	}
	return c.keep(b)
}

// status returns a command message whose only value is an info object. Info objects are AMF0 for everyone.
func (c *codec) status(name string, transaction float64, info *amf.Object) *rtmfp.Buffer {
	b := c.beginCommand(name, transaction)
	return c.keep(c.appendAMF0(b, info))
}

// undefinedResult acknowledges a command that has nothing to tell.
func (c *codec) undefinedResult(transaction float64) *rtmfp.Buffer {
	b := c.beginCommand("_result", transaction)
	return c.keep(append(b, markerUndefined))
}
