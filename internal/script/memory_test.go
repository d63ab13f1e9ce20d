package script

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/netconn"
)

// What one call takes is bounded long before its time is over; garbage is not counted. What an application keeps is bounded
// too: then it is stopped, and no other one is.
func TestMemory(t *testing.T) {
	const limit = 256 << 20
	r := newRig(t, files{
		"main.lua": `function onConnection(client) function client:hello() return "hello" end end`,
		"app/main.lua": `
			function onConnection(client)
				function client:greedy() local t = {} while true do t[#t + 1] = ("x"):rep(2^20) end end
				function client:busy() for i = 1, 400 do local s = ("x"):rep(2^20) end return "done" end
				function client:keep() kept = kept or {} for i = 1, 16 do kept[#kept + 1] = ("x"):rep(2^20) end return #kept end
			end`,
	}, func(c *Config) { c.MaxHeap, c.Budget = limit, 20*time.Second })
	other, c := r.dial("rtmfp://10.0.0.1/"), r.dial("rtmfp://10.0.0.1/app")
	for range 3 {
		start := time.Now()
		_, err := c.call("greedy")
		if text := description(err); !strings.Contains(text, errMemory.Error()) {
			t.Errorf("a call that takes what it can: %s after %v", text, time.Since(start))
		}
		if got, err := c.call("busy"); err != nil {
			t.Errorf("a call that makes garbage: %v, %v", got.Values, err)
		}
	}
	runtime.GC()
	var err error
	for n := 0; err == nil; n++ {
		if n == 100 {
			t.Fatal("an application keeps what it wants")
		}
		_, err = c.call("keep")
		r.engine.relieved = time.Time{} // weighed as often as it says
	}
	r.logged(errTooMuch.Error())
	if got, err := other.call("hello"); err != nil {
		t.Errorf("another application: %v, %v", got.Values, err)
	}
	refused := r.connect(netconn.ClientConfig{URL: "rtmfp://10.0.0.1/app"})
	if refused.err == nil || !strings.Contains(refused.err.Error(), errTooMuch.Error()) {
		t.Errorf("a new client of the application: %v", refused.err)
	}
}
