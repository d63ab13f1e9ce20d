package main

import (
	"fmt"
	"io"
)

const urlHelp = `URL is rtmfp://host[:port]/app/stream[?query]; the port defaults to 1935, IPv6 addresses are in brackets.
For publish and play the last part of the path is the stream and the rest the application. A stream whose
name has slashes comes after a hash: rtmfp://host/app#some/stream. The query belongs to the application's
URL; a stream can have one of its own after the hash.
`

// writeHelp writes the help of the program.
func writeHelp(w io.Writer) {
	fmt.Fprint(w, "rtmfp is an RTMFP client.\n\nUsage: rtmfp COMMAND [flags] URL [arguments]\n\nCommands:\n")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-8s %s\n", c.name, c.short)
	}
	fmt.Fprintf(w, "  %-8s %s\n", "bench", "make load for a server and measure it")
	fmt.Fprint(w, "\nRun 'rtmfp COMMAND --help' for the flags of a command.\n\n", urlHelp, "\n", exitHelp)
}

// writeHelp writes the help of a command.
func (c *call) writeHelp(w io.Writer) {
	fmt.Fprintf(w, "Usage: rtmfp %s [flags] %s\n\n%s\n", c.cmd.name, c.cmd.args, c.cmd.long)
	fmt.Fprint(w, "Flags:\n")
	c.fs.SetOutput(w)
	c.fs.PrintDefaults()
	fmt.Fprint(w, "\n", urlHelp, "\n", exitHelp)
}
