package main

import (
	"flag"
	"time"

	"github.com/monaserver/monaserver/internal/bench"
)

var benchHandshakes = benchScenario("handshakes", "connect as many clients as possible",
	`Connects clients one after the other, -parallel at once: handshake and NetConnection, until the application accepts.
The result is how many per second, how long each took, and the server's processor time for one. The clients' keys are
drawn before the measurement. Connections stay open until the end unless -close is given.

With -rate connects are started at a steady rate whether or not earlier ones succeed, as real clients would; with
-flood, hellos that nobody follows up are sent besides, as an attacker would.
`, func(fs *flag.FlagSet) bench.Scenario {
		s := new(bench.Handshakes)
		fs.IntVar(&s.Count, "count", 0, "connect so `many` clients at most; 0 = as many as fit into -time")
		fs.BoolVar(&s.Close, "close", false, "close each connection as soon as it is open")
		fs.Float64Var(&s.Rate, "rate", 0, "start so many connects per `second`; 0 = whenever another is done")
		fs.Float64Var(&s.Flood, "flood", 0, "besides send so many hellos per `second` that nobody follows up")
		return s
	})

func fanoutFlags(fs *flag.FlagSet) *bench.Fanout {
	f := new(bench.Fanout)
	fs.IntVar(&f.Publications, "publications", 1, "streams published at once")
	fs.IntVar(&f.Listeners, "listeners", 100, "clients that play, spread evenly over the streams")
	fs.Float64Var(&f.Rate, "rate", 30, "messages of each stream per `second`")
	fs.IntVar(&f.Size, "size", 1000, "`bytes` of a message")
	fs.StringVar(&f.Kind, "kind", "video", "what the messages are: `video` (a key frame each second) or audio")
	fs.StringVar(&f.Stream, "stream", "bench", "names of the streams are this `text` and a number")
	return f
}

var benchFanout = benchScenario("fanout", "publish streams and play each many times",
	`Publishes streams of messages at a steady rate and plays them with many clients. Each message carries the time it was
written, so that the result tells what arrived, what was lost, how late it was (from the publisher's write until it is in
the listener's socket), and the server's processor time for each message delivered and memory for each client.
`, func(fs *flag.FlagSet) bench.Scenario { return fanoutFlags(fs) })

var benchIdle = benchScenario("idle", "connect clients that do nothing",
	`Connects clients and leaves them alone but for what keeps a connection alive. The result is the server's memory per
client, the processor time it needs although nothing happens (give -pid), and whether a connection was lost.
`, func(fs *flag.FlagSet) bench.Scenario {
		s := new(bench.Idle)
		fs.IntVar(&s.Clients, "clients", 1000, "clients to connect")
		return s
	})

var benchRPC = benchScenario("rpc", "call a function of the application",
	`Connects clients which call a function of the application with a string and wait for the answer. The result is
round trips per second and how long they took. In Lua the function can be

    function onConnection(client)
      function client:echo(...) return ... end
    end

A server that does not know the function answers with an error, which is a round trip, too, and is told.
`, func(fs *flag.FlagSet) bench.Scenario {
		s := new(bench.RPC)
		fs.IntVar(&s.Clients, "clients", 100, "clients that call")
		fs.StringVar(&s.Method, "method", "echo", "`name` of the function")
		fs.IntVar(&s.Pending, "pending", 1, "calls of each client under way at once")
		fs.Float64Var(&s.Rate, "rate", 0, "calls per `second` of all clients together; 0 = as fast as answers come")
		fs.IntVar(&s.Size, "size", 16, "`bytes` of the argument")
		return s
	})

var benchIntroduce = benchScenario("introduce", "introduce clients to each other",
	`Connects clients; half of them look for the others by their ids, through the server, until a session from client to
client is open; then it is closed and the next is looked for. The result is introductions per second and how long they
took, key agreement between the clients included.
`, func(fs *flag.FlagSet) bench.Scenario {
		s := new(bench.Introduce)
		fs.IntVar(&s.Clients, "clients", 100, "clients, half of which look for the other half")
		fs.Float64Var(&s.Rate, "rate", 0, "introductions to ask for per `second`; 0 = the next when one is done")
		fs.DurationVar(&s.Timeout, "peertimeout", 10*time.Second, "stop looking for a peer after this `time`")
		return s
	})

var benchGroup = benchScenario("group", "join NetGroups and leave them",
	`Connects clients which join NetGroups; some of them leave again and again and join anew. The result is joins per second
and how long it took until the server named the first other member. The clients do not connect to each other.
`, func(fs *flag.FlagSet) bench.Scenario {
		s := new(bench.Group)
		fs.IntVar(&s.Clients, "clients", 1000, "clients, spread evenly over the groups")
		fs.IntVar(&s.Groups, "groups", 10, "NetGroups")
		fs.IntVar(&s.Churners, "churners", 100, "clients that leave and join all the time")
		return s
	})
