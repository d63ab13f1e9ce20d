package script

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// await runs the events that sockets bring, until something holds. Sockets know no virtual time.
func (r *rig) await(cond func() bool, what string) {
	r.t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		r.engine.drain()
		if cond() {
			return
		}
		select {
		case <-r.engine.wake:
		case <-timeout:
			r.t.Fatalf("no %s\n%s", what, r.logs.String())
		}
	}
}

// awaitLua waits until an expression is what is wanted.
func (r *rig) awaitLua(expression, want string) {
	r.t.Helper()
	got := ""
	defer func() {
		if r.t.Failed() {
			r.t.Logf("%s = %s, want %s", expression, got, want)
		}
	}()
	r.await(func() bool { got = r.eval("", expression); return got == want }, expression+" = "+want)
}

// noSockets checks that no application has a socket.
func (r *rig) noSockets() {
	r.t.Helper()
	if n := len(r.engine.objects.sockets); n != 0 {
		r.t.Errorf("%d applications have sockets", n)
	}
}

// listen is a TCP server of the test.
func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// accept accepts one connection of l.
func accept(t *testing.T, l *net.TCPListener) net.Conn {
	t.Helper()
	_ = l.SetDeadline(time.Now().Add(20 * time.Second))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { c.Close() })
	return c
}

const tcpClientScript = `
	log = ""
	c = mona:createTCPClient()
	function c:onData(data) log = log .. "[" .. data .. "]" end
	function c:onDisconnection(peer, err) log = log .. "end " .. peer .. " " .. tostring(err) end`

func TestTCPClient(t *testing.T) {
	r := newRig(t, files{"main.lua": tcpClientScript})
	r.expectAll("", [][2]string{
		{`c.connected, c.address, c.peerAddress, c.idleTime, c:send("x")`, "false,0.0.0.0:0,0.0.0.0:0,0,not connected"},
		{`select("#", c:disconnect())`, "0"},
	})
	l := listen(t)
	r.expect("", `c:connect("`+l.Addr().String()+`"), select("#", c:send("early ")), c.connected`, "true,0,true")
	far := accept(t, l)
	r.lua("", `c:send("then\0")`)
	buf := make([]byte, 11)
	if _, err := io.ReadFull(far, buf); err != nil || string(buf) != "early then\x00" {
		t.Fatalf("%q %v", buf, err)
	}
	fmt.Fprint(far, "answer")
	r.awaitLua(`log`, "[answer]")
	r.expect("", `c.peerAddress, c.address, c.idleTime < 60000`, l.Addr().String()+","+far.RemoteAddr().String()+",true")
	r.expect("", `c:connect("`+l.Addr().String()+`")`, "false")
	r.logged("connect: connected already")

	far.Close()
	r.awaitLua(`log`, "[answer]end "+l.Addr().String()+" nil")
	r.expect("", `c.connected, c:send("x"), c.peerAddress`, "false,not connected,0.0.0.0:0")
	r.noSockets()

	// The same object again; what is queued is sent before the end.
	r.lua("", `log = "" c:connect("127.0.0.1", `+fmt.Sprint(addrPort(l.Addr()).Port())+`) c:send("last words")`)
	far = accept(t, l)
	fmt.Fprint(far, "go")
	r.awaitLua(`log`, "[go]")
	r.lua("", `c:disconnect()`)
	if b, err := io.ReadAll(far); string(b) != "last words" {
		t.Errorf("%q %v", b, err)
	}
	r.awaitLua(`log`, "[go]end "+l.Addr().String()+" nil")
	r.noSockets()
}

// TestTCPReconnect: right after disconnect the object can connect again; each end is told.
func TestTCPReconnect(t *testing.T) {
	r := newRig(t, files{"main.lua": tcpClientScript})
	l, l2 := listen(t), listen(t)
	r.lua("", `c:connect("`+l.Addr().String()+`")`)
	accept(t, l)
	r.expect("", `c:disconnect(), c.connected, c:connect("`+l2.Addr().String()+`"), c.connected`, "nil,false,true,true")
	far := accept(t, l2)
	fmt.Fprint(far, "second")
	r.await(func() bool {
		log := r.eval("", "log")
		return strings.Contains(log, "[second]") && strings.Contains(log, "end "+l.Addr().String()+" nil")
	}, "data of the second connection")
	r.expect("", `c.peerAddress`, l2.Addr().String())
}

func TestTCPConnectErrors(t *testing.T) {
	r := newRig(t, files{"main.lua": tcpClientScript})
	for call, want := range map[string]string{
		`c:connect()`: "no valid socket address", `c:connect("127.0.0.1")`: "missing port number",
		`c:connect("www.a.com:80")`: "invalid ip www.a.com", `c:connect("127.0.0.1:0")`: "missing port number",
	} {
		r.forget()
		r.expect("", call, "false")
		r.logged("connect: " + want)
	}
	l := listen(t)
	addr := l.Addr().String()
	l.Close()
	r.expect("", `c:connect("`+addr+`")`, "true")
	r.awaitLua(`log:match("^end "..("`+addr+`"):gsub("%p", "%%%0").." .*refused") ~= nil`, "true")
	r.noSockets()
}

// TestTCPConsumed: onData says how much it took; the rest comes again.
func TestTCPConsumed(t *testing.T) {
	r := newRig(t, files{"main.lua": tcpClientScript + `
		function c:onData(data)
			log = log .. "[" .. data .. "]"
			local line = data:match("^.-\n")
			return line and #line or 0
		end`})
	l := listen(t)
	r.lua("", `c:connect("`+l.Addr().String()+`")`)
	far := accept(t, l)
	fmt.Fprint(far, "one")
	r.awaitLua(`log`, "[one]")
	fmt.Fprint(far, "\ntw")
	r.awaitLua(`log`, "[one][one\ntw]")
	fmt.Fprint(far, "o")
	r.awaitLua(`log`, "[one][one\ntw][two]")
	r.lua("", `function c:onData(data) log = data if data == "two!" then error("bad data") end return "x" end`)
	fmt.Fprint(far, "!")
	r.awaitLua(`log`, "two!")
	r.logged("bad data") // which takes it all
	fmt.Fprint(far, "next")
	r.awaitLua(`log`, "next")

	// A script that never takes anything does not fill the memory.
	r.lua("", `log = "" function c:onData(data) return -5 end`)
	go func() {
		chunk := make([]byte, 64<<10)
		for {
			if _, err := far.Write(chunk); err != nil {
				return
			}
		}
	}()
	r.awaitLua(`log:match("onData leaves more than %d+ bytes")`, "onData leaves more than 1048576 bytes")
	r.noSockets()
}

// TestTCPSendBuffer: a peer that does not read fills the buffer, and nobody waits for it.
func TestTCPSendBuffer(t *testing.T) {
	r := newRig(t, files{"main.lua": tcpClientScript})
	l := listen(t)
	r.lua("", `c:connect("`+l.Addr().String()+`")`)
	far := accept(t, l)
	r.lua("", `
		local block, n = ("x"):rep(256 * 1024), 0
		repeat err = c:send(block) n = n + 1 until err or n > 100000`)
	r.expect("", `err`, "send buffer is full")
	r.expect("", `c.connected`, "true")
	start := time.Now()
	r.lua("", `c:disconnect()`) // what is left is dropped after a moment
	r.awaitLua(`log`, "end "+l.Addr().String()+" nil")
	if took := time.Since(start); took > 10*time.Second {
		t.Error(took)
	}
	far.Close()
	if _, err := r.tryLua("", `c:send({})`); err == nil {
		t.Error("a table was sent")
	}
}

const tcpServerScript = `
	log = ""
	s = mona:createTCPServer()
	function s:onConnection(client)
		log = log .. "+"
		last = client
		function client:onData(data) client:send("echo " .. data) end
		function client:onDisconnection(peer, err) log = log .. "-" .. tostring(peer == tostring(p)) .. tostring(err) end
		p = client.peerAddress
	end`

func dialTCP(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { c.Close() })
	return c
}

func TestTCPServer(t *testing.T) {
	r := newRig(t, files{"main.lua": tcpServerScript})
	r.expect("", `s.running, s.address, s:stop()`, "false,0.0.0.0:0")
	r.expect("", `s:start("127.0.0.1", 0), s.running, s.address.host, s.address.port > 0`, "true,true,127.0.0.1,true")
	r.expect("", `s:start(0)`, "false")
	r.logged("start: running already")
	addr := r.eval("", `s.address`)
	r.lua("", `other = mona:createTCPServer()`)
	r.forget()
	r.expect("", `other:start("`+addr+`"), other.running, other:start("nonsense")`, "false,false,false")
	r.logged("address already in use")
	r.logged("start: missing port number")

	c := dialTCP(t, addr)
	r.awaitLua(`log`, "+")
	r.expect("", `last.connected, last.peerAddress, last.address == s.address`, "true,"+c.LocalAddr().String()+",true")
	fmt.Fprint(c, "hello")
	answer := make(chan string, 1)
	go func() {
		b := make([]byte, 10)
		_, _ = io.ReadFull(c, b)
		answer <- string(b)
		r.engine.post("", 0, true, func() {})
	}()
	r.await(func() bool { return len(answer) > 0 }, "echo")
	r.same("echo", <-answer, "echo hello")

	// The client closes its side and still gets the answer.
	fmt.Fprint(c, "bye")
	_ = c.(*net.TCPConn).CloseWrite()
	rest := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(c)
		rest <- string(b)
		r.engine.post("", 0, true, func() {})
	}()
	r.await(func() bool { return len(rest) > 0 }, "last echo")
	r.same("last echo", <-rest, "echo bye")
	r.awaitLua(`log`, "+-truenil")

	// stop ends the listener, not its connections.
	c = dialTCP(t, addr)
	r.awaitLua(`log`, "+-truenil+")
	r.expect("", `s:stop(), s.running, last.connected`, "nil,false,true")
	if c2, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
		c2.Close()
		t.Error("stopped, and yet accepting")
	}
	c.Close()
	r.awaitLua(`log`, "+-truenil+-truenil")
	r.noSockets()
	r.expect("", `s:start(addr or 0), s:stop()`, "true")
}

// TestTCPServerWithoutHandler: connections that nobody handles are closed.
func TestTCPServerWithoutHandler(t *testing.T) {
	r := newRig(t, files{"main.lua": `s = mona:createTCPServer() s:start("127.0.0.1", 0)`})
	c := dialTCP(t, r.eval("", `s.address`))
	end := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		end <- err
		r.engine.post("", 0, true, func() {})
	}()
	r.await(func() bool { return len(end) > 0 }, "end")
	if err := <-end; err == nil {
		t.Error("not closed")
	}
}

// TestTCPServerStopped: a connection that waits to be shown to the script when the server stops is closed.
func TestTCPServerStopped(t *testing.T) {
	r := newRig(t, files{"main.lua": tcpServerScript + ` s:start("127.0.0.1", 0)`})
	c := dialTCP(t, r.eval("", `s.address`))
	<-r.engine.wake // its event is queued
	r.lua("", `s:stop()`)
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("not closed")
	}
	r.expect("", `log`, "")
	r.noSockets()

	// The engine may end before the event runs.
	r.lua("", `s:start("127.0.0.1", 0)`)
	server := objectOf(r.lua("", `return s`)[0]).v.(*tcpServer)
	c = dialTCP(t, r.eval("", `s.address`))
	<-r.engine.wake
	server.closeOwned()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("not closed")
	}
}

// TestSocketsEnd: everything ends with the script of the application, without events.
func TestSocketsEnd(t *testing.T) {
	before := runtime.NumGoroutine()
	r := newRig(t, files{"main.lua": `ended = ""`})
	l := listen(t)
	r.write("a/main.lua", `
		function onStart()
			s, u, c = mona:createTCPServer(), mona:createUDPSocket(), mona:createTCPClient()
			s:start("127.0.0.1", 0) u:bind("127.0.0.1", 0) c:connect("`+l.Addr().String()+`")
			function c:onDisconnection() super.ended = super.ended .. "c" end
			function s:onConnection(client)
				super.n = (super.n or 0) + 1
				function client:onDisconnection() super.ended = super.ended .. "a" end
			end
		end
		function onStop() c:send("stopped") end`)
	r.lua("", `a = children("a")`)
	far := accept(t, l)
	in := dialTCP(t, r.eval("", `a.s.address`))
	udp := r.eval("", `a.u.address`)
	r.awaitLua(`n`, "1")
	if got := r.engine.objects.sockets[r.engine.apps["/a"]]; got != 4 {
		t.Errorf("%d sockets", got)
	}
	r.write("a/main.lua", ``)
	if err := r.reload("/a"); err != nil {
		t.Fatal(err)
	}
	r.noSockets()
	if b, _ := io.ReadAll(far); string(b) != "stopped" {
		t.Errorf("%q", b)
	}
	if _, err := in.Read(make([]byte, 1)); err == nil {
		t.Error("the accepted connection is open")
	}
	if pc, err := net.ListenPacket("udp4", udp); err != nil {
		t.Error(err)
	} else {
		pc.Close()
	}
	r.run(0)
	r.expect("", `ended`, "")
	deadline := time.Now().Add(10 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > before {
		b := make([]byte, 1<<16)
		t.Errorf("%d goroutines, %d before\n%s", n, before, b[:runtime.Stack(b, true)])
	}
}

func TestSocketLimit(t *testing.T) {
	r := newRig(t, files{"main.lua": `
		list = {}
		function fill() while true do
			local u = mona:createUDPSocket()
			if not u:bind("127.0.0.1", 0) then return #list end
			table.insert(list, u)
		end end
		s = mona:createTCPServer() function s:onConnection() accepted = true end s:start("127.0.0.1", 0)`})
	r.expect("", `fill()`, fmt.Sprint(maxSockets-1))
	r.logged("bind: too many sockets in the application")
	r.forget()
	dialTCP(t, r.eval("", `s.address`))
	r.await(func() bool { return strings.Contains(r.logs.String(), "connection refused: too many sockets") }, "refusal")
	r.expect("", `accepted`, "nil")
	r.lua("", `list[1]:close() list[1]:close()`)
	r.expect("", `list[2]:bind(0), list[1]:bind("127.0.0.1", 0)`, "false,true")
}

func TestUDPSocket(t *testing.T) {
	r := newRig(t, files{"main.lua": `
		log = ""
		u = mona:createUDPSocket()
		function u:onPacket(data, from) log = log .. "[" .. data .. " " .. from .. "]" end`})
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	_ = pc.SetDeadline(time.Now().Add(20 * time.Second))
	me := pc.LocalAddr().String()
	port := fmt.Sprint(addrPort(pc.LocalAddr()).Port())
	r.expect("", `u.address, u.peerAddress, u:send("x")`, "0.0.0.0:0,0.0.0.0:0,false")
	r.logged("send: no address to send to")
	r.expect("", `u:bind("127.0.0.1", 0), u.address.host, u:bind(0)`, "true,127.0.0.1,false")
	r.logged("bind: bound already")
	here := netip.MustParseAddrPort(r.eval("", `u.address`))
	buf := make([]byte, 100)
	for _, args := range []string{`"` + me + `"`, `"127.0.0.1", ` + port, port, `mona:createSocketAddress("` + me + `")`} {
		r.expect("", `u:send("to\0you", `+args+`)`, "true")
		n, from, err := pc.ReadFromUDPAddrPort(buf)
		if err != nil || string(buf[:n]) != "to\x00you" || from != here {
			t.Fatalf("%s: %q from %v %v", args, buf[:n], from, err)
		}
	}
	if _, err := pc.WriteToUDPAddrPort([]byte("to me"), here); err != nil {
		t.Fatal(err)
	}
	r.awaitLua(`log`, "[to me "+me+"]")

	r.expect("", `u:connect("x"), u:connect(0), u:connect("127.0.0.1", 0)`, "missing port number,missing port number,missing port number")
	r.expect("", `select("#", u:connect("`+me+`")), u.peerAddress, u:send("connected")`, "0,"+me+",true")
	if n, _, err := pc.ReadFromUDPAddrPort(buf); err != nil || string(buf[:n]) != "connected" {
		t.Fatal(err)
	}
	stranger, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(here))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	r.lua("", `log = ""`)
	fmt.Fprint(stranger, "who?")
	_, _ = pc.WriteToUDPAddrPort([]byte("friend"), here)
	r.awaitLua(`log`, "[friend "+me+"]") // only the peer is heard
	r.lua("", `u:disconnect() log = ""`)
	fmt.Fprint(stranger, "again")
	r.awaitLua(`log`, "[again "+stranger.LocalAddr().String()+"]")
	r.expect("", `u.peerAddress`, "0.0.0.0:0")

	for code, want := range map[string]string{
		`u:send(("x"):rep(65508), "` + me + `")`: "packet is too long", `u:send("x", "127.0.0.1:0")`: "missing port number",
		`u:send("x", "255.255.255.255", 9)`: "broadcast is not allowed", `u:send("x", {})`: "no valid socket address",
		`u:send("x", "127.255.255.255", 9)`: "broadcast is not allowed",
	} {
		r.forget()
		r.expect("", code, "false")
		r.logged("send: " + want)
	}
	r.lua("", `u:close()`)
	r.expect("", `u.address`, "0.0.0.0:0")
	r.noSockets()
	r.expect("", `select("#", u:connect("127.0.0.1", `+port+`)), u:send("without bind"), u.address.port > 0`, "0,true,true")
	if n, _, err := pc.ReadFromUDPAddrPort(buf); err != nil || string(buf[:n]) != "without bind" {
		t.Fatal(err)
	}
}

func TestUDPIPv6(t *testing.T) {
	pc, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback})
	if err != nil {
		t.Skip("no IPv6 here: ", err)
	}
	defer pc.Close()
	_ = pc.SetDeadline(time.Now().Add(20 * time.Second))
	r := newRig(t, files{"main.lua": `u = mona:createUDPSocket()`})
	me := pc.LocalAddr().String()
	r.expect("", `u:send("six", "`+me+`"), u.address.isIPv6, u:connect("`+me+`"), u.peerAddress`, "true,true,nil,"+me)
	buf := make([]byte, 10)
	if n, _, err := pc.ReadFromUDPAddrPort(buf); err != nil || string(buf[:n]) != "six" {
		t.Fatal(err)
	}
	r.lua("", `u:close() u:bind("127.0.0.1", 0) u:send("x", "`+me+`")`) // the other family
	r.await(func() bool { return strings.Contains(r.logs.String(), "UDPSocket: "+me) }, "error of the packet")
}

func TestUDPBroadcastAllowed(t *testing.T) {
	r := newRig(t, files{"main.lua": `u = mona:createUDPSocket(true)`})
	r.expect("", `u:send("x", "127.255.255.255", 9)`, "true")
}

// TestUDPFlood: packets that the script is too slow for are dropped; the application goes on.
func TestUDPFlood(t *testing.T) {
	r := newRig(t, files{"main.lua": `
		n = 0
		u = mona:createUDPSocket()
		function u:onPacket(data) n = n + 1 last = data end
		u:bind("127.0.0.1", 0)`})
	here := r.eval("", `u.address`)
	c, err := net.Dial("udp", here)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 5000 {
		fmt.Fprint(c, i)
	}
	r.engine.mu.Lock()
	queued := r.engine.queues[""].len()
	r.engine.mu.Unlock()
	if queued > maxUnhandled {
		t.Errorf("%d packets are queued", queued)
	}
	r.await(func() bool {
		fmt.Fprint(c, "end")
		return r.eval("", `last`) == "end"
	}, "packet after the flood")
}

// TestSocketSlowScript: TCP data waits for the script, one piece at a time.
func TestSocketSlowScript(t *testing.T) {
	r := newRig(t, files{"main.lua": tcpServerScript + ` s:start("127.0.0.1", 0)
		function s:onConnection(client) function client:onData(data) total = (total or 0) + #data end end`})
	c := dialTCP(t, r.eval("", `s.address`))
	const size = 4 << 20
	go func() {
		w := bufio.NewWriter(c)
		_, _ = w.Write(make([]byte, size))
		_ = w.Flush()
	}()
	most := 0
	r.await(func() bool {
		r.engine.mu.Lock()
		if q := r.engine.queues[""]; q != nil {
			most = max(most, q.bytes)
		}
		r.engine.mu.Unlock()
		n, _ := r.lua("", `return total or 0`)[0].(lua.LNumber)
		return n == size
	}, "all data")
	if most > 2*readSize {
		t.Errorf("%d bytes were queued", most)
	}
}
