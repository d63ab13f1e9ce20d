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
		group: &group{members: make(map[rtmfp.PeerID]*member)}, rng: rand.New(rand.NewPCG(seed, 1)),
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
	m := g.group.insert(id)
	m.real = new(netconn.Membership)
	list := g.group.acquaintances(m, g.rng.IntN)
	for _, o := range list {
		g.connect(m, o)
	}
	g.most = max(g.most, len(list))
}

func (g *graph) leave() {
	m := g.group.ring[g.rng.IntN(len(g.group.ring))]
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
	if len(g.group.ring) == 0 {
		return 0
	}
	next := make(map[rtmfp.PeerID][]rtmfp.PeerID)
	for e := range g.edges {
		next[e[0]] = append(next[e[0]], e[1])
	}
	seen := map[rtmfp.PeerID]bool{g.group.ring[0].peer: true}
	todo := []rtmfp.PeerID{g.group.ring[0].peer}
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

// A group never splits, however its members come and go, and nobody is told much.
func TestChurnKeepsGroupConnected(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			g := newGraph(seed)
			check := func(step int) {
				if n := g.reached(); n != len(g.group.ring) {
					t.Fatalf("step %d: %d of %d members reach each other", step, n, len(g.group.ring))
				}
			}
			for i := range 1000 {
				g.join()
				if i%50 == 0 {
					check(i)
				}
			}
			for i := range 3000 {
				if g.rng.IntN(2) == 0 || len(g.group.ring) < 3 {
					g.join()
				} else {
					g.leave()
				}
				if i%100 == 0 {
					check(i)
				}
			}
			for len(g.group.ring) > 1 {
				g.leave()
				if len(g.group.ring)%50 == 0 || len(g.group.ring) < 12 {
					check(-len(g.group.ring))
				}
			}
			if g.most > 8 {
				t.Errorf("%d introductions for one join or leave, want at most 8", g.most)
			}
		})
	}
}
