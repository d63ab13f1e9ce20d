package script

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/pkg/amf"
	"github.com/monaserver/monaserver/pkg/flv"
)

// The applications with which C++ MonaServer 1.x tests itself (FunctionalTests/www of its sources) run here as they
// do there. They are not part of this project: MONASERVER_TESTS names the folder FunctionalTests/www of a checkout.
// What its page in a browser does with them, the tests below do.
const functionalVariable = "MONASERVER_TESTS"

const functionalURL = "rtmfp://10.0.0.1/FunctionalTests/"

// functionalRig is a server with these applications; nil without a checkout.
func functionalRig(t *testing.T) *rig {
	t.Helper()
	www := os.Getenv(functionalVariable)
	if www == "" {
		t.Logf("%s names no folder FunctionalTests/www of MonaServer 1.x: nothing to run", functionalVariable)
		return nil
	}
	if _, err := os.Stat(filepath.Join(www, "FunctionalTests", "main.lua")); err != nil {
		t.Fatalf("%s: %v", functionalVariable, err)
	}
	r := newRig(t, files{"main.lua": ``})
	if err := os.CopyFS(r.www, os.DirFS(www)); err != nil {
		t.Fatal(err)
	}
	return r
}

// Each folder of LUATests is a test: its function run asserts, or returns the functions that do.
func TestFunctionalLua(t *testing.T) {
	r := functionalRig(t)
	if r == nil {
		return
	}
	// What the data folder of the checkout has.
	r.lua("", `data.FunctionalTests = {LUATests = {Databases = {init = true, subdir = {init = true}}}}`)
	c := r.dial(functionalURL)
	result, err := c.call("listTests")
	if err != nil {
		t.Fatal(err)
	}
	tests := result.Value().(*amf.Object)
	known := 0
	for _, m := range tests.Members {
		t.Run(m.Name, func(t *testing.T) {
			known++
			got := amfText(m.Value) + " " + c.answer("runTest", m.Value)
			failed := !strings.Contains(got, `err=""`)
			switch m.Name {
			case "Databases", "Require", "Scripts", "XML":
				if failed {
					t.Error(got)
				}
			case "Query":
				// It asserts one order of the keys of a table, which no Lua promises.
				if !failed || !strings.Contains(got, "Query/main.lua:7:") {
					t.Error(got)
				}
				r.functionalQuery()
			case "Serializers":
				if !failed || !strings.Contains(got, "Serializers/main.lua:71:") { // mona:toXMLRPC, in the last of four
					t.Error(got)
				}
				for _, f := range []string{"AMF", "AMF0", "JSON"} {
					r.expect("/FunctionalTests/LUATests/Serializers", `select("#", `+f+`())`, "0")
				}
			default:
				t.Error("a test nobody has looked at:", got)
			}
		})
	}
	if known != 6 {
		t.Errorf("%d tests", known)
	}
}

// functionalQuery is the test Query without the order of keys.
func (r *rig) functionalQuery() {
	r.t.Helper()
	const app = "/FunctionalTests/LUATests/Query"
	parts := strings.Split(r.eval(app, `mona:toQuery(_tab1, _str, _tab2)`), "&")
	first, last := strings.Join(parts[:2], "&"), strings.Join(parts[3:], "&")
	if parts[2] != "str%23ing" || len(first) != len("key1=val1&key2=val2") || len(last) != len("key3=val3&key5=true&key4=10") {
		r.t.Errorf("query %q", parts)
	}
	r.lua(app, `local a, s, b, more = mona:fromQuery(mona:toQuery(_tab1, _str, _tab2))
		compareTable(a, _tab1) compareTable(_tab1, a) compareTable(b, _tab2) compareTable(_tab2, b)
		assert(s == _str and more == nil)`)
}

// ParentFunctions
func TestFunctionalParents(t *testing.T) {
	r := functionalRig(t)
	if r == nil {
		return
	}
	c := r.dial(functionalURL + "subapp/subsubapp")
	r.same("own function", c.answer("getRealNameApp"), `"subsubapp"`)
	r.same("function of the parent", c.answer("getNameParentApp"), `"subapp"`)
	r.same("function of no client", c.answer("getNameApp"), `error: Method client 'getNameApp' not found in application /FunctionalTests/subapp/subsubapp`)
	r.same("function of the parent's parent", c.answer("getNameSuperParentApp"), `"FunctionalTests"`)
}

// RTMFPLoad, RTMPTests, ConnectionRejected, RTMFPLongQuery, WriterDestruction
func TestFunctionalConnections(t *testing.T) {
	r := functionalRig(t)
	if r == nil {
		return
	}
	var clients []*rigClient
	for range 100 {
		clients = append(clients, r.dial(functionalURL))
	}
	r.expect("", "mona.clients.count", "100")
	for _, c := range clients {
		c.Close(r.Now())
		c.node.Wake()
	}
	r.until(func() bool { return r.eval("", "mona.clients.count") == "0" }, "end of the connections")

	refused := func(url string) (code, text string) {
		err := r.connect(netconn.ClientConfig{URL: url}).err
		var status *netconn.StatusError
		if !errors.As(err, &status) {
			t.Fatalf("%s: %v", url, err)
		}
		return status.Code, status.Description
	}
	code, _ := refused("rtmfp://10.0.0.1/abcdefghijkl/")
	r.same("wrong application", code, "NetConnection.Connect.InvalidApp")
	for range 100 {
		code, text := refused(functionalURL + "ConnectionRejected/")
		if code != "NetConnection.Connect.Rejected" || !strings.HasSuffix(text, "main.lua:2: Connection rejected") {
			t.Fatalf("%s: %s", code, text)
		}
	}

	params := []string{"abcdefghijklmnopqrstuvwxyz", "é123456789é123456789é", strings.Repeat("abcdefghijklmnopqrstuvwxyz", 4)}
	c := r.dial(functionalURL + fmt.Sprintf("RTMFPLongQuery/?param1=%s&param2=%s&param3=%s", params[0], params[1], params[2]))
	for i, want := range params {
		v, _ := c.info.Object.Get(fmt.Sprint("answer", i+1))
		if v != amf.String(want) {
			t.Errorf("answer %d: %v", i+1, v)
		}
	}

	c = r.dial(functionalURL + "WriterDestruction/")
	c.leave()
	r.logged("onDisconnection called from WriterDestruction")
	r.dial(functionalURL + "WriterDestruction/")
}

// Publications
func TestFunctionalPublications(t *testing.T) {
	r := functionalRig(t)
	if r == nil {
		return
	}
	for _, app := range []string{"", "OnUnsubscribe/", "OnSubscribe/"} {
		one, two := r.dial(functionalURL+"Publications/"+app), r.dial(functionalURL+"Publications/"+app)
		p := one.publish("publication")
		p.data("message", amf.String("test"))
		first, second := one.play("publication"), two.play("publication")
		if app == "OnSubscribe/" {
			r.same("refused", first.codes()+" "+second.codes(), "Play.Failed Play.Failed")
		} else {
			r.same("both play", one.answer("getPublications"),
				fmt.Sprintf("{publications=[%q] listeners=[%q %q]}", "publication", r.idOf(one), r.idOf(two)))
			first.close()
			second.close()
			r.same("ends", first.last()+" "+second.last(), "NetStream.Play.Stop NetStream.Play.Stop")
		}
		r.same("nobody plays", one.answer("getPublications"), `{publications=["publication"] listeners=[]}`)
		p.close()
		one.leave()
		two.leave()
	}
	r.logged("onUnsubscribe called")
}

// RTMPMetadata and NetStreamData
func TestFunctionalData(t *testing.T) {
	r := functionalRig(t)
	if r == nil {
		return
	}
	one, two, three := r.dial(functionalURL), r.dial(functionalURL), r.dial(functionalURL)
	p := one.publish("test")
	first := one.play("test")
	p.data("message", amf.String("test"))
	if !strings.HasSuffix(first.codes(), "Play.PublishNotify") {
		t.Errorf("first listener: %s", first.codes())
	}
	const metadata = `data "onMetaData" {test1="value1" test2="value2"}`
	p.data("@setDataFrame", amf.String("onMetaData"), amf.NewObject().Add("test1", amf.String("value1")).Add("test2", amf.String("value2")))
	r.same("first listener", first.got(), `data "message" "test", `+metadata)
	for _, c := range []*rigClient{two, three} { // metadata is for those who come later, too
		s := c.play("test")
		p.data("message", amf.String("test"))
		r.same("later listener", s.got(), metadata+`, data "message" "test"`)
	}

	p = one.publish("publication")
	listeners := []*rigStream{one.play("publication"), two.play("publication"), three.play("publication")}
	p.data("message", amf.String("test"))
	p.close()
	r.run(time.Second)
	for _, s := range listeners {
		r.same("listener", s.got()+" "+s.last(), `data "message" "test" NetStream.Play.UnpublishNotify`)
	}
}

// RTMPMedia
func TestFunctionalMedia(t *testing.T) {
	r := functionalRig(t)
	if r == nil {
		return
	}
	for _, name := range []string{"AudioAndVideo.flv", "VideoAndAudio.flv", "Audio.flv", "Video.flv"} {
		c := r.dial(functionalURL + "Media/")
		s := c.play("file")
		for range 100 {
			answer := c.answer("readMedia", amf.String(name))
			if !strings.Contains(answer, `err=""`) {
				t.Fatal(name, answer, r.logs.String())
			}
			if strings.Contains(answer, "finished=true") {
				break
			}
			r.run(500 * time.Millisecond)
		}
		r.run(3 * time.Second)
		r.same(name, sorted(s.frames), sorted(r.functionalFrames("FunctionalTests/Media/"+name)))
		r.same("end of "+name, s.last(), "NetStream.Play.UnpublishNotify")
		c.leave()
	}
}

// functionalFrames are the packets of a file as a listener gets them.
func (r *rig) functionalFrames(file string) (frames []string) {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.www, file))
	if err != nil {
		r.t.Fatal(err)
	}
	reader := flv.NewReader(bytes.NewReader(text), flv.Options{})
	for {
		tag, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return frames
		}
		if err != nil {
			r.t.Fatal(err)
		}
		switch tag.Type {
		case flv.Audio:
			frames = append(frames, fmt.Sprintf("audio %d %x", tag.Time, tag.Data))
		case flv.Video:
			frames = append(frames, fmt.Sprintf("video %d %x", tag.Time, tag.Data))
		}
	}
}
