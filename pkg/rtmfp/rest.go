package rtmfp

import "time"

// Most sessions of a large server say nothing for seconds and then a word. What they need only while they talk, the
// expanded keys above all, is more than everything else of them, so it goes when they fall silent.

// restPeriod is how often sessions are looked at that were not silent.
const restPeriod = 2 * time.Second

// warm notes that s sends or receives.
func (s *Session) warm() {
	if s.isWarm || s.state != stateOpen {
		return
	}
	e := s.e
	s.isWarm, s.restMark = true, s.packets()
	e.warm = append(e.warm, s)
	if e.restAt == 0 {
		e.restAt = e.now.Add(restPeriod)
	}
}

// rest frees what the sessions that were silent since the last time need only when they are not.
func (e *Endpoint) rest(now Time) {
	left := e.warm[:0]
	for _, s := range e.warm {
		switch n := s.packets(); {
		case s.state == stateClosed:
		case n != s.restMark:
			s.restMark = n
			left = append(left, s)
		default:
			s.shrink()
		}
	}
	clear(e.warm[len(left):])
	if e.warm = left; len(left) == 0 {
		e.warm, e.restAt = nil, 0
		return
	}
	e.restAt = now.Add(restPeriod)
}

func (s *Session) packets() uint64 { return s.stats.PacketsSent + s.stats.PacketsReceived }

func (s *Session) shrink() {
	s.isWarm = false
	s.send.shrink()
	s.recv.shrink()
	if s.control.nReplies == 0 {
		s.control.replies = [2][]byte{}
	}
	if len(s.ackFlows) == 0 {
		s.ackFlows = nil
	}
}
