package main

import (
	"context"
	"fmt"
	"time"

	"github.com/monaserver/monaserver/pkg/amf"
)

var connectCommand = &command{
	name:  "connect",
	args:  "URL",
	short: "connect and show who answers",
	long: `Connects, writes what is known about the connection, and disconnects, or stays for the time of -hold.
The connection ending before that time is a failure.
`,
	prepare: prepareConnect,
}

func prepareConnect(c *call) func(context.Context, []string) error {
	var hold time.Duration
	c.fs.DurationVar(&hold, "hold", 0, "stay connected for this `time`; negative = until interrupted")
	return func(ctx context.Context, args []string) error {
		if err := c.expect(args, 1, 1); err != nil {
			return err
		}
		t, err := parseTarget(args[0])
		if err != nil {
			return err
		}
		return c.hold(ctx, t, hold)
	}
}

func (c *call) hold(ctx context.Context, t target, hold time.Duration) error {
	conn, err := c.connect(ctx, t)
	if err != nil {
		return err
	}
	defer c.close(ctx, conn)
	c.writeInfo(conn)
	if hold == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	rest := ctx
	if hold > 0 {
		var elapsed context.CancelFunc
		rest, elapsed = context.WithCancel(ctx)
		go func() {
			defer elapsed()
			_ = c.clock.Sleep(ctx, hold) // ends early only with ctx
		}()
	}
	select {
	case <-rest.Done():
		return nil
	case <-conn.Done():
		if err := conn.Err(); err != nil {
			return fmt.Errorf("connection ended: %w", err)
		}
		return fmt.Errorf("connection ended by the server")
	}
}

func (c *call) writeInfo(conn conn) {
	i := conn.Info()
	fmt.Fprintf(c.stdout, "address: %s\nserver id: %s\nclient id: %s\nobject encoding: %d\n", i.Address, i.FarID, i.NearID, i.ObjectEncoding)
	if rtt := conn.Stats().RTT; rtt > 0 {
		fmt.Fprintf(c.stdout, "rtt: %v\n", rtt.Round(100*time.Microsecond))
	}
	if len(i.Fields) > 0 {
		fmt.Fprintf(c.stdout, "answer: %s\n", formatValue(&amf.Object{Members: i.Fields}))
	}
}
