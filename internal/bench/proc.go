package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of processor times in /proc: USER_HZ, which is 100 on every Linux.
const tick = 10 * time.Millisecond

// usage is what a process has used up to now.
type usage struct {
	cpu     time.Duration
	rss     int64 // bytes, resident set
	threads int
}

// proc is a process that is watched through /proc.
type proc struct{ dir string }

// watch returns a process, nil for pid 0, and what it has used so far.
func watch(pid int) (*proc, usage, error) {
	if pid == 0 {
		return nil, usage{}, nil
	}
	p := &proc{filepath.Join("/proc", strconv.Itoa(pid))}
	u, err := p.read()
	return p, u, err
}

// read returns nothing for nil.
func (p *proc) read() (usage, error) {
	if p == nil {
		return usage{}, nil
	}
	u, err := p.readFiles()
	if err != nil {
		return u, fmt.Errorf("server process %s: %w", filepath.Base(p.dir), err)
	}
	return u, nil
}

func (p *proc) readFiles() (usage, error) {
	stat, err := os.ReadFile(filepath.Join(p.dir, "stat"))
	if err != nil {
		return usage{}, err
	}
	status, err := os.ReadFile(filepath.Join(p.dir, "status"))
	if err != nil {
		return usage{}, err
	}
	return parseUsage(stat, status)
}

// Fields of /proc/pid/stat after the name, which may contain anything (proc_pid_stat(5)).
const (
	statUtime   = 14 - 3
	statStime   = 15 - 3
	statThreads = 20 - 3
)

func parseUsage(stat, status []byte) (u usage, err error) {
	i := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[i+1:]))
	if i < 0 || len(fields) <= statThreads {
		return u, fmt.Errorf("stat is cut short")
	}
	var n [3]int64
	for i, f := range []int{statUtime, statStime, statThreads} {
		if n[i], err = strconv.ParseInt(fields[f], 10, 64); err != nil {
			return u, fmt.Errorf("stat: %w", err)
		}
	}
	u.cpu, u.threads = time.Duration(n[0]+n[1])*tick, int(n[2])
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				return u, fmt.Errorf("status: %w", err)
			}
			u.rss = kb << 10
			return u, nil
		}
	}
	return u, fmt.Errorf("status has no VmRSS: the process has ended")
}

// MachineTime returns how long all processors together have been busy since the start of the machine.
func MachineTime() (time.Duration, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	return parseMachine(b)
}

// parseMachine reads the first line of /proc/stat (proc_stat(5)).
func parseMachine(b []byte) (busy time.Duration, err error) {
	line, _, _ := strings.Cut(string(b), "\n")
	f := strings.Fields(line)
	if len(f) < 8 || f[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat: no line of all processors")
	}
	for i, s := range f[1:8] {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		if i != 3 && i != 4 { // idle, and waiting for a disk
			busy += time.Duration(n) * tick
		}
	}
	return busy, nil
}
