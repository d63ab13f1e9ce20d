package media

import "github.com/monaserver/monaserver/pkg/flv"

// classify tells what a message pushed by a feeder is to the relay; slot tells headers apart that are
// valid side by side.
func classify(kind Kind, b []byte) (role Role, slot uint16) {
	switch {
	case kind != Audio && kind != Video:
		return Message, 0
	case len(b) == 0: // "silence" of deployed clients
		return Mark, 0
	case kind == Audio:
		role, slot = classifyAudio(flv.ClassifyAudio(b))
	default:
		role, slot = classifyVideo(flv.ClassifyVideo(b))
	}
	if role == Header && len(b) > maxKeptBytes {
		return Mark, 0
	}
	return role, slot
}

// Slots: the track number, and which kind of header.
const (
	slotConfig = 0
	slotExtra  = 1 << 8 // channel layout, HDR information: kept beside the decoder configuration
)

func classifyAudio(a flv.AudioInfo) (Role, uint16) {
	switch {
	case a.Header:
		return Header, slotConfig | uint16(a.Track)
	case a.Channels:
		return Header, slotExtra | uint16(a.Track)
	case a.EndOfSequence:
		return Mark, 0
	}
	return Sound, 0
}

func classifyVideo(v flv.VideoInfo) (Role, uint16) {
	switch {
	case v.Key:
		return Key, 0
	case v.Header:
		return Header, slotConfig | uint16(v.Track)
	case v.Metadata:
		return Header, slotExtra | uint16(v.Track)
	case v.EndOfSequence, v.Command:
		return Mark, 0
	}
	return Inter, 0
}
