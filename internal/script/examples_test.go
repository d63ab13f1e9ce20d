package script

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
)

const exampleDir = "../../www"

// example returns the scripts of applications that ship in www.
func example(t testing.TB, names ...string) files {
	t.Helper()
	f := files{}
	for _, name := range names {
		list, err := filepath.Glob(filepath.Join(exampleDir, name, "*.lua"))
		if err != nil || len(list) == 0 {
			t.Fatalf("no example %s: %v", name, err)
		}
		for _, file := range list {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			f[name+"/"+filepath.Base(file)] = string(text)
		}
	}
	return f
}

// answer calls a function and returns its values as text, or the description of the error.
func (c *rigClient) answer(name string, args ...amf.Value) string {
	c.r.t.Helper()
	result, err := c.call(name, args...)
	c.r.run(50 * time.Millisecond)
	if err != nil {
		return "error: " + description(err)
	}
	return amfText(result.Values...)
}

// told returns what the server called since the last time.
func (c *rigClient) told() string {
	list := c.calls
	c.calls = nil
	return strings.Join(list, " ")
}

func (r *rig) idOf(c *rigClient) string {
	r.t.Helper()
	for _, known := range r.engine.objects.clients {
		if known.addr == c.node.Addr() {
			return known.id()
		}
	}
	r.t.Fatal("the engine does not know the client")
	return ""
}

func (r *rig) same(what, got, want string) {
	r.t.Helper()
	if got != want {
		r.t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

// plays checks that a stream was accepted for playing.
func (r *rig) plays(what string, s *rigStream) {
	r.t.Helper()
	if !strings.HasPrefix(s.codes(), "Play.Reset Play.Start") {
		r.t.Errorf("%s: %s: %s", what, s.codes(), s.text())
	}
}

// Every application has a README, and none is the root: what ships accepts everything at /live.
func TestExamplesAreComplete(t *testing.T) {
	list, err := os.ReadDir(exampleDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range list {
		if !entry.IsDir() {
			t.Errorf("www/%s is no folder of an application", entry.Name())
			continue
		}
		text, err := os.ReadFile(filepath.Join(exampleDir, entry.Name(), "README.md"))
		if err != nil || !strings.HasPrefix(string(text), "# "+entry.Name()+"\n") {
			t.Errorf("README of %s: %v", entry.Name(), err)
		}
	}
}

const apiPage = "../../docs/lua-api.md"

// The tables of the API page have the members that the objects have, no more and no less, and say rightly whether each
// is a method, can be assigned, or can only be read.
func TestAPIPageMembers(t *testing.T) {
	text, err := os.ReadFile(apiPage)
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string][]string{}
	section := ""
	for line := range strings.Lines(string(text)) {
		if heading, ok := strings.CutPrefix(line, "#"); ok {
			section = strings.TrimSpace(strings.TrimLeft(heading, "#"))
		} else if cell, ok := strings.CutPrefix(line, "| `"); ok {
			name, rest, _ := strings.Cut(cell, "`")
			kind := "method"
			if rest, _ = strings.CutPrefix(rest, " | "); !strings.HasPrefix(rest, "(") {
				kind, _, _ = strings.Cut(rest, " |")
				kind = kind[strings.LastIndexByte(kind, ' ')+1:]
			}
			documented[section] = append(documented[section], name+" "+kind)
		}
	}
	classes := newRig(t, nil).engine.classes.all
	if len(classes) < 24 {
		t.Fatalf("%d classes", len(classes))
	}
	for _, class := range classes {
		var members []string
		for name, m := range class.members {
			switch {
			case m.method != nil, name == "pairs", name == "ipairs": // those are made for each collection
				name += " method"
			case m.set != nil:
				name += " rw"
			default:
				name += " r"
			}
			members = append(members, name)
		}
		slices.Sort(members)
		page := slices.Sorted(slices.Values(documented[class.name]))
		if diff := cmp.Diff(members, page); diff != "" {
			t.Errorf("### %s: (-objects +page)\n%s", class.name, diff)
		}
	}
}

// notEvents are names of that kind with which the engine does something else: no client may call what other protocols
// or versions raise, and metadata has a handler.
var notEvents = []string{"onMessage", "onMetaData", "onRead", "onWrite"}

// The page describes the events that the engine raises, no more and no less.
func TestAPIPageEvents(t *testing.T) {
	text, err := os.ReadFile(apiPage)
	if err != nil {
		t.Fatal(err)
	}
	page := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^(?:\\| |- |Event: )`(?:\\w+:)?(on[A-Z]\\w+)\\(").FindAllStringSubmatch(string(text), -1) {
		page[m[1]] = true
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	raised := map[string]bool{}
	for _, file := range sources {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"(on[A-Z]\w+)"`).FindAllSubmatch(source, -1) {
			raised[string(m[1])] = true
		}
	}
	for _, name := range notEvents {
		if !raised[name] || !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("%s is not what it was", name)
		}
		delete(raised, name)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(raised)), slices.Sorted(maps.Keys(page))); diff != "" {
		t.Errorf("events: (-engine +page)\n%s", diff)
	}
}

// Every piece of Lua on the API page is an application that loads, takes a client, and lets it publish and play,
// without a word of the server about it.
func TestAPIPageExamples(t *testing.T) {
	text, err := os.ReadFile(apiPage)
	if err != nil {
		t.Fatal(err)
	}
	f := files{}
	for i, part := range strings.Split(string(text), "```lua\n")[1:] {
		code, _, _ := strings.Cut(part, "```")
		code = strings.ReplaceAll(code, ", 5151)", ", 0)") // any port that is free
		f[fmt.Sprintf("page%d/main.lua", i)] = code
	}
	if len(f) < 30 {
		t.Fatalf("%d examples", len(f))
	}
	r := newRig(t, f)
	for i := range len(f) {
		r.forget()
		c := r.connect(netconn.ClientConfig{URL: fmt.Sprintf("rtmfp://10.0.0.1/page%d", i)})
		if c.err == nil {
			p := c.publish(fmt.Sprint("stream", i))
			s := c.play(fmt.Sprint("stream", i))
			p.video(0, keyFrame)
			p.audio(0, sound)
			p.data("onCue", amf.Number(1))
			s.close()
			p.close()
			c.leave()
		}
		log := r.logs.String()
		if c.err != nil || strings.Contains(log, `"level":"error"`) || strings.Contains(log, `"level":"warn"`) {
			t.Errorf("%v\n%s\n%s", c.err, f[fmt.Sprintf("page%d/main.lua", i)], log)
		}
	}
}

// All of them run side by side on one server without an error.
func TestExamplesTogether(t *testing.T) {
	r := newRig(t, example(t, "chat", "relay", "secure", "viewers", "clock", "cluster-demo", "cluster"), secret)
	for _, name := range []string{"chat", "relay", "secure", "viewers", "clock", "cluster-demo"} {
		r.dial("rtmfp://10.0.0.1/" + name)
	}
	r.notLogged(`"level":"error"`)
	r.notLogged(`"level":"warn"`)
}

func TestExampleChat(t *testing.T) {
	r := newRig(t, example(t, "chat"))
	const url = "rtmfp://10.0.0.1/chat"
	anna, ben := r.dial(url), r.dial(url)
	guest := r.dial(url + "?chat=x&name=Anna") // sets nothing on the client object
	r.same("anna joins", anna.answer("join", amf.String(" Anna ")), `["Anna"]`)
	r.same("ben joins", ben.answer("join", amf.String("Ben")), `["Anna" "Ben"]`)
	r.same("ben says", ben.answer("say", amf.String("hello\nworld")), "true")
	r.same("anna", anna.told(), `onJoin("Anna") onJoin("Ben") onSay("Ben" "hello world")`)
	r.same("ben", ben.told(), `onJoin("Ben") onSay("Ben" "hello world")`)
	r.same("guest", guest.told(), "")

	t.Log("# what is refused, with a text for people")
	for _, tc := range []struct {
		c    *rigClient
		name string
		args []amf.Value
		want string
	}{
		{guest, "say", []amf.Value{amf.String("hi")}, "error: join the room first"},
		{guest, "join", nil, "error: name is not a text"},
		{guest, "join", []amf.Value{amf.String(" \t")}, "error: name is empty"},
		{guest, "join", []amf.Value{amf.String(strings.Repeat("x", 33))}, "error: name is too long"},
		{guest, "join", []amf.Value{amf.String("ANNA")}, "error: ANNA is in the room already"},
		{anna, "join", []amf.Value{amf.String("Zoe")}, "error: you are in the room as Anna"},
		{anna, "say", []amf.Value{amf.String(strings.Repeat("x", 1001))}, "error: text is too long"},
		{anna, "say", []amf.Value{amf.Number(1)}, "error: text is not a text"},
	} {
		r.same(tc.name, tc.c.answer(tc.name, tc.args...), tc.want)
	}
	got := ""
	for range 50 {
		if got = anna.answer("say", amf.String("x")); got != "true" {
			break
		}
	}
	r.same("too many", got, "error: not so fast")
	ben.told()

	t.Log("# an edit changes the room for those who are in it")
	r.write("chat/main.lua", strings.Replace(example(t, "chat")["chat/main.lua"], "MAX_TEXT = 1000", "MAX_TEXT = 3", 1))
	if err := r.reload("/chat"); err != nil {
		t.Fatal(err)
	}
	r.same("long", ben.answer("say", amf.String("long")), "error: text is too long")
	r.same("names", ben.answer("names"), `["Anna" "Ben"]`)

	t.Log("# who leaves, and who is gone")
	r.same("leave", anna.answer("leave"), "true")
	r.same("leave again", anna.answer("leave"), "true")
	r.same("ben", ben.told(), `onLeave("Anna")`)
	anna.told()
	guest.leave()
	r.same("nobody left", ben.told(), "")
	zoe := r.dial(url)
	r.same("zoe joins", zoe.answer("join", amf.String("Zoe")), `["Ben" "Zoe"]`)
	zoe.leave()
	r.same("ben", ben.told(), `onJoin("Zoe") onLeave("Zoe")`)
	r.same("names", ben.answer("names"), `["Ben"]`)
	r.notLogged("deleted")
}

func TestExampleRelay(t *testing.T) {
	r := newRig(t, example(t, "relay", "chat"))
	const url = "rtmfp://10.0.0.1/relay"
	a, b := r.dial(url), r.dial(url)
	other := r.dial("rtmfp://10.0.0.1/chat")
	id := amf.String(r.idOf(b))
	r.same("relay", a.answer("relay", id, amf.String("hi"), amf.Number(2), amf.Null{}, &amf.Array{Dense: []amf.Value{amf.Bool(true)}}), "true")
	r.same("b", b.told(), fmt.Sprintf("onRelay(%q \"hi\" 2 null [true])", r.idOf(a)))
	r.same("a", a.told(), "")
	r.same("upper case", a.answer("relay", amf.String(strings.ToUpper(string(id)))), "true")
	r.same("b", b.told(), fmt.Sprintf("onRelay(%q)", r.idOf(a)))
	r.same("raw id", a.answer("relay", amf.String(rawID(lua.LString(id))), amf.Number(3)), "true")
	r.same("b", b.told(), fmt.Sprintf("onRelay(%q 3)", r.idOf(a)))

	for _, tc := range []struct {
		args []amf.Value
		want string
	}{
		{nil, "error: peer is not connected"},
		{[]amf.Value{amf.String("pairs")}, "error: peer is not connected"},
		{[]amf.Value{amf.Number(1)}, "error: peer is not connected"},
		{[]amf.Value{amf.String(r.idOf(other))}, "error: peer is not connected"}, // of another application
		{append([]amf.Value{id}, make([]amf.Value, 33)...), "error: message is too long"},
		{[]amf.Value{id, amf.String(strings.Repeat("x", 17000))}, "error: message is too long"},
	} {
		for i, v := range tc.args {
			if v == nil {
				tc.args[i] = amf.Null{}
			}
		}
		r.same("refused", a.answer("relay", tc.args...), tc.want)
	}
	b.leave()
	r.same("gone", a.answer("relay", id), "error: peer is not connected")
	got := ""
	for range 200 {
		if got = a.answer("relay", amf.String(r.idOf(a))); got != "true" {
			break
		}
	}
	r.same("too many", got, "error: not so fast")
	r.same("other", other.told(), "")
}

// secret configures the example secure.
func secret(cfg *Config) { cfg.Params = map[string]string{"secure.secret": "an example of a secret"} }

// token makes a token as a web site does.
func token(text string, expires time.Time) string {
	m := hmac.New(sha256.New, []byte("an example of a secret"))
	fmt.Fprintf(m, "%s:%d", text, expires.Unix())
	return fmt.Sprintf("%d-%x", expires.Unix(), m.Sum(nil))
}

func TestExampleSecure(t *testing.T) {
	r := newRig(t, example(t, "secure"), secret)
	later := time.Now().Add(time.Hour)
	const url = "rtmfp://10.0.0.1/secure"
	publish, play := token("publish:cam", later), token("play:cam", later)

	p := r.dial(url + "?token=" + publish).publish("cam")
	r.same("publish", p.codes(), "Publish.Start")
	v := r.dial(url + "?token=" + play).play("cam")
	r.plays("with the token of the connection", v)
	w := r.dial(url).play("cam?token=" + play)
	r.plays("with a token of its own", w)
	p.video(0, keyFrame)
	p.video(40, interFrame)
	r.run(time.Second)
	for _, s := range []*rigStream{v, w} {
		if got := s.got(); !strings.Contains(got, fmt.Sprintf("%x", keyFrame)) {
			t.Errorf("player got %s", got)
		}
	}

	broken := publish[:len(publish)-1] + "0"
	if broken == publish {
		broken = publish[:len(publish)-1] + "1"
	}
	for _, tc := range []struct{ token, publish, play string }{
		{"", "a token is needed to publish cam2", "a token is needed to play cam2"},
		{"?token=", "the token is malformed", "the token is malformed"},
		{"?token=1", "the token is malformed", "the token is malformed"},
		{"?token=true", "the token is malformed", "the token is malformed"},
		{"?token=" + strings.Repeat("1", 90) + "-ab", "the token is malformed", "the token is malformed"},
		{"?token=" + publish, "the token does not allow to publish cam2", "the token does not allow to play cam2"},
		{"?token=" + broken, "the token does not allow to publish cam2", "the token does not allow to play cam2"},
		{"?token=" + token("publish:cam2", time.Now().Add(-time.Second)), "the token has expired", "the token does not allow to play cam2"},
		{"?token=" + token("play:cam2", time.Unix(1, 0)), "the token does not allow to publish cam2", "the token has expired"},
		{"?token=" + token("publish:cam2", later), "cam2 is now published", "the token does not allow to play cam2"},
	} {
		c := r.dial(url + tc.token)
		s := c.publish("cam2")
		code := netconn.CodePublishBadName
		if strings.HasSuffix(tc.publish, "published") {
			code = netconn.CodePublishStart
		}
		r.same("publish"+tc.token, s.last()+": "+s.text(), code+": "+tc.publish)
		s = c.play("cam2")
		r.same("play"+tc.token, s.last()+": "+s.text(), netconn.CodePlayFailed+": "+tc.play)
		c.leave()
	}
}

// Without a key nothing is open, and a key that the configuration shows as a number is none.
func TestExampleSecureWithoutKey(t *testing.T) {
	for _, key := range []string{"", "short", "12345678901234567890"} {
		r := newRig(t, example(t, "secure"), func(cfg *Config) {
			if key != "" {
				cfg.Params = map[string]string{"secure.secret": key}
			}
		})
		c := r.dial("rtmfp://10.0.0.1/secure?token=" + token("publish:cam", time.Now().Add(time.Hour)))
		r.same("publish", c.publish("cam").text(), "streams are closed")
		r.logged("secure.secret is missing")
	}
}

func TestExampleViewers(t *testing.T) {
	r := newRig(t, example(t, "viewers", "chat"))
	const url = "rtmfp://10.0.0.1/viewers"
	early := r.dial(url)
	waiting := early.play("cam")
	r.same("before the publisher", early.told(), `onViewers("cam" 1)`)
	host := r.dial(url)
	p := host.publish("cam")
	r.same("publisher", host.told(), `onViewers("cam" 1)`)
	r.dial("rtmfp://10.0.0.1/chat").play("cam") // another application
	late := r.dial(url)
	playing := late.play("cam")
	for _, c := range []*rigClient{early, host, late} {
		r.same("second viewer", c.told(), `onViewers("cam" 2)`)
	}
	r.same("asked", host.answer("viewers", amf.String("cam")), "2")
	r.same("asked for nothing", host.answer("viewers", amf.String("pairs")), "0")

	// Metadata does not count.
	p.data("@setDataFrame", amf.String("onMetaData"), amf.NewObject().Add("audience", amf.Number(1e6)))
	r.same("asked", host.answer("viewers", amf.String("cam")), "2")

	playing.close()
	r.same("one closed", early.told()+host.told()+late.told(), `onViewers("cam" 1)onViewers("cam" 1)`)
	late.leave()
	early.leave()
	r.same("one left", host.told(), `onViewers("cam" 0)`)
	p.close()
	r.same("asked after the end", host.answer("viewers", amf.String("cam")), "0")
	if waiting.last() == "" {
		t.Error("no status for the early one")
	}

	t.Log("# many viewers: the pushes per viewer stay few")
	host.publish("cam")
	host.told()
	r.lua("/viewers", `publication = mona.publications("cam"); publication.audience.count = 1000; publication.audience.told = 1000`)
	for range 25 {
		r.dial(url).play("cam")
	}
	r.same("pushes", host.told(), `onViewers("cam" 1020)`)
	r.notLogged(`"level":"error"`)
}

func TestExampleClock(t *testing.T) {
	f := example(t, "clock")
	f["main.lua"] = f["clock/root.lua"]
	r := newRig(t, f)
	c := r.dial("rtmfp://10.0.0.1/clock")
	s := c.play("clock")
	r.plays("clock", s)
	r.same("publish", c.publish("cam").text(), "this application is for listening")
	r.engine.manage()
	r.run(5 * time.Second)
	var packets, ticks int
	for _, f := range s.frames {
		var ts int
		var body string
		if n, _ := fmt.Sscanf(f, "audio %d %s", &ts, &body); n != 2 {
			continue
		}
		if ts != packets*200 || len(body) != 2*(1+11025/5) || !strings.HasPrefix(body, "34") {
			t.Fatalf("packet %d at %d has %d bytes: %.20s", packets, ts, len(body)/2, body)
		}
		packets++
		if strings.HasPrefix(body, "3494") {
			ticks++
		}
	}
	if packets < 10 || packets > 15 || ticks < 2 || ticks > 3 {
		t.Errorf("%d packets, %d ticks", packets, ticks)
	}
	if text := strings.Join(s.frames, "\n"); !strings.Contains(text, `data "onTime" "`) {
		t.Errorf("no time told:\n%.300s", text)
	}

	t.Log("# an edit makes another clock, which players hear of")
	r.write("clock/main.lua", f["clock/main.lua"]+"\n")
	if err := r.reload("/clock"); err != nil {
		t.Fatal(err)
	}
	r.engine.manage()
	r.run(time.Second)
	if codes := s.codes(); !strings.Contains(codes, "Play.UnpublishNotify Play.PublishNotify") {
		t.Error(codes)
	}

	t.Log("# somebody else has the name")
	r.write("clock/main.lua", `-- nothing`)
	if err := r.reload("/clock"); err != nil {
		t.Fatal(err)
	}
	other := r.dial("rtmfp://10.0.0.1/")
	r.same("publish", other.publish("clock").last(), netconn.CodePublishStart)
	r.write("clock/main.lua", f["clock/main.lua"])
	if err := r.reload("/clock"); err != nil {
		t.Fatal(err)
	}
	r.logged("is published by somebody else")
	r.engine.manage()
	r.notLogged("attempt to")

	t.Log("# the root application starts it")
	r = newRig(t, f)
	r.engine.manage()
	r.expect("", "children.clock.pushed > 9", "true")
}
