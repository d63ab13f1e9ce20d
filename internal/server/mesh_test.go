package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// ask calls a function of the root application until it answers want.
func ask(t *testing.T, p *peer, name, want string, args ...amf.Value) {
	t.Helper()
	var got string
	defer func() {
		if t.Failed() {
			t.Logf("%s answered %q, not %q", name, got, want)
		}
	}()
	until(t, "answer", func() bool {
		r, _ := p.call(name, args...)
		got = fmt.Sprint(r.Value(), r.Err)
		return strings.Contains(got, want)
	})
}

// The applications of two servers see each other, call each other with every kind of value, and start each
// other's applications.
func TestTwoServers(t *testing.T) {
	root := `
		local function text(v)
			if type(v) ~= "table" then return tostring(v) end
			if v.__raw then return "raw" .. #v.__raw end
			if v.__time then return "date" .. v.__time end
			local s = ""
			for i, x in ipairs(v) do s = s .. text(x) .. "," end
			if v.k then s = s .. "k=" .. text(v.k) end
			return "{" .. s .. "}"
		end
		heard = ""
		function onServerConnection(server)
			heard = heard .. "+" .. tostring(server.isTarget) .. ":" .. server.type .. " "
			function server:hello(...)
				for i = 1, select("#", ...) do heard = heard .. text((select(i, ...))) .. ";" end
			end
			server:send("hello", nil, true, -1, 1.5, 268435456, "a\0b", {1, "two", {3}, k=-2}, {__raw="\0\255"}, {__time=1e12})
		end
		function onServerDisconnection(server) heard = heard .. "-" .. server.type end
		function onConnection(client)
			function client:heard() return heard .. "|" .. mona.servers.count .. "|" .. (mona.servers(1) and mona.servers(1).publicAddress or "") end
			function client:wake() return children("game") ~= nil end
		end`
	game := `function onStart() super.heard = super.heard .. " game" end`
	scripts := map[string]string{"main.lua": root, "game/main.lua": game}
	port := freeTCPPort(t, loopback).Port()
	b := startDaemonWith(t, scripts, fmt.Sprintf("[servers]\nhost = 127.0.0.1\nport = %d\n", port))
	a := startDaemonWith(t, scripts, fmt.Sprintf("[servers]\ntargets = localhost:%d?type=master\n", port))
	pa, pb := dialPeerTo(t, a.addr, ""), dialPeerTo(t, b.addr, "")
	values := `nil;true;-1;1.5;268435456;a` + "\x00" + `b;{1,two,{3,},k=-2};raw2;date1000000000000;`
	ask(t, pa, "heard", "+true:master "+values+"|1|"+b.addr.String())
	ask(t, pb, "heard", "+false:master "+values+"|1|"+a.addr.String())
	ask(t, pa, "wake", "true")
	ask(t, pb, "heard", "game")
	pa.close()
	pb.close()
}

// What a hook sends with its packet arrives as it was, and so does the stream that is made of it.
func TestForwardedStream(t *testing.T) {
	root := `
		function onServerConnection(server)
			function server:open(name) self.copy = mona:publish(name) end
			function server:video(time, packet) self.copy:pushVideo(time, packet) end
			function server:audio(time, packet) self.copy:pushAudio(time, packet) end
		end
		function onConnection(client)
			function client:onPublish(publication)
				local function all(...) mona.servers:broadcast(...) end
				all("open", publication.name)
				function publication:onVideo(time, packet) all("video", time, packet) end
				function publication:onAudio(time, packet) all("audio", time, packet) end
			end
			function client:servers() return mona.servers.count end
		end`
	port := freeTCPPort(t, loopback).Port()
	b := startDaemonWith(t, map[string]string{"main.lua": root}, fmt.Sprintf("[servers]\nhost = 127.0.0.1\nport = %d\n", port))
	a := startDaemonWith(t, map[string]string{"main.lua": root}, fmt.Sprintf("[servers]\ntargets = 127.0.0.1:%d\n", port))
	publisher, player := dialPeerTo(t, a.addr, ""), dialPeerTo(t, b.addr, "")
	ask(t, publisher, "servers", "1")
	player.play("film")
	publisher.publish("film")
	player.expect(netconn.CodePlayPublishNotify)
	film := []peerFrame{{media.Video, 0, "\x17\x00\x00\x00\x00config"}, {media.Audio, 0, "\xaf\x00\x12\x10"}}
	for i := range uint32(50) {
		picture := "\x27\x01"
		if i%10 == 0 {
			picture = "\x17\x01"
		}
		film = append(film, peerFrame{media.Video, 40 * i, fmt.Sprintf("%s\x00\x00\x00%d%s", picture, i, strings.Repeat("v", 3000))},
			peerFrame{media.Audio, 40*i + 20, fmt.Sprintf("\xaf\x01%d", i)})
	}
	publisher.do(func(now rtmfp.Time) {
		for _, f := range film {
			if err := publisher.stream.WriteFrame(now, f.kind, f.ts, rtmfp.CopyBuffer([]byte(f.body)), media.WriteOptions{}); err != nil {
				t.Error(err)
			}
		}
	})
	until(t, "film", func() bool { return len(player.received()) >= len(film) })
	for _, kind := range []media.Kind{media.Audio, media.Video} {
		if want, got := only(film, kind), only(player.received(), kind); !slices.Equal(want, got) {
			t.Errorf("%v: %d frames of %d", kind, len(got), len(want))
		}
	}
	publisher.close()
	player.close()
}

func only(list []peerFrame, kind media.Kind) (l []peerFrame) {
	for _, f := range list {
		if f.kind == kind {
			l = append(l, f)
		}
	}
	return l
}
