package config

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

const helpHead = `MonaServer is a media server for RTMFP: programs publish live video and audio to it, others play them,
and clients find each other through it.

Usage: monaserver [--option=value ...]

Without options it reads MonaServer.ini in the working directory, or else beside the program, and runs until
Ctrl+C. It needs no configuration: without a file it listens on UDP port 1935 and serves the folder www of the
working directory, in which each folder is an application: with www/live, programs can publish to and play
rtmfp://localhost/live/anyname.

Options:
`

const helpKeys = `
Every key of MonaServer.ini can be given as an option too, --section.key=value, which wins over the file.
An option may also be written -name or /name, with ":" for "="; case does not count. Options that are not known
are passed on to the scripts of applications.

Keys, with their defaults:
`

const helpTail = `
Examples:
  monaserver                                    run
  monaserver --check                            show the configuration that is in effect
  monaserver --RTMFP.port=19350 --log=debug     run on another port and log more
  monaserver --config=/etc/MonaServer.ini --daemon --pidfile=/run/monaserver.pid

Exit codes: 0 stopped in order, 1 could not start or had to stop, 2 mistake in the configuration or command line.
`

// WriteHelp prints what the program is and every option and key.
func WriteHelp(w io.Writer) error {
	if _, err := io.WriteString(w, helpHead); err != nil {
		return err
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, o := range Options {
		name := "--" + o.Name
		switch {
		case strings.HasPrefix(o.Value, "["):
			name += "[=" + strings.Trim(o.Value, "[]") + "]"
		case o.Value != "":
			name += "=" + o.Value
		}
		if o.Short != "" {
			name += ", -" + o.Short
		}
		fmt.Fprintf(t, "  %s\t%s\n", name, o.Doc)
	}
	fmt.Fprint(t, helpKeys)
	for _, k := range Keys {
		fmt.Fprintf(t, "  %s=%s\n%s", k.Name, k.defaultText(), wrapped(strings.ReplaceAll(k.Doc, "`", "")))
	}
	fmt.Fprint(t, helpTail)
	return t.Flush()
}

// defaultText is the default as one would write it, or in parentheses how it is found.
func (k Key) defaultText() string {
	if k.Note != "" {
		return "(" + strings.ReplaceAll(k.Note, "`", "") + ")"
	}
	return k.Default
}

// wrapped breaks a sentence into indented lines of at most 100 columns.
func wrapped(s string) string {
	const indent, width = "\n       ", 100
	var b strings.Builder
	column := width
	for word := range strings.FieldsSeq(s) {
		if column+len(word) >= width {
			b.WriteString(indent)
			column = len(indent)
		}
		b.WriteString(" " + word)
		column += len(word) + 1
	}
	return b.String()[1:] + "\n"
}

// WriteMarkdown prints the table of all keys for the documentation.
func WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| Key | Type | Default | Meaning |\n|---|---|---|---|\n")
	cell := strings.NewReplacer("|", `\|`)
	for _, k := range Keys {
		def := k.Note
		switch {
		case def == "" && k.Default == "":
			def = "–"
		case def == "":
			def = "`" + k.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.Name, cell.Replace(k.Type), cell.Replace(def), cell.Replace(k.Doc))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
