package flv

import "encoding/binary"

// The enhanced headers (Enhanced RTMP v2, ExVideoTagHeader and ExAudioTagHeader) are alike for audio and
// video once the first byte is read:
//
//	first byte, its low nibble a packet type
//	while the packet type is ModEx:
//	    size-1 (1), or ff and size-1 (2) ‖ that many bytes ‖ modifier type, next packet type (4 bits each)
//	if it is Multitrack:
//	    multitrack type, packet type of the tracks (4 bits each)
//	    FourCC, unless many codecs
//	    per track: FourCC if many codecs ‖ track id (1) ‖ size (3) unless there is one track
//	else FourCC

// skipModEx returns the packet type after all modifiers and what follows it.
func skipModEx(b []byte) (packet byte, rest []byte, ok bool) {
	packet, b = b[0]&0x0F, b[1:]
	for packet == exModEx {
		if len(b) < 1 {
			return 0, nil, false
		}
		size := int(b[0]) + 1
		b = b[1:]
		if size == 256 {
			if len(b) < 2 {
				return 0, nil, false
			}
			size = int(binary.BigEndian.Uint16(b)) + 1
			b = b[2:]
		}
		if len(b) <= size {
			return 0, nil, false
		}
		packet, b = b[size]&0x0F, b[size+1:]
	}
	return packet, b, true
}

// firstTrack reads the head of a multitrack body up to the id of its first track.
func firstTrack(b []byte) (packet byte, c Codec, track uint8, ok bool) {
	// One FourCC precedes the first track id in every form.
	if len(b) < 6 {
		return 0, 0, 0, false
	}
	c, _ = fourCC(b[1:])
	return b[0] & 0x0F, c, b[5], true
}

func fourCC(b []byte) (Codec, bool) {
	if len(b) < 4 {
		return 0, false
	}
	return Codec(binary.BigEndian.Uint32(b)), true
}
