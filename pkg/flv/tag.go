package flv

import (
	"encoding/binary"
	"errors"
)

// TagType is the type of a tag, the same number as the RTMP message type.
type TagType uint8

// The types of tags. A file may hold others; a reader returns them too.
const (
	Audio  TagType = 8
	Video  TagType = 9
	Script TagType = 18 // AMF0: a handler name and its arguments, usually onMetaData
)

// String is the name of the type.
func (t TagType) String() string {
	switch t {
	case Audio:
		return "audio"
	case Video:
		return "video"
	case Script:
		return "script"
	}
	return "unknown"
}

// MaxData is the longest body a tag can have.
const MaxData = 1<<24 - 1

const (
	headerSize    = 9
	tagHeaderSize = 11
	sizeSize      = 4 // of the previous tag size

	flagVideo     = 0x01
	flagAudio     = 0x04
	flagEncrypted = 0x20 // in the type byte
)

// Tag is one tag.
type Tag struct {
	Type      TagType
	Encrypted bool   // the body starts with an encryption header
	Time      uint32 // milliseconds
	Data      []byte
}

// ErrTooLong is for a body longer than allowed.
var ErrTooLong = errors.New("flv: tag too long")

// AppendHeader appends a file header and the size of the tag before the first one, which is 0.
func AppendHeader(b []byte, h Header) []byte {
	var flags byte
	if h.Audio {
		flags |= flagAudio
	}
	if h.Video {
		flags |= flagVideo
	}
	b = append(b, 'F', 'L', 'V', 1, flags)
	b = binary.BigEndian.AppendUint32(b, headerSize)
	return append(b, 0, 0, 0, 0)
}

// AppendTag appends t and its size. The body must not be longer than MaxData.
func AppendTag(b []byte, t Tag) []byte {
	typ := byte(t.Type)
	if t.Encrypted {
		typ |= flagEncrypted
	}
	n := len(t.Data)
	b = append(b, typ, byte(n>>16), byte(n>>8), byte(n),
		byte(t.Time>>16), byte(t.Time>>8), byte(t.Time), byte(t.Time>>24), 0, 0, 0)
	b = append(b, t.Data...)
	return binary.BigEndian.AppendUint32(b, uint32(tagHeaderSize+n))
}
