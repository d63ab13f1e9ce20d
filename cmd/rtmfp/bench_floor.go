package main

import (
	"context"
	"net/netip"

	"github.com/monaserver/monaserver/internal/bench"
)

var benchFloor = &command{
	name: "bench floor", args: "", short: "what this machine needs at least, without any server",
	load: true, long: `Does what no server can avoid, and nothing else: encrypts each message for each listener and sends it, in batches, to
sockets that throw it away. The processor time for one packet is the floor under what "server processor" of the
scenario fanout says with the same flags. The time of one exponentiation is the floor under a connect. Clients are
imitated; no server takes part.
`,
	prepare: func(c *call) func(context.Context, []string) error {
		f := c.benchFlags()
		s := new(bench.Floor)
		c.fs.IntVar(&s.Listeners, "listeners", 100, "addresses that each message is sent to")
		c.fs.Float64Var(&s.Rate, "rate", 30, "messages per `second`")
		c.fs.IntVar(&s.Size, "size", 1000, "`bytes` of a message")
		return func(ctx context.Context, args []string) error {
			if err := c.expect(args, 0, 0); err != nil {
				return err
			}
			t := bench.Target{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 1), URL: "none"}
			return c.bench(ctx, t, f, s)
		}
	},
}
