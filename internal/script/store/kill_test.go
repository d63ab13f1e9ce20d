package store

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// childEnv makes the test binary the process that is killed; its value is the path of the file.
const childEnv = "MONASERVER_STORE_CHILD"

// ring is how many keys the child writes in turn.
const ring = 100

// child writes without end and reports how far it came and when, every millisecond.
func child(path string) {
	s, err := Open(path, func(err error) { panic(err) })
	if err != nil {
		panic(err)
	}
	r := s.Root()
	set := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	start := time.Now()
	var reported time.Duration
	first := 1
	if e, ok := r.Get("counter"); ok {
		first = int(e.Number) + 1
	}
	for i := first; ; i++ {
		set(r.Set("counter", Number(float64(i))))
		set(r.Delete("t"))
		t := NewNode()
		for _, key := range []string{"a", "b", "c", "d"} {
			set(t.Set(key, Number(float64(i))))
		}
		set(r.Set("t", Table(t)))
		set(r.Child("ring").Set(strconv.Itoa(i%ring), Number(float64(i))))
		if now := time.Since(start); now-reported >= time.Millisecond {
			reported = now
			fmt.Println(i, now.Microseconds())
		}
	}
}

type report struct {
	i  int
	at time.Duration
}

// kill runs a child on the file until it has been busy for a while, and kills it. It returns all it said.
func kill(t *testing.T, path string, busy time.Duration) (reports []report) {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	killed := false
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var i, at int
		if _, err := fmt.Sscan(lines.Text(), &i, &at); err != nil {
			continue // cut by the end
		}
		reports = append(reports, report{i, time.Duration(at) * time.Microsecond})
		if len(reports) == 1 {
			_, err := Open(path, func(error) {})
			wantErr(t, err, ErrInUse, filepath.Base(path))
		}
		if !killed && reports[len(reports)-1].at >= busy {
			killed = true
			must(t, cmd.Process.Kill())
		}
	}
	if err := cmd.Wait(); !killed || err == nil {
		t.Fatal("the child ended by itself:", err)
	}
	return reports
}

// A killed process loses at most the last second, and nothing is half-written: the file holds the tree as it
// was at one moment.
func TestKill(t *testing.T) {
	path := temp(t)
	for _, busy := range []time.Duration{1200 * time.Millisecond, 700 * time.Millisecond} {
		reports := kill(t, path, busy)
		s := open(t, path)
		r := s.Root()
		e, _ := r.Get("counter")
		k := int(e.Number)

		end, kept := reports[len(reports)-1], report{}
		for _, rep := range reports {
			if rep.i <= k {
				kept = rep
			}
		}
		lost := end.at - kept.at
		t.Logf("counter %d of %d, %v lost", k, end.i, lost)
		if k == 0 || lost > time.Second {
			t.Errorf("counter %d, the child said %d: %v lost", k, end.i, lost)
		}
		checkMoment(t, r, k)
		must(t, s.Close())
	}
}

// checkMoment checks that the tree is what the child had while the counter was k.
func checkMoment(t *testing.T, r *Node, k int) {
	t.Helper()
	if e, ok := r.Get("t"); ok {
		a, _ := e.Node.Get("a")
		if int(a.Number) != k && int(a.Number) != k-1 {
			t.Errorf("table of %v at %d", a.Number, k)
		}
		if want := fmt.Sprintf("{a=%[1]d b=%[1]d c=%[1]d d=%[1]d}", int(a.Number)); show(e.Node) != want {
			t.Error("half a table:", show(e.Node))
		}
	}
	e, _ := r.Get("ring")
	for i := max(1, k-ring+1); i < k; i++ {
		if v, _ := e.Node.Get(strconv.Itoa(i % ring)); int(v.Number) != i {
			t.Errorf("ring of %d at %d: %v", i, k, v.Number)
		}
	}
	if v, _ := e.Node.Get(strconv.Itoa(k % ring)); int(v.Number) != k && int(v.Number) != k-ring {
		t.Errorf("ring of %d: %v", k, v.Number)
	}
}
