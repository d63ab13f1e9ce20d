package script

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
)

func TestClientObject(t *testing.T) {
	r := newRig(t, files{"main.lua": ``, "game/main.lua": `function onConnection(client) c = client end function onDisconnection(client) writer = client.writer end`})
	c := r.dial("rtmfp://10.0.0.1/game?room=5&name=Anna%20B&path=no&flag=true")
	id := r.idOf(c)
	before := time.Now().UnixMilli()
	r.expectAll("/game", [][2]string{
		{`c.id, #c.rawId`, id + ",32"},
		{`(c.rawId:gsub(".", function(b) return ("%02x"):format(b:byte()) end))`, id},
		{`tostring(c.address), c.path, c.query, c.protocol`, c.node.Addr().String() + ",/game,room=5&name=Anna%20B&path=no&flag=true,RTMFP"},
		{`type(c.ping), c.ping >= 0 and c.ping <= 65535`, "number,true"},
		{fmt.Sprintf(`math.abs(c.lastReceptionTime - %d) < 60000`, before), "true"},
		{`c.properties.room, c.properties.name, c.properties.path, c.properties.flag`, "5,Anna B,no,true"},
		{`c.properties.objectEncoding, c.properties.tcUrl:sub(1, 8), c.properties.nothing`, "3,rtmfp://,nil"},
		{`c.room, c.name, c.flashVer == c.properties.flashVer, c.nothing`, "5,Anna B,true,nil"}, // names that no script has set
		{`tostring(c) == "client " .. c.id`, "true"},
	})
	r.lua("/game", `c.room = "mine" c.table = {1} c.properties.room = 6`)
	r.logged("read-only")
	r.expect("/game", `c.room, c.properties.room, c.table[1], clients(c.id).room`, "mine,5,1,mine")
	r.expect("", `mona.clients(1), mona.clients("x")`, "nil,nil")
	r.lua("/game", `c.room = nil`)
	r.expect("/game", `c.room`, "5")
	for _, name := range []string{"id", "rawId", "address", "path", "query", "protocol", "ping", "lastReceptionTime", "writer", "properties", "parameters", "RTMFP"} {
		r.forget()
		r.lua("/game", "c."+name+" = 1")
		r.logged("client." + name + " is read-only")
	}
	r.forget()
	c.leave()
	r.expect("/game", `c.id, c.room`, "nil,nil")
	r.logged("client object deleted")
	r.forget()
	r.lua("/game", `writer:writeInvocation("f")`)
	r.logged("writer is closed")
}

func TestClientsCollection(t *testing.T) {
	r := newRig(t, files{"main.lua": ``, "game/main.lua": ``, "game/deep/main.lua": ``})
	a, b := r.dial("rtmfp://10.0.0.1/game"), r.dial("rtmfp://10.0.0.1/game/deep")
	ida, idb := r.idOf(a), r.idOf(b)
	first, second := min(ida, idb), max(ida, idb)
	r.expectAll("", [][2]string{
		{`#mona.clients, mona.clients.count, #clients, clients.count`, "2,2,0,0"},
		{`(function() local s = "" for id, c in pairs(mona.clients) do s = s .. id .. "," .. tostring(id == c.id) .. "," end return s end)()`, first + ",true," + second + ",true,"},
		{`(function() local s = "" for id in mona.clients:pairs() do s = s .. id end return s end)()`, first + second},
		{`(function() local n = 0 for i in ipairs(mona.clients) do n = n + 1 end for i in mona.clients:ipairs() do n = n + 1 end return n end)()`, "0"},
		{`(next(mona.clients)), (next(mona.clients, "` + first + `")), (next(mona.clients, "` + second + `"))`, first + "," + second + ",nil"},
		{`select("#", mona.clients("` + ida + `", "` + idb + `"))`, "2"},
	})
	client := `mona.clients["` + ida + `"]`
	r.expectAll("/game", [][2]string{
		{`#clients, clients.count, (next(clients))`, "1,1," + ida},
		{`clients["` + ida + `"] == ` + client + `, clients(` + client + `.rawId) == ` + client + `, clients("` + strings.ToUpper(ida) + `") == ` + client, "true,true,true"},
		{`clients["` + idb + `"], mona.clients(` + client + `.rawId) == ` + client, "nil,true"},
	})
	r.expect("/game/deep", `(next(clients))`, idb)
	// A loop walks through what was there when it began.
	r.lua("", `seen = 0 for id, c in pairs(mona.clients) do seen = seen + 1 c.writer:close() end`)
	r.run(5 * time.Second)
	r.expect("", `seen, #mona.clients`, "2,0")
	if !a.closed || !b.closed {
		t.Error("writer:close did not close the connections")
	}
}

func TestWriter(t *testing.T) {
	r := newRig(t, files{"main.lua": `function onConnection(client)
		c = client
		flushed = pcall(client.writer.flush, client.writer)
		client.writer:writeInvocation("first")
	end`})
	c := r.dial("rtmfp://10.0.0.1/")
	r.logged("writer:flush is not possible before the client is accepted")
	r.run(time.Second)
	r.same("told", c.told(), "first()")
	r.expectAll("", [][2]string{
		{`flushed, c.writer == c.writer, c.writer.reliable`, "true,true,true"},
		{`c.writer:flush(), c.writer:flush()`, "true,false"},
		{`(function() c.writer:writeInvocation("f") return c.writer:flush(), c.writer:flush() end)()`, "true,false"},
		{`type(c.writer.qos.latency), c.writer.qos == c.writer.qos`, "number,true"},
	})
	r.run(time.Second)
	r.same("told", c.told(), "f()")

	// Another channel, with settings of its own.
	r.lua("", `w = c.writer:newWriter() w.reliable = false old = c.writer:newFlowWriter()`)
	r.expect("", `w ~= c.writer, w ~= old, w.reliable, c.writer.reliable, old.reliable`, "true,true,false,true,true")
	r.lua("", `w:writeInvocation("fast") old:writeMessage("slow")`)
	r.run(time.Second)
	if got := c.told(); got != `fast() onMessage("slow")` && got != `onMessage("slow") fast()` {
		t.Error(got)
	}
	r.forget()
	r.lua("", `w.reliable = 5`)
	r.logged("a boolean was expected")
	r.lua("", `w:close() w:close()`)
	r.forget()
	r.lua("", `w:writeInvocation("late")`)
	r.logged("writer is closed")
	r.lua("", `c.writer:writeInvocation("still")`)
	r.run(time.Second)
	r.same("told", c.told(), "still()")
	if c.closed {
		t.Error("closing a channel closed the connection")
	}

	// What one client cannot be told at once: more channels than it may have share the main one.
	r.lua("", `for i = 1, 100 do c.writer:newWriter():writeInvocation("n", i) end`)
	r.run(2 * time.Second)
	if n := len(strings.Fields(strings.ReplaceAll(c.told(), "n(", " n("))); n < 100 {
		t.Errorf("%d of 100 messages", n)
	}
	r.lua("", `c.writer:close()`)
	r.run(5 * time.Second)
	if !c.closed {
		t.Error("not closed")
	}
}

// Messages on an unreliable channel are not repeated when they get lost, those on others are.
func TestWriterUnreliable(t *testing.T) {
	r := newRig(t, files{"main.lua": `function onConnection(client)
		c = client
		fast = client.writer:newWriter()
		fast.reliable = false
	end`})
	client := r.dial("rtmfp://10.0.0.1/")
	r.lua("", `fast:writeInvocation("fast", 0) c.writer:writeInvocation("sure", 0)`)
	r.run(time.Second)
	client.told()
	server, lose := r.server, true
	r.Filter = func(from, _ netip.AddrPort, _ []byte) bool { return !lose || from != server.Addr() }
	r.lua("", `fast:writeInvocation("fast", 1) c.writer:writeInvocation("sure", 1)`)
	r.run(50 * time.Millisecond)
	lose = false
	r.run(20 * time.Second)
	r.same("told", client.told(), "sure(1)")
	r.lua("", `fast:writeInvocation("fast", 2)`)
	r.run(time.Second)
	r.same("told", client.told(), "fast(2)")
}

// A client that goes on from another address keeps its connection, and scripts hear of it.
func TestAddressChanged(t *testing.T) {
	r := newRig(t, files{"main.lua": `function onConnection(client)
		function client:onAddressChanged(old) changed = old .. " to " .. self.address end
		function client:where() return tostring(self.address) end
	end`})
	c := r.dial("rtmfp://10.0.0.1/")
	old := c.node.Addr().String()
	r.same("address", c.answer("where"), fmt.Sprintf("%q", old))
	c.node.Rebind("10.7.7.8:6001")
	c.Call(r.Now(), "where", nil)
	c.node.Wake()
	r.until(func() bool { return r.eval("", "changed") != "nil" }, "onAddressChanged")
	r.expect("", "changed", old+" to 10.7.7.8:6001")
	r.same("address", c.answer("where"), `"10.7.7.8:6001"`)
	r.expect("", "mona.clients.count", "1")
}

// The order of events when a session ends as a whole: groups, streams, then the client.
func TestDisconnectionOrder(t *testing.T) {
	r := newRig(t, files{"main.lua": `
		order = ""
		local function note(what) return function(client, x)
			order = order .. what .. (clients(client.id) and "+" or "-") .. " "
		end end
		function onConnection(client)
			for _, e in ipairs{"onJoinGroup", "onUnjoinGroup", "onPublish", "onUnpublish", "onSubscribe", "onUnsubscribe"} do client[e] = note(e) end
		end
		onDisconnection = note("onDisconnection")`})
	c := r.dial("rtmfp://10.0.0.1/")
	c.publish("cam")
	c.play("cam")
	c.joinGroup(7)
	r.run(time.Second)
	r.expect("", "order", "onPublish+ onSubscribe+ onJoinGroup+ ")
	r.lua("", `order = ""`)
	r.abort()
	r.until(func() bool { return strings.Contains(r.eval("", "order"), "onDisconnection") }, "onDisconnection")
	got := r.eval("", "order")
	if got != "onUnjoinGroup+ onUnpublish+ onUnsubscribe+ onDisconnection- " && got != "onUnjoinGroup+ onUnsubscribe+ onUnpublish+ onDisconnection- " {
		t.Error(got)
	}
	c = r.connect(netconn.ClientConfig{URL: "rtmfp://10.0.0.1/", Args: []amf.Value{amf.Null{}}})
	if c.err != nil {
		t.Error(c.err)
	}
}

// Keepalive periods that onConnection returns are told to the client, which keeps to them.
func TestKeepalivePeriods(t *testing.T) {
	packets := map[int]int{}
	for _, seconds := range []int{5, 200} {
		r := newRig(t, files{"main.lua": fmt.Sprintf(`function onConnection() return {keepaliveServer = %d, keepalivePeer = 250} end`, seconds)},
			func(c *Config) {
				c.Params = map[string]string{"RTMFP.keepaliveServer": "15", "RTMFP.keepalivePeer": "10"}
			})
		c := r.connect(netconn.ClientConfig{URL: "rtmfp://10.0.0.1/", PeerAddresses: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.5:5")}})
		r.run(10 * time.Second)
		r.Filter = func(from, _ netip.AddrPort, _ []byte) bool {
			if from == c.node.Addr() {
				packets[seconds]++
			}
			return true
		}
		r.run(100 * time.Second)
		if c.closed {
			t.Error(c.err)
		}
	}
	if often, seldom := packets[5], packets[200]; often < 15 || seldom > 8 {
		t.Errorf("%d packets at 5 s, %d at 200 s", often, seldom)
	}
}

// onManage is for the root application only.
func TestManage(t *testing.T) {
	r := newRig(t, files{
		"main.lua":   `ticks = 0 function onManage() ticks = ticks + 1 end children("a")`,
		"a/main.lua": `ticks = 0 function onManage() ticks = ticks + 1 end`,
	})
	r.engine.manage()
	r.expect("", "ticks", "1")
	r.expect("/a", "ticks", "0")
}
