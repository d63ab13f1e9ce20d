package media

import "time"

// Delivery times. A frame starts late when nothing of it was sent by "start".
const (
	videoStart  = 2000 * time.Millisecond
	videoFinish = 2100 * time.Millisecond
	audioStart  = 2200 * time.Millisecond
	audioFinish = 2300 * time.Millisecond

	// A new key frame leaves staleStart to those of the frames before it that wait staleAge already.
	staleAge   = 500 * time.Millisecond
	staleStart = 100 * time.Millisecond

	// Nothing more is queued behind a frame that waits this many lifetimes.
	lateLifetimes = 2
)

// Start of a listener.
const (
	// Audio waits for the first key frame of a running stream so that both begin together, but no
	// longer than maxHold, and only while video was seen in the last videoAlive.
	maxHold    = 15 * time.Second
	videoAlive = 2 * time.Second
)

// Timelines.
const (
	maxJump = 4 * time.Second // a larger step of the publisher's clock starts a new timeline

	// A publisher ahead of playback by more than graceFrom sends a burst: its frames may be late by
	// graceFactor times the rest, and the first ones, when that is not known yet, by beginningGrace.
	graceFrom      = 500 * time.Millisecond
	graceFactor    = 30
	beginning      = time.Second
	beginningGrace = 10 * time.Second
	maxAhead       = time.Minute // bounds the lead, and the grace
	paceLeak       = 4           // a lead shrinks by 1/paceLeak of the time that passes
)

// Memory.
const (
	frameOverhead = 128 // bytes a frame counts in addition to its body

	maxMetadata  = 16      // handlers whose metadata is kept
	maxHeaders   = 16      // headers kept of audio and of video
	maxKeptBytes = 1 << 20 // the largest metadata or header that is kept for late listeners
	maxTracked   = 16384   // droppable frames waiting per listener and kind
	keepRing     = 256     // of those, how many an idle listener has memory for

	defaultTargetBytes   = 16 << 20
	defaultListenerBytes = 8 << 20
)

// Rates are means over rateSlots slots, 4 s (lua-api §6.10).
const (
	rateSlots = 8
	rateSlot  = 500 * time.Millisecond
)
