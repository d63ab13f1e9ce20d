package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rs/zerolog"
)

// namespace begins the name of every metric of this server.
const namespace = "monaserver"

// Metrics collects the counters of all parts and serves them as Prometheus text. Counters stay where they are
// counted, as atomic numbers; they are read when somebody asks.
type Metrics struct {
	registry *prometheus.Registry

	addr   netip.AddrPort // port 0: not served
	log    zerolog.Logger
	server *http.Server
	listen net.Listener
}

// NewMetrics makes an empty collection, served on addr once it is started; without a port it is not served.
func NewMetrics(addr netip.AddrPort, log zerolog.Logger) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), addr: addr, log: log}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Counter registers a number that only grows, as monaserver_<name>; end the name in _total. labels are name, value, …
// The same name may be registered several times with other label values and the same help.
func (m *Metrics) Counter(name, help string, read func() uint64, labels ...string) error {
	return m.registry.Register(prometheus.NewCounterFunc(
		prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: labelMap(labels)},
		func() float64 { return float64(read()) }))
}

// Gauge registers a number that grows and falls, as monaserver_<name>.
func (m *Metrics) Gauge(name, help string, read func() float64, labels ...string) error {
	return m.registry.Register(prometheus.NewGaugeFunc(
		prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help, ConstLabels: labelMap(labels)}, read))
}

func labelMap(labels []string) prometheus.Labels {
	m := prometheus.Labels{}
	for i := 0; i+1 < len(labels); i += 2 {
		m[labels[i]] = labels[i+1]
	}
	return m
}

// Counters registers every exported field of the struct that counters points to: atomic.Uint64 as the counter
// <prefix>_<field>_total, atomic.Int64 as the gauge <prefix>_<field>, fields of a nested struct likewise. So a counter
// that is added to the struct is served without further ado. The tag help:"…" describes a field.
func (m *Metrics) Counters(prefix string, counters any, labels ...string) error {
	v := reflect.ValueOf(counters)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("metrics: %s: %T is not a pointer to a struct", prefix, counters)
	}
	return m.fields(prefix, v.Elem(), labels)
}

func (m *Metrics) fields(prefix string, v reflect.Value, labels []string) error {
	var errs []error
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		name, help := snakeCase(field.Name), field.Tag.Get("help")
		if help == "" {
			help = strings.ReplaceAll(prefix+" "+name, "_", " ") + "."
		}
		if field.Anonymous {
			name = ""
		}
		name = strings.Trim(prefix+"_"+name, "_")
		switch p := v.Field(i).Addr().Interface().(type) {
		case *atomic.Uint64:
			errs = append(errs, m.Counter(name+"_total", help, p.Load, labels...))
		case *atomic.Int64:
			errs = append(errs, m.Gauge(name, help, func() float64 { return float64(p.Load()) }, labels...))
		default:
			if field.Type.Kind() == reflect.Struct {
				errs = append(errs, m.fields(name, v.Field(i), labels))
			}
		}
	}
	return errors.Join(errs...)
}

// snakeCase turns HellosLimited into hellos_limited and BadMACs into bad_macs.
func snakeCase(s string) string {
	var b strings.Builder
	r := []rune(s)
	for i, c := range r {
		if unicode.IsUpper(c) && i > 0 {
			afterLower := unicode.IsLower(r[i-1]) || unicode.IsDigit(r[i-1])
			beginsWord := unicode.IsUpper(r[i-1]) && i+2 < len(r) && unicode.IsLower(r[i+1]) && unicode.IsLower(r[i+2])
			if afterLower || beginsWord {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// Handler answers with every metric.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// Name implements Part.
func (m *Metrics) Name() string { return "metrics" }

// Start implements Part.
func (m *Metrics) Start(ctx context.Context) error {
	if m.addr.Port() == 0 {
		return nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", m.addr.String())
	if err != nil {
		return ListenError("metrics.port", "TCP", m.addr, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Handler())
	m.listen = l
	m.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	go func() {
		if err := m.server.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			m.log.Error().Err(err).Msg("metrics are no longer served")
		}
	}()
	m.log.Info().Str("url", "http://"+l.Addr().String()+"/metrics").Msg("metrics are served")
	return nil
}

// Shutdown implements Part.
func (m *Metrics) Shutdown(ctx context.Context) error {
	if m.server == nil {
		return nil
	}
	if err := m.server.Shutdown(ctx); err != nil {
		return m.server.Close()
	}
	return nil
}

// Addr is where the metrics are served, or nil.
func (m *Metrics) Addr() net.Addr {
	if m.listen == nil {
		return nil
	}
	return m.listen.Addr()
}
