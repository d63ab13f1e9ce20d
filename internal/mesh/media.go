package mesh

// Media says that a message carries a packet of a stream, which may be dropped when the other server does
// not keep up: audio and data one by one, video up to the next key frame. The zero value is no media; so is
// what a listener cannot do without, such as the headers of codecs.
type Media struct {
	Stream string
	Kind   Kind
	Key    bool // decoding can start here
}

// Kind is the kind of a packet of a stream, numbered as RTMP and FLV number message types.
type Kind uint8

// The kinds of packets.
const (
	NoMedia Kind = 0
	Audio   Kind = 8
	Video   Kind = 9
	Data    Kind = 18
)
