package netconn

import (
	"slices"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// barrier is a flow sync in progress: the flows that read it wait until all have (RFC 7425 §5.2).
type barrier struct {
	id      uint32
	count   int // flows that take part
	reached int
	waiting []*inFlow
	until   rtmfp.Time
}

const (
	maxBarriers  = 16 // flow syncs in progress per session
	maxSyncFlows = 32 // flows of one: more than a stream can reasonably have
)

// sync handles a flow sync message read from in. The wait is bounded in time and bytes: a publisher
// that announces more flows than it uses must not stop itself for ever.
func (c *carrier) sync(now rtmfp.Time, in *inFlow, id, count uint32) {
	if count < 2 || count > maxSyncFlows {
		return
	}
	i := slices.IndexFunc(c.barriers, func(b *barrier) bool { return b.id == id })
	if i < 0 {
		if len(c.barriers) >= maxBarriers || in.lane == nil {
			return
		}
		c.barriers = append(c.barriers, &barrier{id: id, count: int(count), until: now.Add(c.limits.SyncHold)})
		i = len(c.barriers) - 1
		c.owner.wakeAt(c.barriers[i].until)
	}
	b := c.barriers[i]
	if b.reached++; b.reached >= b.count {
		c.release(now, b)
		return
	}
	// RFC 7425 §5.2: a flow in arrival order is never held.
	if !in.arrival && in.lane != nil {
		in.barrier = b
		b.waiting = append(b.waiting, in)
	}
}

// release ends a flow sync and lets its flows go on.
func (c *carrier) release(now rtmfp.Time, b *barrier) {
	i := slices.Index(c.barriers, b)
	if i < 0 {
		return
	}
	c.barriers = slices.Delete(c.barriers, i, i+1)
	for _, in := range b.waiting {
		in.barrier = nil
	}
	for _, in := range b.waiting {
		if in.lane != nil {
			c.drain(now, in.lane)
		}
	}
}

func (c *carrier) releaseAll(now rtmfp.Time) {
	for len(c.barriers) > 0 {
		c.release(now, c.barriers[0])
	}
}

// releaseLane ends the flow syncs in which flows of l wait.
func (c *carrier) releaseLane(now rtmfp.Time, l *lane) {
	for _, b := range slices.Clone(c.barriers) {
		if slices.ContainsFunc(b.waiting, func(in *inFlow) bool { return in.lane == l }) {
			c.release(now, b)
		}
	}
}

// expireSyncs gives up the flow syncs that took too long and asks to be called for the rest.
func (c *carrier) expireSyncs(now rtmfp.Time) {
	for _, b := range slices.Clone(c.barriers) {
		if now < b.until {
			c.owner.wakeAt(b.until)
			continue
		}
		c.counters.SyncTimeouts.Add(1)
		c.release(now, b)
	}
}

// writeSync synchronizes the open flows of l at this point, so that what the far end reads from one of
// them afterwards comes after everything the others carried before.
func (c *carrier) writeSync(now rtmfp.Time, l *lane) {
	n := uint32(0)
	for k := range outKinds {
		if l.sending(k) != nil {
			n++
		}
	}
	if n < 2 {
		return
	}
	id := c.nextSync
	c.nextSync++
	for _, o := range l.out {
		if o != nil && o.send != nil {
			c.writeControl(now, o, userControl{event: eventFlowSync, a: id, b: n, n: 2})
		}
	}
}
