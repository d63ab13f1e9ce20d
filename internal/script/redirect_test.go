package script

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// redirect runs a return statement as a handler and shows the addresses.
func (r *rig) redirect(values string) string {
	r.t.Helper()
	results := r.lua("", "return "+values)
	var list []netip.AddrPort
	r.engine.do(r.engine.root, func() {
		list = r.engine.redirections(results, "RTMFP", netip.MustParseAddrPort("198.51.100.1:1935"), true)
	})
	return addresses(list)
}

func addresses(list []netip.AddrPort) string {
	s := fmt.Sprint(list)
	return s[1 : len(s)-1]
}

func redirectRig(t *testing.T) *rig {
	r := newRig(t, files{"main.lua": ``}, func(c *Config) {
		c.Params = map[string]string{"RTMFP.publicAddress": "198.51.100.9:1935"}
	})
	r.link(true, "192.0.2.1:1", "RTMFP.publicAddress", "203.0.113.1:1935")
	r.link(false, "192.0.2.2:2", "RTMFP.publicAddress", "127.0.0.1:1936")
	r.answerDNS(map[string]string{"www.a.com": "203.0.113.7", "bad.a.com": ""})
	r.lua("", `ip, sa = mona:createIPAddress("203.0.113.5"), mona:createSocketAddress("203.0.113.6:6")`)
	return r
}

func TestRedirections(t *testing.T) {
	r := redirectRig(t)
	one, two, self := "203.0.113.1:1935", "192.0.2.2:1936", "198.51.100.1:1935"
	r.forget()
	for _, tc := range [][2]string{
		{`nil`, ""},
		{``, ""},
		{`mona.servers`, one + " " + two},
		{`mona.servers.targets`, one},
		{`mona.servers.initiators`, two},
		{`mona.servers(2)`, two},
		{`mona.servers(2), mona.servers(1)`, two + " " + one},
		{`mona.servers(9)`, ""},
		{`"203.0.113.3:80"`, "203.0.113.3:80"},
		{`"[2001:db8::1]:80"`, "[2001:db8::1]:80"},
		{`"203.0.113.3", 80`, "203.0.113.3:80"},
		{`"203.0.113.3", "80"`, "203.0.113.3:80"},
		{`"2001:db8::1", 80`, "[2001:db8::1]:80"},
		{`ip, 80`, "203.0.113.5:80"},
		{`ip, "80"`, "203.0.113.5:80"},
		{`sa`, "203.0.113.6:6"},
		{`"myself"`, self},
		{`"MySelf"`, self},
		{`"again"`, self},
		{`"a.b.c.d"` + `and mona:createSocketAddress(1935)`, self}, // a port of this server
		// Where MonaServer 1.x loses addresses.
		{`"203.0.113.3:1", "203.0.113.4:2"`, "203.0.113.3:1 203.0.113.4:2"},
		{`"203.0.113.3:1", "myself"`, "203.0.113.3:1 " + self},
		{`{"203.0.113.3:1", "203.0.113.4:2"}`, "203.0.113.3:1 203.0.113.4:2"},
		{`{x="203.0.113.3:1"}`, "203.0.113.3:1"},
		{`{"203.0.113.3", 1, "203.0.113.4", 2}`, "203.0.113.3:1 203.0.113.4:2"},
		{`{{{"203.0.113.3"}, {1}}, mona.servers, sa}, "myself"`, "203.0.113.3:1 " + one + " " + two + " 203.0.113.6:6 " + self},
		{`nil, sa, nil, mona.servers(1), nil`, "203.0.113.6:6 " + one},
		{`sa, "203.0.113.6:6", mona.servers, mona.servers.targets`, "203.0.113.6:6 " + one + " " + two}, // each once
		{`"::ffff:203.0.113.6", 6, sa`, "203.0.113.6:6"},
	} {
		if got := r.redirect(tc[0]); got != tc[1] {
			t.Errorf("return %s\n got %s\nwant %s", tc[0], got, tc[1])
		}
	}
	r.notLogged("redirection")
}

// TestRedirectionMistakes: what is no address is logged and left out, what stands beside it is not.
func TestRedirectionMistakes(t *testing.T) {
	r := redirectRig(t)
	r.link(true, "192.0.2.3:3") // without RTMFP
	for _, tc := range [][2]string{
		{`5`, "a number is no address"},
		{`"5"`, "5 is no address"},
		{`true`, "a boolean is no address"},
		{`print`, "a function is no address"},
		{`mona`, "mona is no address"},
		{`ip`, "203.0.113.5: missing port number"},
		{`"203.0.113.3"`, "203.0.113.3: missing port number"},
		{`"203.0.113.3:0"`, "missing port number"},
		{`"203.0.113.3:x"`, "invalid port"},
		{`"nonsense!:80"`, "invalid ip nonsense!"},
		{`mona.servers("192.0.2.3")`, "server 192.0.2.3:3 has RTMFP disabled"},
	} {
		r.forget()
		if got := r.redirect(tc[0] + `, sa`); got != "203.0.113.6:6" {
			t.Errorf("return %s: %s", tc[0], got)
		}
		r.logged(tc[1])
		r.logged(`"level":"error"`)
	}
	r.forget()
	if got := r.redirect(`mona.servers`); got != "203.0.113.1:1935 192.0.2.2:1936" {
		t.Error(got)
	}
	r.lua("", `gone = mona.servers(3) loop = {} loop.loop = loop many = {} for i = 1, 500 do many[i] = "203.0.113.3:" .. i end`)
	for l := range r.engine.objects.links {
		if l.Addr().Port() == 3 {
			r.lose(l.(*fakeLink), nil)
		}
	}
	if got := r.redirect(`gone, loop, sa`); got != "203.0.113.6:6" {
		t.Error(got)
	}
	if n := len(strings.Fields(r.redirect(`many`))); n != maxRedirections {
		t.Error(n, "addresses")
	}
}

// TestRedirectionNames: a host name that is not known yet is refused, not waited for.
func TestRedirectionNames(t *testing.T) {
	r := redirectRig(t)
	start := time.Now()
	r.redirect(`"never.a.com:80", "never.a.com", 80`)
	if took := time.Since(start); took > time.Second {
		t.Errorf("waited %v for a name", took)
	}
	r.logged("never.a.com: host name not resolved yet")
	r.expect("", `mona:createIPAddressWithDNS("www.a.com")`, "203.0.113.7") // now it is known
	if got := r.redirect(`"www.a.com:80", "www.a.com", 81, "localhost:82"`); got != "203.0.113.7:80 203.0.113.7:81 127.0.0.1:82" {
		t.Error(got)
	}
	r.lua("", `mona:createIPAddressWithDNS("bad.a.com")`)
	r.forget()
	r.redirect(`"bad.a.com:80"`)
	r.logged("no such host")
	// What the client's URL says of this server may be a name: then the configuration counts.
	var list []netip.AddrPort
	values := r.lua("", `return "myself"`)
	r.engine.do(r.engine.root, func() { list = r.engine.redirections(values, "RTMFP", netip.AddrPort{}, true) })
	if fmt.Sprint(list) != "[198.51.100.9:1935]" {
		t.Error(list)
	}
	r.engine.cfg.Params = nil
	r.engine.do(r.engine.root, func() { list = r.engine.redirections(values, "RTMFP", netip.AddrPort{}, true) })
	if len(list) > 0 {
		t.Error(list)
	}
	r.logged("the address of this server is not known")
}

// A call that waits for a name is interrupted like any other.
func TestNameInterrupted(t *testing.T) {
	r := newRig(t, files{"main.lua": ``}, func(c *Config) { c.Budget = 20 * time.Millisecond })
	r.answerDNS(nil)
	start := time.Now()
	_, err := r.tryLua("", `for i = 1, 8 do pcall(mona.createIPAddressWithDNS, mona, "never" .. i .. ".a.com") end`)
	if took := time.Since(start); err == nil || !strings.Contains(err.Error(), "interrupted") || took > dnsWait {
		t.Errorf("%v after %v", err, took)
	}
}

func (r *rig) handshake(path, query string, attempts int) string {
	r.t.Helper()
	text := "not called"
	ok := r.engine.Handshake(HandshakeRequest{
		Protocol: "RTMFP", Address: netip.MustParseAddrPort("192.0.2.50:5000"), Path: path, Query: query, Attempts: attempts,
		Self: netip.MustParseAddrPort("198.51.100.1:1935"),
	}, func(list []netip.AddrPort) { text = addresses(list) })
	if !ok {
		return "busy"
	}
	r.run(0)
	return text
}

// TestHandshakeArguments: both orders of arguments, chosen by what the function declares.
func TestHandshakeArguments(t *testing.T) {
	const seed = "192.0.2.50:5000 /a 5 3 RTMFP"
	for declared, want := range map[string]string{
		"a, b, c, d":                          "192.0.2.50:5000 /a 5 3 nil",
		"address, path, properties":           "192.0.2.50:5000 /a 5 nil nil",
		"...":                                 seed,
		"address, ...":                        seed,
		"protocol":                            "RTMFP nil nil nil nil",
		"protocol, address, path, properties": "RTMFP 192.0.2.50:5000 /a 5 nil",
		"protocol, ...":                       "RTMFP 192.0.2.50:5000 /a 5 3",
		"a, b, c, d, e":                       "RTMFP 192.0.2.50:5000 /a 5 3",
	} {
		names := strings.ReplaceAll(declared, "...", "select(1, ...)")
		r := newRig(t, files{"main.lua": ``, "a/main.lua": `
			function show(...)
				local s = {}
				for i = 1, 5 do local v = select(i, ...) s[i] = tostring(type(v) == "userdata" and v.x or v) end
				got = table.concat(s, " ")
			end
			function onHandshake(` + declared + `) show(` + names + `) end`})
		if got := r.handshake("/a", "x=5", 3); got != "" {
			t.Errorf("%s: %s", declared, got)
		}
		r.expect("/a", "got", want)
	}
}

func TestHandshake(t *testing.T) {
	r := newRig(t, files{
		"main.lua":     `function onHandshake(address, path, properties, attempts) last = path .. attempts return "203.0.113.1:1", "myself" end`,
		"child/x.txt":  ``,
		"bad/main.lua": `error("x")`,
		"err/main.lua": `function onHandshake() error("broken") end`,
		"no/main.lua":  `onHandshake = false`,
	}, func(c *Config) { c.MaxQueue = 2 })
	for path, want := range map[string]string{
		"":           "203.0.113.1:1 198.51.100.1:1935",
		"/child":     "203.0.113.1:1 198.51.100.1:1935", // inherited
		"/bad":       "",
		"/err":       "",
		"/no":        "",
		"/missing":   "",
		"/../secret": "",
	} {
		if got := r.handshake(path, "", 1); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
	r.logged("www/err/main.lua:1: broken")
	r.handshake("/child", "", 7)
	r.expect("", `last`, "/child7")
	taken := 0
	for range 5 {
		if r.engine.Handshake(HandshakeRequest{Protocol: "RTMFP"}, func([]netip.AddrPort) {}) {
			taken++
		}
	}
	if taken != 2 {
		t.Error("a flood of hellos is bounded:", taken)
	}
}

func TestRendezvousUnknown(t *testing.T) {
	id := strings.Repeat("\x01", 32)
	for declared, want := range map[string]string{
		"protocol, peerId": "RTMFP " + id,
		"peerId":           id + " nil",
		"...":              "RTMFP " + id,
	} {
		names := strings.ReplaceAll(declared, "...", "select(1, ...)")
		r := newRig(t, files{"main.lua": `
			function show(a, b) got = tostring(a) .. " " .. tostring(b) end
			function onRendezVousUnknown(` + declared + `) show(` + names + `) return mona.servers, mona:createSocketAddress(5) end`},
			func(c *Config) { c.Params = map[string]string{"RTMFP.publicAddress": "198.51.100.9:1935"} })
		r.link(true, "192.0.2.1:1", "RTMFP.publicAddress", "203.0.113.1:1935")
		var got []netip.AddrPort
		r.engine.RendezvousUnknown("RTMFP", id, func(list []netip.AddrPort) { got = list })
		r.run(0)
		if fmt.Sprint(got) != "[203.0.113.1:1935]" {
			t.Error(got)
		}
		r.expect("", "got", want)
	}
	for _, script := range []string{``, `function onRendezVousUnknown() error("x") end`, `function onRendezVousUnknown() return nil end`} {
		r := newRig(t, files{"main.lua": script})
		called := false
		r.engine.RendezvousUnknown("RTMFP", id, func(list []netip.AddrPort) { called = len(list) == 0 })
		r.run(0)
		if !called {
			t.Error(script)
		}
	}
}
