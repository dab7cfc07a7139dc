package config

import _ "embed" // for the reference

//go:embed reference.toml
var reference string

// Reference is a commented file with every key, its meaning, its unit, its
// default and what it accepts. It is itself a valid file.
func Reference() string { return reference }
