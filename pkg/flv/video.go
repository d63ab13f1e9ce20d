package flv

// VideoInfo says what a video body holds. Of Key, Inter, Header, EndOfSequence, Metadata and Command at
// most one is set; none for an empty body (silence) and for one too short or too strange to tell.
type VideoInfo struct {
	Codec         Codec
	Key           bool // a frame to start decoding at
	Inter         bool // a frame that needs others
	Disposable    bool // an Inter frame that no other frame needs
	Header        bool // decoder configuration
	EndOfSequence bool
	Metadata      bool // AMF values about the video, such as HDR information
	Command       bool // seek start or end: not a frame
	Enhanced      bool // the header with a FourCC
	Multitrack    bool // several tracks, or one with a number; Codec and Track are those of the first
	Track         uint8
}

// The frame type, high nibble of the first byte without its top bit.
const (
	frameKey        = 1
	frameInter      = 2
	frameDisposable = 3
	frameCommand    = 5
)

// The packet type of the codecs with configuration (AVC), second byte.
const (
	avcHeader        = 0
	avcNALU          = 1
	avcEndOfSequence = 2
)

// The packet types of enhanced video, low nibble of the first byte.
const (
	exVideoStart      = 0
	exVideoFrames     = 1
	exVideoEnd        = 2
	exVideoFramesX    = 3 // without composition time
	exVideoMetadata   = 4
	exVideoTSStart    = 5 // configuration as an MPEG-2 TS descriptor
	exVideoMultitrack = 6
	exModEx           = 7 // modifiers come first; audio too
)

// ClassifyVideo looks at the head of a video body.
func ClassifyVideo(b []byte) VideoInfo {
	if len(b) == 0 {
		return VideoInfo{}
	}
	frame := b[0] >> 4 & 7
	if b[0]&0x80 != 0 {
		return classifyExVideo(b, frame)
	}
	v := VideoInfo{Codec: videoCodecs[b[0]&0x0F]}
	if frame == frameCommand {
		v.Command = true
		return v
	}
	if v.Codec == AVC || v.Codec == HEVC {
		if len(b) < 2 {
			return v
		}
		switch b[1] {
		case avcHeader:
			v.Header = true
			return v
		case avcNALU:
		case avcEndOfSequence:
			v.EndOfSequence = true
			return v
		default:
			return v
		}
	}
	v.setFrame(frame)
	return v
}

func (v *VideoInfo) setFrame(frame byte) {
	switch frame {
	case frameKey:
		v.Key = true
	case frameInter:
		v.Inter = true
	case frameDisposable:
		v.Inter, v.Disposable = true, true
	}
}

func classifyExVideo(b []byte, frame byte) VideoInfo {
	v := VideoInfo{Enhanced: true}
	packet, rest, ok := skipModEx(b)
	if !ok {
		return v
	}
	if frame == frameCommand && packet != exVideoMetadata {
		v.Command = true // one byte follows, no FourCC
		return v
	}
	if packet == exVideoMultitrack {
		v.Multitrack = true
		packet, v.Codec, v.Track, ok = firstTrack(rest)
	} else {
		v.Codec, ok = fourCC(rest)
	}
	if !ok {
		return v
	}
	switch packet {
	case exVideoStart, exVideoTSStart:
		v.Header = true
	case exVideoFrames, exVideoFramesX:
		v.setFrame(frame)
	case exVideoEnd:
		v.EndOfSequence = true
	case exVideoMetadata:
		v.Metadata = true
	}
	return v
}

// IsKeyFrame says whether a video body is a frame to start decoding at: neither a
// header nor an end of sequence, which also carry the key frame type.
func IsKeyFrame(videoBody []byte) bool { return ClassifyVideo(videoBody).Key }

// IsVideoHeader says whether a video body is decoder configuration.
func IsVideoHeader(videoBody []byte) bool { return ClassifyVideo(videoBody).Header }

// IsEndOfSequence says whether a video body ends what its header began.
func IsEndOfSequence(videoBody []byte) bool { return ClassifyVideo(videoBody).EndOfSequence }
