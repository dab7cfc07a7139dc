package check

import (
	"context"
	"errors"
)

// On is a server that always counts as up.
type On struct{}

// Off is a server that always counts as down, by the operator's will.
type Off struct{}

// Kind is "on".
func (*On) Kind() string { return "on" }

// Kind is "off".
func (*Off) Kind() string { return "off" }

func (*On) compile(*builder) probe {
	return simple(func(context.Context, Target) error { return nil })
}

var errOff = errors.New("off: taken out of service by the configuration")

func (*Off) compile(*builder) probe {
	return simple(func(context.Context, Target) error { return errOff })
}
