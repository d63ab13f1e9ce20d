package rendezvous

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"sort"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// group is two rings of members, ordered by the hash that clients use themselves: neighbours on one are the
// most useful acquaintances. They are two so that those of either kind are found at once among many of the other.
type group struct {
	members map[rtmfp.PeerID]*member
	real    ring
	virtual ring // members that are only virtual
}

type member struct {
	peer    rtmfp.PeerID
	at      [sha256.Size]byte
	real    *netconn.Membership // nil: only virtual
	virtual int
}

func newGroup() *group { return &group{members: make(map[rtmfp.PeerID]*member)} }

// size is the number of members.
func (g *group) size() int { return len(g.real) + len(g.virtual) }

// ringNeighbours is how many real members on each side a newcomer is told; with virtual members in the
// group it is one less, and theirs are told in the place.
const ringNeighbours = 3

// ringAddress is the place of a peer: the hash of the discriminator that reaches it.
func ringAddress(id rtmfp.PeerID) [sha256.Size]byte { return sha256.Sum256(rtmfp.EPDForPeer(id)) }

// ring is a list of members by address.
type ring []*member

// search is where m is, or would be.
func (r ring) search(m *member) int {
	return sort.Search(len(r), func(i int) bool { return bytes.Compare(r[i].at[:], m.at[:]) >= 0 })
}

func (r *ring) insert(m *member) { *r = slices.Insert(*r, r.search(m), m) }

func (r *ring) remove(m *member) {
	i := r.search(m)
	*r = slices.Delete(*r, i, i+1)
}

// walk returns up to n members, going round from the place of m, which is none of them, in one direction.
func (r ring) walk(m *member, dir, n int) []*member {
	size := len(r)
	at := r.search(m)
	others := size
	switch {
	case at < size && r[at] == m:
		others--
	case dir > 0:
		at-- // the first one is at its place
	}
	list := make([]*member, 0, min(n, others))
	for k := 1; k <= min(n, others); k++ {
		list = append(list, r[((at+dir*k)%size+size)%size])
	}
	return list
}

// insert enters a member; real is nil for a virtual one.
func (g *group) insert(id rtmfp.PeerID, real *netconn.Membership) *member {
	m := &member{peer: id, at: ringAddress(id), real: real}
	g.ringOf(m).insert(m)
	g.members[id] = m
	return m
}

func (g *group) remove(m *member) {
	g.ringOf(m).remove(m)
	delete(g.members, m.peer)
}

// setReal makes a member real or, with nil, only virtual.
func (g *group) setReal(m *member, real *netconn.Membership) {
	g.ringOf(m).remove(m)
	m.real = real
	g.ringOf(m).insert(m)
}

func (g *group) ringOf(m *member) *ring {
	if m.real != nil {
		return &g.real
	}
	return &g.virtual
}

// acquaintances chooses whom a newcomer is told of (or, if it is virtual, who is told of it): the real
// members next to it on both sides, the nearest virtual ones, and one by chance. Knowing both real
// neighbours keeps the graph connected: it always contains the ring.
func (g *group) acquaintances(m *member, intN func(int) int) []*member {
	n := ringNeighbours
	var list []*member
	add := func(more []*member) {
		for _, o := range more {
			if !slices.Contains(list, o) {
				list = append(list, o)
			}
		}
	}
	strangers := len(g.real)
	if m.real != nil && len(g.virtual) > 0 {
		n--
		add(g.virtual.walk(m, 1, 1))
		add(g.virtual.walk(m, -1, 1))
		strangers = g.size()
	}
	add(g.real.walk(m, 1, n))
	add(g.real.walk(m, -1, n))
	for range 4 { // a stranger makes ways across the ring short
		if strangers == 0 {
			break
		}
		i, from := intN(strangers), g.real
		if i >= len(g.real) {
			i, from = i-len(g.real), g.virtual
		}
		if o := from[i]; o != m && !slices.Contains(list, o) {
			list = append(list, o)
			break
		}
	}
	return list
}

// closeRing pairs the real neighbours of a member that leaves, the nearest first.
func (g *group) closeRing(m *member) [][2]*member {
	before, after := g.real.walk(m, -1, 2), g.real.walk(m, 1, 2)
	var pairs [][2]*member
	for i, a := range before {
		for k, b := range after {
			if a != b && i+k < 2 {
				pairs = append(pairs, [2]*member{a, b})
			}
		}
	}
	return pairs
}
