// Package netconn implements NetConnection and NetStream over RTMFP flows, for servers and for clients.
//
// Like the protocol core below it, the package does no I/O, starts no goroutine and reads no clock:
// every entry point takes the current time. A Shard is the server's handler for one shard of the UDP
// driver; it owns one Conn per session and the listeners of that shard. A Client drives one NetConnection
// on a session that was dialled.
//
// What may connect, publish, play or be called is decided by an App, which may answer at once or later,
// from any goroutine, by posting a Task to the shard. Folders is the App of a server without scripts.
//
// Unless its comment says otherwise, a method belongs to the shard's goroutine.
package netconn
