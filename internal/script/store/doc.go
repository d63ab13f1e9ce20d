// Package store keeps the table of texts that survives restarts (data of scripts): a tree in memory, and
// one file that follows it.
//
// The tree belongs to the script goroutine: every method of Node, and Root. Changes reach the file through
// one writer goroutine, in batches at most half a second apart, each of them whole or not at all. A process
// that is killed loses what the last batch does not hold.
//
// Everything is stored as text. As in MonaServer 1.x, what was written as a number is a text while the
// process runs (booleans stay booleans), and after a restart texts that look like a boolean, a number or
// null are that.
package store
