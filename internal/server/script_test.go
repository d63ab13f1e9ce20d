package server

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// namedLink is a staticLink with a public host name.
type namedLink struct {
	staticLink
	host string
}

func (l *namedLink) Params() map[string]string { return map[string]string{"host": l.host} }

// Sample: from 400 subscribers on, the next one is told the public host of the following server as the last word of a
// refusal, where the sample's client looks for it.
func TestSampleFollowingServer(t *testing.T) {
	d := sampleDaemon(t, "S7")
	d.rtmfp.engine.ServerConnected(&namedLink{staticLink{netip.MustParseAddrPort("192.0.2.2:1936")}, "www.hostB.com:1935"})
	subscribe := func(p *peer, name string) netconn.Info {
		status := make(chan netconn.Info, 64)
		p.do(func(now rtmfp.Time) {
			cfg := netconn.StreamConfig{OnStatus: func(_ rtmfp.Time, i netconn.Info) {
				if i.Code != netconn.CodePlayReset {
					status <- i
				}
			}}
			p.conn.CreateStream(now, cfg, func(now rtmfp.Time, s *netconn.ClientStream, err error) {
				if err != nil {
					status <- netconn.Info{Code: err.Error()}
					return
				}
				_ = s.Play(now, name)
			})
		})
		select {
		case i := <-status:
			return i
		case <-time.After(patience):
			return netconn.Info{Code: "no answer"}
		}
	}
	var last *peer
	for i := range 4 {
		last = visit(t, d.addr)
		for k := range 100 {
			if got := subscribe(last, fmt.Sprint("cam", k)); got.Code != netconn.CodePlayStart {
				t.Fatalf("subscriber %d: %s: %s", 100*i+k, got.Code, got.Description)
			}
		}
	}
	got := subscribe(last, "one too many")
	words := strings.Split(got.Description, " ")
	if got.Code != netconn.CodePlayFailed || words[len(words)-1] != "www.hostB.com:1935" {
		t.Errorf("%s: %s", got.Code, got.Description)
	}
}

// What scripts see of the configuration: the file, defaults of the protocol, the program and its options.
func TestConfigsOfScripts(t *testing.T) {
	d := startDaemonWith(t, map[string]string{"live/main.lua": `
		function onConnection(client)
			function client:get(name) return mona.configs[name] end
			function client:other(name) return mona[name] end
			function client:argument(name) return mona.arguments[name] end
		end`}, "[shop]\ntitle = My shop\nopen = yes\nsize = 12\nonline = TRUE\n[servers]\nsecret = hidden\n")
	p := visit(t, d.addr)
	for name, want := range map[string]string{
		"shop.title": "My shop", "shop.size": "12", "shop.online": "true", "shop.open": "yes",
		"RTMFP.port": fmt.Sprint(d.addr.Port()), "RTMFP.keepalivePeer": "10", "RTMFP.keepaliveServer": "15",
		"RTMFP.publicAddress": d.addr.String(), "rtmfp.PORT": fmt.Sprint(d.addr.Port()),
		"application.dir": d.rtmfp.cfg.Application.Dir, "application.runAsDaemon": "false",
		"servers.secret": "<nil>", "host": "<nil>", "nothing": "<nil>",
	} {
		if r, _ := p.call("get", amf.String(name)); r.Err != nil || text(r.Value()) != want {
			t.Errorf("mona.configs[%q] = %v (%v), want %s", name, text(r.Value()), r.Err, want)
		}
	}
	for _, name := range []string{"application.command", "application.path", "application.name", "application.baseName"} {
		if r, _ := p.call("get", amf.String(name)); text(r.Value()) == "" || text(r.Value()) == "<nil>" {
			t.Errorf("mona.configs[%q] is missing", name)
		}
	}
	if r, _ := p.call("argument", amf.String("config")); !strings.HasSuffix(text(r.Value()), "MonaServer.ini") {
		t.Errorf("mona.arguments.config = %s", text(r.Value()))
	}
}

// The root application, and no other, hears of the time that passes.
func TestManageTick(t *testing.T) {
	count := "ticks = 0 function onManage() ticks = ticks + 1 end "
	d := startDaemonWith(t, map[string]string{
		"main.lua":      count,
		"live/main.lua": count + "function onConnection(client) function client:ticks() return super.ticks, ticks end end",
	}, "")
	p := visit(t, d.addr)
	var r netconn.Result
	until(t, "onManage", func() bool {
		r, _ = p.call("ticks")
		return r.Err != nil || r.Value() != amf.Value(amf.Number(0))
	})
	if r.Err != nil || len(r.Values) != 2 || r.Values[1] != amf.Value(amf.Number(0)) {
		t.Errorf("%v, %v", r.Values, r.Err)
	}
}

func text(v amf.Value) string {
	if amf.KindOf(v) == amf.KindNull {
		return "<nil>"
	}
	return fmt.Sprint(v)
}
