package main

import (
	"context"
	"fmt"

	"github.com/monaserver/monaserver/pkg/amf"
)

var callCommand = &command{
	name:  "call",
	args:  "URL METHOD [ARG...]",
	short: "call a function of an application",
	long: `Connects, calls METHOD with the arguments and writes its result as JSON, one line per value. An argument
that is JSON has its type, anything else is a string: 5 is a number, "5" and five are strings. A date is
written as its ISO 8601 text, a byte array as {"__raw":base64}, the class of an object as "__type".
`,
	prepare: func(c *call) func(context.Context, []string) error {
		return func(ctx context.Context, args []string) error {
			if err := c.expect(args, 2, -1); err != nil {
				return err
			}
			t, err := parseTarget(args[0])
			if err != nil {
				return err
			}
			return c.rpc(ctx, t, args[1], values(args[2:]))
		}
	},
}

func (c *call) rpc(ctx context.Context, t target, method string, args []amf.Value) error {
	conn, err := c.connect(ctx, t)
	if err != nil {
		return err
	}
	defer c.close(ctx, conn)
	results, err := within(ctx, c.timeout, func(ctx context.Context) ([]amf.Value, error) {
		return conn.Call(ctx, method, args)
	})
	if err != nil {
		return fmt.Errorf("call %s: %w", method, err)
	}
	for _, v := range results {
		fmt.Fprintln(c.stdout, formatValue(v))
	}
	return nil
}
