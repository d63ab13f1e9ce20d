// Package media relays live publications to their listeners. It knows names, frames and who wants
// them; it opens no socket, reads no clock and starts no goroutine.
//
// Owners. A Publication belongs to its one feeder, the goroutine that publishes. A Shard with its
// Listeners belongs to one other goroutine (or the same one). Between them frames travel as posted
// references: one post per frame and shard, however many listeners the shard has. Counters are atomic
// and may be read by anyone; the Hub is safe for all.
//
// Every rtmfp.Time given to one Hub and its shards counts from the same epoch.
package media
