package bench

import (
	"container/heap"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// alarm is something a worker does at a time.
type alarm struct {
	at    rtmfp.Time
	index int // in the heap, -1 = not there
	do    func(now rtmfp.Time)
}

// alarms is a heap by time.
type alarms []*alarm

func (h alarms) Len() int           { return len(h) }
func (h alarms) Less(i, j int) bool { return h[i].at < h[j].at }
func (h alarms) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *alarms) Push(x any) {
	a := x.(*alarm)
	a.index = len(*h)
	*h = append(*h, a)
}

func (h *alarms) Pop() any {
	old := *h
	a := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	a.index = -1
	return a
}

// set moves a to a time, or adds it.
func (h *alarms) set(a *alarm, at rtmfp.Time) {
	switch {
	case a.index < 0:
		a.at = at
		heap.Push(h, a)
	case a.at != at:
		a.at = at
		heap.Fix(h, a.index)
	}
}

func (h *alarms) remove(a *alarm) {
	if a.index >= 0 {
		heap.Remove(h, a.index)
	}
}

// due removes and returns an alarm whose time has come, or nil.
func (h *alarms) due(now rtmfp.Time) *alarm {
	if len(*h) == 0 || (*h)[0].at > now {
		return nil
	}
	return heap.Pop(h).(*alarm)
}

// next returns the time of the first alarm, 0 if there is none.
func (h alarms) next() rtmfp.Time {
	if len(h) == 0 {
		return 0
	}
	return h[0].at
}
