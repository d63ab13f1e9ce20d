package mesh

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"github.com/monaserver/monaserver/pkg/amf"
)

// lineReader reads a connection with deadlines: for the next bytes, and for something as a whole.
type lineReader struct {
	conn  net.Conn
	count *atomic.Uint64

	mu    sync.Mutex
	idle  time.Duration // between bytes, 0 = for ever
	until time.Time     // zero = no limit
}

func (r *lineReader) Read(b []byte) (int, error) {
	if err := r.arm(); err != nil {
		return 0, err
	}
	n, err := r.conn.Read(b)
	if r.count != nil {
		r.count.Add(uint64(n))
	}
	return n, err
}

func (r *lineReader) arm() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := r.until
	if r.idle > 0 {
		if i := time.Now().Add(r.idle); d.IsZero() || i.Before(d) {
			d = i
		}
	}
	return r.conn.SetReadDeadline(d)
}

// limit makes reading fail after d from now, also one that waits; 0 lifts the limit.
func (r *lineReader) limit(d time.Duration) {
	r.mu.Lock()
	r.until = time.Time{}
	if d > 0 {
		r.until = time.Now().Add(d)
		_ = r.conn.SetReadDeadline(r.until)
	}
	r.mu.Unlock()
}

func (r *lineReader) setIdle(d time.Duration) {
	r.mu.Lock()
	r.idle = d
	r.mu.Unlock()
}

const (
	helloTimeout  = 10 * time.Second
	settleTimeout = 10 * time.Second // from the hello to the moment the link is confirmed
	longTimeout   = time.Minute      // for one long message

	retryCall    = 5 * time.Millisecond // when all links together gave the applications too much
	busyTimeout  = 30 * time.Second     // for one call
	callOverhead = 512                  // of a call, beside its arguments
)

// read is the reader's goroutine, the life of the link: hello, admission, messages. It returns why the link
// ended.
func (l *Link) read() error {
	l.in.count = &l.node.counters.BytesReceived
	frames := newFrameReader(&l.in, maxHello, both{&l.tenant.early, &l.node.early})
	frames.keep, frames.dump = l.tenant.keep, l.dump(false)
	frames.slot = &largeSlot{tenant: l.tenant, ended: l.done}
	defer frames.release()
	l.in.limit(helloTimeout)
	if err := l.greet(frames); err != nil {
		if timedOut(err) {
			l.node.counters.HelloTimeouts.Add(1)
			err = errHelloTime
		}
		return err
	}
	frames.release() // into the room it was taken from
	frames.max, frames.shared = l.node.cfg.MaxMessage, &l.tenant.in
	frames.slow = func(begins bool) {
		if !l.shown.Load() || l.closed.Load() {
			return
		}
		l.in.limit(0)
		if begins {
			l.in.limit(longTimeout)
		}
	}
	l.in.limit(settleTimeout)
	if err := l.node.admit(l); err != nil {
		l.lastWord(appendReject(nil, err.Error()))
		return err
	}
	r := receiver{Link: l, frames: frames, paths: rate.NewLimiter(pathsEach, maxPaths)}
	for turn := 1; ; turn++ {
		if turn%64 == 0 {
			runtime.Gosched() // a link that always has more does not keep others waiting
		}
		f, err := frames.next()
		if err == nil {
			err = r.handle(f)
		}
		if err != nil {
			return l.explain(err)
		}
	}
}

func timedOut(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// explain says why the link ended in terms of the link.
func (l *Link) explain(err error) error {
	switch {
	case err == io.EOF:
		return nil
	case timedOut(err) && l.closed.Load():
		return nil // it does not close either
	case timedOut(err) && !l.shown.Load():
		return errHelloTime
	case timedOut(err):
		l.node.counters.Silent.Add(1)
		return errSilent
	}
	return err
}

// greet exchanges hellos. Both sides have then told everything, and proved servers.secret if there is one.
func (l *Link) greet(frames *frameReader) error {
	n := l.node
	role := acceptor
	if l.dial != nil {
		role = connector
	}
	binding, err := binding(l.pipe)
	if err != nil {
		return err
	}
	proof := newAuth(n.key, role, n.id, binding)
	if role == connector {
		l.hello(proof.start(), n.key == nil)
	}
	for early := 0; ; {
		f, err := frames.next()
		if err != nil {
			if err == io.EOF {
				err = errors.New("closed before its hello")
			}
			return err
		}
		if !f.control() {
			l.ignored(zerolog.WarnLevel).Msg("ignored: a message before the hello")
			if early++; early > maxEarly {
				return protocolError("no hello but other messages")
			}
			continue
		}
		if len(f.payload) == 0 || f.payload[0] == kindReject {
			return l.rejected(f.payload)
		}
		if f.payload[0] != kindHello {
			return errVersion
		}
		params, err := l.parseHello(f.payload[1:])
		if err != nil {
			return err
		}
		if proof.proven() { // the connector's parameters, after its proof
			return l.meet(proof.peer, params)
		}
		reply, err := proof.receive(authFields{params[keyNodeID], params[keyChallenge], params[keyProof]})
		switch {
		case err != nil:
			n.counters.RejectsSent.Add(1)
			l.lastWord(appendReject(nil, err.Error()))
			return err
		case !proof.proven():
			l.hello(reply, false)
			continue
		case role == acceptor:
			reply.id = n.id
			l.hello(reply, true)
			if n.key != nil {
				continue
			}
		case n.key != nil:
			l.hello(authFields{id: n.id}, true)
		}
		return l.meet(proof.peer, params)
	}
}

// maxEarly is how many messages may come before a hello, maxAgain how many hellos after it.
const (
	maxEarly = 16
	maxAgain = 16
)

const (
	errBusy   = limitError("the applications here are too far behind")
	errHellos = limitError("it says hello over and over again")
)

// ignored begins the log line of something that is ignored.
func (l *Link) ignored(level zerolog.Level) *zerolog.Event {
	l.node.counters.Ignored.Add(1)
	return l.noise.WithLevel(level)
}

// parseHello reads a hello and charges what it takes in memory, with what the applications make of it.
func (l *Link) parseHello(b []byte) (map[string]string, error) {
	n, err := countPairs(b)
	if err == nil {
		err = l.tenant.keep(4*len(b) + n*pairOverhead)
	}
	if err != nil {
		return nil, err
	}
	return parseHello(b)
}

// pairOverhead is what a parameter takes beside its bytes.
const pairOverhead = 400

// hello sends a hello with what it has to say about the secret, and everything else if all is set.
func (l *Link) hello(f authFields, all bool) {
	var pairs []pair
	if all {
		pairs = append(l.node.announced(), pair{keyPing, strconv.Itoa(int(pingInterval / time.Second))})
	}
	for _, p := range []pair{{keyNodeID, f.id}, {keyChallenge, f.challenge}, {keyProof, f.proof}} {
		if p.value != "" {
			pairs = append(pairs, p)
		}
	}
	if all && l.dial != nil {
		for _, p := range l.dial.target.Properties {
			pairs = append(pairs, pair{p.Name, p.Value})
		}
	}
	l.control(appendHello(nil, pairs))
}

// meet notes what the other server told about itself.
func (l *Link) meet(peer string, params map[string]string) error {
	if peer == "" {
		peer = params[keyNodeID]
	}
	if len(peer) > maxNodeID {
		return errVersion
	}
	l.peer = peer
	l.learn(params)
	if s, err := strconv.Atoi(params[keyPing]); err == nil && s > 0 && s <= 60 && peer != "" {
		l.pings.Store(true)
		l.in.setIdle(3 * time.Duration(s) * time.Second)
	} else {
		watch(l.conn)
	}
	return nil
}

func (l *Link) learn(params map[string]string) {
	for _, key := range []string{keyChallenge, keyProof} {
		delete(params, key)
	}
	l.received = params
	port, _ := strconv.ParseUint(params[keyServersPort], 10, 16)
	l.serves = uint16(port)
}

// rejected notes that the other side closes.
func (l *Link) rejected(payload []byte) error {
	l.node.counters.RejectsReceived.Add(1)
	reason := unknownError
	if len(payload) > 0 {
		reason = parseReject(payload[1:])
	}
	return &rejection{reason}
}

// receiver is the reader's state once the link is admitted.
type receiver struct {
	*Link
	frames *frameReader
	hellos int
	paths  *rate.Limiter
}

func (r *receiver) handle(f frame) error {
	r.node.counters.MessagesReceived.Add(1)
	switch {
	case f.control():
		return r.handleControl(f.payload)
	case r.closed.Load():
		return nil // what a rejected server still says
	case !r.shown.Load() && !r.node.confirmed(r.Link):
		r.ignored(zerolog.WarnLevel).Str("function", f.handler).Msg("ignored: a message before the link is confirmed")
	case f.unknown != 0:
		r.ignored(zerolog.ErrorLevel).Uint32("number", f.unknown).Msg("ignored: a message for a function that was not named before")
	case f.handler == services:
		r.open(f.payload)
	default:
		return r.call(f)
	}
	return nil
}

func (r *receiver) handleControl(b []byte) error {
	if len(b) == 0 || b[0] == kindReject {
		return r.rejected(b)
	}
	if b[0] == kindHello {
		return r.again(b[1:])
	}
	if r.peer == "" {
		return errVersion
	}
	switch b[0] {
	case kindPing:
	case kindOffer, kindConfirm, kindDuplicate:
		return r.node.negotiate(r.Link, b)
	default: // of a later version
		r.noise.Debug().Uint8("kind", b[0]).Msg("ignored: an unknown control message")
	}
	return nil
}

// again is a second hello: other parameters, no event.
func (r *receiver) again(b []byte) error {
	if r.hellos++; r.hellos > maxAgain {
		return errHellos
	}
	params, err := r.parseHello(b)
	if err != nil {
		return err
	}
	r.noise.Warn().Msg("the server is already connected: only its parameters are updated")
	r.node.update(r.Link, params)
	return nil
}

func (r *receiver) open(payload []byte) {
	paths, err := parseServices(payload)
	if err != nil {
		r.ignored(zerolog.ErrorLevel).Err(err).Msg("ignored")
	}
	r.welcome.Store(true)
	for _, p := range paths {
		if !r.paths.Allow() {
			r.ignored(zerolog.WarnLevel).Msg("ignored: a server tells of applications again and again")
			return
		}
		r.node.handler.OpenApplication(p)
	}
}

// call hands a call to the applications, and waits while they are too far behind: the other server then
// notices that this one does not read.
func (r *receiver) call(f frame) error {
	args, size, err := r.decode(f.payload)
	switch {
	case errors.Is(err, net.ErrClosed):
		return err
	case errors.Is(err, amf.ErrLimit):
		r.ignored(zerolog.WarnLevel).Err(err).Str("function", f.handler).Msg("an argument of a call is too large or nested too deep: null instead")
	case err != nil:
		r.ignored(zerolog.ErrorLevel).Err(err).Str("function", f.handler).Int("arguments", len(args)).Msg("the rest of the arguments of a call cannot be read")
	}
	done := func() { r.tenant.callDone(size) }
	for start := time.Now(); !r.node.handler.ServerCall(r.Link, f.handler, args, size, done); {
		select {
		case <-time.After(retryCall):
			err = nil
		case <-r.done:
			err = net.ErrClosed
		}
		if err == nil && time.Since(start) > busyTimeout {
			err = errBusy
		}
		if err != nil {
			done()
			return err
		}
	}
	return nil
}

// decode reads the arguments of a call, and counts what they take until the call is done. Of each address one
// call at a time is decoded, when the applications have got enough of the others.
func (r *receiver) decode(payload []byte) (args []amf.Value, size int, err error) {
	select {
	case r.tenant.decoding <- struct{}{}:
	case <-r.done:
		return nil, 0, net.ErrClosed
	}
	defer func() { <-r.tenant.decoding }()
	for r.tenant.calls.spent() {
		select {
		case <-r.tenant.relief:
		case <-r.done:
			return nil, 0, net.ErrClosed
		}
	}
	args, size, err = r.tenant.reader.read(payload, r.node.cfg.MaxMessage)
	size += callOverhead
	r.tenant.calls.owe(max(size, callsEach/maxCalls))
	r.frames.release()
	return args, size, err
}
