package script

import (
	"encoding/hex"
	"slices"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Groups introduces the members of NetGroups to each other. Its methods are called by the script
// goroutine, a join after the script saw it, and must not block.
type Groups interface {
	// Join adds a member. m is how to tell it of others; nil: a peer that is connected elsewhere.
	Join(group netconn.GroupID, peer rtmfp.PeerID, m *netconn.Membership)
	// Leave removes a member that was added with the same arguments.
	Leave(group netconn.GroupID, peer rtmfp.PeerID, m *netconn.Membership)
}

// The Engine is told of the group memberships of clients, on their shards.
var _ netconn.Groups = (*Engine)(nil)

// group is a NetGroup with at least one member, and a little longer while an event shows that the last
// one left. It belongs to the script goroutine.
type group struct {
	obj     *object
	list    *object // group.members
	raw, id string
	members map[string]*membership // by raw peer id
}

// membership is a peer in a group: a client, or a peer connected elsewhere that scripts made a virtual
// member, perhaps several times. The client counts.
type membership struct {
	client  *client
	real    []*netconn.Membership // of the client, one for each of its NetGroups
	virtual []*virtualMember
}

// virtualMember is a virtual member as the script that made it sees it.
type virtualMember struct {
	e        *Engine
	obj      *object
	app      *App
	group    *group
	raw      string
	released bool
}

// maxVirtual bounds the virtual members of all groups.
const maxVirtual = 1 << 17

// groupEventSize is what a queued join or leave counts.
const groupEventSize = 128

// Join implements netconn.Groups.
func (e *Engine) Join(_ rtmfp.Time, m *netconn.Membership) {
	if e.onClient(m.Conn(), groupEventSize, false, func(c *client) { e.clientJoins(c, m) }) {
		m.User = e // Leave follows
	}
}

// Leave implements netconn.Groups.
func (e *Engine) Leave(_ rtmfp.Time, m *netconn.Membership) {
	if m.User == nil {
		return
	}
	m.User = nil
	e.onClient(m.Conn(), groupEventSize, true, func(c *client) { e.clientLeaves(c, m) })
}

// clientJoins makes a client a member.
func (e *Engine) clientJoins(c *client, m *netconn.Membership) {
	id := m.Group()
	g := e.groupOf(string(id[:]))
	ms := g.member(c.rawID)
	first := len(ms.real) == 0
	if first && len(ms.virtual) > 0 {
		e.tellLeave(g, c.rawID, nil)
	}
	ms.client, ms.real = c, append(ms.real, m)
	if first {
		e.notifyClient(c, "onJoinGroup", g.obj.ud)
	}
	e.tellJoin(g, c.rawID, m)
}

// clientLeaves ends what clientJoins began.
func (e *Engine) clientLeaves(c *client, m *netconn.Membership) {
	id := m.Group()
	g := e.objects.groups[string(id[:])]
	if g == nil || g.members[c.rawID] == nil {
		return
	}
	ms := g.members[c.rawID]
	i := slices.Index(ms.real, m)
	if i < 0 {
		return
	}
	ms.real = slices.Delete(ms.real, i, i+1)
	e.tellLeave(g, c.rawID, m)
	if len(ms.real) > 0 {
		return
	}
	ms.client = nil
	if len(ms.virtual) > 0 {
		e.tellJoin(g, c.rawID, nil)
	} else {
		delete(g.members, c.rawID)
	}
	e.notifyClient(c, "onUnjoinGroup", g.obj.ud)
	e.releaseGroup(g)
}

// joinVirtual makes a peer that is connected elsewhere a member of a group.
func (e *Engine) joinVirtual(a *App, peer, id lua.LValue) *virtualMember {
	raw, groupRaw := rawID(peer), rawID(id)
	switch {
	case raw == "":
		e.complain(zerolog.ErrorLevel, "joinGroup: the peer id must have 64 hexadecimal characters or 32 bytes")
		return nil
	case groupRaw == "":
		e.complain(zerolog.ErrorLevel, "joinGroup: the group id must have 64 hexadecimal characters or 32 bytes")
		return nil
	case e.objects.virtual >= maxVirtual:
		e.complain(zerolog.ErrorLevel, "joinGroup: too many virtual members")
		return nil
	}
	e.objects.virtual++
	g := e.groupOf(groupRaw)
	ms := g.member(raw)
	m := &virtualMember{e: e, app: a, group: g, raw: raw}
	m.obj = e.newObject(e.classes.member, m)
	ms.virtual = append(ms.virtual, m)
	e.ownBy(a, m)
	if len(ms.virtual) == 1 && ms.client == nil {
		e.tellJoin(g, raw, nil)
	}
	return m
}

// releaseMember ends a virtual member; the peer stays one while others hold it or it is a client here.
func (e *Engine) releaseMember(m *virtualMember) {
	if m.released {
		return
	}
	m.released = true
	e.objects.virtual--
	e.disown(m.app, m)
	ms := m.group.members[m.raw]
	i := slices.Index(ms.virtual, m)
	ms.virtual = slices.Delete(ms.virtual, i, i+1)
	if len(ms.virtual) > 0 || ms.client != nil {
		return
	}
	delete(m.group.members, m.raw)
	e.tellLeave(m.group, m.raw, nil)
	e.releaseGroup(m.group)
}

// closeOwned implements closer.
func (m *virtualMember) closeOwned() { m.e.releaseMember(m) }

func (e *Engine) tellJoin(g *group, raw string, m *netconn.Membership) {
	if e.cfg.Groups != nil {
		e.cfg.Groups.Join(netconn.GroupID([]byte(g.raw)), rtmfp.PeerID([]byte(raw)), m)
	}
}

func (e *Engine) tellLeave(g *group, raw string, m *netconn.Membership) {
	if e.cfg.Groups != nil {
		e.cfg.Groups.Leave(netconn.GroupID([]byte(g.raw)), rtmfp.PeerID([]byte(raw)), m)
	}
}

// groupOf returns the group of an id, new if there is none.
func (e *Engine) groupOf(raw string) *group {
	g := e.objects.groups[raw]
	if g == nil {
		g = &group{raw: raw, id: hex.EncodeToString([]byte(raw)), members: make(map[string]*membership)}
		g.obj = e.newObject(e.classes.group, g)
		g.list = e.newObject(e.classes.members, g)
		e.objects.groups[raw] = g
	}
	return g
}

// releaseGroup forgets a group without members.
func (e *Engine) releaseGroup(g *group) {
	if len(g.members) > 0 || e.objects.groups[g.raw] != g {
		return
	}
	delete(e.objects.groups, g.raw)
	g.obj.end()
	g.list.end()
}

// member returns the membership of a peer, new if there is none.
func (g *group) member(raw string) *membership {
	ms := g.members[raw]
	if ms == nil {
		ms = &membership{}
		g.members[raw] = ms
	}
	return ms
}

// value is a member as scripts see it: the client, or the first object made for it.
func (ms *membership) value() lua.LValue {
	if ms.client != nil {
		return ms.client.obj.ud
	}
	return ms.virtual[0].obj.ud
}
