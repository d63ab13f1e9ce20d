//go:build race

package server

// raceEnabled: the race detector makes pools forget at random, and everything slow.
const raceEnabled = true
