//go:build unix

package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// daemonEnv tells a process that it was started by background, with a pipe on descriptor daemonPipe.
const (
	daemonEnv  = "MONASERVER_BACKGROUND"
	daemonPipe = 3
	daemonUp   = "up\n"
)

// background starts this program again without a terminal and waits until it serves or has failed.
func (p *process) background() int {
	r, w, err := os.Pipe()
	if err != nil {
		fmt.Fprintln(p.stderr, "monaserver: --daemon:", err)
		return exitFailed
	}
	cmd := exec.Command(p.env.Executable, p.argv[1:]...)
	cmd.Args[0] = p.argv[0]
	cmd.Env = append(os.Environ(), daemonEnv+"=1")
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(p.stderr, "monaserver: --daemon:", err)
		return exitFailed
	}
	_ = w.Close() // the other end is the child's
	answer, err := io.ReadAll(r)
	switch {
	case err != nil:
		fmt.Fprintln(p.stderr, "monaserver: --daemon:", err)
		return exitFailed
	case string(answer) != daemonUp:
		if len(answer) == 0 {
			answer = []byte("the process ended without a word; see its log")
		}
		fmt.Fprintf(p.stderr, "monaserver cannot start: %s\n", strings.TrimSpace(string(answer)))
		_ = cmd.Wait() // it ends by itself, with its own exit code
		return exitFailed
	}
	fmt.Fprintf(p.stdout, "monaserver runs in the background as process %d\n", cmd.Process.Pid)
	return exitOK
}

// parentPipe leads to the process that started this one in the background; nil when there is none.
type parentPipe struct{ w *os.File }

func parentProcess() parentPipe {
	if os.Getenv(daemonEnv) == "" {
		return parentPipe{}
	}
	_ = os.Unsetenv(daemonEnv)      // not for programs that this one starts
	syscall.CloseOnExec(daemonPipe) // nor is the pipe
	return parentPipe{os.NewFile(daemonPipe, "parent")}
}

func (p parentPipe) exists() bool { return p.w != nil }

// tell lets the parent go: nil when this process serves, or why it does not.
func (p parentPipe) tell(err error) {
	if p.w == nil {
		return
	}
	text := daemonUp
	if err != nil {
		text = err.Error() + "\n"
	}
	_, _ = io.WriteString(p.w, text) // a parent that is gone needs no answer
	_ = p.w.Close()
}
