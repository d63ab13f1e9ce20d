package main

import (
	"context"

	"github.com/monaserver/monaserver/internal/bench"
)

var benchMesh = &command{
	name: "bench mesh", args: "URL FARURL", short: "publish at one server and play at another",
	load: true, long: `Publishes streams at the server of URL and plays them at the server of FARURL, which must get them from the first:
both servers are connected and run an application that passes streams on. Some clients play at the first server, too.
The result is what arrived at the second server, how much later than at the first, and what a message costs both.
Give -pid and -farpid. What calls cost that make one server tell another something is measured with 'rtmfp bench rpc',
-farpid and the name of the function.
`,
	prepare: func(c *call) func(context.Context, []string) error {
		f := c.benchFlags()
		fan := fanoutFlags(c.fs)
		s := new(bench.Mesh)
		c.fs.IntVar(&s.Direct, "direct", 10, "of the clients that play, so many more at the first server")
		return func(ctx context.Context, args []string) error {
			if err := c.expect(args, 2, 2); err != nil {
				return err
			}
			near, err := c.benchTarget(ctx, args[0])
			if err != nil {
				return err
			}
			far, err := c.benchTarget(ctx, args[1])
			if err != nil {
				return err
			}
			s.Fanout, s.Far = *fan, far
			return c.bench(ctx, near, f, s)
		}
	},
}
