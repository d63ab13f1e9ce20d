package script

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// Whatever happens to servers, connections and streams, and in whatever order: afterwards every server has exactly the
// streams of those that it can reach, and whoever plays one gets it.
func TestClusterConverges(t *testing.T) {
	seeds := 12
	if testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			c := &randomCluster{t: t, rand: rand.New(rand.NewPCG(uint64(seed), 7)), links: map[string]*sampleLink{}, streams: map[string]int{}}
			c.rigs = newMesh(t, 5, clusterFiles(t, `require "cluster.publications" streams = {}`))
			for range 60 {
				c.step()
			}
			c.rigs.run(0)
			c.settle()
			c.check()
		})
	}
}

type randomCluster struct {
	t       *testing.T
	rand    *rand.Rand
	rigs    rigs
	links   map[string]*sampleLink // by "AB"
	streams map[string]int         // where they are published
	players []randomPlayer
	names   int
}

// randomPlayer plays a stream, which may be none yet.
type randomPlayer struct {
	*rigStream
	name string
}

func (c *randomCluster) step() {
	i := c.rand.IntN(len(c.rigs))
	r := c.rigs[i]
	switch n := c.rand.IntN(20); {
	case n < 7:
		j := c.rand.IntN(len(c.rigs))
		pair := fmt.Sprintf("%c%c", 'A'+min(i, j), 'A'+max(i, j))
		l := c.links[pair]
		switch {
		case i == j:
		case l == nil:
			c.links[pair] = c.connect(i, j)
		case c.rand.IntN(2) == 0:
			l.end(net.ErrClosed)
			delete(c.links, pair)
		}
	case n < 12:
		c.names++
		name := fmt.Sprint("s", c.names)
		c.streams[name] = i
		r.lua("", fmt.Sprintf(`mona.%s = mona:publish(%q)`, name, name))
	case n < 15 && len(c.streams) > 0:
		name := slices.Sorted(maps.Keys(c.streams))[c.rand.IntN(len(c.streams))]
		c.rigs[c.streams[name]].lua("", fmt.Sprintf(`mona.%s:close()`, name))
		delete(c.streams, name)
	case n < 18:
		name := fmt.Sprint("s", 1+c.rand.IntN(c.names+1))
		c.players = append(c.players, randomPlayer{r.dial("rtmfp://10.0.0.1/own").play(name), name})
	case n < 19:
		r.engine.manage()
	default: // streams of the application end with its text
		r.write("main.lua", `require "cluster.publications" --`+fmt.Sprint(c.names))
		if err := r.reload(""); err != nil {
			c.t.Error(err)
		}
		maps.DeleteFunc(c.streams, func(_ string, where int) bool { return where == i })
	}
	if c.rand.IntN(3) == 0 { // otherwise much happens at the same time
		c.rigs.run(0)
	} else {
		c.rigs[c.rand.IntN(len(c.rigs))].run(0)
	}
}

// connect is like rigs.connect, without waiting for what comes of it.
func (c *randomCluster) connect(i, j int) *sampleLink {
	addr := func(k int, port uint16) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 168, 0, byte(k + 1)}), port)
	}
	a := &sampleLink{rig: c.rigs[i], target: true, addr: addr(j, 1936), params: map[string]string{}}
	b := &sampleLink{rig: c.rigs[j], addr: addr(i, 50000), params: map[string]string{}}
	a.other, b.other = b, a
	c.rigs[i].engine.ServerConnected(a)
	c.rigs[j].engine.ServerConnected(b)
	return a
}

// settle waits until nothing is said any more, and then for the two ticks after which a name is free for others.
func (c *randomCluster) settle() {
	for range 3 {
		for range 12 {
			c.rigs.run(time.Millisecond)
		}
		c.rigs.age()
	}
	c.rigs.run(time.Second)
}

// reachable are the servers that can be reached from i, itself included.
func (c *randomCluster) reachable(i int) map[int]bool {
	seen := map[int]bool{i: true}
	for range c.rigs {
		for pair := range c.links {
			a, b := int(pair[0]-'A'), int(pair[1]-'A')
			if seen[a] || seen[b] {
				seen[a], seen[b] = true, true
			}
		}
	}
	return seen
}

func (c *randomCluster) check() {
	topology := strings.Join(slices.Sorted(maps.Keys(c.links)), " ")
	for i, r := range c.rigs {
		var want []string
		from := c.reachable(i)
		for name, where := range c.streams {
			if from[where] {
				want = append(want, name)
			}
		}
		slices.Sort(want)
		got := r.eval("", `(function() local l = {} for n in pairs(mona.publications) do l[#l + 1] = n end table.sort(l) return table.concat(l, " ") end)()`)
		if got != strings.Join(want, " ") {
			c.t.Errorf("server %c (links %s) has %s, want %s", 'A'+i, topology, got, strings.Join(want, " "))
		}
	}
	// Every stream runs, and each player of it gets each packet once.
	for i := range 3 {
		for name, where := range c.streams {
			c.rigs[where].lua("", fmt.Sprintf(`mona.%s:pushVideo(%d, "\23\1\0\0\0end%d")`, name, 1e6+i*40, i))
		}
		c.rigs.run(time.Second)
	}
	c.rigs.run(3 * time.Second)
	for _, p := range c.players {
		name := p.name
		where, live := c.streams[name]
		i := slices.Index(c.rigs, p.c.r)
		ends := 0
		for _, f := range p.frames {
			if strings.Contains(f, fmt.Sprintf("%x", "\x17\x01\x00\x00\x00end")) {
				ends++
			}
		}
		want := 0
		if live && c.reachable(i)[where] {
			want = 3
		}
		if ends != want {
			c.t.Errorf("the player of %s on %c (links %s, published on %c) got %d packets, want %d", name, 'A'+i, topology, 'A'+where, ends, want)
		}
	}
	for i, r := range c.rigs {
		if strings.Contains(r.logs.String(), "attempt to") || strings.Contains(r.logs.String(), "object deleted") {
			c.t.Errorf("server %c:\n%s", 'A'+i, r.logs.String())
		}
	}
}
