// Package script runs the Lua applications: one state, one goroutine that owns it, one environment for
// each application. It is the only package that knows gopher-lua; the rest of the server calls it
// through small interfaces and hands it plain values and handles.
package script

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/media"
	"github.com/monaserver/monaserver/internal/script/lualib"
	"github.com/monaserver/monaserver/internal/script/store"
	"github.com/monaserver/monaserver/internal/script/value"
	"github.com/monaserver/monaserver/pkg/rtmfp"
)

// Config is what an Engine is made of.
type Config struct {
	WWW    string // folder of the applications
	Data   string // file of the persistent table; "" keeps it in memory only
	Log    zerolog.Logger
	Note   zerolog.Level // of NOTE, which zerolog does not have
	Budget time.Duration // longest run of one call, default 1 s
	Hub    *media.Hub
	// Post hands a message to the handler of a shard, from any goroutine, without blocking.
	Post func(shard int, msg any)
	// Now is the clock of the shards.
	Now func() rtmfp.Time

	Params      map[string]string // mona.configs
	Environment map[string]string // mona.environment
	Arguments   map[string]string // mona.arguments

	Servers Servers // nil: no other servers
	Groups  Groups  // nil: no groups
	Bans    Bans    // nil: no blacklist
	// Clock is the time of the files of applications and of log rates; nil = time.Now.
	Clock    func() time.Time
	MaxQueue int    // events waiting for one application, default 4096
	MaxHeap  uint64 // bytes of the process above which the largest application is stopped, default 1 GiB
}

const (
	defaultBudget   = time.Second
	defaultMaxQueue = 4096
	manageInterval  = 2 * time.Second // onManage, and the throttle of reload checks
)

// Engine is the script side of the server. Its exported methods may be called by any goroutine;
// everything that touches Lua runs on the engine's own.
type Engine struct {
	cfg Config
	log zerolog.Logger

	// Owned by the script goroutine.
	L        *lua.LState
	lib      *lualib.Library
	conv     *value.Converter
	data     *store.Store
	root     *App
	apps     map[string]*App
	running  *App // whose event runs now
	classes  classes
	objects  objects
	pubs     map[string]*publication
	turn     turnState
	packet   shownPacket  // of the hook that runs
	sendArgs []lua.LValue // scratch of serverMessage

	watch    *watchdog
	relieved time.Time // when applications were weighed last
	counters Counters
	hooked   atomic.Int64 // bytes of frames that wait for hooks

	mu        sync.Mutex
	queues    map[string]*queue
	order     []*queue  // those that have something, in turn
	restUntil time.Time // until when applications that overran lately rest; zero = they do not

	wake   chan struct{}
	frames frameClock
	silent sync.Map // paths of applications without an onHandshake, until any application is loaded or stopped, or gets one
	quit   chan struct{}
	done   chan struct{}
	ended  atomic.Bool
}

// Counters count what the engine did. Any goroutine may read them.
type Counters struct {
	Events        atomic.Uint64 `help:"Events handled by applications."`
	Errors        atomic.Uint64 `help:"Errors raised by applications."`
	Overruns      atomic.Uint64 `help:"Calls interrupted because they exceeded script.budget."`
	QueueFull     atomic.Uint64 `help:"Events refused because the application was too far behind."`
	FramesDropped atomic.Uint64 `help:"Media frames not shown to a script that was behind."`
	Loads         atomic.Uint64 `help:"Times a main.lua was run."`
	LogsDropped   atomic.Uint64 `help:"Log lines of applications over the rate limit."`
}

// New makes an engine; Start runs it.
func New(cfg Config) (*Engine, error) {
	if cfg.Budget <= 0 {
		cfg.Budget = defaultBudget
	}
	if cfg.MaxQueue <= 0 {
		cfg.MaxQueue = defaultMaxQueue
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	e := &Engine{
		cfg: cfg, log: cfg.Log, apps: make(map[string]*App), pubs: make(map[string]*publication),
		queues: make(map[string]*queue),
		wake:   make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	e.frames.init()
	var err error
	if e.data, err = store.Open(cfg.Data, func(err error) { e.log.Error().Err(err).Msg("persistent data") }); err != nil {
		return nil, err
	}
	e.watch = newWatchdog(cfg.Budget, cfg.heapLimits())
	e.newState()
	return e, nil
}

// Counters returns the engine's counters.
func (e *Engine) Counters() *Counters { return &e.counters }

// Start loads the root application and begins to handle events.
func (e *Engine) Start() {
	go e.run()
}

// Stop runs what is queued, stops the applications, children first, and ends the engine.
func (e *Engine) Stop() {
	if e.ended.CompareAndSwap(false, true) {
		close(e.quit)
	}
	<-e.done
}

func (e *Engine) run() {
	defer close(e.done)
	e.begin()
	tick := time.NewTicker(manageInterval)
	defer tick.Stop()
	rest := time.NewTimer(time.Hour)
	defer rest.Stop()
	for !e.ended.Load() {
		ran, wait := e.runNext(false)
		if ran {
			select { // also when there is always something to run
			case <-tick.C:
				e.manage()
			default:
			}
			continue
		}
		var rested <-chan time.Time
		if wait > 0 {
			rest.Reset(wait)
			rested = rest.C
		}
		select {
		case <-e.wake:
		case <-e.frames.timer.C:
		case <-rested:
		case <-tick.C:
			e.manage()
		case <-e.quit:
		}
	}
	for limit := time.Now().Add(stopPatience); time.Now().Before(limit); {
		if ran, _ := e.runNext(true); !ran {
			break
		}
	}
	e.finish()
}

// stopPatience bounds what is still run of what is queued when the engine stops.
const stopPatience = 3 * time.Second

// begin, drain and finish are what run does. A test calls them itself, in step with a virtual clock,
// instead of Start and Stop.

// begin loads the root application.
func (e *Engine) begin() {
	e.do(e.rootQueue().app, func() { e.openApp("") })
}

// drain runs the events that are queued, and those they bring about.
func (e *Engine) drain() {
	for ran := true; ran; {
		ran, _ = e.runNext(true)
	}
}

// finish ends everything.
func (e *Engine) finish() {
	e.stopAll()
	e.endPublications()
	e.watch.stop()
	if err := e.data.Close(); err != nil {
		e.log.Error().Err(err).Msg("persistent data")
	}
	e.L.Close()
}

// manage is the root application's tick.
func (e *Engine) manage() {
	took := e.do(e.root, func() {
		e.openApp("")
		e.do(e.root, func() {
			if e.root.running() {
				e.event(e.root, "onManage", nil)
			}
		})
		e.announceEvent("onManage")
	})
	if took > 0 {
		e.overran(e.rootQueue(), took)
	}
}

// now returns the time of the shards' clock.
func (e *Engine) now() rtmfp.Time { return e.cfg.Now() }
