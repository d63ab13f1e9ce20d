//go:build !linux

package bench

import (
	"errors"
	"net/netip"
	"time"

	"github.com/monaserver/monaserver/pkg/rtmfp"
)

var errPlatform = errors.New("generating load needs Linux")

func checkPlatform() error { return errPlatform }

const ioBatch = 1

type socket struct {
	fd      int
	port    uint16
	many    bool
	clients map[netip.Addr]*Client
}

func (s *socket) close()        {}
func (s *socket) full() bool    { return false }
func (s *socket) adopt(*Client) {}

type readyEvent struct{ Fd int32 }

type network struct{}

func newNetwork() (*network, error)                         { return nil, errPlatform }
func (n *network) close()                                   {}
func (n *network) open(netip.Addr) (*socket, error)         { return nil, errPlatform }
func (n *network) wake()                                    {}
func (n *network) wait(time.Duration) ([]readyEvent, error) { return nil, errPlatform }
func (n *network) awake(int32) bool                         { return false }
func (n *network) read(*socket) int                         { return 0 }

type datagram struct {
	data []byte
	from netip.AddrPort
	to   *Client
	at   int64
}

func (n *network) datagram(*socket, int) datagram { return datagram{} }

func (n *network) write(*socket, []rtmfp.Datagram, []netip.Addr) int { return 0 }

func cpuTime() time.Duration { return 0 }

func threadTime() time.Duration { return 0 }

const (
	spread   = 1
	readSize = 2048
)

func (n *network) openPlain() (*socket, error) { return nil, errPlatform }
