package amf

// Limits bound what one message may make a Reader build. A zero field means its default.
type Limits struct {
	// Depth is how deep objects, arrays and the like may be nested; one at the top has depth 1.
	Depth int
	// Elements counts values and member names over the whole message. An element costs at most about
	// 150 bytes of memory beside the bytes of the message.
	Elements int
	// Bytes is the longest message that is looked at.
	Bytes int
}

// The defaults of Limits and of an Encoder.
const (
	DefaultDepth    = 128
	DefaultElements = 1 << 18
	DefaultBytes    = 1<<24 - 1 // the longest RTMP message
)

func (l Limits) withDefaults() Limits {
	if l.Depth == 0 {
		l.Depth = DefaultDepth
	}
	if l.Elements == 0 {
		l.Elements = DefaultElements
	}
	if l.Bytes == 0 {
		l.Bytes = DefaultBytes
	}
	return l
}
