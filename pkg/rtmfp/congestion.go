package rtmfp

import "math"

const (
	segmentSize    = 1200
	cwndInit       = 4380            // CWND_INIT of RFC 7016 App. A.2, bytes
	cwndTimedOut   = 2 * segmentSize // after a timeout with loss; the RFC's example is one segment
	scalableCutoff = 67200           // bytes outstanding from which a cut is 1/8, RFC 7016 App. A.2
	cwndMax        = 64 << 20
)

// congestion is the window of one session: RFC 7016 App. A with a recovery phase, so that one burst of
// loss cuts the window once. It knows nothing but the numbers it is given.
type congestion struct {
	cwnd, ssthresh int
	accumulator    int
	remaining      int // recovery: bytes that were outstanding when the window was cut
	allowance      int // recovery: further loss that the cut already paid for
}

func newCongestion() congestion {
	return congestion{cwnd: cwndInit, ssthresh: math.MaxInt}
}

// ackSummary is what the acknowledgements of one packet amounted to, in bytes.
type ackSummary struct {
	acked, lost, pre int  // pre: outstanding before the packet
	old              int  // the part of lost that was under way when the window was cut last
	naks             bool // at least one negative acknowledgement (RFC 7016 §3.6.2.5)
	fastGrow, tcSent bool // FASTGROW_ALLOWED and TC_SENT of App. A.2
}

// onAck adapts the window to the acknowledgements of a packet and reports whether it began a recovery.
func (c *congestion) onAck(a ackSummary) (cut bool) {
	gone := a.acked + a.lost
	// Losses at the end of a burst are found when enough was acknowledged to end the recovery.
	if c.remaining > gone || (a.lost > 0 && a.lost == a.old) {
		c.remaining = max(c.remaining-gone, 0)
		excess := a.lost - c.allowance
		c.allowance = max(c.allowance-a.lost, 0)
		if excess > 0 {
			c.ssthresh = max(min(c.ssthresh, c.cwnd)-excess, cwndInit)
			c.cwnd = c.ssthresh
			if c.remaining > 0 {
				c.remaining += excess
			}
		}
		return false
	}
	c.remaining, c.allowance = 0, 0
	switch {
	case a.lost > 0:
		c.cut(a)
		return true
	case !a.naks && a.pre > c.cwnd-c.cwnd/64:
		c.grow(a)
	case !a.naks && c.cwnd > a.pre+burstPackets*segmentSize && c.cwnd > cwndInit:
		c.cwnd-- // idle decay: a window that is not used is not known to be right
	}
	return false
}

func (c *congestion) cut(a ackSummary) {
	base := min(c.cwnd, a.pre)
	cut := base / 2
	if a.tcSent || (a.pre > scalableCutoff && a.fastGrow) {
		cut = base / 8
	}
	cut = max(cut, a.lost*3/2)
	c.ssthresh = max(base-cut, cwndInit)
	c.cwnd = c.ssthresh
	c.accumulator = 0
	c.remaining = max(a.pre-a.acked-a.lost, 0)
	c.allowance = a.lost * 3 / 2
}

func (c *congestion) grow(a ackSummary) {
	increase := 0
	switch {
	case a.fastGrow && c.cwnd < c.ssthresh:
		increase = a.acked
	case a.fastGrow:
		increase = c.additive(a.acked, 96, 9600)
	case c.cwnd < c.ssthresh && a.tcSent:
		increase = (a.acked + 3) / 4
	case a.tcSent:
		increase = c.additive(a.acked, 48, 4800)
	default:
		increase = c.additive(a.acked, 24, 4800)
	}
	c.cwnd = min(c.cwnd+min(increase, segmentSize), cwndMax)
}

// additive spreads the increase of a round trip over 16 steps (RFC 7016 App. A.1).
func (c *congestion) additive(acked, step, limit int) int {
	c.accumulator += acked
	unit := min(max(c.cwnd/16, 64), limit)
	n := c.accumulator / unit
	c.accumulator %= unit
	return n * step
}

// onTimeout reacts to the retransmission alarm (RFC 7016 App. A.2, figure 24).
func (c *congestion) onTimeout(wasLoss bool) {
	c.ssthresh = max(c.ssthresh, c.cwnd*3/4)
	c.accumulator, c.remaining, c.allowance = 0, 0, 0
	c.cwnd = cwndInit
	if wasLoss {
		c.cwnd = cwndTimedOut
	}
}
