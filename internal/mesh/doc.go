// Package mesh connects servers with each other over TCP, the way MonaServer 1.x does: whoever has another
// server among its targets dials it, both say hello with their configuration, and then call functions of
// each other's applications, one way.
//
// A [Node] listens, dials its targets for ever and owns the [Link]s. A link has two goroutines, a reader
// and a writer; whoever sends something only puts it into the link's bounded queue. What the links bring
// goes to a [Handler], which does not wait either.
//
// Servers of this implementation know each other by an identity in the hello (node.id). Between them links
// are watched by pings, a server that dialled itself notices, and of two links between the same two servers
// one is chosen before any application sees it.
package mesh
