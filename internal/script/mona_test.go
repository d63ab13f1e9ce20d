package script

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// expectAll compares expressions with their values.
func (r *rig) expectAll(app string, rows [][2]string) {
	r.t.Helper()
	for _, row := range rows {
		r.expect(app, row[0], row[1])
	}
}

func TestMonaCollections(t *testing.T) {
	r := newRig(t, files{"main.lua": `children("a")`, "a/main.lua": ``}, func(c *Config) {
		c.Params = map[string]string{"host": "www.a.com:1935", "RTMFP.port": "1935", "RTMFP.on": "True", "my": "x", "my.y": "2"}
		c.Environment = map[string]string{"HOME": "/root", "N": "7"}
		c.Arguments = map[string]string{"log": "7", "dump": ""}
	})
	c := r.dial("rtmfp://10.0.0.1/a")
	id := r.idOf(c)
	r.expectAll("", [][2]string{
		{`mona.clients.count, #mona.clients`, "1,1"},
		{`mona.clients(` + `"` + id + `").id`, id},
		{`mona.clients["` + id + `"] == mona.clients(mona.clients("` + id + `").rawId)`, "true"},
		{`clients.count, children("a").clients.count`, "0,1"},
		{`next(mona.clients)`, id + ",client " + id},
		{`mona.publications.count, mona.groups.count, mona.servers.count`, "0,0,0"},
		{`mona.configs.host, mona.host`, "www.a.com:1935,www.a.com:1935"},
		{`mona.configs["RTMFP.port"], mona.configs.RTMFP.port, mona.RTMFP.port, mona.configs.rtmfp.PORT`, "1935,1935,1935,1935"},
		{`type(mona.configs.RTMFP.port), mona.configs.RTMFP.on`, "number,true"},
		{`mona.configs.RTMFP == mona.configs.RTMFP, mona.configs == mona.configs`, "true,true"},
		{`mona.my, mona.configs.unknown, mona.unknown`, "x,nil,nil"},
		{`mona.environment.HOME, mona.environment.N, mona.environments.N, #mona.environment`, "/root,7,7,2"},
		{`mona.arguments.log, mona.arguments.dump, mona.arguments.x, type(mona.arguments)`, "7,,nil,table"},
		{`mona == mona, children("a").mona == mona`, "true,false"},
		{`mona.publications == children("a").mona.publications, mona.servers == children("a").mona.servers`, "true,true"},
	})
	r.lua("", `mona.field = 1; mona.configs = 2`)
	r.logged("mona.configs is read-only")
	r.lua("/a", `mona.field = 2`)
	r.expect("", `mona.field`, "1")
	r.expect("/a", `mona.field`, "2")
	r.lua("", `mona.servers.x = 1`)
	r.logged("servers is read-only")
	c.leave()
	r.expect("", `mona.clients.count, children("a").clients.count`, "0,0")
}

func TestMonaWithoutArguments(t *testing.T) {
	r := newRig(t, files{"main.lua": ``})
	r.expect("", `type(mona.arguments), next(mona.arguments), #mona.configs`, "table,nil,0")
}

func TestMonaTime(t *testing.T) {
	r := newRig(t, files{"main.lua": ``})
	before := float64(time.Now().UnixMilli())
	got := float64(r.lua("", `return mona:time()`)[0].(lua.LNumber))
	if got < before || got > before+60_000 {
		t.Error(got)
	}
}

func TestMonaText(t *testing.T) {
	r := newRig(t, files{"main.lua": `
		function hex(s) return (s:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end
		function join(...) return select("#", ...) .. ":" .. table.concat({...}, "|") end`})
	r.expectAll("", [][2]string{
		{`join(mona:split("a;b,,c", ";,"))`, "4:a|b||c"},
		{`join(mona:split("a;b,,c ", ";,", 1))`, "3:a|b|c "},
		{`join(mona:split(" a ; b ", ";", 2))`, "2:a|b"},
		{`join(mona:split(" a ;; b ", ";", 3))`, "2:a|b"},
		{`join(mona:split("", ";"))`, "1:"},
		{`hex(mona:md5("abc"))`, "900150983cd24fb0d6963f7d28e17f72"},
		{`#mona:md5("abc"), #mona:sha256("abc"), select("#", mona:sha256("a", "b", "c"))`, "16,32,3"},
		{`hex(mona:sha256("abc")):sub(1, 16)`, "ba7816bf8f01cfea"},
		{`hex((mona:md5(7))) == hex((mona:md5("7")))`, "true"},
	})
	r.notLogged("ERROR")
	r.expect("", `mona:md5({}), mona:sha256("a", nil)`, "nil,"+string(r.lua("", `return (mona:sha256("a"))`)[0].(lua.LString))+",nil")
	r.logged("digest: a text was expected, got table")
	if _, err := r.tryLua("", `mona:split(("x,"):rep(100000), ",")`); err == nil || !strings.Contains(err.Error(), "too many results") {
		t.Error(err)
	}
}

func TestMonaAMF(t *testing.T) {
	r := newRig(t, files{"main.lua": `
		function hex(s) return (s:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end`},
		func(c *Config) { c.Params = map[string]string{"a": "1"} })
	r.expectAll("", [][2]string{
		{`hex(mona:toAMF0("a", 1, true, nil))`, "02000161" + "003ff0000000000000" + "0101" + "05"},
		{`hex(mona:toAMF({x="y"}))`, "110a0b01037806037901"},
		{`mona:fromAMF(mona:toAMF("a", 2, false))`, "a,2,false"},
		{`mona:fromAMF(mona:toAMF0({a={b=5}})).a.b`, "5"},
		{`({mona:fromAMF(mona:toAMF({7, 8}))})[1][2]`, "8"},
		{`mona:fromAMF(mona:toAMF({__raw="xyz"})).__raw`, "xyz"},
	})
	r.forget()
	r.expect("", `mona:fromAMF(mona:toAMF0("kept") .. "\255")`, "kept")
	r.logged("fromAMF: ")
	r.forget()
	r.expect("", `hex(mona:toAMF0(print, mona))`, "0505")
	r.logged("a function cannot be sent")
	r.logged("a mona cannot be sent")
	r.expect("", `hex(mona:toAMF0(this))`, "05")
	r.logged("an application cannot be sent")
	r.lua("", `deep = {} for i = 1, 500 do deep = {deep} end`)
	for _, f := range []string{"toAMF", "toAMF0", "toJSON", "toQuery"} {
		r.forget()
		r.expect("", `mona:`+f+`(deep)`, "nil")
		r.logged(": limit exceeded")
	}
	r.expect("", `mona:fromAMF(mona:toAMF(mona.configs)).a`, "1") // views of plain values are
}

// A table that contains itself is what it was when it is read again; a client gets null at that place.
func TestMonaAMFCycles(t *testing.T) {
	r := newRig(t, files{"main.lua": `
		loop = {1, x = {"deep"}}
		loop.self, loop.x.up = loop, loop
		object = {name = "o"} object.me = object
		dictionary = {__size = 1} dictionary[dictionary] = "self"
		shared = {"s"}
		function onConnection(client) function client:get() return loop end end`})
	for _, f := range []string{"toAMF", "toAMF0"} {
		r.lua("", `a, b, c, d, e = mona:fromAMF(mona:`+f+`({"first"}, loop, object, dictionary, "last"))`)
		r.expect("", `a[1], b[1], b.self == b, b.x[1], b.x.up == b, c.name, c.me == c, d[d], d.__size, e`, "first,1,true,deep,true,o,true,self,1,last")
		r.lua("", `a, b = mona:fromAMF(mona:`+f+`({shared, shared}, shared))`)
		r.expect("", `a[1][1], a[2][1], b[1], a[1] == a[2]`, "s,s,s,false") // written in full: every reader agrees on that
	}
	r.notLogged("cannot be sent")
	c := r.dial("rtmfp://10.0.0.1/")
	r.same("in a call", c.answer("get"), `[1 x=["deep" up=null] self=null]`)
	r.logged("a table inside itself cannot be sent")
}

func TestMonaFormats(t *testing.T) {
	r := newRig(t, files{"main.lua": `err = "" function onError(text) err = text end`})
	r.expectAll("", [][2]string{
		{`mona:toJSON(), mona:toJSON({})`, "[],[[]]"},
		{`mona:toJSON("a\"b", 1.5, true, nil, {x=1})`, `["a\"b",1.5,true,null,{"x":1}]`},
		{`mona:fromJSON('[1,"two",true]')`, "1,two,true"},
		{`select(3, mona:fromJSON('[1,"two",{"three":3}]')).three`, "3"},
		{`mona:fromJSON('{"a":{"b":[1,2]}}').a.b[2]`, "2"},
		{`mona:fromJSON(mona:toJSON({__raw="\0\1"})).__raw`, "\x00\x01"},
		{`mona:fromXML('<doc a="1"><sub>text</sub></doc>').doc.a`, "1"},
		{`mona:fromXML('<doc a="1"><sub>text</sub></doc>').doc.sub.__value`, "text"},
		{`mona:fromXML(mona:toXML({{__name="doc", attr="v", "text"}})).doc.attr`, "v"},
		{`mona:fromQuery("a=1&b=x").a`, "1"},
		{`mona:toQuery({a=1})`, "a=1"},
	})
	r.notLogged("XML")
	r.expect("", `select("#", mona:fromJSON("{bad"))`, "0")
	r.logged("fromJSON: ")
	r.expect("", `mona:fromXML("<bad")`, "nil")
	r.logged("fromXML: ")
	r.forget()
	r.expect("", `mona:fromXML(onError, "<bad"), err ~= ""`, "nil,true")
	r.lua("", `err = ""`)
	r.expect("", `mona:toXML(onError, 5), err`, "nil,a table was expected")
	r.notLogged("XML")
	if _, err := r.tryLua("", `mona:fromXML(function() error("mine") end, "<bad")`); err == nil || !strings.Contains(err.Error(), "mine") {
		t.Error("an error in the error function is the script's:", err)
	}
}

func TestMonaPaths(t *testing.T) {
	r := newRig(t, files{"main.lua": ``, "a/main.lua": `-- 12`, "a/b/x.tar.gz": "123", "a/none": ""})
	www := filepath.ToSlash(r.www)
	when := time.UnixMilli(1_700_000_000_123)
	if err := os.Chtimes(filepath.Join(r.www, "a", "main.lua"), when, when); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(r.www), filepath.Join(r.www, "out")); err != nil {
		t.Fatal(err)
	}
	r.lua("", `function names(dir)
		local t = {}
		for i, f in ipairs(mona:listPaths(dir)) do t[i] = f.name end
		return table.concat(t, " ")
	end
	list = mona:listPaths("a"); sub, main, none = list[1], list[2], list[3]`)
	r.expectAll("", [][2]string{
		{`mona:absolutePath("a")`, www + "/a/"},
		{`mona:absolutePath("/a/b/")`, www + "/a/b/"},
		{`mona:absolutePath("")`, www + "/"},
		{`mona:absolutePath()`, www + "/"},
		{`mona:absolutePath("../../etc")`, www + "/etc/"},
		{`names("a")`, "b main.lua none"},
		{`names("/a/b/")`, "x.tar.gz"},
		{`names()`, "a main.lua out"},
		{`names("..")`, "a main.lua out"},
		{`main.name, main.baseName, main.extension, main.parent`, "main.lua,main,lua," + www + "/a/"},
		{`main.path, main.value, tostring(main)`, strings.Repeat(","+www+"/a/main.lua", 3)[1:]},
		{`main.size, main.lastModified, main.isFolder, main.isAbsolute`, "5,1700000000123,false,true"},
		{`sub.size, sub.isFolder, sub.extension`, "0,true,"},
		{`none.baseName, none.extension`, "none,"},
		{`mona:listPaths("a/b")[1].baseName, mona:listPaths("a/b")[1].extension`, "x.tar,gz"},
	})
	r.notLogged("listPaths")
	r.lua("", `main.size = 1`)
	r.logged("file.size is read-only")
	for _, dir := range []string{"missing", "main.lua", "out"} {
		r.forget()
		r.expect("", `#mona:listPaths("`+dir+`")`, "0")
		r.logged("listPaths: /" + dir + ": ")
	}
	r.notLogged(www)
}

func TestMonaDump(t *testing.T) {
	for _, tc := range []struct {
		args map[string]string
		call string
		want string // "" = nothing
	}{
		{nil, `mona:dump("x", "abc")`, ""},
		{map[string]string{"dump": ""}, `mona:dump("x", "abc")`, "61 62 63"},
		{map[string]string{"dump": "X"}, `mona:dump("x a title", "abc")`, "a title"},
		{map[string]string{"dump": "y"}, `mona:dump("x", "abc")`, ""},
		{map[string]string{"dump": ""}, `mona:dump("abc")`, "61 62 63"},
		{map[string]string{"dump": ""}, `mona:dump("x", "abc", 1)`, "00000000  61                                                |a|"},
		{map[string]string{"dump": "", "dumplimit": "2"}, `mona:dump("x", "abc")`, "|ab|"},
		{map[string]string{"dump": "", "dumplimit": "0"}, `mona:dump("x", "abc")`, "|abc|"},
	} {
		r := newRig(t, files{"main.lua": ``}, func(c *Config) { c.Arguments = tc.args })
		r.forget()
		r.lua("", tc.call)
		if tc.want == "" {
			r.notLogged("00000000")
		} else {
			r.logged(tc.want)
		}
	}
}

// fakeBans notes what is banned.
type fakeBans []string

func (b *fakeBans) Ban(p netip.Prefix)   { *b = append(*b, "+"+p.String()) }
func (b *fakeBans) Unban(p netip.Prefix) { *b = append(*b, "-"+p.String()) }

func TestMonaBlacklist(t *testing.T) {
	bans := &fakeBans{}
	r := newRig(t, files{"main.lua": ``}, func(c *Config) { c.Bans = bans })
	r.meet(true, "192.0.2.9:1936", nil)
	c := r.dial("rtmfp://10.0.0.1/")
	r.lua("", `
		mona:addToBlacklist("192.0.2.1", mona.clients("`+r.idOf(c)+`").address, mona.servers(1), mona:createIPAddress("::1"))
		mona:addToBlacklist("10.0.0.0/8")
		mona:removeFromBlacklist("192.0.2.1")`)
	want := "[+192.0.2.1/32 +10.1.0.1/32 +192.0.2.9/32 +::1/128 +10.0.0.0/8 -192.0.2.1/32]"
	if got := fmt.Sprint(*bans); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	r.notLogged("blacklist")
	r.lua("", `mona:addToBlacklist("www.example.org", 5, "192.0.2.3")`)
	r.logged("blacklist: invalid ip www.example.org")
	r.logged("blacklist: no valid IP address")
	if last := (*bans)[len(*bans)-1]; last != "+192.0.2.3/32" {
		t.Error("what follows a mistake is banned too:", last)
	}
	r = newRig(t, files{"main.lua": ``})
	r.lua("", `mona:addToBlacklist("192.0.2.1")`)
	r.logged("this server has no blacklist")
}

// answerDNS makes the engine resolve names from a table; a name that is not there takes for ever.
func (r *rig) answerDNS(hosts map[string]string) {
	r.engine.objects.dns.lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
		text, ok := hosts[host]
		switch {
		case !ok:
			<-ctx.Done()
			return nil, ctx.Err()
		case text == "":
			return nil, errors.New("no such host")
		}
		var list []netip.Addr
		for s := range strings.SplitSeq(text, " ") {
			list = append(list, netip.MustParseAddr(s))
		}
		return list, nil
	}
}

func TestMonaCreateAddress(t *testing.T) {
	r := newRig(t, files{"main.lua": `err = "" function onError(text) err = text end`},
		func(c *Config) { c.Budget = 500 * time.Millisecond })
	r.answerDNS(map[string]string{"www.a.com": "2001:db8::1 192.0.2.7", "www.b.com": ""})
	r.expectAll("", [][2]string{
		{`mona:createIPAddress(), mona:createSocketAddress()`, "0.0.0.0,0.0.0.0:0"},
		{`mona:createIPAddress("192.0.2.1"), mona:createIPAddress("[::1]"), mona:createIPAddress("localhost")`, "192.0.2.1,::1,127.0.0.1"},
		{`mona:createIPAddressWithDNS("www.a.com"), mona:createIPAddressWithDNS("192.0.2.1")`, "192.0.2.7,192.0.2.1"},
		{`mona:createSocketAddressWithDNS("www.a.com:80"), mona:createSocketAddressWithDNS("www.a.com", 81)`, "192.0.2.7:80,192.0.2.7:81"},
		{`mona:createIPAddress(onError, "bad"), err`, "nil,invalid ip bad"},
		{`mona:createSocketAddress(onError, "192.0.2.1"), err`, "nil,missing port number"},
		{`mona:createIPAddressWithDNS(onError, "www.b.com"), err`, "nil,no such host"},
		{`mona:createIPAddress(onError, "192.0.2.1"), err`, "192.0.2.1,no such host"},
	})
	r.notLogged("createIPAddress")
	r.expect("", `mona:createIPAddress("www.a.com")`, "nil")
	r.logged("createIPAddress: invalid ip www.a.com")
	start := time.Now()
	r.expect("", `mona:createSocketAddressWithDNS("slow.a.com", 80)`, "nil")
	r.logged("slow.a.com: host name not resolved yet")
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("a slow name server stopped the scripts for %v", took)
	}
}

func TestMembers(t *testing.T) {
	r := newRig(t, files{"main.lua": ``})
	members := r.engine.Members()
	for class, want := range map[string]string{
		"group":   "[count id ipairs members pairs rawId size]",
		"member":  "[id rawId release]",
		"server":  "[address configs host isTarget port publicAddress reject send socketAddress]",
		"servers": "[broadcast count initiators ipairs pairs targets]",
		"file":    "[baseName extension isAbsolute isFolder lastModified name parent path size value]",
		"address": "[host isIPv6 port value]",
	} {
		if got := fmt.Sprint(members[class]); got != want {
			t.Errorf("%s: %s, want %s", class, got, want)
		}
	}
	for _, class := range []string{"mona", "client", "writer", "publication", "listener", "parameters", "data", "ip", "TCPClient", "TCPServer", "UDPSocket"} {
		if len(members[class]) == 0 {
			t.Errorf("class %s is missing", class)
		}
	}
}
