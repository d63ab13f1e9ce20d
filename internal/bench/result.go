package bench

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Result is what a scenario measured. Fields that were not measured are absent from its JSON.
type Result struct {
	Scenario string         `json:"scenario"`
	URL      string         `json:"url"`
	Started  time.Time      `json:"started"`
	Options  map[string]any `json:"options"`
	// Secured tells whether packets were authenticated and numbered, as the server agreed.
	Secured bool    `json:"hmac"`
	Clients int     `json:"clients"`
	Seconds float64 `json:"seconds"` // of the measurement, without connecting and warming up

	// Unit is what is counted: connects, messages delivered, calls …
	Unit     string         `json:"unit"`
	Expected uint64         `json:"expected,omitempty"`
	Done     uint64         `json:"done"`
	Lost     uint64         `json:"lost"`
	Loss     float64        `json:"loss"` // share of what was expected
	Errors   map[string]int `json:"errors,omitempty"`
	Rate     float64        `json:"rate"` // done per second
	Latency  *Latency       `json:"latency_ms,omitempty"`
	// Hop is what the way through another server adds.
	Hop *Hop `json:"hop,omitempty"`

	Floor *FloorUsage `json:"floor,omitempty"`

	Server    *ServerUsage   `json:"server,omitempty"`
	Far       *ServerUsage   `json:"far_server,omitempty"` // the second server, where messages are played
	Generator GeneratorUsage `json:"generator"`
	Machine   Machine        `json:"machine"`
	// Limit says what kept the rate from being higher, as far as one can see: "load" (more could be
	// asked for), "server", "generator", "machine" (both share it), "waiting" (each for the other), "others"
	// or "unknown".
	Limit string   `json:"limit"`
	Notes []string `json:"notes,omitempty"`
}

// Hop compares messages that passed one more server with those that did not, in milliseconds.
type Hop struct {
	Direct   *Latency `json:"direct_ms"`
	Lost     uint64   `json:"direct_lost"` // at the first server
	AddedP50 float64  `json:"added_p50_ms"`
	AddedP99 float64  `json:"added_p99_ms"`
}

// ServerUsage is what the server process used.
type ServerUsage struct {
	PID       int     `json:"pid"`
	CPU       float64 `json:"cpu_seconds"`
	Share     float64 `json:"cpu_share"` // of one core
	PerUnit   float64 `json:"cpu_us_per_unit,omitempty"`
	RSSBefore int64   `json:"rss_before"` // bytes, before the first client
	RSS       int64   `json:"rss"`        // bytes, at the end of the measurement
	PerClient int64   `json:"rss_per_client,omitempty"`
	Threads   int     `json:"threads"`
}

// GeneratorUsage is what this program used meanwhile.
type GeneratorUsage struct {
	CPU     float64 `json:"cpu_seconds"`
	Share   float64 `json:"cpu_share"`
	Busiest float64 `json:"busiest_thread"` // share of its time that it did not wait
	Refused uint64  `json:"datagrams_refused,omitempty"`
}

// Machine is what the whole machine did meanwhile.
type Machine struct {
	Processors int     `json:"processors"`
	Share      float64 `json:"busy"` // of all processors together
}

func round(v float64, digits int) float64 {
	p := math.Pow10(digits)
	return math.Round(v*p) / p
}

// Table writes a result for people.
func (r *Result) Table(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, arg ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, arg...)) }
	row("scenario", "%s, %d clients, HMAC %s, %.1f s", r.Scenario, r.Clients, onOff(r.Secured), r.Seconds)
	if r.Rate > 0 {
		row(r.Unit, "%d, %.1f/s", r.Done, r.Rate)
	} else {
		row(r.Unit, "%d", r.Done)
	}
	if r.Expected > 0 {
		row("lost", "%d of %d (%.2f %%)", r.Lost, r.Expected, 100*r.Loss)
	}
	for _, what := range slices.Sorted(mapKeys(r.Errors)) {
		row("failed", "%d: %s", r.Errors[what], what)
	}
	if l := r.Latency; l != nil {
		row("latency", "%s", l)
	}
	if h := r.Hop; h != nil {
		row("without the hop", "%s", h.Direct)
		row("hop adds", "p50 %.3f ms, p99 %.3f ms", h.AddedP50, h.AddedP99)
	}
	if f := r.Floor; f != nil {
		row("processor", "%.2f µs for each packet: encrypt %.2f, send %.2f", f.Packet, f.Seal, f.Send)
		row("exponentiation", "%.0f µs", f.Exponentiation)
	}
	for i, s := range []*ServerUsage{r.Server, r.Far} {
		if s != nil {
			name := []string{"server", "far server"}[i]
			row(name+" processor", "%.1f %% of a core%s", 100*s.Share, perUnit(s.PerUnit, r.Unit))
			row(name+" memory", "%.1f MB, %.1f MB before%s", float64(s.RSS)/1e6, float64(s.RSSBefore)/1e6, perClient(s.PerClient))
		}
	}
	if r.Floor != nil {
		return t.Flush()
	}
	row("generator", "%.1f %% of a core, busiest thread %.0f %%", 100*r.Generator.Share, 100*r.Generator.Busiest)
	row("machine", "%d processors, %.0f %% busy", r.Machine.Processors, 100*r.Machine.Share)
	row("limited by", "%s", limitTexts[r.Limit])
	for _, n := range r.Notes {
		row("note", "%s", n)
	}
	return t.Flush()
}

func (l *Latency) String() string {
	if l == nil {
		return "none"
	}
	return fmt.Sprintf("p50 %.2f  p90 %.2f  p99 %.2f  p99.9 %.2f  max %.2f ms", l.P50, l.P90, l.P99, l.P999, l.Max)
}

func perUnit(us float64, unit string) string {
	if us == 0 {
		return ""
	}
	return fmt.Sprintf(", %.1f µs each (%s)", us, unit)
}

func perClient(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %.1f KB per client", float64(n)/1024)
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func mapKeys(m map[string]int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

var limitTexts = map[string]string{
	limitLoad:      "what was asked for: neither side is at its limit",
	limitServer:    "the server",
	limitGenerator: "THE GENERATOR: the server could do more than this result says",
	limitMachine:   "the machine, which server and generator share: rates say little, processor time per unit counts",
	limitOthers:    "OTHERS: something else keeps this machine busy",
	limitWaiting:   "waiting: neither side is busy; try more clients, or more under way at once",
	limitUnknown:   "unknown: give the server's -pid",
}

const (
	limitLoad      = "load"
	limitServer    = "server"
	limitGenerator = "generator"
	limitMachine   = "machine"
	limitOthers    = "others"
	limitWaiting   = "waiting"
	limitUnknown   = "unknown"
)

// busy is the share of its time from which a thread counts as fully used: it also waits for a processor.
const busy = 0.85

// judge says what was the limit. closed tells that the next operation waits for an answer to another.
func judge(s *ServerUsage, g GeneratorUsage, m Machine, closed bool) string {
	saturated := g.Busiest >= busy
	if s == nil {
		switch {
		case saturated:
			return limitGenerator
		case closed:
			return limitUnknown
		}
		return limitLoad
	}
	if m.Share >= 0.9 {
		both, all := s.Share+g.Share, m.Share*float64(m.Processors)
		switch {
		case both < 0.75*all:
			return limitOthers
		case s.Share >= 2*g.Share:
			return limitServer
		case g.Share >= 2*s.Share:
			return limitGenerator
		}
		return limitMachine
	}
	switch {
	case saturated && s.Share < busy:
		return limitGenerator
	case s.Share >= busy: // of one core: a server of one thread
		return limitServer
	case closed:
		return limitWaiting
	}
	return limitLoad
}

// ErrorList joins the errors of a result for one line.
func (r *Result) ErrorList() string {
	var list []string
	for _, what := range slices.Sorted(mapKeys(r.Errors)) {
		list = append(list, fmt.Sprintf("%d × %s", r.Errors[what], what))
	}
	return strings.Join(list, ", ")
}
