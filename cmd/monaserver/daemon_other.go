//go:build !unix

package main

import "fmt"

func (p *process) background() int {
	fmt.Fprintln(p.stderr, "monaserver: --daemon works on Unix only")
	return exitConfig
}

// parentPipe leads to the process that started this one in the background: never here.
type parentPipe struct{}

func parentProcess() parentPipe { return parentPipe{} }

func (parentPipe) exists() bool { return false }

func (parentPipe) tell(error) {}
