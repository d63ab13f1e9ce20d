package script

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// outbox collects what an event tells the shards. Each shard gets all of it, in order, when the event returns: in one
// message, unless it is a lot.
type outbox struct {
	tasks  [][]netconn.Task // by shard
	lanes  []*lane          // by shard
	dirty  []int            // shards that get something
	links  []ServerLink     // that got media
	writes int              // messages that the event wrote to clients, and their bytes
	bytes  int
}

// tell runs a task on its shard when the running event returns, at once if none is running.
func (e *Engine) tell(t netconn.Task) {
	o := &e.turn.outbox
	shard := t.To.Shard
	for shard >= len(o.tasks) {
		o.tasks = append(o.tasks, nil)
	}
	if len(o.tasks[shard]) == 0 {
		o.dirty = append(o.dirty, shard)
	}
	o.tasks[shard] = append(o.tasks[shard], t)
	if e.turn.depth == 0 {
		e.flushOutbox()
	}
}

// flushLink sends the media that a link was given when the running event returns.
func (e *Engine) flushLink(l ServerLink) {
	o := &e.turn.outbox
	if !slices.Contains(o.links, l) {
		o.links = append(o.links, l)
	}
	if e.turn.depth == 0 {
		e.flushOutbox()
	}
}

func (e *Engine) flushOutbox() {
	o := &e.turn.outbox
	for _, shard := range o.dirty {
		list := o.tasks[shard]
		l := o.lane(shard)
		if len(list) == 1 && !l.busy.Load() {
			e.cfg.Post(shard, list[0])
			list[0] = netconn.Task{}
			o.tasks[shard] = list[:0]
			continue
		}
		o.tasks[shard] = nil // the shard's now
		l.post(e.cfg.Post, list)
	}
	o.dirty = o.dirty[:0]
	for _, l := range o.links {
		l.Flush()
	}
	clear(o.links)
	o.links = o.links[:0]
	o.writes, o.bytes = 0, 0
}

// lane is the way of tasks to a shard. An event that writes a lot must not keep the shard from reading its socket: after
// some tasks the others wait until it did.
type lane struct {
	shard int
	busy  atomic.Bool // some wait; only lane.post sets it

	mu      sync.Mutex
	waiting []netconn.Task
}

// tasksPerPost is how many tasks a shard runs between two looks at its socket: well below a millisecond.
const tasksPerPost = 256

// lane returns the way to a shard.
func (o *outbox) lane(shard int) *lane {
	for shard >= len(o.lanes) {
		o.lanes = append(o.lanes, &lane{shard: len(o.lanes)})
	}
	return o.lanes[shard]
}

// post sends tasks behind those that wait.
func (l *lane) post(post func(int, any), list []netconn.Task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(list) <= tasksPerPost && !l.busy.Load() {
		post(l.shard, netconn.Tasks(list))
		return
	}
	l.waiting = append(l.waiting, list...)
	if !l.busy.Swap(true) {
		l.next(post)
	}
}

// next posts some tasks that wait, and itself behind them.
func (l *lane) next(post func(int, any)) {
	n := min(len(l.waiting), tasksPerPost)
	if n == 0 {
		l.waiting = nil
		l.busy.Store(false)
		return
	}
	list := l.waiting[:n:n]
	l.waiting = l.waiting[n:]
	post(l.shard, netconn.Tasks(list))
	post(l.shard, func(rtmfp.Time) {
		l.mu.Lock()
		defer l.mu.Unlock()
		clear(list)
		l.next(post)
	})
}

// What scripts write is bounded: by message, for what waits on the way to the shard of a client, and by
// event. On the shard the limits of the session hold.
const (
	maxMessage     = 8 << 20
	maxUnsentWords = 4 << 20 // bytes of one client
	maxTurnWrites  = 1 << 14 // messages of one event, beside writesEach for each client of the server
	writesEach     = 4
	maxTurnBytes   = 64 << 20

	wordOverhead = 256 // what a message takes beside its content
)

// mayWrite counts a message of size bytes that the running event writes; it is false if the event wrote too
// much already.
func (e *Engine) mayWrite(size int) bool {
	o := &e.turn.outbox
	if o.writes >= e.maxWrites() || o.bytes+size > maxTurnBytes {
		return false
	}
	o.writes++
	o.bytes += size
	return true
}

// maxWrites is how many messages one event may write.
func (e *Engine) maxWrites() int { return maxTurnWrites + writesEach*len(e.objects.clients) }

// addSize adds about how long v is in a message; above maxMessage it stops. Tables that are met twice are
// written twice, so a small value may be a long message.
func addSize(n *int, v amf.Value) {
	if *n > maxMessage {
		return
	}
	members := func(list []amf.Member) {
		for _, m := range list {
			*n += 2 + len(m.Name)
			addSize(n, m.Value)
		}
	}
	switch v := v.(type) {
	case amf.String:
		*n += 3 + len(v)
	case *amf.ByteArray:
		*n += 5 + len(v.Data)
	case *amf.Object:
		*n += 8 + len(v.Class)
		members(v.Members)
	case *amf.Array:
		*n += 8
		for _, x := range v.Dense {
			addSize(n, x)
		}
		members(v.Named)
	case *amf.Dictionary:
		*n += 8
		for _, x := range v.Entries {
			addSize(n, x.Key)
			addSize(n, x.Value)
		}
	default:
		*n += 9
	}
}
