package media

// Kind is the message type of a frame, as RTMP and FLV number it.
type Kind uint8

// The kinds a publication carries.
const (
	Audio    Kind = 8
	Video    Kind = 9
	DataAMF3 Kind = 15 // data message of an AMF3 client: a format byte, then as Data
	Data     Kind = 18 // data message: AMF0 handler name, then values
)

func (k Kind) String() string {
	switch k {
	case Audio:
		return "audio"
	case Video:
		return "video"
	case Data, DataAMF3:
		return "data"
	}
	return "unknown"
}

// Kinds is a set of kinds.
type Kinds uint8

// The kinds as a set; AllKinds is what a target without a filter gets.
const (
	AudioKind Kinds = 1 << iota
	VideoKind
	DataKind
	AllKinds = AudioKind | VideoKind | DataKind
)

// Index of a kind in counters and queues.
const (
	audioIndex = iota
	videoIndex
	dataIndex
	numIndexes
)

func (k Kind) index() int {
	switch k {
	case Audio:
		return audioIndex
	case Video:
		return videoIndex
	}
	return dataIndex
}

func (k Kind) set() Kinds { return 1 << k.index() }

// Role says what a frame is to the relay.
type Role uint8

// The roles. Published, Unpublished and Cleared have no body; they travel among the frames so that
// everyone sees them in order.
const (
	Published   Role = iota + 1 // the name has a publisher from here on
	Unpublished                 // and from here on it has none
	Metadata                    // Data: @setDataFrame, to be kept under Frame.Handler
	Cleared                     // Data: @clearDataFrame of Frame.Handler, "" = of all
	Message                     // Data: to be passed on and forgotten
	Header                      // codec configuration
	Key                         // Video: decoding can start here
	Inter                       // Video: needs the frames since the last Key
	Sound                       // Audio: an ordinary frame
	Mark                        // empty body or end of sequence: content free, but must arrive
)
