// Package xdptest is a guard in memory.
package xdptest
