package media

import (
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// timeline sorts the frames of a publisher by the clock they were stamped with. A step of more than
// maxJump, back or ahead of the time that really passed, starts a new line; listeners then continue
// their own time from where it was. Audio and video come on flows of their own, so one of them may be
// ahead by all of a burst, or may make the step while frames of the other are still on the line before.
type timeline struct {
	line   uint32 // the newest
	lo, hi uint32 // its first and its highest time
	used   bool
	kinds  [2]struct {
		line uint32 // of the newest frame, 0 = none
		last uint32 // its time
		at   rtmfp.Time
	}
}

// place returns the line of a frame of audioIndex or videoIndex that came at now.
func (tl *timeline) place(now rtmfp.Time, kind int, t uint32) uint32 {
	k := &tl.kinds[kind]
	low, high, since := tl.lo, tl.hi, tl.kinds[1-kind].at
	if k.line != 0 {
		low, since = k.last, k.at
		if k.line != tl.line {
			high = k.last
		}
	}
	line := tl.line
	switch {
	case !tl.used:
		tl.lo, tl.hi, tl.used = t, t, true
	case within(t, low, high, now.Sub(since)):
		if k.line != 0 {
			line = k.line
		}
	case k.line != 0 && k.line != tl.line && within(t, tl.lo, tl.hi, now.Sub(tl.kinds[1-kind].at)):
		// follows the other kind onto its new line
	default:
		tl.line++
		line = tl.line
		tl.lo, tl.hi = t, t
	}
	if line == tl.line {
		tl.hi = later(tl.hi, t)
	}
	k.line, k.last, k.at = line, t, now
	return line
}

// within reports whether t is no jump out of low..high, elapsed after high.
func within(t, low, high uint32, elapsed time.Duration) bool {
	return int32(t-low) >= -int32(maxJump/time.Millisecond) &&
		int64(int32(t-high)) <= int64((maxJump+max(elapsed, 0))/time.Millisecond)
}

// later returns the later of two times of a clock that may wrap.
func later(a, b uint32) uint32 {
	if int32(b-a) > 0 {
		return b
	}
	return a
}

// pace tells how far a publisher runs ahead of playback. One who sends a file in a burst is a normal
// publisher (deployed clients do): what it sends ahead of time is not stale for as long. Nor is it if
// the network carries it in another order than it plays, all audio of the burst before the video; the
// grace makes room for that.
type pace struct {
	line  uint32
	begin rtmfp.Time // of the first line
	wall  rtmfp.Time // when the frame stamped media was or would be played
	media uint32
	last  rtmfp.Time
	grace time.Duration
}

// due returns when a frame that came at now is missed at the latest by someone who plays since the
// stream began; never before now.
func (p *pace) due(now rtmfp.Time, line, t uint32) rtmfp.Time {
	if p.line == 0 {
		p.begin, p.last = now, now
	}
	// Who goes on in real time after a burst is a live publisher again, after a while. Both leaks
	// together are no faster than the clock: no frame is due before those that came before it.
	passed := max(now.Sub(p.last), 0)
	p.last = now
	p.wall -= rtmfp.Time(passed / paceLeak)
	p.grace = max(p.grace-(passed-passed/paceLeak), 0)

	due := p.wall.Add(time.Duration(int32(t-p.media)) * time.Millisecond)
	if line != p.line || due < now {
		p.line, p.wall, p.media = line, now, t
		due = now
	}
	grace := graceFactor * (due.Sub(now) - graceFrom)
	if now.Sub(p.begin) < beginning {
		grace = max(grace, beginningGrace)
	}
	p.grace = max(p.grace, min(grace, maxAhead))
	return min(due, now.Add(maxAhead)).Add(p.grace)
}
