// Package rendezvous introduces clients to each other and sends them to other servers: it decides on the
// hellos that the protocol leaves to the application, and keeps the NetGroups. It has no sockets and
// knows no scripts; both are reached through small interfaces.
package rendezvous
