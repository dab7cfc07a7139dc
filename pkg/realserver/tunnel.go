package realserver

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev"
)

// tunnel is a device that receives tunnelled packets.
type tunnel struct{ netdev.Tunnel }

// moduleOf is the kernel module of each kind of tunnel.
var moduleOf = map[netdev.TunnelKind]string{
	netdev.IPIP: "ipip", netdev.SIT: "sit", netdev.IP6TNL: "ip6_tunnel", netdev.GRE: "ip_gre", netdev.IP6GRE: "ip6_gre",
}

func (t tunnel) String() string { return fmt.Sprintf("tunnel %s (%s to %s)", t.Name, t.Kind, t.Local) }

func (t tunnel) found(_ *Kernel, o observed) (string, bool, error) {
	have, ok := o.tunnels[t.Name]
	link, exists := o.link(t.Name)
	switch {
	case ok && have != t.Tunnel:
		return fmt.Sprintf("%s is a tunnel of kind %s to %s", t.Name, have.Kind, have.Local), false, nil
	case ok && !link.Up:
		return t.Name + " is down", false, nil
	case exists && !ok:
		return t.Name + " is another kind of interface", false, nil
	}
	return t.Name + map[bool]string{true: " is up", false: " does not exist"}[ok], ok, nil
}

func (t tunnel) make(ctx context.Context, k *Kernel) error {
	// Where modules cannot be loaded from here, the kernel may do it by itself.
	loading := k.Modules.Load(ctx, moduleOf[t.Kind])
	err := k.Devices.AddTunnel(t.Tunnel)
	if errors.Is(err, unix.EEXIST) {
		err = t.taken(k, err)
	}
	if err != nil {
		return errors.Join(err, loading)
	}
	return k.Devices.SetUp(t.Name)
}

// taken is what stands in the way of the device; nil if that is the device itself.
func (t tunnel) taken(k *Kernel, err error) error {
	all, listErr := k.Devices.Tunnels()
	if listErr != nil {
		return listErr
	}
	if all[t.Name] == t.Tunnel {
		return nil
	}
	for _, other := range all {
		if other.Kind == t.Kind && other.Local == t.Local {
			return fmt.Errorf("%w: %s receives %s to %s already", err, other.Name, t.Kind, t.Local)
		}
	}
	return err
}

func (t tunnel) undo(k *Kernel) (string, error) {
	return "", ignore(k.Devices.DeleteTunnel(t.Name), unix.ENODEV)
}

func (t tunnel) making() []string {
	add := []any{"ip", "link", "add", t.Name, "type", t.Kind, "local", t.Local}
	if t.Kind == netdev.IP6TNL {
		add = append(add, "mode", "any", "allow-localremote")
	}
	return []string{
		command("modprobe", moduleOf[t.Kind]),
		command(add...),
		command("ip", "link", "set", t.Name, "up"),
	}
}

func (t tunnel) undoing() []string { return []string{command("ip", "link", "del", t.Name)} }

// guePort is a UDP port at which GUE is received.
type guePort struct{ netdev.GUEPort }

func (p guePort) String() string { return fmt.Sprintf("gue port %d of %s", p.Port, p.Family) }

func (p guePort) found(_ *Kernel, o observed) (string, bool, error) {
	if slices.Contains(o.ports, p.GUEPort) {
		return "it is open", true, nil
	}
	return "it is closed", false, nil
}

func (p guePort) make(ctx context.Context, k *Kernel) error {
	loading := k.Modules.Load(ctx, "fou")
	if err := k.Devices.AddGUEPort(p.GUEPort); err != nil {
		return errors.Join(err, loading)
	}
	return nil
}

func (p guePort) undo(k *Kernel) (string, error) {
	return "", ignore(k.Devices.DeleteGUEPort(p.GUEPort), unix.EINVAL, unix.ENOENT)
}

func (p guePort) making() []string {
	return []string{command("modprobe", "fou"), command(p.words("add")...) + " gue"}
}

func (p guePort) undoing() []string { return []string{command(p.words("del")...)} }

func (p guePort) words(verb string) []any {
	words := []any{"ip", "fou", verb, "port", p.Port}
	if p.Family == lvs.IPv6 {
		words = append(words, "-6")
	}
	return words
}
