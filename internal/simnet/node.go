package simnet

import (
	"hash/fnv"
	"net/netip"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Node is a host with one UDP port and one endpoint per shard.
type Node struct {
	net    *Net
	addr   netip.AddrPort
	nat    *NAT // the router in front of it, or nil
	shards []*Shard
	// Pick chooses the shard whose socket gets a datagram; by default a hash of the source address, as
	// a kernel does with SO_REUSEPORT.
	Pick func(from netip.AddrPort) int
}

// Shard is one endpoint of a node with its handler.
type Shard struct {
	node    *Node
	index   int
	ep      *rtmfp.Endpoint
	handler Handler
	posts   []any
	pending bool // a run is scheduled
	timer   rtmfp.Time
	batch   *rtmfp.Batch
}

type forwarded struct {
	data []byte
	from netip.AddrPort
}

// AddNode adds a host with one shard.
func (n *Net) AddNode(addr string, cfg rtmfp.Config, h func(*Shard) Handler) *Node {
	return n.AddShards(addr, cfg, 1, h)
}

// AddShards adds a host with several shards that share cookies and directory. h makes each shard's
// handler; nil ignores events (and releases messages).
func (n *Net) AddShards(addr string, cfg rtmfp.Config, shards int, h func(*Shard) Handler) *Node {
	node := &Node{net: n, addr: Addr(addr)}
	if cfg.Rand == nil {
		cfg.Rand = n.Reader()
	}
	if cfg.Directory == nil {
		cfg.Directory = rtmfp.NewDirectory()
	}
	if cfg.Cookies == nil {
		var secret [32]byte
		cfg.Rand.Read(secret[:])
		cfg.Cookies = rtmfp.NewCookieJar(secret)
	}
	for i := range shards {
		s := &Shard{node: node, index: i, batch: rtmfp.NewBatch(8)}
		c := cfg
		c.Shard = i
		c.Forward = func(shard int, b []byte, from netip.AddrPort, _ rtmfp.Local) {
			if shard < len(node.shards) {
				node.shards[shard].Post(forwarded{append([]byte(nil), b...), from})
			}
		}
		s.ep = rtmfp.NewEndpoint(c)
		node.shards = append(node.shards, s)
	}
	for _, s := range node.shards {
		if h != nil {
			s.handler = h(s)
		}
	}
	n.nodes[node.addr] = node
	return node
}

// Addr returns the address of the node, a private one if it is behind a NAT.
func (node *Node) Addr() netip.AddrPort { return node.addr }

// Shard returns a shard of the node.
func (node *Node) Shard(i int) *Shard { return node.shards[i] }

// Endpoint returns the endpoint of the first shard.
func (node *Node) Endpoint() *rtmfp.Endpoint { return node.shards[0].ep }

// Rebind gives the node another address, as a NAT that lost its table does: what is sent to the old
// one is lost.
func (node *Node) Rebind(addr string) {
	delete(node.net.nodes, node.addr)
	node.addr = Addr(addr)
	node.net.nodes[node.addr] = node
}

// Remove takes the node off the network without a word.
func (node *Node) Remove() {
	if node.nat != nil {
		delete(node.nat.inside, node.addr)
		return
	}
	delete(node.net.nodes, node.addr)
}

// Forget takes nodes off the network together with everything that refers to them, so that their memory can be
// collected. All datagrams under way are lost; the other nodes go on with their next timeout.
func (n *Net) Forget(nodes ...*Node) {
	for _, node := range nodes {
		node.Remove()
	}
	n.queue = nil
	clear(n.links)
	for _, node := range n.nodes {
		for _, s := range node.shards {
			s.pending, s.timer = false, 0
		}
		node.Wake()
	}
}

// Wake makes the node's shards send what the caller queued on them.
func (node *Node) Wake() {
	for _, s := range node.shards {
		s.schedule()
	}
}

func (node *Node) receive(b []byte, from netip.AddrPort) {
	i := 0
	switch {
	case node.Pick != nil:
		i = node.Pick(from)
	case len(node.shards) > 1:
		h := fnv.New32a()
		h.Write([]byte(from.String()))
		i = int(h.Sum32() % uint32(len(node.shards)))
	}
	s := node.shards[i]
	s.ep.HandleDatagram(node.net.now, b, from)
	s.run()
}

// Index returns the index of the shard.
func (s *Shard) Index() int { return s.index }

// Endpoint returns the shard's endpoint.
func (s *Shard) Endpoint() *rtmfp.Endpoint { return s.ep }

// Now returns the virtual time.
func (s *Shard) Now() rtmfp.Time { return s.node.net.now }

// Post hands msg to the shard's handler, later at the same virtual time.
func (s *Shard) Post(msg any) {
	s.posts = append(s.posts, msg)
	s.schedule()
}

func (s *Shard) schedule() {
	if s.pending {
		return
	}
	s.pending = true
	s.node.net.at(s.node.net.now, func() {
		s.pending = false
		s.run()
	})
}

// run does what a shard goroutine does after its input: events, posts, then sending.
func (s *Shard) run() {
	now := s.node.net.now
	for {
		s.drainEvents(now)
		if len(s.posts) == 0 {
			break
		}
		posts := s.posts
		s.posts = nil
		for _, m := range posts {
			if f, ok := m.(forwarded); ok {
				s.ep.HandleDatagram(now, f.data, f.from)
			} else if s.handler != nil {
				s.handler.HandlePost(now, m)
			}
		}
	}
	for s.ep.Poll(now, s.batch) {
		for _, d := range s.batch.Datagrams() {
			s.node.net.send(s.node, d.To, d.Data)
		}
		s.batch.Reset()
		s.drainEvents(now)
	}
	if t := s.ep.NextTimeout(); t != 0 && (s.timer == 0 || t < s.timer || s.timer <= now) {
		s.timer = max(t, now)
		at := s.timer
		s.node.net.at(at, func() {
			if s.timer != at {
				return // an earlier one took its place
			}
			s.timer = 0
			s.ep.HandleTimeout(s.node.net.now)
			s.run()
		})
	}
}

func (s *Shard) drainEvents(now rtmfp.Time) {
	for {
		ev, ok := s.ep.NextEvent()
		if !ok {
			return
		}
		if ev.Kind == rtmfp.EventKeyAgreement {
			s.agree(ev.Job)
			continue
		}
		if s.handler != nil {
			s.handler.HandleEvent(now, &ev)
		} else if ev.Message != nil {
			ev.Message.Release()
		}
	}
}

func (s *Shard) agree(job *rtmfp.KeyAgreement) {
	n := s.node.net
	job.Run()
	n.at(n.now.Add(n.KeyDelay), func() {
		s.ep.HandleKeyAgreement(n.now, job)
		s.run()
	})
}
