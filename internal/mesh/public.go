package mesh

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

// keyPublicAddress is where clients reach a server. Redirections carry addresses, so a name is resolved
// before it is told.
const keyPublicAddress = "RTMFP.publicAddress"

const (
	publicFresh   = 30 * time.Second
	publicTimeout = 2 * time.Second
)

// publicAddress is the public address of this server.
type publicAddress struct {
	configured string // host:port, "" = clients are not served

	mu       sync.Mutex
	text     string // as it is told
	resolved time.Time
}

// announced are the parameters of a hello, without the properties of a target.
func (n *Node) announced() []pair {
	pairs := append([]pair(nil), n.pairs...)
	if text := n.publicText(); text != "" {
		pairs = append(pairs, pair{keyPublicAddress, text})
	}
	return pairs
}

// publicText is the public address for a hello. A name that cannot be resolved becomes the loopback address,
// which other servers replace by where the link comes from.
func (n *Node) publicText() string {
	p := &n.public
	host, port, err := net.SplitHostPort(p.configured)
	if err != nil {
		return p.configured
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return p.configured
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.resolved.IsZero() && time.Since(p.resolved) < publicFresh {
		return p.text
	}
	ctx, cancel := context.WithTimeout(context.Background(), publicTimeout)
	defer cancel()
	ips, err := n.cfg.Resolve(ctx, host)
	switch {
	case err == nil && len(ips) > 0:
		ip := ips[0].Unmap()
		for _, other := range ips { // MonaServer 1.x knows only IPv4
			if other.Unmap().Is4() {
				ip = other.Unmap()
				break
			}
		}
		p.text, p.resolved = net.JoinHostPort(ip.String(), port), time.Now()
	case p.text == "":
		p.text = net.JoinHostPort("127.0.0.1", port)
		fallthrough
	default:
		p.resolved = time.Now()
		n.log.Warn().Err(err).Str("host", host).Str("told", p.text).Msg("the public host of this server has no address")
	}
	return p.text
}
