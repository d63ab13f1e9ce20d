package server

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/config"
)

// dumpedPacket is a dump as it stands in a log.
type dumpedPacket struct {
	title string // without the number of bytes
	size  string
	data  []byte
}

var (
	dumpTitle = regexp.MustCompile(`INFO   ((?:RTMFP|SERVERS) (?:sent to|received from) .*), (\d+ bytes(?:, the first \d+)?)`)
	hexLine   = regexp.MustCompile(`^    [0-9a-f]{8}  ((?:[0-9a-f]{2} +){1,16})\|`)
)

// readDumps finds the dumps in a log for people.
func readDumps(t *testing.T, text string) (list []dumpedPacket) {
	t.Helper()
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if m := dumpTitle.FindStringSubmatch(line); m != nil {
			list = append(list, dumpedPacket{title: m[1], size: m[2]})
			inside = true
		} else if m := hexLine.FindStringSubmatch(line); m != nil && inside {
			b, err := hex.DecodeString(strings.ReplaceAll(m[1], " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			p := &list[len(list)-1]
			p.data = append(p.data, b...)
		} else {
			inside = false
		}
	}
	return list
}

// countDumps counts those with a title that hold some bytes.
func countDumps(list []dumpedPacket, title, contents string) (n int) {
	for _, p := range list {
		if strings.HasPrefix(p.title, title) && bytes.Contains(p.data, []byte(contents)) {
			n++
		}
	}
	return n
}

// A server with --dump logs the packets of clients and of other servers, as far as they are asked for.
func TestDumpOption(t *testing.T) {
	scripts := map[string]string{"main.lua": `
		function onConnection(client)
			function client:servers() return mona.servers.count end
		end`}
	links := freeTCPPort(t, loopback)
	startDaemonWith(t, scripts, fmt.Sprintf("[servers]\nhost = 127.0.0.1\nport = %d\n", links.Port()))
	for _, tc := range []struct {
		argv           []string
		rtmfp, servers bool
		limit          int
	}{
		{argv: nil},
		{argv: []string{"--dump"}, rtmfp: true, servers: true},
		{argv: []string{"--dump=rtmfp"}, rtmfp: true},
		{argv: []string{"--dump=Servers"}, servers: true},
		{argv: []string{"--dump=mine"}},
		{argv: []string{"--dump", "--dumplimit=20"}, rtmfp: true, servers: true, limit: 20},
		{argv: []string{"--dump", "--log=5"}},
	} {
		t.Run(strings.Join(tc.argv, " "), func(t *testing.T) {
			level := config.LevelInfo
			if len(tc.argv) > 1 && tc.argv[1] == "--log=5" {
				level = config.LevelNote
			}
			log, stderr, _ := openTestLog(t, func(c *config.Logs) { c.MaxSize, c.Level = 0, level })
			a := startDaemonLogging(t, log.Logger, scripts, fmt.Sprintf("[servers]\ntargets = %s\n", links), tc.argv...)
			p := dialPeerTo(t, a.addr, "")
			ask(t, p, "servers", "1")
			client := p.transport.Addr()
			p.close()
			if err := log.Close(); err != nil {
				t.Fatal(err)
			}
			list := readDumps(t, stderr.String())

			for _, want := range []struct {
				on              bool
				title, contents string
			}{
				{tc.rtmfp, fmt.Sprintf("RTMFP received from %v, session 00000000", client), "rtmfp://"},
				{tc.rtmfp, fmt.Sprintf("RTMFP sent to %v, session 00000000", client), "\x70"},
				{tc.rtmfp, fmt.Sprintf("RTMFP received from %v, session ", client), "servers"},
				{tc.rtmfp, fmt.Sprintf("RTMFP sent to %v, session ", client), "NetConnection.Connect.Success"},
				{tc.servers, fmt.Sprintf("SERVERS sent to %v", links), "RTMFP.publicAddress"},
				{tc.servers, fmt.Sprintf("SERVERS received from %v", links), "RTMFP.publicAddress"},
			} {
				contents := want.contents
				if tc.limit > 0 {
					contents = "" // may be cut
				}
				if n := countDumps(list, want.title, contents); n > 0 != want.on {
					t.Errorf("%d dumps %q with %q", n, want.title, contents)
				}
			}
			for _, d := range list {
				size := fmt.Sprintf("%d bytes", len(d.data))
				if tc.limit > 0 && len(d.data) == tc.limit {
					continue // how long it was is checked by TestDumper
				}
				if tc.limit > 0 && len(d.data) > tc.limit || d.size != size {
					t.Errorf("%s: %s, %d are shown", d.title, d.size, len(d.data))
				}
			}
			if t.Failed() {
				t.Log(stderr)
			}
		})
	}
}

// A dump is cut without a trace of the rest, wherever that begins, and long ones are cut without being asked to.
func TestDumper(t *testing.T) {
	addr := netip.MustParseAddrPort("192.0.2.7:50000")
	for _, tc := range []struct {
		limit      int
		head, rest string
		want       string
		size       string
	}{
		{0, "", "", "", "0 bytes"},
		{0, "head", "rest", "headrest", "8 bytes"},
		{8, "head", "rest", "headrest", "8 bytes"},
		{6, "head", "rest", "headre", "8 bytes, the first 6"},
		{3, "head", "rest", "hea", "8 bytes, the first 3"},
		{0, "head", strings.Repeat("x", 1<<20), "head" + strings.Repeat("x", maxDump-4), "1048580 bytes, the first 65536"},
		{1 << 30, "head", strings.Repeat("x", 1<<20), "head" + strings.Repeat("x", maxDump-4), "1048580 bytes, the first 65536"},
	} {
		log, stderr, _ := openTestLog(t, func(c *config.Logs) { c.MaxSize = 0 })
		d := newDumper(log.Logger, config.Dump{On: true, Limit: tc.limit}, "SERVERS")
		d.frame(true, addr, []byte(tc.head), []byte(tc.rest))
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		list := readDumps(t, stderr.String())
		if len(list) != 1 || list[0].title != "SERVERS sent to 192.0.2.7:50000" || list[0].size != tc.size || string(list[0].data) != tc.want {
			t.Errorf("limit %d, %d bytes: %.1000s", tc.limit, len(tc.head)+len(tc.rest), stderr)
		}
	}
}

// Whoever sends and receives packets does not wait for the log: what has no room in its queue is counted.
func TestDumpWaitsForNothing(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	q := newLogQueue([]io.Writer{g}, 10, 1<<20)
	d := newDumper(zerolog.New(q), config.Dump{On: true}, "RTMFP")
	for range 100 {
		d.rtmfp(false, netip.AddrPort{}, 1, make([]byte, 1000))
	}
	if n := q.missed.Load(); n != 100-10 && n != 100-10-1 { // one may have left the queue
		t.Errorf("%d dumps were dropped", n)
	}
	close(g.open)
	if err := q.close(closeTimeout); err != nil {
		t.Error(err)
	}
}

// BenchmarkDump is what showing a packet costs its thread.
func BenchmarkDump(b *testing.B) {
	addr, packet := netip.MustParseAddrPort("192.0.2.7:50000"), make([]byte, 1188)
	for _, limit := range []int{0, 64} {
		b.Run(fmt.Sprint(limit), func(b *testing.B) {
			d := newDumper(zerolog.New(io.Discard), config.Dump{On: true, Limit: limit}, "RTMFP")
			b.ReportAllocs()
			for b.Loop() {
				d.rtmfp(true, addr, 1, packet)
			}
		})
	}
}
