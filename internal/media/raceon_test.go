//go:build race

package media

// Under the race detector sync.Pool loses some of what it is given.
const raceEnabled = true
