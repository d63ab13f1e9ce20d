package main

import (
	"fmt"
	"strconv"
)

// job is one measurement: a scenario with flags against a kind of server.
type job struct {
	Set     string `json:"set"` // what it is part of
	Server  string `json:"server"`
	X       int    `json:"x,omitempty"` // what the set varies: listeners, clients …
	HMAC    bool   `json:"hmac"`
	Threads int    `json:"threads,omitempty"`

	once     bool // in the first round only
	scenario string
	flags    []string
}

const echo = `function onConnection(client)
  function client:echo(...) return ... end
end
`

// The sets.
const (
	setFloor     = "floor"
	setConnect   = "connect"
	setFlood     = "flood"
	setFanout    = "fanout"
	setIdle      = "idle"
	setRPC       = "rpc"
	setIntroduce = "introduce"
	setGroup     = "group"
	setPubs      = "publications"
	setMesh      = "mesh"
	setMeshRPC   = "mesh calls"
)

// Sizes of the sets.
var (
	listeners    = []int{10, 100, 300, 600, 1000, 2000, 3000}
	idleClients  = []int{100, 1000, 10000}
	publications = []int{1, 10, 50, 200}
)

const (
	mainListeners = 1000
	fewListeners  = 300 // which all servers can do
	mainClients   = 1000
	pubListeners  = 200 // of all publications together
	connects      = 3000
	floodRate     = 25000 // hellos per second
)

// most is how many listeners a server is tried with: well beyond what it can do.
var most = map[string]int{ours: 3000, tc: 2000, mona: 1000}

// mostIdle is how many idle clients a server is tried with. More take long to connect.
var mostIdle = map[string]int{ours: 10000, tc: 10000, mona: 1000}

// plan is everything that is measured in one round; servers of the same set come one after the other.
func plan(have []string, quick bool) (jobs []job) {
	time := "5s"
	if quick {
		time = "3s"
	}
	add := func(j job, flags ...string) {
		j.flags = append([]string{"-time", time}, flags...)
		j.flags = append(j.flags, "-hmac="+strconv.FormatBool(j.HMAC))
		jobs = append(jobs, j)
	}
	// Clients of the time of Flash have no HMAC, and neither has MonaServer 1.x; tcserver has both.
	each := func(f func(server string, hmac bool)) {
		for _, hmac := range []bool{false, true} {
			for _, s := range have {
				if s != mona || !hmac {
					f(s, hmac)
				}
			}
		}
	}
	number := strconv.Itoa
	each(func(s string, hmac bool) {
		add(job{Set: setConnect, scenario: "handshakes", Server: s, HMAC: hmac}, "-count", number(connects), "-time", "60s")
	})
	for _, n := range listeners {
		if quick && n != mainListeners && n != fewListeners {
			continue
		}
		once := n != mainListeners && n != fewListeners
		each(func(s string, hmac bool) {
			if hmac && n != mainListeners || n > most[s] {
				return
			}
			if s == have[0] {
				add(job{Set: setFloor, scenario: "floor", X: n, HMAC: hmac, once: once}, "-listeners", number(n))
			}
			add(job{Set: setFanout, scenario: "fanout", Server: s, X: n, HMAC: hmac, once: once}, "-listeners", number(n))
		})
	}
	for _, n := range idleClients {
		if quick && n != mainClients {
			continue
		}
		each(func(s string, hmac bool) {
			if hmac && n != mainClients || n > mostIdle[s] {
				return
			}
			add(job{Set: setIdle, scenario: "idle", Server: s, X: n, HMAC: hmac, once: n != mainClients}, "-clients", number(n), "-warmup", "3s", "-time", idleTime(n))
		})
	}
	for _, s := range have {
		if s == ours {
			add(job{Set: setFlood, scenario: "handshakes", Server: s, HMAC: true, once: true}, "-rate", "50", "-flood", number(floodRate), "-timeout", "5s")
		}
		if s == tc {
			continue // no scripts, no introductions
		}
		add(job{Set: setRPC, scenario: "rpc", Server: s}, "-pending", "4")
		add(job{Set: setIntroduce, scenario: "introduce", Server: s, once: true})
		add(job{Set: setGroup, scenario: "group", Server: s, once: true})
		add(job{Set: setMeshRPC, scenario: "rpc", Server: s, once: true}, "-method", "tell", "-rate", "5000")
		add(job{Set: setMesh, scenario: "mesh", Server: s}, "-listeners", "1", "-direct", "1", "-rate", "1000", "-publications", "1")
	}
	if !quick {
		for _, threads := range []int{1, 2} {
			add(job{Set: setConnect, scenario: "handshakes", Server: ours, HMAC: true, Threads: threads, once: true}, "-count", number(connects), "-time", "60s")
			add(job{Set: setFanout, scenario: "fanout", Server: ours, X: mainListeners, HMAC: true, Threads: threads, once: true}, "-listeners", number(mainListeners))
			add(job{Set: setRPC, scenario: "rpc", Server: ours, HMAC: true, Threads: threads, once: true}, "-pending", "4")
		}
		for _, n := range publications {
			add(job{Set: setPubs, scenario: "fanout", Server: ours, X: n, HMAC: true, once: true}, "-publications", number(n), "-listeners", number(pubListeners))
		}
	}
	return jobs
}

// idleTime is how long idle clients are watched: for many of them longer than it takes until each has shown
// that it is there.
func idleTime(n int) string {
	if n > mainClients {
		return "25s"
	}
	return "5s"
}

// name tells people what is measured.
func (j *job) name() string {
	s := j.Set
	if j.X > 0 {
		s += fmt.Sprintf(" %d", j.X)
	}
	if j.Server != "" {
		s += ", " + j.Server
	}
	if j.HMAC {
		s += ", HMAC"
	}
	if j.Threads > 0 {
		s += fmt.Sprintf(", threads %d", j.Threads)
	}
	return s
}
