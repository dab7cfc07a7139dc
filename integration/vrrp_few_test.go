//go:build !bench

package integration

// failovers is how many things go wrong in a row; "make bench" has more.
const failovers = 30
