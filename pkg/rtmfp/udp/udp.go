// Package udp drives rtmfp endpoints over UDP sockets: one shard per goroutine, each with its own socket
// on the same port (SO_REUSEPORT), its own endpoint and its own handler. It is the only caller of the
// core in production.
package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Handler is told what happens on one shard. It is called on the shard's goroutine only.
type Handler interface {
	// HandleEvent handles an event of the endpoint, which is valid until it returns; key agreements never
	// appear here.
	HandleEvent(now rtmfp.Time, ev *rtmfp.Event)
	// HandlePost handles what Shard.Post was given.
	HandlePost(now rtmfp.Time, msg any)
}

// MaxShards is the largest number of shards: session ids have room for no more.
const MaxShards = 256

// Config is what a Transport is made of.
type Config struct {
	// Addr is the address to bind; port 0 lets the system choose one, the same for all shards.
	Addr netip.AddrPort
	// Shards is the number of sockets and goroutines; 0 means GOMAXPROCS.
	Shards int
	// RTMFP configures the endpoints. Shard, Cookies, Directory and Forward are filled in.
	RTMFP rtmfp.Config
	// Handler makes the handler of a shard, before the shard runs.
	Handler func(*Shard) Handler
	// Buffer is the size of the sockets' send and receive buffers in bytes; 0 leaves the system's send buffer
	// and makes the receive buffer as large as it allows, up to 4 MB.
	Buffer int
	// GSO sends several datagrams to one address with one pass through the network stack (UDP_SEGMENT
	// of Linux). Off by default: some kernels and devices mangle such batches.
	GSO bool
}

// Transport is a set of shards on one UDP port.
type Transport struct {
	start   time.Time
	addr    netip.AddrPort
	shards  []*Shard
	workers *workers
	running sync.WaitGroup
	close   sync.Once
}

// epoch keeps the transport's clock away from zero, which means "never".
const epoch = rtmfp.Time(time.Hour)

// Listen binds the sockets and starts the shards.
func Listen(cfg Config) (*Transport, error) {
	if cfg.Shards == 0 {
		cfg.Shards = min(runtime.GOMAXPROCS(0), MaxShards)
	}
	if cfg.Shards < 1 || cfg.Shards > MaxShards {
		return nil, fmt.Errorf("udp: %d shards, want 1 to %d", cfg.Shards, MaxShards)
	}
	conns, err := bind(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.RTMFP.Directory == nil {
		cfg.RTMFP.Directory = rtmfp.NewDirectory()
	}
	if cfg.RTMFP.Cookies == nil {
		if cfg.RTMFP.Cookies, err = rtmfp.NewRandomCookieJar(cfg.RTMFP.Rand); err != nil {
			return nil, errors.Join(err, closeAll(conns))
		}
	}
	t := &Transport{start: time.Now(), addr: conns[0].addr, workers: newWorkers()}
	for i, c := range conns {
		t.shards = append(t.shards, newShard(t, i, c, cfg.RTMFP))
	}
	for _, s := range t.shards {
		s.handler = cfg.Handler(s)
	}
	for _, s := range t.shards {
		t.running.Add(1)
		go s.run()
	}
	return t, nil
}

// bind opens one socket per shard on the same address.
func bind(cfg Config) ([]*conn, error) {
	var conns []*conn
	addr := cfg.Addr
	for i := range cfg.Shards {
		c, err := listen(addr, i > 0, cfg.Buffer)
		if err != nil {
			return nil, errors.Join(err, closeAll(conns))
		}
		conns = append(conns, c)
		addr = c.addr // the port the system chose
		if c.locals != nil {
			c.locals = conns[0].locals
		}
		if cfg.GSO {
			c.enableGSO()
		}
		// The first socket is bound alone: one that shares its port from the start would also share it
		// with another server that does, and half of the datagrams would go there.
		if i == 0 && cfg.Shards > 1 {
			if err := c.share(); err != nil {
				return nil, errors.Join(err, closeAll(conns))
			}
		}
	}
	return conns, nil
}

func closeAll(conns []*conn) error {
	var err error
	for _, c := range conns {
		err = errors.Join(err, c.close())
	}
	return err
}

// Now returns the time on the transport's clock.
func (t *Transport) Now() rtmfp.Time { return epoch + rtmfp.Time(time.Since(t.start)) }

// Addr returns the bound address.
func (t *Transport) Addr() netip.AddrPort { return t.addr }

// Shards returns the shards.
func (t *Transport) Shards() []*Shard { return t.shards }

// Close stops the shards and closes the sockets. Sessions are not closed first: that is the handlers'
// part. It returns when all goroutines have ended, so that a handler must not call it.
func (t *Transport) Close() error {
	t.close.Do(func() {
		for _, s := range t.shards {
			s.Post(stop{})
		}
		t.running.Wait()
		t.workers.stop()
	})
	return nil
}

type stop struct{}

// addrPort returns the local address of a socket.
func addrPort(c *net.UDPConn) netip.AddrPort {
	a := c.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
