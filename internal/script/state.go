package script

import (
	"maps"
	"slices"
	"strings"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/internal/script/lualib"
	"github.com/monaserver/monaserver/internal/script/value"
)

// classes are the kinds of objects scripts see.
type classes struct {
	children, clients, client, writer, qos           *class
	mona, params, data                               *class
	publications, publication, listeners, listener   *class
	groups, group, members, member                   *class
	servers, server, handlers                        *class
	ip, address, file, tcpClient, tcpServer, udpSock *class

	all []*class
}

// newState makes the Lua state with everything that all applications share.
func (e *Engine) newState() {
	e.L = lua.NewState(lualib.StateOptions())
	e.lib = lualib.New(e.L, lualib.Options{Budget: e.watch})
	e.L.SetContext(e.watch)
	e.conv = e.newConverter()
	c := &e.classes
	c.children = e.define(e.childrenClass())
	c.clients = e.define(e.clientsClass())
	c.client = e.define(e.clientClass())
	c.writer = e.define(e.writerClass())
	c.qos = e.define(e.qosClass())
	c.params = e.define(e.paramsClass())
	c.data = e.define(e.dataClass())
	c.publications = e.define(e.publicationsClass())
	c.publication = e.define(e.publicationClass())
	c.listeners = e.define(e.listenersClass())
	c.listener = e.define(e.listenerClass())
	c.groups = e.define(e.groupsClass())
	c.group = e.define(e.groupClass())
	c.members = e.define(e.membersClass())
	c.member = e.define(e.memberClass())
	c.servers = e.define(e.serversClass())
	c.server = e.define(e.serverClass())
	c.handlers = e.define(e.handlersClass())
	c.ip = e.define(e.ipClass())
	c.address = e.define(e.addressClass())
	c.file = e.define(e.fileClass())
	c.tcpClient = e.define(e.tcpClientClass())
	c.tcpServer = e.define(e.tcpServerClass())
	c.udpSock = e.define(e.udpSocketClass())
	c.mona = e.define(e.monaClass())
	e.objects.init(e)
}

// newConverter makes the converter between Lua and AMF values.
func (e *Engine) newConverter() *value.Converter {
	return value.New(e.L, value.Options{
		OnTyped: e.typedObject,
		Warn:    func(text string) { e.complain(warnLevel, text) },
		Product: e.product,
		Plain:   e.plain,
		Stopped: e.watch.Exceeded,
	})
}

// typedObject calls onTypedObject of the running application.
func (e *Engine) typedObject(class string, t *lua.LTable) {
	if e.running == nil {
		return
	}
	e.event(e.running, "onTypedObject", nil, lua.LString(class), t)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// childPath is the path of an application below a, named relative to it; it never leaves a.
func childPath(a *App, name string) (string, bool) {
	path := a.path
	for part := range strings.SplitSeq(strings.ReplaceAll(name, `\`, "/"), "/") {
		switch part {
		case "", ".":
		case "..":
			return "", false
		default:
			if strings.IndexFunc(part, func(r rune) bool { return r < ' ' }) >= 0 {
				return "", false
			}
			path += "/" + part
		}
	}
	return path, path != a.path
}
