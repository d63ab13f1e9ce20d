package script

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/netconn"
)

// A script that writes a lot at once does not keep a shard from its socket: it is told some at a time, and all in order,
// with what later events write behind it.
func TestOutboxPieces(t *testing.T) {
	const messages = 2000
	r := newRig(t, files{"main.lua": fmt.Sprintf(`
		function onConnection(client)
			function client:flood() for i = 1, %d do client.writer:writeInvocation("f", i) end end
			function client:last() client.writer:writeInvocation("last") end
		end`, messages)})
	c := r.dial("rtmfp://10.0.0.1/")
	longest, reads := 0, 0
	post := r.engine.cfg.Post
	r.engine.cfg.Post = func(shard int, msg any) {
		if tasks, ok := msg.(netconn.Tasks); ok {
			longest = max(longest, len(tasks))
			reads++
		}
		post(shard, msg)
	}
	c.Call(r.Now(), "flood", nil)
	c.Call(r.Now(), "last", nil)
	c.node.Wake()
	r.until(func() bool { return len(c.calls) > messages }, "messages")
	r.run(time.Second)
	var want []string
	for i := range messages {
		want = append(want, fmt.Sprintf("f(%d)", i+1))
	}
	if want = append(want, "last()"); !slices.Equal(c.calls, want) {
		t.Errorf("%d messages: %.200s …", len(c.calls), strings.Join(c.calls, " "))
	}
	if longest > tasksPerPost || reads < messages/tasksPerPost {
		t.Errorf("%d tasks at once in %d posts", longest, reads)
	}
	for _, l := range r.engine.turn.lanes {
		if l.busy.Load() || l.waiting != nil {
			t.Errorf("%d tasks wait", len(l.waiting))
		}
	}
}
