package netconn

import (
	"errors"
	"strings"
)

// Address is where an rtmfp: URL points: the host with its port, the path of the application ("" is the
// root application, else "/a/b") and the query without its question mark.
type Address struct {
	Host  string
	Path  string
	Query string
}

var errNoHost = errors.New("url without host")

// ParseURL splits a URL like rtmfp://host:port/app/instance?x=1. The path is percent-decoded, has no
// empty, "." or ".." elements and never climbs above the root; backslashes count as slashes.
func ParseURL(url string) (Address, error) {
	_, rest, ok := strings.Cut(url, "://")
	if !ok {
		return Address{}, errNoHost
	}
	i := strings.IndexAny(rest, "/\\?")
	if i < 0 {
		i = len(rest)
	}
	a := Address{Host: rest[:i]}
	if at := strings.LastIndexByte(a.Host, '@'); at >= 0 {
		a.Host = a.Host[at+1:]
	}
	if a.Host == "" {
		return Address{}, errNoHost
	}
	a.Path, a.Query = splitPath(rest[i:])
	return a, nil
}

// splitPath separates a query from a path and cleans the path.
func splitPath(s string) (path, query string) {
	path, query, _ = strings.Cut(s, "?")
	return cleanPath(path), query
}

// cleanPath decodes a path and resolves it below the root. Decoding comes first, so that an encoded
// slash or dot gets no further than a plain one; a path that could end a C string early or hide a
// separator from the file system is the caller's to refuse, so control characters stay visible.
func cleanPath(s string) string {
	s = strings.ReplaceAll(unescape(s, false), `\`, "/")
	var kept []string
	for part := range strings.SplitSeq(s, "/") {
		switch part {
		case "", ".":
		case "..":
			if len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
		default:
			kept = append(kept, part)
		}
	}
	if len(kept) == 0 {
		return ""
	}
	return "/" + strings.Join(kept, "/")
}

// unescape decodes percent sequences; broken ones stand for themselves, as in the servers before us.
func unescape(s string, plusIsSpace bool) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		case c == '+' && plusIsSpace:
			b = append(b, ' ')
		default:
			b = append(b, c)
		}
	}
	return string(b)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// Property is a named text, in the order in which the client sent it.
type Property struct{ Name, Value string }

// ParseQuery splits "a=1&b" into properties; a key without value has the value "".
func ParseQuery(query string) []Property {
	var list []Property
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		list = setProperty(list, unescape(name, true), unescape(value, true))
	}
	return list
}

// maxProperties bounds what a client can make us search through.
const maxProperties = 256

// setProperty replaces the property of that name or adds it.
func setProperty(list []Property, name, value string) []Property {
	for i := range list {
		if list[i].Name == name {
			list[i].Value = value
			return list
		}
	}
	if len(list) >= maxProperties {
		return list
	}
	return append(list, Property{name, value})
}

// splitName separates the query from the name of a stream.
func splitName(s string) (name, query string) {
	name, query, _ = strings.Cut(s, "?")
	return name, query
}
