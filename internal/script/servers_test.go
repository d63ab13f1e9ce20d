package script

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/mesh"
	"github.com/monaserver/monaserver/pkg/amf"
)

// fakeLink is a connection to a server that is not there: it notes what it is told.
type fakeLink struct {
	target bool
	addr   string
	params map[string]string
	err    error // of Send
	log    []string
}

func (l *fakeLink) IsTarget() bool            { return l.target }
func (l *fakeLink) Addr() netip.AddrPort      { return netip.MustParseAddrPort(l.addr) }
func (l *fakeLink) Params() map[string]string { return l.params }
func (l *fakeLink) Reject(reason string)      { l.log = append(l.log, "reject "+reason) }
func (l *fakeLink) Ready(running []string)    { l.log = append(l.log, fmt.Sprintf("ready %q", running)) }

func (l *fakeLink) Flush() {}

func (l *fakeLink) Send(handler string, payload []byte, m mesh.Media) error {
	if l.err != nil {
		return l.err
	}
	var args []amf.Value
	for r := amf.NewReader(payload, amf.Limits{}); r.More(); {
		v, err := r.Next()
		if err != nil {
			return err
		}
		args = append(args, v)
	}
	text := handler + "(" + amfText(args...) + ")"
	if m != (mesh.Media{}) {
		text += fmt.Sprint(m)
	}
	l.log = append(l.log, text)
	return nil
}

// told is what the link was told since the last call.
func (l *fakeLink) told() string {
	s := strings.Join(l.log, ", ")
	l.log = nil
	return s
}

func (r *rig) link(target bool, addr string, params ...string) *fakeLink {
	l := &fakeLink{target: target, addr: addr, params: map[string]string{}}
	for i := 0; i+1 < len(params); i += 2 {
		l.params[params[i]] = params[i+1]
	}
	r.engine.ServerConnected(l)
	r.run(0)
	return l
}

func (r *rig) lose(l *fakeLink, err error) {
	r.engine.ServerDisconnected(l, err)
	r.run(0)
}

func TestServerObject(t *testing.T) {
	r := newRig(t, files{"main.lua": `children("a") function onServerConnection(server) s = server n = mona.servers.count end`, "a/main.lua": ``})
	l := r.link(true, "192.0.2.1:1936", "publicHost", "www.b.com", "type", "master", "N", "5", "RTMFP.publicAddress", "203.0.113.1:1935", "send", "x")
	r.same("link", l.told(), `ready ["" "/a"]`)
	r.expectAll("", [][2]string{
		{`n`, "1"}, // it is there when the event runs
		{`s.isTarget, s.address, s.port, s.socketAddress, s.host, s.publicAddress`, "true,192.0.2.1,1936,192.0.2.1:1936,www.b.com,203.0.113.1:1935"},
		{`s.type, s.N + 1, s.configs.N, s.configs["RTMFP.publicAddress"], s.RTMFP.publicAddress, s.unknown`, "master,6,5,203.0.113.1:1935,203.0.113.1:1935,nil"},
		{`s.configs.send, type(s.send), s.configs == s.configs, tostring(s)`, "x,function,true,192.0.2.1:1936"},
		{`s == mona.servers(1), children("a").mona.servers(1) == s`, "true,true"},
	})
	r.lua("", `s.name = "B"; s.type = "mine"; s.host = "x"`)
	r.logged("server.host is read-only")
	r.expect("/a", `mona.servers(1).name, mona.servers(1).type, mona.servers(1).host`, "B,mine,www.b.com")

	l.params = map[string]string{"N": "7"}
	r.engine.ServerChanged(l)
	r.run(0)
	r.expect("", `s.N, s.configs.N, s.publicAddress, s.host, s.name`, "7,7,nil,192.0.2.1,B")
	r.lose(l, nil)
	r.forget()
	r.expect("", `s.name, s.host, s.configs`, "nil,nil,nil")
	r.logged("server object deleted")
}

func TestServerHost(t *testing.T) {
	for _, tc := range []struct{ params, host, public string }{
		{"", "192.0.2.1", "nil"},
		{"RTMFP.publicAddress 203.0.113.1:1935", "203.0.113.1", "203.0.113.1:1935"},
		{"RTMFP.publicAddress 127.0.0.1:1935", "192.0.2.1", "192.0.2.1:1935"},
		{"RTMFP.publicAddress 0.0.0.0:1935", "192.0.2.1", "192.0.2.1:1935"},
		{"RTMFP.publicAddress [2001:db8::1]:1935", "2001:db8::1", "[2001:db8::1]:1935"},
		{"RTMFP.publicAddress 203.0.113.1:0", "203.0.113.1", "nil"},
		{"RTMFP.publicAddress nonsense", "nonsense", "nil"},
		{"host www.b.com:1936 RTMFP.publicAddress 203.0.113.1:1936", "www.b.com:1936", "203.0.113.1:1936"},
		{"host 0.0.0.0 RTMFP.publicAddress 203.0.113.1:1936", "203.0.113.1", "203.0.113.1:1936"},
		{"host [::] RTMFP.port 1935", "192.0.2.1", "192.0.2.1:1935"},
		{"publicHost a.com host b.com", "a.com", "nil"},
		{"RTMFP.port 0 host 203.0.113.1", "203.0.113.1", "nil"},
		{"RTMFP.port 1935 host 203.0.113.1", "203.0.113.1", "203.0.113.1:1935"},
		{"RTMFP.port 1935 host 203.0.113.1:1940", "203.0.113.1:1940", "203.0.113.1:1940"},
		{"RTMFP.port 1935 publicHost 203.0.113.2 host 203.0.113.1", "203.0.113.2", "203.0.113.2:1935"},
		{"RTMFP.port 1935 RTMFP.publicHost 203.0.113.3 publicHost 203.0.113.2", "203.0.113.2", "203.0.113.3:1935"},
		{"RTMFP.port 1935 host 127.0.0.1", "127.0.0.1", "192.0.2.1:1935"},
	} {
		t.Run(tc.params, func(t *testing.T) {
			r := newRig(t, files{"main.lua": ``})
			r.link(false, "192.0.2.1:50000", strings.Fields(tc.params)...)
			r.expect("", `mona.servers(1).host, mona.servers(1).publicAddress`, tc.host+","+tc.public)
		})
	}
}

func TestServersCollection(t *testing.T) {
	r := newRig(t, files{"main.lua": `
		function keys(iterator, ...)
			local s = ""
			for k, v in iterator, ... do s = s .. tostring(k) .. "=" .. v.port .. " " end
			return s
		end`})
	r.expect("", `mona.servers.count, mona.servers(1), mona.servers[1], next(mona.servers)`, "0,nil,nil,nil")
	r.link(true, "192.0.2.9:1", "publicHost", "www.b.com:1935")
	r.link(false, "192.0.2.2:2", "host", "www.c.com")
	r.link(true, "192.0.2.3:3")
	r.link(false, "192.0.2.9:4")
	all := "192.0.2.9:1=1 192.0.2.2:2=2 192.0.2.3:3=3 192.0.2.9:4=4 "
	list := "1=1 2=2 3=3 4=4 "
	r.expectAll("", [][2]string{
		{`mona.servers.count, #mona.servers, mona.servers.targets.count, #mona.servers.initiators`, "4,4,2,2"},
		{`mona.servers(1).port, mona.servers[2].port, mona.servers(4).port, mona.servers(5), mona.servers(0), mona.servers(1.5)`, "1,2,4,nil,nil,nil"},
		{`mona.servers("192.0.2.9:4").port, mona.servers["192.0.2.9:4"].port, mona.servers("192.0.2.9").port, mona.servers["192.0.2.3"].port`, "4,4,1,3"},
		{`mona.servers("www.b.com").port, mona.servers("www.b.com:1935").port, mona.servers["WWW.c.com"].port, mona.servers("x")`, "1,1,2,nil"},
		{`mona.servers(2, 9, 3)`, "192.0.2.2:2,nil,192.0.2.3:3"},
		{`keys(pairs(mona.servers))`, all},
		{`keys(mona.servers:pairs())`, all},
		{`keys(next, mona.servers)`, all},
		{`keys(ipairs(mona.servers))`, list},
		{`keys(mona.servers:ipairs())`, list},
		{`keys(ipairs(mona.servers.targets)), keys(ipairs(mona.servers.initiators))`, "1=1 2=3 ,1=2 2=4 "},
		{`mona.servers.targets(2).port, mona.servers.initiators(3), mona.servers.targets("192.0.2.2:2")`, "3,nil,nil"},
		{`mona.servers == mona.servers, mona.servers.targets == mona.servers.targets`, "true,true"},
	})
	r.lua("", `mona.servers.x = 1; mona.servers[1] = 2; mona.servers.targets = 3`)
	if n := strings.Count(r.logs.String(), "read-only"); n != 3 {
		t.Errorf("%d errors logged\n%s", n, r.logs.String())
	}
}

func TestServerSend(t *testing.T) {
	r := newRig(t, files{"main.lua": ``})
	a, b := r.link(true, "192.0.2.1:1"), r.link(false, "192.0.2.2:2")
	a.told()
	b.told()
	r.lua("", `a, b = mona.servers(1), mona.servers(2)`)
	r.expect("", `a:send("f", 1, "x", {k=true}, nil), a:send(5)`, "true,true")
	r.same("sent", a.told(), `f(1 "x" {k=true} null), 5()`)
	r.expect("", `select("#", mona.servers:broadcast("g", 1))`, "0")
	r.lua("", `mona.servers.targets:broadcast("t") mona.servers.initiators:broadcast("i")`)
	r.same("broadcast", a.told()+" | "+b.told(), "g(1), t() | g(1), i()")

	for _, call := range []string{`send()`, `send(nil)`, `send("")`, `send(".")`, `send(("x"):rep(256))`, `send({})`} {
		r.forget()
		r.expect("", `a:`+call, "false")
		r.logged(`"level":"error"`)
		r.forget()
		r.lua("", `mona.servers:`+strings.Replace(call, "send", "broadcast", 1))
		r.logged(`"level":"error"`)
	}
	r.expect("", `a:send(("x"):rep(255))`, "true")
	a.told()
	for err, want := range map[error]string{net.ErrClosed: "not connected", errors.New("queue is full"): "queue is full"} {
		r.forget()
		a.err = err
		r.expect("", `a:send("f")`, "false")
		r.logged(`"level":"warn"`)
		r.logged("send f to 192.0.2.1:1: " + want)
	}
	r.same("nothing is sent", a.told()+b.told(), "")
}

func TestServerReject(t *testing.T) {
	r := newRig(t, files{"main.lua": `
		ends = 0
		function onServerConnection(server) function server:f() called = true end end
		function onServerDisconnection(server, err) ends = ends + 1 last = tostring(err) .. server.address end`})
	a, b := r.link(true, "192.0.2.1:1"), r.link(true, "192.0.2.2:2")
	a.told()
	b.told()
	r.lua("", `a = mona.servers(1) a:reject() a:reject("again") mona.servers(1):reject("go away")`)
	r.same("rejections", a.told()+" | "+b.told(), "reject unknown error | reject go away")
	r.expect("", `mona.servers.count, a:send("f"), ends`, "0,false,0")
	r.engine.ServerCall(a, "f", nil, 0, func() {})
	r.run(0)
	r.expect("", `called`, "nil")
	r.lose(a, errors.New("the link broke"))
	r.expect("", `ends, last`, "1,the link broke192.0.2.1")
	r.lose(b, nil)
	r.expect("", `ends, last`, "2,nil192.0.2.2")
}

func TestServerCall(t *testing.T) {
	r := newRig(t, files{
		"main.lua": `
		log = ""
		children("a")
		function onServerConnection(server)
			server.field = "no function"
			function server:f(...) log = log .. self.address .. ":" .. select("#", ...) .. " " args = {...} end
			function server:fail() error("failed") end
			function server.onServerConnection() log = log .. "event" end
			function server.send() log = log .. "send" end
		end`,
		"a/main.lua": `function onServerConnection(server)
			function server:mine() seen = path mona:createTCPServer():start("127.0.0.1", 0) end
		end`,
	})
	l := r.link(true, "192.0.2.1:1")
	ended, calls := 0, 0
	call := func(name string, args ...amf.Value) {
		t.Helper()
		calls++
		if !r.engine.ServerCall(l, name, args, 64, func() { ended++ }) {
			t.Error(name, "refused")
		}
		r.run(0)
	}
	shared := &amf.Object{Members: []amf.Member{{Name: "x", Value: amf.Number(1)}}}
	call("f", amf.String("a"), amf.Null{}, shared, shared)
	r.expect("", `log, args[1], args[2], args[3].x, args[3] == args[4]`, "192.0.2.1:4 ,a,nil,1,true")
	r.logged("server.send is read-only")
	r.forget()
	call("fail")
	r.logged("www/main.lua:7: failed")
	r.notLogged("stack traceback")
	for _, name := range []string{"field", "missing", "send", "reject", "onServerConnection", "isTarget"} {
		r.forget()
		call(name)
		r.logged("server 192.0.2.1:1 calls " + name + ", which no application defines")
	}
	r.expect("", `log`, "192.0.2.1:4 ")
	call("mine")
	r.expect("/a", `seen`, "/a")
	if len(r.engine.apps["/a"].owned) != 1 {
		t.Error("what a function makes belongs to the application that defines it")
	}
	r.lose(l, nil)
	r.forget()
	call("f") // too late
	if ended != calls {
		t.Errorf("%d of %d calls are done", ended, calls)
	}
	r.notLogged("f")
}

func TestServerCallRefused(t *testing.T) {
	r := newRig(t, files{"main.lua": `function onServerConnection(server) function server:f() n = (n or 0) + 1 end end`},
		func(c *Config) { c.MaxQueue = 4 })
	l := r.link(true, "192.0.2.1:1")
	taken := 0
	for range 10 {
		if r.engine.ServerCall(l, "f", nil, 0, func() {}) {
			taken++
		}
	}
	r.run(0)
	if r.expect("", `n`, "4"); taken != 4 {
		t.Error(taken)
	}
}

// TestServerCallsHeld: what a server does while applications see its connection is bounded.
func TestServerCallsHeld(t *testing.T) {
	r := newRig(t, files{"main.lua": `function onServerConnection(server) function server:f() n = (n or 0) + 1 end end`},
		func(c *Config) { c.MaxQueue = 2 })
	l := r.link(true, "192.0.2.1:1")
	s := r.engine.objects.links[l]
	s.busy = true
	for range 4 {
		r.engine.ServerCall(l, "f", nil, 0, func() {})
		r.run(0)
	}
	r.engine.ServerDisconnected(l, nil) // never lost
	r.run(0)
	r.logged("too many calls while applications see its connection")
	r.expect("", `n, mona.servers.count`, "nil,1")
	r.engine.do(r.engine.root, func() { r.engine.releaseHeld(s) })
	r.run(0)
	r.expect("", `n, mona.servers.count`, "2,0")
}

const serverEventsLog = `
	log = ""
	function onServerConnection(server) log = log .. "+" .. server.port end
	function onServerDisconnection(server, err) log = log .. "-" .. server.port .. (err or "") end
	function take() local l = log log = "" return l end`

// TestServerEvents: root, then each running application that has a function of its own.
func TestServerEvents(t *testing.T) {
	own := `log = ""
		function onServerConnection(server) super.order = super.order .. path log = log .. "+" .. server.port end
		function onServerDisconnection(server) super.order = super.order .. "!" .. path log = log .. "-" .. server.port end
		function take() local l = log log = "" return l end`
	r := newRig(t, files{
		"main.lua":   serverEventsLog + ` order = "" children("b") children("a") children("none") children("bad")`,
		"a/main.lua": own, "b/main.lua": own, "none/main.lua": ``, "lazy/main.lua": own,
		"bad/main.lua": `function onServerConnection() bad = true end error("not running")`,
	})
	l := r.link(true, "192.0.2.1:1")
	r.expect("", `take(), order`, "+1,/a/b")
	r.same("link", l.told(), `ready ["" "/a" "/b" "/none"]`)
	r.lua("", `order = ""`)

	// An application that starts sees the servers that are there, nobody else does.
	r.lua("", `children("lazy")`)
	r.expect("", `take(), order`, ",/lazy")
	r.expect("/lazy", `take()`, "+1")
	r.expect("/a", `take()`, "+1")

	// A reload is an end and a start.
	r.lua("", `order = ""`)
	r.write("a/main.lua", own+` -- new`)
	_ = r.reload("/a")
	r.expect("", `take(), order`, ",!/a/a")
	r.expect("/a", `take()`, "+1")
	r.expect("/b", `take()`, "+1")

	r.lua("", `order = ""`)
	r.lose(l, errors.New("reset"))
	r.expect("", `take(), order`, "-1reset,!/a!/b!/lazy")
	r.expect("", `mona.servers.count`, "0")
}

// TestServerRefused: the application that refuses a server does not see its end, those after it see nothing.
func TestServerRefused(t *testing.T) {
	r := newRig(t, files{
		"main.lua":   serverEventsLog + ` children("a") children("b") children("c")`,
		"a/main.lua": serverEventsLog + ` local f = onServerConnection function onServerConnection(s) f(s) error("not you", 0) end`,
		"b/main.lua": serverEventsLog,
		"c/main.lua": `ends = 0 function onServerDisconnection() ends = ends + 1 end`,
	})
	l := r.link(true, "192.0.2.1:1")
	r.same("link", l.told(), "reject not you")
	r.logged("not you")
	r.expect("", `mona.servers.count`, "0")
	r.lose(l, nil)
	r.expect("", `take()`, "+1-1")
	r.expect("/a", `take()`, "+1")
	r.expect("/b", `take()`, "")
	r.expect("/c", `ends`, "0")

	r.write("a/main.lua", serverEventsLog)
	_ = r.reload("/a")
	l = r.link(true, "192.0.2.2:2")
	r.same("link", l.told(), `ready ["" "/a" "/b" "/c"]`)
	r.lose(l, nil)
	for _, app := range []string{"", "/a", "/b"} {
		r.expect(app, `take()`, "+2-2")
	}
	r.expect("/c", `ends`, "1") // it has no onServerConnection, so it may have seen it
}

// TestServerRefusedByReplay: an application that starts may refuse a server that others accepted.
func TestServerRefusedByReplay(t *testing.T) {
	r := newRig(t, files{
		"main.lua":   serverEventsLog,
		"a/main.lua": serverEventsLog + ` function onServerConnection() error("too late", 0) end`,
	})
	l := r.link(true, "192.0.2.1:1")
	l.told()
	r.lua("", `children("a")`)
	r.same("link", l.told(), "reject too late")
	r.lose(l, nil)
	r.expect("", `take()`, "+1-1")
	r.expect("/a", `take()`, "")
}

// TestServerStop: an application that stops loses the servers first, by its own function.
func TestServerStop(t *testing.T) {
	r := newRig(t, files{
		"main.lua":   serverEventsLog + ` stops = "" children("a") children("b") function onStop(path) stops = stops .. path end`,
		"a/main.lua": serverEventsLog + ` function onStop() super.stops = super.stops .. take() end`,
		"b/main.lua": ``,
	})
	r.link(true, "192.0.2.1:1")
	r.write("a/main.lua", ``)
	r.write("b/main.lua", `-- new`)
	_ = r.reload("/a")
	_ = r.reload("/b")
	r.expect("", `stops, take()`, "+1-1/b,+1") // root's functions are not called for its children
}

// TestServerRootBroken: no server is accepted while the root application is in error.
func TestServerRootBroken(t *testing.T) {
	r := newRig(t, files{"main.lua": `error("out of order", 0)`})
	l := r.link(true, "192.0.2.1:1")
	r.same("link", l.told(), "reject out of order")
	r.lose(l, nil)
}

// TestServerEventsInTurn: every application has its time budget, and calls wait for the events before them.
func TestServerEventsInTurn(t *testing.T) {
	r := newRig(t, files{
		"main.lua": serverEventsLog + ` children("a") children("b")`,
		"a/main.lua": `function onServerConnection(server) function server:f() n = (n or 0) + 1 end end
			function onServerDisconnection() while true do end end`,
		"b/main.lua": serverEventsLog,
	}, func(c *Config) { c.Budget = 200 * time.Millisecond })
	l := &fakeLink{addr: "192.0.2.1:1"}
	r.engine.ServerConnected(l) // all at once
	r.engine.ServerCall(l, "f", nil, 0, func() {})
	r.engine.ServerCall(l, "f", nil, 0, func() {})
	r.engine.ServerDisconnected(l, nil)
	r.run(0)
	r.expect("/a", `n`, "2")
	r.expect("", `take()`, "+1-1")
	r.expect("/b", `take()`, "+1-1")
	if r.engine.counters.Overruns.Load() == 0 {
		t.Error("nothing was interrupted")
	}
	r.expect("", `mona.servers.count`, "0")
}

// fakeServers notes announcements.
type fakeServers struct{ paths []string }

func (s *fakeServers) Announce(path string) { s.paths = append(s.paths, path) }

func TestAnnounce(t *testing.T) {
	s := &fakeServers{}
	r := newRig(t, files{"main.lua": ``, "a/b/main.lua": ``, "c/main.lua": `error("x")`, "d/x.txt": ``},
		func(c *Config) { c.Servers = s })
	r.engine.OpenApplication("/a/b") // what another server announced
	r.engine.OpenApplication("/c")
	r.engine.OpenApplication("/d")
	r.engine.OpenApplication("/missing")
	r.engine.OpenApplication("/../../etc")
	r.run(0)
	r.write("a/b/main.lua", `-- new`)
	_ = r.reload("/a/b")
	if got := fmt.Sprintf("%q", s.paths); got != `["" "/a/b" "/a/b"]` {
		t.Error(got)
	}
}
