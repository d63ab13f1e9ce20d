package script

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// What a client hears of its connect, by what onConnection does.
func TestConnectRefused(t *testing.T) {
	for _, tc := range []struct{ body, want string }{
		{`error("members only")`, "www/main.lua:2: members only"},
		{`error("members only", 0)`, "members only"},
		{`error(client.path == "", " and ", 5, nil)`, "www/main.lua:2: true and 5nil"},
		{`error("")`, "www/main.lua:2:"},
		{`error("", 0)`, "client rejected"},
		{`error()`, unknownError},
		{`error({})`, unknownError},
		{`error(setmetatable({}, {__tostring = function() return "text" end}))`, unknownError},
		{`error(42)`, "www/main.lua:2: 42"},
		{`nothing()`, "www/main.lua:2: attempt to call a nil value"},
		{`client.writer:close()`, "client rejected"},
	} {
		r := newRig(t, files{"main.lua": "function onConnection(client)\n client.writer:writeInvocation('f') " + tc.body + " end function onDisconnection() gone = true end"})
		c := r.connect(netconn.ClientConfig{URL: "rtmfp://10.0.0.1/", ObjectEncoding: 3})
		var refused *netconn.StatusError
		if !errors.As(c.err, &refused) || refused.Code != netconn.CodeConnectRejected || refused.Description != tc.want {
			t.Errorf("%s: %v, want %s", tc.body, c.err, tc.want)
		}
		r.run(5 * time.Second)
		if !c.closed || len(c.calls) > 0 { // what was written goes with the client
			t.Errorf("%s: closed %v, told %v", tc.body, c.closed, c.calls)
		}
		r.expect("", "gone, mona.clients.count", "nil,0")
	}
	r := newRig(t, files{"main.lua": ``, "broken/main.lua": "\n\nlocal t = nil + 1"})
	for path, want := range map[string]string{
		"/none":   netconn.CodeConnectInvalidApp + ": Application /none doesn't exist",
		"/broken": netconn.CodeConnectRejected + ": www/broken/main.lua:3: ",
	} {
		c := r.connect(netconn.ClientConfig{URL: "rtmfp://10.0.0.1" + path})
		var refused *netconn.StatusError
		if !errors.As(c.err, &refused) || !strings.HasPrefix(refused.Code+": "+refused.Description, want) {
			t.Errorf("%s: %v", path, c.err)
		}
	}
}

// What onConnection returns is in the answer and in the client's parameters; what it writes follows the answer.
func TestConnectAccepted(t *testing.T) {
	r := newRig(t, files{"main.lua": `
		function onConnection(client, what, ...)
			count = select("#", ...)
			here = mona.clients(client.id)
			client.writer:writeInvocation("welcome", what, ...)
			if what == "table" then return {description = "mine", extra = {5, "x"}, keepalivePeer = 20} end
			if what == "text" then return "text" end
		end`}, func(c *Config) {
		c.Params = map[string]string{"RTMFP.keepalivePeer": "10", "RTMFP.keepaliveServer": "15"}
	})
	c := r.dial("rtmfp://10.0.0.1/", amf.String("table"), amf.Null{}, amf.Number(3))
	r.run(time.Second)
	r.same("answer", amfText(c.info.Object.Members[0].Value, c.info.Object.Members[1].Value), `"status" "NetConnection.Connect.Success"`)
	for name, want := range map[string]string{"description": `"mine"`, "extra": `[5 "x"]`, "objectEncoding": "3"} {
		v, _ := c.info.Object.Get(name)
		r.same(name, amfText(v), want)
	}
	names := map[string]int{}
	for _, m := range c.info.Object.Members {
		if names[m.Name]++; names[m.Name] > 1 {
			t.Errorf("%s is sent twice", m.Name)
		}
	}
	r.same("told", c.told(), `welcome("table" null 3)`)
	r.expect("", "count, here", "2,nil")
	client := fmt.Sprintf("mona.clients(%q)", r.idOf(c))
	r.expect("", client+".parameters.keepalivePeer, "+client+".RTMFP.keepaliveServer", "20,15")
	r.expect("", client+".parameters == "+client+".RTMFP, "+client+".parameters.description", "true,mine")

	r.forget()
	r.dial("rtmfp://10.0.0.1/", amf.String("text"))
	r.logged("returned a string, a table was expected")
	c = r.dial("rtmfp://10.0.0.1/")
	r.same("description", c.info.Description, "Connection succeeded")
}

// How a call of a client is answered, for clients of both encodings.
func TestCalls(t *testing.T) {
	const app = `function onConnection(client)
	function client:add(a, b) return a + b end
	function client:self() return self == client end
	function client:several() return 1, nil, "three" end
	function client:null() return nil end
	function client:nulls() return nil, nil end
	function client:nothing() called = true end
	function client:echo(...) return ... end
	function client:fails() error("not today") end
	function client:joined() error("a", "b", 5) end
	function client:table() error({}) end
	function client:none() error() end
	function client:mistake() return nothing.x end
	function client:written() self.writer:writeMessage(1, "two") end
	function client:twice() self.writer:writeMessage("first") return "second" end
	function client:both() self.writer:writeMessage("answer") self.writer:writeMessage("message") end
	function client:onPublish() hacked = true end
	function client:onMessage() hacked = true end
	function client:onDisconnection() hacked = true end
	client.number = 5
end
`
	for _, encoding := range []uint8{0, 3} {
		t.Run(fmt.Sprint("encoding ", encoding), func(t *testing.T) {
			r := newRig(t, files{"main.lua": app, "game/main.lua": "function onConnection(client) super.onConnection(client) function client:where() return path end end"})
			c := r.connect(netconn.ClientConfig{URL: "rtmfp://10.0.0.1/game", ObjectEncoding: encoding})
			failed := func(text string) string { return "error: " + text }
			missing := func(name string) string {
				return failed("Method client '" + name + "' not found in application /game")
			}
			for _, tc := range []struct {
				name string
				args []amf.Value
				want string
			}{
				{"add", []amf.Value{amf.Number(1), amf.Number(2.5)}, "3.5"},
				{"self", nil, "true"},
				{"several", nil, `1 null "three"`},
				{"null", nil, "null"},
				{"nulls", nil, "null null"},
				{"where", nil, `"/game"`},
				{"echo", []amf.Value{amf.NewObject().Add("a", &amf.Array{Dense: []amf.Value{amf.Bool(true), amf.Null{}, amf.Number(-1)}})}, `{a=[true null -1]}`},
				{"echo", []amf.Value{&amf.ByteArray{Data: []byte{0, 255}}, amf.String("é\x00")}, `<00ff> "é\x00"`},
				{"fails", nil, failed("www/main.lua:9: not today")},
				{"joined", nil, failed("www/main.lua:10: ab5")},
				{"table", nil, failed(unknownError)},
				{"none", nil, failed(unknownError)},
				{"mistake", nil, failed("www/main.lua:13: attempt to index a non-table object(nil) with key 'x'")},
				{"written", nil, `1 "two"`},
				{"twice", nil, `"first"`},
				{"missing", nil, missing("missing")},
				{"number", nil, missing("number")},
				{"id", nil, missing("id")},
				{"writer", nil, missing("writer")},
				{"onPublish", nil, missing("onPublish")},
				{"onMessage", nil, missing("onMessage")},
				{"onDisconnection", nil, missing("onDisconnection")},
			} {
				r.same(tc.name, c.answer(tc.name, tc.args...), tc.want)
			}
			r.logged("values returned after writer:writeMessage are not sent")
			r.expect("", "hacked", "nil")
			if _, err := c.call("missing"); err != nil {
				var status *netconn.StatusError
				if !errors.As(err, &status) || status.Code != "NetConnection.Call.Failed" {
					t.Error(err)
				}
			}
			r.same("answer before a message", c.answer("both"), `"answer"`)
			r.same("message", c.told(), `onMessage("message")`)

			// A function that returns no value is not answered at all.
			answered := false
			c.Call(r.Now(), "nothing", func(_ rtmfp.Time, res netconn.Result) { answered = res.Err == nil })
			c.node.Wake()
			r.run(time.Second)
			r.expect("", "called", "true")
			if answered {
				t.Error("a call without result was answered")
			}
		})
	}
}

// onTypedObject may give received objects methods, in the application that runs.
func TestTypedObject(t *testing.T) {
	r := newRig(t, files{
		"main.lua": `types = ""
			function onTypedObject(type, o)
				types = types .. type .. " "
				if type == "Order" then function o:total() return self.price * self.count end end
			end
			function onConnection(client)
				function client:order(o) return o:total(), o.__type, o.item.__type, o.plain.__type end
			end`,
		"own/main.lua": `function onTypedObject(type, o) o.seen = path end
			function onConnection(client) function client:order(o) return o.seen, o.item.seen, o.plain.seen end end`,
		"fails/main.lua": `function onTypedObject() error("no such type") end`,
	})
	order := amf.NewObject().Add("price", amf.Number(3)).Add("count", amf.Number(4))
	order.Class = "Order"
	item := amf.NewObject().Add("name", amf.String("apple"))
	item.Class = "Item"
	order.Add("item", item).Add("plain", amf.NewObject().Add("x", amf.Number(1)))
	for _, encoding := range []uint8{0, 3} {
		dial := func(url string) *rigClient {
			return r.connect(netconn.ClientConfig{URL: url, ObjectEncoding: encoding})
		}
		r.lua("", `types = ""`)
		r.same("order", dial("rtmfp://10.0.0.1/").answer("order", order), `12 "Order" "Item" null`)
		r.expect("", `types`, "Item Order ")
		r.same("own event", dial("rtmfp://10.0.0.1/own").answer("order", order), `"/own" "/own" null`)
		r.same("error in it", dial("rtmfp://10.0.0.1/fails").answer("order", order), "error: www/main.lua:7: attempt to call a nil value")
	}
	r.logged("no such type")
}

// What the server calls on a client, by all names of the functions.
func TestInvocations(t *testing.T) {
	r := newRig(t, files{"main.lua": `function onConnection(c) client = c end`})
	c := r.dial("rtmfp://10.0.0.1/")
	r.forget()
	for _, tc := range [][2]string{
		{`client.writer:writeInvocation("f", 1, nil, "x")`, `f(1 null "x")`},
		{`client.writer:writeInvocation("f")`, `f()`},
		{`client.writer:writeInvocation(nil, 5)`, `onMessage(5)`},
		{`client.writer:writeMessage(5, true)`, `onMessage(5 true)`}, // there is no call to answer
		{`client.writer:writeAMFMessage("f", {})`, `f([])`},
		{`client.writer:writeAMFResult("r")`, `onMessage("r")`},
		{`client.writer:writeInvocation("f", print, client)`, `f(null null)`},
	} {
		r.lua("", tc[0])
		r.run(100 * time.Millisecond)
		r.same(tc[0], c.told(), tc[1])
	}
	r.logged("a function cannot be sent")
	r.lua("", `client.writer:writeStatusResponse("Custom.Code", "text") client.writer:writeStatusResponse("Other")`)
	r.run(100 * time.Millisecond)
	if len(c.statuses) != 2 || c.statuses[0].Code != "NetConnection.Custom.Code" || c.statuses[0].Description != "text" || c.statuses[1].Code != "NetConnection.Other" {
		t.Errorf("%+v", c.statuses)
	}
	// A message of AMF0: type 0x14, time, the command.
	r.lua("", `client.writer:writeRaw("\20\0\0\0\0", mona:toAMF0("raw", 0, nil, "v"))`)
	r.run(100 * time.Millisecond)
	r.same("raw", c.told(), `raw("v")`)
}
