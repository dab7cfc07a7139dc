package realserver

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// address is a VIP on the loopback interface.
type address struct{ lvs.Address }

func (a address) String() string { return "address " + a.AddressKey.String() }

// found takes the address with any label: the setup does not quarrel with what
// another has set up by hand.
func (a address) found(_ *Kernel, o observed) (string, bool, error) {
	if _, ok := o.addresses[a.AddressKey]; ok {
		return "it is there", true, nil
	}
	for k := range o.addresses {
		if k.Prefix.Addr() == a.Prefix.Addr() && k.Interface == a.Interface {
			return k.String(), false, nil
		}
	}
	return "it is not there", false, nil
}

func (a address) make(_ context.Context, k *Kernel) error {
	return ignore(k.Devices.Add(a.Address), unix.EEXIST)
}

func (a address) undo(k *Kernel) (string, error) {
	return "", ignore(k.Devices.Delete(a.AddressKey), unix.EADDRNOTAVAIL, unix.ENODEV)
}

func (a address) making() []string {
	words := []any{"ip", "address", "add", a.Prefix, "dev", a.Interface}
	if a.Label != "" {
		words = append(words, "label", a.Label)
	}
	if a.Prefix.Addr().Is6() { // deprecated, see netdev.Devices.Add
		words = append(words, "valid_lft", "forever", "preferred_lft", 0)
	}
	if a.NoDAD {
		words = append(words, "nodad")
	}
	return []string{command(words...)}
}

func (a address) undoing() []string {
	return []string{command("ip", "address", "del", a.Prefix, "dev", a.Interface)}
}

// ignore takes some errors for success: what is to be done has been done.
func ignore(err error, fine ...error) error {
	for _, f := range fine {
		if errors.Is(err, f) {
			return nil
		}
	}
	return err
}
