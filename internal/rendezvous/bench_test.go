package rendezvous

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

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
	peers []*peer
	bytes float64 // of memory for a peer, the client's side included
}

func makeCrowd(b *testing.B) {
	crowd.once.Do(func() {
		net := simnet.New(1)
		srv := newServer(b, net, "192.0.2.1:1935", 1, nil)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range crowdSize {
			a := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 4001)
			crowd.peers = append(crowd.peers, newPeer(b, net, a.String(), srv, a, simnet.Addr("192.168.1.7:4001")))
			if i%100 == 99 && !net.RunUntil(connected(crowd.peers[i]), time.Minute) {
				b.Fatal("clients did not connect")
			}
		}
		if !net.RunUntil(connected(crowd.peers...), time.Minute) {
			b.Fatal("clients did not connect")
		}
		net.Run(10 * time.Second)
		runtime.GC()
		runtime.ReadMemStats(&after)
		crowd.bytes = float64(after.HeapAlloc-before.HeapAlloc) / crowdSize
		net.Filter = func(netip.AddrPort, netip.AddrPort, []byte) bool { return false }
		crowd.net, crowd.srv = net, srv
	})
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
		srv.intro.Hello(net.Now(), 0, sh.Endpoint(), &rtmfp.Hello{EPD: rtmfp.EPDForPeer(target.id), Tag: tag, From: asker.node.Addr()})
		if n%32 == 0 {
			net.Run(time.Microsecond)
		}
	}
	b.ReportMetric(crowd.bytes, "B/peer")
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
