package netconn

import (
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
)

func TestZZDrain(t *testing.T) {
	for _, play := range []bool{false, true} {
		s := newSim(t, 7, 1, simnet.Link{Delay: time.Millisecond})
		var c *simClient
		if play {
			c, _ = s.play("rtmfp://10.0.0.1/live", "cam")
		} else {
			c = s.dial("rtmfp://10.0.0.1/live")
		}
		s.Run(time.Second)
		s.shards[0].Drain(s.Now())
		s.server.Wake()
		for i := range 40 {
			s.Run(500 * time.Millisecond)
			if i%4 == 0 {
				t.Log(play, i, "server conns", s.shards[0].Len(), "server sessions", s.server.Endpoint().NumSessions(), "client closed", c.closed, c.err, "client sessions", c.node.Endpoint().NumSessions())
			}
		}
	}
}
