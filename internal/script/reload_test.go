package script

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// reloaded is the n-th version of an application that makes everything an application can make. Each of its events says
// when it runs for another version than its own.
func reloaded(n int) string {
	return fmt.Sprintf(`
		local mine = %d
		version, calls, shown, frames = mine, 0, 0, 0
		big = ("x"):rep(1000) .. version
		local function check(event) if version ~= mine then WARN("stale ", event, " of ", mine, " in ", version) end end
		function onStart()
			check("onStart")
			pub = mona:publish("clock of " .. path)
			function pub:onVideo(time, packet) check("onVideo of the script"); frames = frames + 1 end
			pub:pushVideo(0, "\39\1\0\0\0x")
			socket = mona:createUDPSocket()
			socket:bind("127.0.0.1:0")
			function socket:onPacket() check("onPacket") end
			server = mona:createTCPServer()
			server:start("127.0.0.1:0")
			function server:onConnection() check("onConnection of the socket") end
			member = mona:joinGroup(("%%064x"):format(version), ("%%064x"):format(7))
			worker = coroutine.wrap(function() while true do coroutine.yield(big) end end)
			worker()
		end
		function onStop() check("onStop"); mona.stopped = (mona.stopped or 0) + 1 end
		function onManage() check("onManage"); child = children("app") end
		function onConnection(client)
			check("onConnection")
			local asked = mine
			function client:ask() calls = calls + 1; return version, path, asked end
			function client:onManage() end
			function client:onPublish(publication)
				check("onPublish")
				-- Stays on the publication, whose stream goes on, and sees the variables of the script that runs.
				function publication:onVideo(time, packet) shown = shown + 1 end
				function publication:onFlush() flushed = version end
			end
			function client:onUnpublish() check("onUnpublish") end
			function client:onSubscribe() check("onSubscribe") end
		end
		function onDisconnection(client) check("onDisconnection") end`, n)
}

// An application and its child that are edited a thousand times, while clients call them, publish with hooks and play,
// leave nothing behind, and no event reaches a script that has ended. The throttle of the checks stays: time is virtual.
func TestReloadLeak(t *testing.T) {
	reloads, warm := 1000, 200
	if testing.Short() {
		reloads = 400
	}
	epoch := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	r := newRig(t, files{"main.lua": reloaded(0), "app/main.lua": reloaded(0)}, func(c *Config) {
		c.Clock = func() time.Time { return epoch.Add(time.Duration(c.Now())) }
	})
	var clients []*rigClient
	for _, app := range []string{"", "", "app", "app"} {
		clients = append(clients, r.dial("rtmfp://10.0.0.1/"+app))
	}
	player := clients[0].play("clock of ")
	cameras := []*rigStream{clients[1].publish("cam"), clients[3].publish("child cam")}
	viewer := clients[2].play("cam")
	const pictures = 4 // between two versions
	e := r.engine
	var heap uint64
	var goroutines int
	answers := 0
	r.run(manageInterval)
	for n := 1; n <= reloads; n++ {
		r.write("main.lua", reloaded(n))
		r.write("app/main.lua", reloaded(n))
		for i, c := range clients { // under way while the application is loaded
			want := "/app"
			if i < 2 {
				want = ""
			}
			for range 3 {
				c.Call(r.Now(), "ask", answerTo(t, want, n, &answers))
			}
			c.node.Wake()
		}
		r.run(time.Millisecond)
		if n%2 == 0 { // too early for the throttle: the edit is seen by the next tick
			e.manage()
			r.expect("", "version", fmt.Sprint(n-1))
		}
		r.run(manageInterval - pictures*100*time.Millisecond)
		e.manage()
		for i := range pictures {
			for _, s := range cameras {
				s.WriteFrame(r.Now(), media.Video, uint32(n*pictures+i), rtmfp.CopyBuffer([]byte(keyFrame)), media.WriteOptions{})
				s.c.node.Wake()
			}
			r.run(100 * time.Millisecond)
		}
		if n%100 == 0 {
			for _, app := range []string{"", "/app"} {
				r.expect(app, "version, shown, flushed", fmt.Sprintf("%d,%d,%d", n, pictures, n))
			}
			r.expect("", "#children, child.version", fmt.Sprintf("1,%d", n))
			visit(r, n)
			r.notLogged("stale")
			r.forget()
		}
		if n == warm {
			heap, goroutines = liveHeap(), runtime.NumGoroutine()
			viewer.frames, player.frames, player.statuses = nil, nil, player.statuses[len(player.statuses)-2:]
		}
	}
	viewed := len(viewer.frames)
	viewer.frames, player.frames, player.statuses = nil, nil, player.statuses[len(player.statuses)-2:]
	if grown := int64(liveHeap()) - int64(heap); grown > 1<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if n := runtime.NumGoroutine(); n > goroutines+2 {
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
	if n := e.counters.Loads.Load(); n != uint64(2*(reloads+1)) {
		t.Errorf("%d loads, want %d", n, 2*(reloads+1))
	}
	if answers != reloads*len(clients)*3 {
		t.Errorf("%d answers, want %d", answers, reloads*len(clients)*3)
	}
	if viewed != (reloads-warm)*pictures {
		t.Errorf("%d pictures at the player, want %d", viewed, (reloads-warm)*pictures)
	}
	for i, c := range clients {
		if c.closed || !c.Connected() {
			t.Errorf("client %d: %v", i, c.err)
		}
	}
	for _, path := range []string{"", "/app"} {
		a := e.apps[path]
		if n := len(a.owned); n != 4 {
			t.Errorf("%q owns %d things, want 4", path, n)
		}
		if n := e.objects.sockets[a]; n != 2 {
			t.Errorf("%q has %d sockets, want 2", path, n)
		}
		r.expect(path, "mona.stopped, frames", fmt.Sprintf("%d,1", reloads))
	}
	r.expect("", "mona.publications.count, mona.groups.count, mona.clients.count", "4,1,4")
	if n := r.hub.Stats().Publications; n != 4 {
		t.Errorf("%d publications in the hub, want 4", n)
	}
	if codes := player.codes(); !strings.Contains(codes, "UnpublishNotify") {
		t.Errorf("statuses of the player of what the script publishes: %s", codes)
	}
}

// visit is a client that comes, calls, publishes and goes, all with the script of load n.
func visit(r *rig, n int) {
	r.t.Helper()
	c := r.dial("rtmfp://10.0.0.1/app")
	got, err := c.call("ask")
	if err != nil || len(got.Values) != 3 || got.Values[2] != amf.Number(n) {
		r.t.Errorf("load %d: a new client is told %v, %v", n, got.Values, err)
	}
	s := c.publish("visitor")
	s.video(0, keyFrame)
	s.close()
	c.play("cam")
	c.leave()
}

// answerTo checks an answer of ask: from the load before the n-th or the n-th.
func answerTo(t *testing.T, path string, n int, answers *int) func(now rtmfp.Time, got netconn.Result) {
	return func(_ rtmfp.Time, got netconn.Result) {
		*answers++
		version, _ := got.Value().(amf.Number)
		if got.Err != nil || len(got.Values) != 3 || got.Values[1] != amf.String(path) || (int(version) != n && int(version) != n-1) {
			t.Errorf("load %d: answer %v, %v", n, got.Values, got.Err)
		}
	}
}

func liveHeap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
