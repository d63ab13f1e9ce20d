package rendezvous

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"sort"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// group is a ring of members, ordered by the hash that clients use themselves: neighbours on it are the
// most useful acquaintances.
type group struct {
	ring    []*member
	members map[rtmfp.PeerID]*member
	virtual int // members that are only virtual
}

type member struct {
	peer    rtmfp.PeerID
	at      [sha256.Size]byte
	real    *netconn.Membership // nil: only virtual
	virtual int
}

// ringNeighbours is how many real members on each side a newcomer is told; with virtual members in the
// group it is one less, and theirs are told in the place.
const ringNeighbours = 3

// ringAddress is the place of a peer: the hash of the discriminator that reaches it.
func ringAddress(id rtmfp.PeerID) [sha256.Size]byte { return sha256.Sum256(rtmfp.EPDForPeer(id)) }

func (g *group) search(at [sha256.Size]byte) int {
	return sort.Search(len(g.ring), func(i int) bool { return bytes.Compare(g.ring[i].at[:], at[:]) >= 0 })
}

func (g *group) insert(id rtmfp.PeerID) *member {
	m := &member{peer: id, at: ringAddress(id)}
	g.ring = slices.Insert(g.ring, g.search(m.at), m)
	g.members[id] = m
	return m
}

func (g *group) remove(m *member) {
	i := g.search(m.at)
	g.ring = slices.Delete(g.ring, i, i+1)
	delete(g.members, m.peer)
}

// walk returns up to n members that satisfy want, going round from m in one direction.
func (g *group) walk(m *member, dir, n int, want func(*member) bool) []*member {
	var list []*member
	size := len(g.ring)
	at := g.search(m.at)
	for k := 1; k < size && len(list) < n; k++ {
		if o := g.ring[((at+dir*k)%size+size)%size]; want(o) {
			list = append(list, o)
		}
	}
	return list
}

func isReal(m *member) bool    { return m.real != nil }
func isVirtual(m *member) bool { return m.real == nil }

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
	if m.real != nil && g.virtual > 0 {
		if v := append(g.walk(m, 1, 1, isVirtual), g.walk(m, -1, 1, isVirtual)...); len(v) > 0 {
			n--
			add(v)
		}
	}
	add(g.walk(m, 1, n, isReal))
	add(g.walk(m, -1, n, isReal))
	for range 4 { // a stranger makes ways across the ring short
		o := g.ring[intN(len(g.ring))]
		if o != m && !slices.Contains(list, o) && (m.real != nil || isReal(o)) {
			list = append(list, o)
			break
		}
	}
	return list
}

// closeRing pairs the real neighbours of a member that leaves, the nearest first.
func (g *group) closeRing(m *member) [][2]*member {
	not := func(o *member) bool { return isReal(o) && o != m }
	before, after := g.walk(m, -1, 2, not), g.walk(m, 1, 2, not)
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
