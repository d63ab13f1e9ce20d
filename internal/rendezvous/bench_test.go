package rendezvous

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/internal/simnet"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

const crowdSize = 10_000

// crowd is a server with registered peers. Making one takes long, so all runs of a benchmark share it.
var crowd struct {
	once  sync.Once
	net   *simnet.Net
	srv   *server
	peers []registered
	bytes float64 // of the server's memory for a peer
}

// registered is a peer as others name it.
type registered struct {
	id   rtmfp.PeerID
	addr netip.AddrPort
}

func makeCrowd(b *testing.B) {
	crowd.once.Do(func() {
		net := simnet.New(1)
		srv := newServer(b, net, "192.0.2.1:1935", 1, nil)
		before := heap()
		var peers []*peer
		for i := range crowdSize {
			a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 4001)
			peers = append(peers, newPeer(b, net, a.String(), srv, a, simnet.Addr("192.168.1.7:4001")))
			if i%100 == 99 && !net.RunUntil(connected(peers[i]), time.Minute) {
				b.Fatal("clients did not connect")
			}
		}
		if !net.RunUntil(connected(peers...), time.Minute) {
			b.Fatal("clients did not connect")
		}
		net.Run(10 * time.Second)
		crowd.net, crowd.srv = net, srv
		net.Filter = func(netip.AddrPort, netip.AddrPort, []byte) bool { return false }
		nodes := make([]*simnet.Node, crowdSize)
		crowd.peers = make([]registered, crowdSize)
		for i, p := range peers {
			nodes[i], crowd.peers[i] = p.node, registered{p.id, p.node.Addr()}
		}
		// The clients go, without a word to the server: what stays is what it keeps for them.
		net.Forget(nodes...)
		clear(peers)
		clear(nodes)
		names := float64(crowdSize * unsafe.Sizeof(registered{}))
		crowd.bytes = (heap() - before - names) / crowdSize
	})
}

// heap is what is in use, in bytes.
func heap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// What the server keeps for a registered peer: session, flows, NetConnection, addresses, entries in its tables. The
// objects of scripts, which they make when they look at the client, and what the clients have are not in it.
func BenchmarkRegisteredPeer(b *testing.B) {
	makeCrowd(b)
	for b.Loop() {
		if crowd.srv.intro.cfg.Registry.Lookup(crowd.peers[crowdSize-1].id) == nil {
			b.Fatal("a peer is not registered")
		}
	}
	b.ReportMetric(crowd.bytes, "server-B/peer")
}

// One introduction: a redirect to the asker, a hello forwarded to the peer, both encrypted.
func BenchmarkIntroduction(b *testing.B) {
	makeCrowd(b)
	net, srv, peers := crowd.net, crowd.srv, crowd.peers
	rng := rand.New(rand.NewPCG(1, 2))
	sh := srv.node.Shard(0)
	for n := 0; b.Loop(); n++ {
		asker, target := peers[rng.IntN(crowdSize)], peers[rng.IntN(crowdSize)]
		tag := binary.BigEndian.AppendUint64(make([]byte, 8, 16), uint64(n))
		srv.intro.Hello(net.Now(), 0, sh.Endpoint(), &rtmfp.Hello{EPD: rtmfp.EPDForPeer(target.id), Tag: tag, From: asker.addr})
		if n%32 == 0 {
			net.Run(time.Microsecond)
		}
	}
}

// A newcomer of a group with 2 000 members, and its leave.
func BenchmarkGroupJoin(b *testing.B) {
	g := newGraph(1)
	for range 2000 {
		g.join()
	}
	var id rtmfp.PeerID
	told := 0
	for n := 0; b.Loop(); n++ {
		binary.BigEndian.PutUint64(id[:], uint64(n))
		m := g.group.insert(id, new(netconn.Membership))
		told += len(g.group.acquaintances(m, g.rng.IntN)) + len(g.group.closeRing(m))
		g.group.remove(m)
	}
	b.ReportMetric(float64(told)/float64(b.N), "introductions/op")
}
