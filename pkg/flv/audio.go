package flv

// AudioInfo says what an audio body holds. Of Frame, Header, EndOfSequence and Channels at most one is
// set; none for an empty body (silence) and for one too short or too strange to tell.
type AudioInfo struct {
	Codec         Codec
	Frame         bool // sound
	Header        bool // decoder configuration
	EndOfSequence bool
	Channels      bool // channel layout
	Enhanced      bool // the header with a FourCC
	Multitrack    bool // several tracks, or one with a number; Codec and Track are those of the first
	Track         uint8
}

const exAudio = 9 // high nibble of the first byte: the low one is a packet type and a FourCC follows

// The packet types of enhanced audio, low nibble of the first byte. 7 is exModEx.
const (
	exAudioStart      = 0
	exAudioFrames     = 1
	exAudioEnd        = 2
	exAudioChannels   = 4
	exAudioMultitrack = 5
)

// ClassifyAudio looks at the head of an audio body.
func ClassifyAudio(b []byte) AudioInfo {
	if len(b) == 0 {
		return AudioInfo{}
	}
	if b[0]>>4 == exAudio {
		return classifyExAudio(b)
	}
	a := AudioInfo{Codec: audioCodecs[b[0]>>4]}
	switch {
	case a.Codec != AAC:
		a.Frame = a.Codec != 0
	case len(b) < 2:
	case b[1] == 0:
		a.Header = true
	case b[1] == 1:
		a.Frame = true
	}
	return a
}

func classifyExAudio(b []byte) AudioInfo {
	a := AudioInfo{Enhanced: true}
	packet, rest, ok := skipModEx(b)
	if !ok {
		return a
	}
	if packet == exAudioMultitrack {
		a.Multitrack = true
		packet, a.Codec, a.Track, ok = firstTrack(rest)
	} else {
		a.Codec, ok = fourCC(rest)
	}
	if !ok {
		return a
	}
	switch packet {
	case exAudioStart:
		a.Header = true
	case exAudioFrames:
		a.Frame = true
	case exAudioEnd:
		a.EndOfSequence = true
	case exAudioChannels:
		a.Channels = true
	}
	return a
}

// IsAudioHeader says whether an audio body is decoder configuration.
func IsAudioHeader(audioBody []byte) bool { return ClassifyAudio(audioBody).Header }
