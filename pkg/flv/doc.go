// Package flv reads and writes FLV files as streams of tags, and tells what audio and video bodies hold.
// A body is the same in an FLV tag and in an RTMP message of the same type.
//
// A file is a header and then tags, each followed by its size:
//
//	"FLV" ‖ version (1) ‖ flags (1) ‖ header size (4) ‖ previous tag size (4) = 0
//	type (1) ‖ data size (3) ‖ timestamp (3) ‖ its upper byte (1) ‖ stream id (3) ‖ data ‖ previous tag size (4)
package flv
