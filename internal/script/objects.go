package script

import (
	"net/netip"

	"github.com/monaserver/monaserver/internal/netconn"
	"github.com/monaserver/monaserver/internal/script/store"
)

// objects are the things of the server that scripts see, fed by events. It belongs to the script
// goroutine; dns locks for itself.
type objects struct {
	clients map[string]*client // accepted ones, by raw id
	byConn  map[netconn.Handle]*client

	groups       map[string]*group // by raw id
	virtual      int               // virtual members of all groups
	currentGroup *group            // where a loop over mona.groups is
	groupLoop    bool              // such a loop ran in this event

	servers    []*server // by order of connection
	links      map[ServerLink]*server
	serverSets [initiators + 1]*object // mona.servers, .targets, .initiators

	allClients, publications, configs, environment *object // of mona

	handlers []*handlers // in the order in which they were added

	addresses interned[netip.AddrPort]
	ips       interned[netip.Addr]
	tables    interned[*store.Node] // of data
	dns       resolver
	sockets   map[*App]int // open ones
}

func (o *objects) init(e *Engine) {
	o.clients = make(map[string]*client)
	o.byConn = make(map[netconn.Handle]*client)
	o.groups = make(map[string]*group)
	o.links = make(map[ServerLink]*server)
	o.sockets = make(map[*App]int)
	o.dns.init()
	for set := range o.serverSets {
		o.serverSets[set] = e.newObject(e.classes.servers, serverSet(set))
	}
	o.allClients = e.newObject(e.classes.clients, func() map[string]*client { return o.clients })
	o.publications = e.newObject(e.classes.publications, nil)
	o.configs = e.newObject(e.classes.params, foldedParams(e.cfg.Params))
	o.environment = e.newObject(e.classes.params, foldedParams(e.cfg.Environment))
}

// Members returns the names of the members that the objects of each class have, sorted. What scripts add
// and what a collection holds is not among them.
func (e *Engine) Members() map[string][]string {
	all := make(map[string][]string)
	for _, c := range e.classes.all {
		all[c.name] = sortedKeys(c.members)
	}
	return all
}
