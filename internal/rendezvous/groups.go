package rendezvous

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// GroupLimits bound what Groups hold; zero means the default.
type GroupLimits struct {
	Groups  int // default 100 000
	Members int // of one group, default 100 000
}

// GroupCounters count what Groups did. Any goroutine may read them.
type GroupCounters struct {
	Groups        atomic.Int64  `help:"NetGroups with members."`
	Members       atomic.Int64  `help:"Memberships, virtual ones included."`
	Introductions atomic.Uint64 `help:"Members told of another one."`
	Refused       atomic.Uint64 `help:"Joins refused because of a limit."`
}

var (
	errTooManyGroups  = errors.New("too many groups")
	errTooManyMembers = errors.New("too many members in the group")
)

// Groups are the NetGroups of the server: it only tells members of each other, media and messages go
// from peer to peer. Safe for all goroutines.
type Groups struct {
	post     func(shard int, msg any)
	log      throttle
	limits   GroupLimits
	counters GroupCounters

	mu     sync.Mutex
	groups map[netconn.GroupID]*group
}

// NewGroups returns empty groups. post is as in Config.
func NewGroups(post func(shard int, msg any), log zerolog.Logger, l GroupLimits) *Groups {
	if l.Groups <= 0 {
		l.Groups = 100_000
	}
	if l.Members <= 0 {
		l.Members = 100_000
	}
	return &Groups{post: post, log: newThrottle(log), limits: l, groups: make(map[netconn.GroupID]*group)}
}

// Counters returns the counters.
func (g *Groups) Counters() *GroupCounters { return &g.counters }

// Join adds a member and introduces it. m is how to tell it of others; nil is a virtual member, a peer
// that is connected to another server. Virtual members of one id are counted, and a real one with the
// same id takes their place while it is there.
func (g *Groups) Join(id netconn.GroupID, peer rtmfp.PeerID, m *netconn.Membership) {
	isNew, err := g.add(id, peer, m)
	if err != nil {
		g.counters.Refused.Add(1)
		if ev := g.log.event(zerolog.WarnLevel); ev != nil {
			ev.Err(err).Stringer("peer", peer).Hex("group", id[:]).Msg("group join refused")
		}
		return
	}
	if isNew {
		g.introduce(id, peer)
	}
}

// Leave removes a member that was added with the same arguments.
func (g *Groups) Leave(id netconn.GroupID, peer rtmfp.PeerID, m *netconn.Membership) {
	g.remove(id, peer, m)
}

// Direct serves the memberships of clients without anybody in between.
type Direct struct{ *Groups }

// Join implements netconn.Groups.
func (d Direct) Join(_ rtmfp.Time, m *netconn.Membership) {
	d.Groups.Join(m.Group(), m.Conn().PeerID(), m)
}

// Leave implements netconn.Groups.
func (d Direct) Leave(_ rtmfp.Time, m *netconn.Membership) {
	d.Groups.Leave(m.Group(), m.Conn().PeerID(), m)
}

// add enters a member; m is nil for a virtual one. isNew is false if the id was a member already.
func (g *Groups) add(id netconn.GroupID, peer rtmfp.PeerID, m *netconn.Membership) (isNew bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	gr := g.groups[id]
	if gr == nil {
		if len(g.groups) >= g.limits.Groups {
			return false, errTooManyGroups
		}
		gr = newGroup()
		g.groups[id] = gr
		g.counters.Groups.Add(1)
	}
	have := gr.members[peer]
	if have == nil {
		if gr.size() >= g.limits.Members {
			return false, errTooManyMembers
		}
		have = gr.insert(peer, m)
		isNew = true
		g.counters.Members.Add(1)
	} else if m != nil {
		isNew = have.real == nil
		gr.setReal(have, m)
	}
	if m == nil {
		have.virtual++
	}
	return isNew, nil
}

// remove takes a membership away, and the member with its last one. Its neighbours learn of each other,
// so that the ring of those who know each other stays closed.
func (g *Groups) remove(id netconn.GroupID, peer rtmfp.PeerID, m *netconn.Membership) {
	g.mu.Lock()
	defer g.mu.Unlock()
	gr := g.groups[id]
	if gr == nil || gr.members[peer] == nil {
		return
	}
	who := gr.members[peer]
	switch {
	case m == nil && who.virtual == 0:
		return
	case m == nil:
		who.virtual--
	case who.real == m:
		gr.setReal(who, nil)
	default:
		return // an older membership of the same client
	}
	var pairs [][2]*member
	if m != nil {
		pairs = gr.closeRing(who)
	}
	if who.real == nil && who.virtual <= 0 {
		gr.remove(who)
		g.counters.Members.Add(-1)
		if gr.size() == 0 {
			delete(g.groups, id)
			g.counters.Groups.Add(-1)
		}
	}
	for _, p := range pairs {
		g.tell(p[0], p[1].peer)
	}
}

// introduce tells a new member of others, or others of a new virtual one.
func (g *Groups) introduce(id netconn.GroupID, peer rtmfp.PeerID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	gr := g.groups[id]
	if gr == nil || gr.members[peer] == nil {
		return
	}
	who := gr.members[peer]
	for _, other := range gr.acquaintances(who, rand.IntN) {
		if who.real != nil {
			g.tell(who, other.peer)
		} else {
			g.tell(other, who.peer)
		}
	}
}

// tell sends a real member the id of another one.
func (g *Groups) tell(who *member, of rtmfp.PeerID) {
	m := who.real
	if m == nil {
		return
	}
	g.counters.Introductions.Add(1)
	h := m.Conn().Handle()
	g.post(h.Shard, netconn.Task{To: h, Do: func(now rtmfp.Time, _ *netconn.Conn) { m.SendMember(now, of) }})
}
