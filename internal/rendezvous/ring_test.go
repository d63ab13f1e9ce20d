package rendezvous

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// graph is what the members of a group were told of each other.
type graph struct {
	group *group
	rng   *rand.Rand
	edges map[[2]rtmfp.PeerID]bool
	most  int // introductions for one join or leave
}

func newGraph(seed uint64) *graph {
	return &graph{
		group: newGroup(), rng: rand.New(rand.NewPCG(seed, 1)),
		edges: make(map[[2]rtmfp.PeerID]bool),
	}
}

func (g *graph) connect(a, b *member) {
	g.edges[[2]rtmfp.PeerID{a.peer, b.peer}] = true
	g.edges[[2]rtmfp.PeerID{b.peer, a.peer}] = true
}

func (g *graph) join() {
	var id rtmfp.PeerID
	for i := range id {
		id[i] = byte(g.rng.Uint32())
	}
	m := g.group.insert(id, new(netconn.Membership))
	list := g.group.acquaintances(m, g.rng.IntN)
	for _, o := range list {
		g.connect(m, o)
	}
	g.most = max(g.most, len(list))
}

func (g *graph) leave() {
	m := g.group.real[g.rng.IntN(len(g.group.real))]
	pairs := g.group.closeRing(m)
	g.group.remove(m)
	for _, p := range pairs {
		g.connect(p[0], p[1])
	}
	for e := range g.edges {
		if e[0] == m.peer || e[1] == m.peer {
			delete(g.edges, e)
		}
	}
	g.most = max(g.most, len(pairs))
}

// reached counts the members that the first one reaches through acquaintances.
func (g *graph) reached() int {
	if len(g.group.real) == 0 {
		return 0
	}
	next := make(map[rtmfp.PeerID][]rtmfp.PeerID)
	for e := range g.edges {
		next[e[0]] = append(next[e[0]], e[1])
	}
	seen := map[rtmfp.PeerID]bool{g.group.real[0].peer: true}
	todo := []rtmfp.PeerID{g.group.real[0].peer}
	for len(todo) > 0 {
		id := todo[0]
		todo = todo[1:]
		for _, o := range next[id] {
			if !seen[o] {
				seen[o] = true
				todo = append(todo, o)
			}
		}
	}
	return len(seen)
}

// Few real members among many virtual ones, and the reverse, find each other without a walk past the others, and
// are told of both kinds.
func TestMixedRings(t *testing.T) {
	for _, c := range []struct{ real, virtual int }{{5, 100_000}, {100_000, 5}, {1, 100_000}, {100_000, 1}, {3, 0}, {0, 3}, {1, 1}} {
		t.Run(fmt.Sprintf("%d+%d", c.real, c.virtual), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(7, 1))
			g := newGroup()
			id := func() (id rtmfp.PeerID) {
				for i := range id {
					id[i] = byte(rng.Uint32())
				}
				return id
			}
			for range c.virtual {
				g.insert(id(), nil)
			}
			for range c.real {
				g.insert(id(), new(netconn.Membership))
			}
			for _, real := range []*netconn.Membership{nil, new(netconn.Membership)} {
				var reals, virtuals int
				m := g.insert(id(), real)
				list := g.acquaintances(m, rng.IntN)
				for _, o := range list {
					switch {
					case o == m:
						t.Error("told of itself")
					case o.real != nil:
						reals++
					default:
						virtuals++
					}
				}
				if len(list) > 8 || reals < min(c.real, 4) {
					t.Errorf("told of %d real and %d virtual members", reals, virtuals)
				}
				if real == nil && virtuals != 0 || real != nil && virtuals < min(c.virtual, 2) {
					t.Errorf("told of %d virtual members", virtuals)
				}
				g.remove(m)
			}
			if g.size() != c.real+c.virtual {
				t.Errorf("%d members", g.size())
			}
		})
	}
}

// BenchmarkGroupJoinMixed is a join to a group with many members of the other kind.
func BenchmarkGroupJoinMixed(b *testing.B) {
	for _, virtual := range []int{0, 1_000, 100_000} {
		b.Run(fmt.Sprint(virtual), func(b *testing.B) {
			g := newGraph(1)
			for range 5 {
				g.join()
			}
			var id rtmfp.PeerID
			for n := range virtual {
				id[0], id[1], id[2], id[3] = 1, byte(n), byte(n>>8), byte(n>>16)
				g.group.insert(id, nil)
			}
			for b.Loop() {
				id[0]++
				m := g.group.insert(id, new(netconn.Membership))
				g.group.acquaintances(m, g.rng.IntN)
				g.group.closeRing(m)
				g.group.remove(m)
			}
		})
	}
}

// A group never splits, however its members come and go, and nobody is told much.
func TestChurnKeepsGroupConnected(t *testing.T) {
	seeds := uint64(5)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			g := newGraph(seed)
			check := func(step int) {
				if n := g.reached(); n != len(g.group.real) {
					t.Fatalf("step %d: %d of %d members reach each other", step, n, len(g.group.real))
				}
			}
			for i := range 1000 {
				g.join()
				if i%50 == 0 {
					check(i)
				}
			}
			for i := range 3000 {
				if g.rng.IntN(2) == 0 || len(g.group.real) < 3 {
					g.join()
				} else {
					g.leave()
				}
				if i%100 == 0 {
					check(i)
				}
			}
			for len(g.group.real) > 1 {
				g.leave()
				if len(g.group.real)%50 == 0 || len(g.group.real) < 12 {
					check(-len(g.group.real))
				}
			}
			if g.most > 8 {
				t.Errorf("%d introductions for one join or leave, want at most 8", g.most)
			}
		})
	}
}
