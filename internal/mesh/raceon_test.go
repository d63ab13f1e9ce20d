//go:build race

package mesh

const raceEnabled = true // memory is not what it would be
