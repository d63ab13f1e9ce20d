package netconn

import (
	"crypto/sha256"
	"slices"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// GroupID identifies a NetGroup.
type GroupID [32]byte

// Membership is one client in one group: a group control flow with its return flow.
type Membership struct {
	conn   *Conn
	in     *inFlow
	out    outFlow
	id     GroupID
	joined bool

	// User belongs to Groups.
	User any
}

// Conn is the member.
func (m *Membership) Conn() *Conn { return m.conn }

// Group is the group.
func (m *Membership) Group() GroupID { return m.id }

// Messages of group control flows. Unlike those of other flows they have no timestamp.
const (
	groupJoin   = 0x01
	groupMember = 0x0b
	joinByText  = 0x10 // the group ID is the hash of the value; with any other type it is the value
)

// SendMember tells the member of another one.
func (m *Membership) SendMember(now rtmfp.Time, peer rtmfp.PeerID) {
	if !m.joined || m.conn.closed {
		return
	}
	if m.out.send == nil {
		f, err := m.conn.link.open(now, groupMetadata, m.in.recv, rtmfp.PriorityData, false, &m.out)
		if err != nil {
			return
		}
		m.out.send = f
	}
	msg := append(make([]byte, 0, 1+len(peer)), groupMember)
	m.out.send.Write(now, rtmfp.Message{Body: rtmfp.CopyBuffer(append(msg, peer[:]...))})
}

// groupFlow accepts a group control flow, or says why not.
func (c *Conn) groupFlow(now rtmfp.Time, recv recvFlow) (in *inFlow, reason string) {
	switch {
	case c.shard.cfg.Groups == nil:
		return nil, "no groups here"
	case c.state != stateConnected:
		return nil, "not connected"
	case len(c.groups) >= c.limits.Groups:
		c.counters.GroupsRefused.Add(1)
		c.shard.log(now, zerolog.WarnLevel, "groups", c).Int("limit", c.limits.Groups).Msg("too many groups")
		return nil, "too many groups"
	}
	m := &Membership{conn: c}
	m.in = &inFlow{recv: recv, group: m}
	c.groups = append(c.groups, m)
	c.flows++
	return m.in, ""
}

// groupMessage handles a message of a group control flow; it takes over the reference.
func (c *Conn) groupMessage(now rtmfp.Time, m *Membership, b *rtmfp.Buffer) {
	defer b.Release()
	if c.closed || m.joined || b.Len() == 0 {
		return
	}
	id, ok := parseJoin(b.Bytes())
	if !ok {
		c.counters.BadMessages.Add(1)
		m.in.recv.Reject(now, 0)
		c.leaveGroup(now, m)
		return
	}
	m.id, m.joined = id, true
	c.shard.cfg.Groups.Join(now, m)
}

// parseJoin reads a join message.
//
//	01 VLU(length of type and value) type(1) value
func parseJoin(b []byte) (id GroupID, ok bool) {
	if len(b) < 3 || b[0] != groupJoin {
		return id, false
	}
	size, n := consumeVLU(b[1:])
	b = b[1+n:]
	if n == 0 || size < 2 || size > uint64(len(b)) {
		return id, false
	}
	typ, value := b[0], b[1:size]
	if typ == joinByText {
		return sha256.Sum256(value), true
	}
	if len(value) != len(id) {
		return id, false
	}
	copy(id[:], value)
	return id, true
}

// leaveGroup ends a membership.
func (c *Conn) leaveGroup(now rtmfp.Time, m *Membership) {
	i := slices.Index(c.groups, m)
	if i < 0 {
		return
	}
	c.groups = slices.Delete(c.groups, i, i+1)
	c.flows--
	if m.joined {
		c.shard.cfg.Groups.Leave(now, m)
		m.joined = false
	}
	if m.out.send != nil {
		m.out.send.Close(now)
		m.out.send = nil
	}
}
