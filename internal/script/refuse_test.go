package script

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/monaserver/monaserver/internal/netconn"
)

// A script that refuses by error is not at fault: the log says at INFO whom it refused and why. A mistake in the same place
// is an error, whatever the other side is told.
func TestRefusalsInTheLog(t *testing.T) {
	for name, how := range map[string]struct{ code, text, level string }{
		"refusal":         {`error("not you", 0)`, "refused: not you", "info"},
		"with position":   {`error("not you")`, "main.lua:2: not you", "info"},
		"several values":  {`error("go to ", mona.configs, "!")`, "main.lua:2: go to parameters!", "info"},
		"caught before":   {`pcall(error, "a") error("b", 0)`, "refused: b", "info"},
		"raised again":    {`local ok, e = pcall(error, "a") error(e, 0)`, "refused: a", "info"},
		"mistake":         {`local x = nil; return x.y`, "attempt to index", "error"},
		"mistake after":   {`pcall(error, "a") local x = nil; return x.y`, "attempt to index", "error"},
		"library mistake": {`string.rep()`, "bad argument", "error"},
		"endless":         {`pcall(error, "a") while true do end`, "interrupted", "error"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, event := range []string{"onConnection", "onPublish", "onSubscribe", "onServerConnection"} {
				r := newRig(t, files{"main.lua": refusing(event, how.code)}, func(c *Config) { c.Budget = 20e6 })
				errors := r.engine.counters.Errors.Load()
				r.forget()
				address := refuse(r, event)
				line := ""
				for l := range strings.SplitSeq(r.logs.String(), "\n") {
					if strings.Contains(l, `"in":"`+event+`"`) {
						line = l
					}
				}
				if !strings.Contains(line, `"level":"`+how.level+`"`) || !strings.Contains(line, how.text) {
					t.Errorf("%s: %s", event, line)
				}
				if refused := how.level == "info"; refused != (r.engine.counters.Errors.Load() == errors) {
					t.Errorf("%s: %d errors counted", event, r.engine.counters.Errors.Load()-errors)
				} else if refused && !strings.Contains(line, `"address":"`+address+`"`) {
					t.Errorf("%s of %s: %s", event, address, line)
				}
			}
		})
	}
}

// refusing is a script with an event.
func refusing(event, code string) string {
	switch event {
	case "onPublish", "onSubscribe":
		return "function onConnection(client) function client:" + event + "()\n" + code + " end end"
	}
	return "function " + event + "()\n" + code + " end"
}

// refuse makes an event happen; it returns the address of who is refused.
func refuse(r *rig, event string) string {
	switch event {
	case "onServerConnection":
		r.link(true, "192.0.2.1:1935")
		return "192.0.2.1:1935"
	case "onConnection":
		c := r.connect(netconn.ClientConfig{URL: "rtmfp://10.0.0.1/"})
		return c.node.Addr().String()
	}
	c := r.dial("rtmfp://10.0.0.1/")
	if event == "onPublish" {
		c.publish("cam")
	} else {
		c.play("cam")
	}
	return c.node.Addr().String()
}

// An application without an onHandshake is not asked about clients that are about to connect, until it has one.
func TestHandshakeNoticed(t *testing.T) {
	r := newRig(t, files{
		"main.lua":       ``,
		"child/main.lua": `function set(f) onHandshake = f end function above(f) super.onHandshake = f end`,
		"off/main.lua":   `onHandshake = false; function set(f) onHandshake = f end`,
	})
	e := r.engine
	there := `function() return "203.0.113.1:1" end`
	asked := func(path string, decides bool, where string) {
		t.Helper()
		if e.DecidesHandshakes(path) != decides {
			t.Errorf("%q: asked = %t, want %t", path, !decides, decides)
		}
		if decides {
			if got := r.handshake(path, "", 1); got != where {
				t.Errorf("%q: %q, want %q", path, got, where)
			}
		}
	}
	for _, path := range []string{"/child", "/off"} {
		asked(path, true, "") // the application is loaded for it
	}
	for _, path := range []string{"", "/child", "/off"} {
		asked(path, true, "")
	}
	asked("", false, "")
	asked("/child", false, "")
	asked("/missing", false, "")
	r.lua("/child", `set(`+there+`)`)
	asked("/child", true, "203.0.113.1:1")
	asked("/child", true, "203.0.113.1:1")
	asked("", true, "")
	asked("", false, "")
	r.lua("/child", `set(nil)`)
	asked("/child", true, "")
	asked("/child", false, "")
	r.lua("/child", `above(`+there+`)`)
	asked("/child", true, "203.0.113.1:1")
	asked("", true, "203.0.113.1:1")
	r.lua("/off", `set(`+there+`)`)
	asked("/off", true, "203.0.113.1:1")
	r.write("main.lua", `x = 1`)
	if err := r.reload(""); err != nil {
		t.Fatal(err)
	}
	asked("", true, "")
	asked("", false, "")
	r.write("main.lua", `function onHandshake() return "203.0.113.2:2" end`)
	if err := r.reload(""); err != nil {
		t.Fatal(err)
	}
	asked("", true, "203.0.113.2:2")
	if netip.MustParseAddrPort(r.handshake("/child", "", 1)).Port() != 2 {
		t.Error("a child does not inherit")
	}
}

// A function that answers its call itself and returns values as well has answered once; the log warns.
func TestAnsweredTwice(t *testing.T) {
	r := newRig(t, files{"main.lua": `function onConnection(client)
		function client:twice() client.writer:writeMessage(1) return 2 end
		end`})
	c := r.dial("rtmfp://10.0.0.1/")
	r.forget()
	if got, err := c.call("twice"); err != nil || amfText(got.Values...) != "1" {
		t.Errorf("%v, %v", got.Values, err)
	}
	r.logged(`"level":"warn","application":"/","in":"twice","message":"values returned after writer:writeMessage are not sent"`)
}
