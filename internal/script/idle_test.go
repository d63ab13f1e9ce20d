//go:build !race

package script

import (
	"fmt"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/simnet"
)

// idleClients lets n clients connect to an application which puts a field and a function on each, and removes their
// ends when they have been silent for some time. It returns what each of them takes in the server, in bytes, all of
// it: session, connection and what the script has of it.
func idleClients(tb testing.TB, n int) float64 {
	r := newRig(tb, files{"main.lua": `function onConnection(client)
		client.name = "x"
		function client:echo(...) return ... end
	end`})
	r.Forget(r.dial("rtmfp://10.0.0.1/?first").node)
	before := liveHeap()
	for done := 0; done < n; {
		var nodes []*simnet.Node
		for range min(n-done, 20) {
			nodes = append(nodes, r.dial(fmt.Sprintf("rtmfp://10.0.0.1/?n=%d", done%7)).node)
			done++
		}
		r.run(300 * time.Millisecond) // delayed acknowledgements
		r.Forget(nodes...)
	}
	r.run(5 * time.Second)
	each := float64(int64(liveHeap()-before)) / float64(n)
	if got := len(r.engine.objects.clients); got != n+1 {
		tb.Fatalf("%d clients of %d are there", got, n+1)
	}
	return each
}

// maxIdleClient is how many bytes a silent client of an application may take. The resident memory of the process
// is up to twice as much.
const maxIdleClient = 5500

func TestIdleClientMemory(t *testing.T) {
	each := idleClients(t, 300)
	t.Logf("%.0f bytes of each client", each)
	if each > maxIdleClient {
		t.Errorf("a silent client takes %.0f bytes, want %d", each, maxIdleClient)
	}
}

// BenchmarkIdleClient reports the memory of a silent client.
func BenchmarkIdleClient(b *testing.B) {
	var each float64
	for b.Loop() {
		each = idleClients(b, 300)
	}
	b.ReportMetric(each, "bytes/client")
}
