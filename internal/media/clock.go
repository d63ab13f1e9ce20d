package media

// clock makes the times of a listener: 0 at its first frame, then as far apart as the publisher's, for
// audio and video alike. When the publisher's time jumps or another publisher comes, it goes on from
// where it was.
type clock struct {
	bases [2]base // of the newest timeline and the one before
	last  uint32  // highest time given
	used  bool
	kinds [numIndexes]struct {
		line  uint32
		last  uint32
		floor uint32 // what was reached on the line before
	}
}

// base maps a timeline.
type base struct{ line, in, out uint32 }

// restart makes f the continuation of what was last given, whatever its timeline.
func (c *clock) restart(f *Frame) {
	out := uint32(0)
	if c.used {
		out = c.last + 1
	}
	c.bases[1], c.bases[0] = c.bases[0], base{f.line, f.Time, out}
	c.used = true
}

// time returns the listener's time of a frame.
func (c *clock) time(f *Frame) uint32 {
	if !c.used || int32(f.line-c.bases[0].line) > 0 {
		c.restart(f)
	}
	b := c.bases[0]
	if f.line == c.bases[1].line && f.line != b.line {
		b = c.bases[1]
	}
	out := b.out
	if f.line == b.line {
		// Flows of a publisher may overtake each other: nothing is before the first frame.
		out += uint32(max(int32(f.Time-b.in), 0))
	}
	k := &c.kinds[f.Kind.index()]
	if k.line != f.line {
		k.line, k.floor = f.line, k.last
	}
	if int32(k.floor-out) > 0 {
		out = k.floor
	}
	k.last = out
	if int32(out-c.last) > 0 {
		c.last = out
	}
	return out
}

// dataTime returns the time of a data message, many of which are stamped 0 all along.
func (c *clock) dataTime(f *Frame) uint32 {
	d := int32(f.Time - c.bases[0].in)
	if !c.used || f.Role == Metadata || f.line != c.bases[0].line || d < 0 {
		return c.last
	}
	return c.bases[0].out + uint32(d)
}
