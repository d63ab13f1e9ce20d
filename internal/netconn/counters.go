package netconn

import "sync/atomic"

// Counters count what happened on a shard. They may be read from any goroutine.
type Counters struct {
	Connected       atomic.Int64 // NetConnections open now
	Accepted        atomic.Uint64
	Refused         atomic.Uint64
	Duplicates      atomic.Uint64 // refused because the peer id is connected already
	Calls           atomic.Uint64
	CallsRefused    atomic.Uint64 // too many in flight
	CallsExpired    atomic.Uint64 // the application did not answer
	Publishes       atomic.Uint64
	PublishRefused  atomic.Uint64
	Plays           atomic.Uint64
	PlayRefused     atomic.Uint64
	FlowsRejected   atomic.Uint64
	GroupsRefused   atomic.Uint64 // too many of one client
	StreamsRefused  atomic.Uint64
	BadMessages     atomic.Uint64 // not understood
	OversizeMessage atomic.Uint64
	HeldDropped     atomic.Uint64 // dropped because too much was held back
	StrayMessages   atomic.Uint64 // for a stream that does nothing with them
	SyncTimeouts    atomic.Uint64
	LateAnswers     atomic.Uint64 // for a client that was gone
}

// Each calls f with the name and value of every counter.
func (c *Counters) Each(f func(name string, value float64)) {
	f("connections", float64(c.Connected.Load()))
	for _, e := range [...]struct {
		name string
		v    *atomic.Uint64
	}{
		{"connections_accepted_total", &c.Accepted},
		{"connections_refused_total", &c.Refused},
		{"connections_duplicate_total", &c.Duplicates},
		{"calls_total", &c.Calls},
		{"calls_refused_total", &c.CallsRefused},
		{"calls_expired_total", &c.CallsExpired},
		{"publishes_total", &c.Publishes},
		{"publishes_refused_total", &c.PublishRefused},
		{"plays_total", &c.Plays},
		{"plays_refused_total", &c.PlayRefused},
		{"flows_rejected_total", &c.FlowsRejected},
		{"groups_refused_total", &c.GroupsRefused},
		{"streams_refused_total", &c.StreamsRefused},
		{"bad_messages_total", &c.BadMessages},
		{"oversize_messages_total", &c.OversizeMessage},
		{"held_dropped_total", &c.HeldDropped},
		{"stray_messages_total", &c.StrayMessages},
		{"sync_timeouts_total", &c.SyncTimeouts},
		{"late_answers_total", &c.LateAnswers},
	} {
		f(e.name, float64(e.v.Load()))
	}
}
