package rtmfp

import "time"

// rttState measures the round trip by packet timestamps and derives the retransmission timeout
// (RFC 7016 §3.5.2.2). Timestamps tick every 4 ms.
type rttState struct {
	rx       uint16 // TS_RX
	rxAt     Time   // TS_RX_TIME
	rxValid  bool
	echoRx   uint16 // TS_ECHO_RX
	echoSeen bool
	measured bool
	srtt     time.Duration
	rttvar   time.Duration
	mrto     time.Duration
	erto     time.Duration
}

func newRTTState() rttState { return rttState{mrto: initialMRTO, erto: initialERTO} }

func ticks(t Time) uint16 { return uint16(time.Duration(t) / timestampTick) }

// onTimestamp notes the timestamp of a packet. Those of packets that were overtaken are left out: echoed, they would
// make the round trip look as long as the packet was held up, which may be on purpose.
func (r *rttState) onTimestamp(now Time, ts uint16) {
	if r.rxValid && (ts == r.rx || int16(ts-r.rx) < 0 && now.Sub(r.rxAt) < echoValidity) {
		return
	}
	r.rx, r.rxAt, r.rxValid = ts, now, true
}

// echo returns the timestamp echo for a packet sent now; it includes the time the timestamp was held.
func (r *rttState) echo(now Time) (uint16, bool) {
	if !r.rxValid {
		return 0, false
	}
	held := now.Sub(r.rxAt)
	if held > echoValidity {
		r.rxValid = false
		return 0, false
	}
	return r.rx + uint16(held/timestampTick), true
}

func (r *rttState) onEcho(now Time, echo uint16) {
	if r.echoSeen && echo == r.echoRx {
		return
	}
	r.echoRx, r.echoSeen = echo, true
	n := ticks(now) - echo
	if n > 32767 {
		return
	}
	rtt := time.Duration(n) * timestampTick
	if r.measured {
		delta := (r.srtt - rtt).Abs()
		r.rttvar = (3*r.rttvar + delta) / 4
		r.srtt = (7*r.srtt + rtt) / 8
	} else {
		r.measured, r.srtt, r.rttvar = true, rtt, rtt/2
	}
	r.mrto = r.srtt + 4*r.rttvar + delayedAck
	r.erto = max(r.mrto, minERTO)
}

// backoff lengthens the timeout after it struck.
func (r *rttState) backoff() {
	r.erto = max(min(r.erto*14142/10000, maxERTO), r.mrto)
}
