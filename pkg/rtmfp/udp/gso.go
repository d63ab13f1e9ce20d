package udp

import "github.com/monaserver/monaserver/pkg/rtmfp"

// Limits of what one send may be cut into: UDP_MAX_SEGMENTS of older kernels, and a UDP payload.
const (
	maxSegments     = 64
	maxSegmentBytes = 65000
)

// segments returns how many of the first datagrams can go out as one message that the kernel or the
// device cuts: all to one address and equally long, except that the last may be shorter.
func segments(list []rtmfp.Datagram) int {
	size, total := len(list[0].Data), len(list[0].Data)
	n := 1
	for n < len(list) && n < maxSegments {
		d := &list[n]
		total += len(d.Data)
		if d.To != list[0].To || d.Local != list[0].Local || len(d.Data) > size || total > maxSegmentBytes {
			break
		}
		n++
		if len(d.Data) < size {
			break
		}
	}
	return n
}
