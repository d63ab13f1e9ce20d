package script

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAddressObjects(t *testing.T) {
	r := newRig(t, files{"main.lua": `
		a = mona:createSocketAddress("192.0.2.1", 80)
		b = mona:createSocketAddress("192.0.2.2:80")
		six = mona:createSocketAddress("[2001:db8::1]:443")
		ip, ip6 = a.host, six.host`})
	r.expectAll("", [][2]string{
		{`a.host, a.port, a.value, a.isIPv6`, "192.0.2.1,80,192.0.2.1:80,false"},
		{`six.host, six.port, six.value, six.isIPv6`, "2001:db8::1,443,[2001:db8::1]:443,true"},
		{`tostring(a), a .. "", "x" .. a, a .. b, 1 .. a`, "192.0.2.1:80,192.0.2.1:80,x192.0.2.1:80,192.0.2.1:80192.0.2.2:80,1192.0.2.1:80"},
		{`a == mona:createSocketAddress("192.0.2.1:80"), a == b, a ~= b, a == a.value`, "true,false,true,false"},
		{`a < b, b < a, a <= a, a > b, six > a`, "true,false,true,false,true"},
		{`a() == a, a().value`, "true,192.0.2.1:80"},
		{`({[a]=1})[mona:createSocketAddress("192.0.2.1:80")]`, "1"}, // equal ones are one key
		{`ip.value, ip .. ":", ip(), ip == a.host, ip.isIPv6, ip6.isIPv6`, "192.0.2.1,192.0.2.1:,192.0.2.1,true,false,true"},
		{`ip < b.host, ip <= ip, ip == b.host, rawequal(ip, mona:createIPAddress("192.0.2.1"))`, "true,true,false,true"},
		{`pcall(function() return a < ip end)`, "false,test:1: attempt to compare userdata with userdata"},
	})
	r.lua("", `a.port = 1; ip.value = 2`)
	r.logged("address.port is read-only")
	r.logged("ip.value is read-only")
	r.lua("", `a.mine = 3`)
	r.expect("", `a.mine`, "3")
	r.forget()
	r.lua("", `NOTE("address ", a, " ", ip)`)
	r.logged("address 192.0.2.1:80 192.0.2.1")
}

func TestClientAddress(t *testing.T) {
	r := newRig(t, files{"main.lua": `function onConnection(client) NOTE("from " .. client.address, " ", client.address.host) end`})
	c := r.dial("rtmfp://10.0.0.1/")
	r.logged("from 10.1.0.1:5000 10.1.0.1")
	r.expect("", `mona.clients("`+r.idOf(c)+`").address == mona:createSocketAddress("10.1.0.1:5000")`, "true")
}

// TestIPKinds has for each property the addresses for which it is true among all of them.
func TestIPKinds(t *testing.T) {
	all := strings.Fields(`0.0.0.0 255.255.255.255 192.0.2.255 127.0.0.1 127.1.2.3 192.0.2.1 10.1.2.3 172.16.0.1 172.32.0.1
		192.168.1.1 169.254.1.1 224.0.0.1 224.0.1.1 238.255.255.254 239.255.0.1 239.192.0.1 239.1.0.1
		:: ::1 fe80::1 fec0::1 fd00::1 2001:db8::1 ff01::1 ff02::1 ff05::1 ff08::1 ff0e::1 ff12::1 ::192.0.2.1 ::ffff:192.0.2.1`)
	ipv4 := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return strings.Contains(s, ":") })
	rows := map[string]string{
		"isWildcard":       "0.0.0.0 ::",
		"isBroadcast":      "255.255.255.255",
		"isAnyBroadcast":   "255.255.255.255 192.0.2.255",
		"isLoopback":       "127.0.0.1 127.1.2.3 ::1",
		"isMulticast":      "224.0.0.1 224.0.1.1 238.255.255.254 239.255.0.1 239.192.0.1 239.1.0.1 ff01::1 ff02::1 ff05::1 ff08::1 ff0e::1 ff12::1",
		"isUnicast":        "127.0.0.1 127.1.2.3 192.0.2.1 10.1.2.3 172.16.0.1 172.32.0.1 192.168.1.1 169.254.1.1 ::1 fe80::1 fec0::1 fd00::1 2001:db8::1 ::192.0.2.1 ::ffff:192.0.2.1",
		"isLinkLocal":      "169.254.1.1 fe80::1",
		"isSiteLocal":      "10.1.2.3 172.16.0.1 192.168.1.1 fec0::1 fd00::1",
		"isIPv4Compatible": strings.Join(ipv4, " ") + " :: ::1 ::192.0.2.1",
		"isIPv4Mapped":     strings.Join(ipv4, " ") + " ::ffff:192.0.2.1",
		"isWellKnownMC":    "224.0.0.1 ff01::1 ff02::1 ff05::1 ff08::1 ff0e::1",
		"isNodeLocalMC":    "ff01::1",
		"isLinkLocalMC":    "224.0.0.1 ff02::1 ff12::1",
		"isSiteLocalMC":    "239.255.0.1 ff05::1",
		"isOrgLocalMC":     "239.192.0.1 ff08::1",
		"isGlobalMC":       "224.0.1.1 238.255.255.254 ff0e::1",
		"isLocal":          "127.0.0.1 127.1.2.3 ::1",
		"isIPv6":           ":: ::1 fe80::1 fec0::1 fd00::1 2001:db8::1 ff01::1 ff02::1 ff05::1 ff08::1 ff0e::1 ff12::1 ::192.0.2.1 ::ffff:192.0.2.1",
	}
	r := newRig(t, files{"main.lua": `function which(kind, ...)
		local list = {}
		for _, text in ipairs({...}) do
			if mona:createIPAddress(text)[kind] then table.insert(list, text) end
		end
		return table.concat(list, " ")
	end`})
	args := `"` + strings.Join(all, `","`) + `"`
	for kind, want := range rows {
		if kind == "isLocal" { // the machine may have any of the others
			r.expect("", `which("isLocal", "127.0.0.1", "::1", "203.0.113.77")`, "127.0.0.1 ::1")
			continue
		}
		r.expect("", `which("`+kind+`",`+args+`)`, want)
	}
	if got, want := len(r.engine.Members()["ip"]), len(rows)+1; got != want {
		t.Errorf("%d members, %d tested", got, want)
	}
}

// TestAddressForms has every form in which scripts name addresses, and what is none.
func TestAddressForms(t *testing.T) {
	r := newRig(t, files{"main.lua": `
		err = "" function onError(text) err = text end
		ip = mona:createIPAddress("192.0.2.1")
		sa = mona:createSocketAddress("192.0.2.1:80")
		function socket(...) err = "" local a = mona:createSocketAddress(onError, ...) return a and a.value or err end
		function addr(...) err = "" local a = mona:createIPAddress(onError, ...) return a and a.value or err end`})
	r.meet(true, "192.0.2.7:1936", nil)
	r.expectAll("", [][2]string{
		{`socket(80)`, "0.0.0.0:80"},
		{`socket("80")`, "0.0.0.0:80"},
		{`socket("192.0.2.1:80")`, "192.0.2.1:80"},
		{`socket(" 192.0.2.1:80")`, "192.0.2.1:80"},
		{`socket("192.0.2.1", 80)`, "192.0.2.1:80"},
		{`socket("192.0.2.1", "80")`, "192.0.2.1:80"},
		{`socket("localhost", 80)`, "127.0.0.1:80"},
		{`socket("::1", 80)`, "[::1]:80"},
		{`socket("[::1]", 80)`, "[::1]:80"},
		{`socket("[::1]:80")`, "[::1]:80"},
		{`socket(sa)`, "192.0.2.1:80"},
		{`socket(ip, 80)`, "192.0.2.1:80"},
		{`socket(mona.servers(1))`, "192.0.2.7:1936"},
		{`socket(ip)`, "missing port number"},
		{`socket("192.0.2.1")`, "missing port number"},
		{`socket("::1")`, "missing port number"},
		{`socket("192.0.2.1", "x")`, "missing port number"},
		{`socket("192.0.2.1:x")`, "invalid port in 192.0.2.1:x"},
		{`socket("192.0.2.1:65536")`, "invalid port in 192.0.2.1:65536"},
		{`socket(65536)`, "invalid port 65536"},
		{`socket(-1)`, "invalid port -1"},
		{`socket("www.a.com:80")`, "invalid ip www.a.com"},
		{`socket("1.2.3:80")`, "invalid ip 1.2.3"},
		{`socket({})`, "no valid socket address"},
		{`socket(mona)`, "no valid socket address"},
		{`socket(io.stdout)`, "no valid socket address"},
		{`addr("192.0.2.1")`, "192.0.2.1"},
		{`addr("2001:DB8::1")`, "2001:db8::1"},
		{`addr(ip)`, "192.0.2.1"},
		{`addr(sa)`, "192.0.2.1"},
		{`addr(mona.servers(1))`, "192.0.2.7"},
		{`addr("192.0.2.1:80")`, "invalid ip 192.0.2.1:80"},
		{`addr("")`, "invalid ip "},
		{`addr(5)`, "no valid IP address"},
		{`addr(true)`, "no valid IP address"},
	})
}

// TestInterned: equal addresses are one object while a script has it, and nothing is kept after that.
func TestInterned(t *testing.T) {
	r := newRig(t, files{"main.lua": `held = mona:createIPAddress("10.0.0.1")`})
	held := r.lua("", `return held`)[0]
	r.lua("", `for i = 1, 5000 do mona:createIPAddress("10.1." .. math.floor(i / 256) .. "." .. i % 256) end`)
	runtime.GC()
	r.lua("", `for i = 1, 5000 do mona:createIPAddress("10.2." .. math.floor(i / 256) .. "." .. i % 256) end`)
	runtime.GC()
	ips := &r.engine.objects.ips
	ips.sweepAt = 0
	r.engine.newIP(netip.MustParseAddr("10.3.0.1"))
	if n := len(ips.objects); n > 100 {
		t.Errorf("%d addresses are kept", n)
	}
	if r.engine.newIP(netip.MustParseAddr("10.0.0.1")) != held {
		t.Error("another object for an address that a script holds")
	}
}

// TestResolver: a name is looked up once at a time, its address kept and renewed; nobody waits for long.
func TestResolver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r resolver
		r.init()
		lookups, answer, takes := 0, "192.0.2.1", time.Second // what lookups read they read under the lock
		r.lookup = func(ctx context.Context, _ string) ([]netip.Addr, error) {
			r.mu.Lock()
			lookups++
			text, wait := answer, takes
			r.mu.Unlock()
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			if text == "" {
				return nil, errors.New("no such host")
			}
			return []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr(text)}, nil
		}
		get := func(wait time.Duration, want string) {
			t.Helper()
			a, err := r.get("a.com", wait, nil)
			got := a.String()
			if err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
		pass := func(d time.Duration) { <-time.After(d) } // of the bubble
		start := time.Now()
		get(noWait, "a.com: host name not resolved yet")
		get(dnsWait, "a.com: host name not resolved yet")
		if took := time.Since(start); took != dnsWait {
			t.Error(took)
		}
		get(2*time.Second, "192.0.2.1")
		if took := time.Since(start); took != time.Second || lookups != 1 {
			t.Error(took, lookups)
		}
		set := func(text string, wait time.Duration) {
			r.mu.Lock()
			lookups, answer, takes = 0, text, wait
			r.mu.Unlock()
		}
		set("192.0.2.2", time.Second)
		get(noWait, "192.0.2.1")
		pass(dnsKeep + time.Second)
		get(noWait, "192.0.2.1") // the old one serves until there is a new one
		pass(2 * time.Second)
		get(noWait, "192.0.2.2")
		set("", time.Second)
		pass(dnsKeep + time.Second)
		get(noWait, "192.0.2.2")
		pass(2 * time.Second)
		get(noWait, "192.0.2.2") // better than none
		if synctest.Wait(); lookups != 1 {
			t.Error(lookups)
		}

		if _, err := r.get("b.com", 2*time.Second, nil); err == nil || err.Error() != "no such host" {
			t.Error(err)
		}
		set("192.0.2.9", time.Second)
		if _, err := r.get("b.com", noWait, nil); err == nil {
			t.Error("asked again at once")
		}
		pass(dnsRetry + time.Second)
		if a, err := r.get("b.com", 2*time.Second, nil); err != nil || a.String() != "192.0.2.9" || lookups != 1 {
			t.Error(a, err, lookups)
		}

		set("192.0.2.9", time.Hour)
		busy := 0
		for i := range 3 * dnsRunning {
			if _, err := r.get(fmt.Sprint("host", i), noWait, nil); errors.Is(err, errDNSBusy) {
				busy++
			}
		}
		if busy != 2*dnsRunning {
			t.Error(busy)
		}
		pass(dnsTimeout + time.Second)
		set("192.0.2.9", 0)
		for i := range 2 * dnsHosts {
			_, _ = r.get(fmt.Sprint("many", i), time.Second, nil)
		}
		if len(r.hosts) > dnsHosts {
			t.Error(len(r.hosts))
		}
	})
}
