package mesh

import (
	"fmt"
	"slices"
	"strings"
)

// The kinds of control messages. Those from kindPing on are only sent to servers whose hello has node.id:
// MonaServer 1.x takes any kind but 0 for a hello.
const (
	kindReject    = 0
	kindHello     = 1
	kindPing      = 2 // nothing follows: this server lives
	kindOffer     = 3 // flags, number: settle.go
	kindConfirm   = 4 // nothing follows: this link stays
	kindDuplicate = 5 // nothing follows: another link stays
)

const (
	maxHello      = 1 << 20
	maxHelloPairs = 4096
	maxReason     = 1 << 10 // bytes of a reason, more is cut off
)

// pair is a parameter of a hello.
type pair struct{ key, value string }

// appendHello appends the control message that begins a link.
func appendHello(b []byte, pairs []pair) []byte {
	b = append(b, kindHello)
	for _, p := range pairs {
		b = appendText(appendText(b, p.key), p.value)
	}
	return b
}

// parseHello reads what follows the kind. The last of several values of a key counts.
func parseHello(b []byte) (map[string]string, error) {
	n, err := countPairs(b)
	if err != nil {
		return nil, err
	}
	m := make(map[string]string, n)
	for len(b) > 0 {
		var key, value string
		if key, b, err = cutText(b); err == nil {
			value, b, err = cutText(b)
		}
		if err != nil {
			return nil, fmt.Errorf("hello: %w", err)
		}
		m[key] = value
	}
	return m, nil
}

// countPairs returns how many parameters a hello has.
func countPairs(b []byte) (n int, err error) {
	if len(b) > maxHello {
		return 0, protocolErrorf("a hello of %d bytes, at most %d are accepted", len(b), maxHello)
	}
	for ; len(b) > 0; n++ {
		if n == maxHelloPairs {
			return n, protocolErrorf("a hello of more than %d parameters", maxHelloPairs)
		}
		for range 2 {
			size, rest, err := cutVL(b)
			if err != nil || uint64(size) > uint64(len(rest)) {
				return n, fmt.Errorf("hello: %w", errShort)
			}
			b = rest[size:]
		}
	}
	return n, nil
}

// unknownError is the reason of a rejection that has none.
const unknownError = "Unknown error"

func appendReject(b []byte, reason string) []byte {
	if reason == "" {
		reason = unknownError
	}
	return appendText(append(b, kindReject), reason[:min(len(reason), maxReason)])
}

// parseReject reads what follows the kind. An empty control message is a rejection too.
func parseReject(b []byte) string {
	reason, _, err := cutText(b)
	if err != nil || reason == "" {
		return unknownError
	}
	return reason[:min(len(reason), maxReason)]
}

const errVersion = protocolError("a control message of another version of the protocol: is this a server of this kind?")

// keyPing is a key of the hello: seconds between the pings that the sender sends. keyNodeID (auth.go) is an
// identity that differs in every process.
const keyPing = "node.ping"

// neverTold are the prefixes of keys that other servers have no business with. Of servers.* they are told the port:
// anything else may be a secret, under a name with a typing error too.
var neverTold = []string{"application.", "arguments.", "logs.", "servers.", "node."}

const keyServersPort = "servers.port"

// announced are the parameters of a hello: the configuration without what must not leave the server, sorted
// by key.
func announced(params map[string]string, private []string) []pair {
	var list []pair
	for key, value := range params {
		hidden := func(prefix string) bool { return strings.HasPrefix(strings.ToLower(key), prefix) }
		secret := func(name string) bool { return strings.EqualFold(key, name) }
		told := strings.EqualFold(key, keyServersPort) || !slices.ContainsFunc(neverTold, hidden)
		if told && !slices.ContainsFunc(private, secret) {
			list = append(list, pair{key, value})
		}
	}
	slices.SortFunc(list, func(a, b pair) int { return strings.Compare(a.key, b.key) })
	return list
}
