package media

import (
	"sync/atomic"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// meter measures bytes per second. One goroutine adds, all may read.
type meter struct {
	// Per slot: 24 bits number of the slot, 40 bits bytes.
	slots [rateSlots]atomic.Uint64
}

const meterBytes = 1<<40 - 1

func (m *meter) add(now rtmfp.Time, n int) {
	slot := uint64(now) / uint64(rateSlot)
	s := &m.slots[slot%rateSlots]
	v := s.Load()
	if v>>40 != slot&(1<<24-1) {
		v = slot << 40
	}
	s.Store(v + uint64(n)&meterBytes)
}

// rate returns the mean of the last 4 s.
func (m *meter) rate(now rtmfp.Time) float64 {
	slot := uint64(now) / uint64(rateSlot)
	var sum uint64
	for i := range m.slots {
		v := m.slots[i].Load()
		if age := (slot - v>>40) & (1<<24 - 1); age < rateSlots {
			sum += v & meterBytes
		}
	}
	return float64(sum) / (rateSlots * rateSlot.Seconds())
}

// KindStats are the counters of audio, video or data.
type KindStats struct {
	Frames   uint64
	Bytes    uint64
	Lost     uint64     // publication: Lost; listener: given up by the transport
	ByteRate float64    // bytes per second, mean over 4 s
	LastTime rtmfp.Time // of the newest frame; 0 = never
}

type kindCounters struct {
	frames, bytes, lost atomic.Uint64
	last                atomic.Int64
	rate                meter
}

func (c *kindCounters) add(now rtmfp.Time, n int) {
	c.frames.Add(1)
	c.bytes.Add(uint64(n))
	c.last.Store(int64(now))
	c.rate.add(now, n)
}

func (c *kindCounters) stats(now rtmfp.Time) KindStats {
	return KindStats{
		Frames: c.frames.Load(), Bytes: c.bytes.Load(), Lost: c.lost.Load(),
		ByteRate: c.rate.rate(now), LastTime: rtmfp.Time(c.last.Load()),
	}
}

type publicationCounters struct {
	kinds    [numIndexes]kindCounters
	dropped  atomic.Uint64
	lastTime atomic.Uint32
}

func (c *publicationCounters) add(now rtmfp.Time, kind Kind, n int, t uint32) {
	c.kinds[kind.index()].add(now, n)
	if kind == Audio || kind == Video {
		c.lastTime.Store(t)
	}
}

// PublicationStats are the counters of a publication, as its feeder received it.
type PublicationStats struct {
	Audio, Video, Data KindStats
	DroppedFrames      uint64 // pictures left out until a key frame came, after a loss
	LastTime           uint32 // newest time of audio or video, in milliseconds
}

// Stats returns the counters.
func (p *Publication) Stats(now rtmfp.Time) PublicationStats {
	c := &p.counters
	return PublicationStats{
		Audio: c.kinds[audioIndex].stats(now), Video: c.kinds[videoIndex].stats(now),
		Data:          c.kinds[dataIndex].stats(now),
		DroppedFrames: c.dropped.Load(), LastTime: c.lastTime.Load(),
	}
}
