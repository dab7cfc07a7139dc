package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/daemon"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/realserver"
)

// realServerFlags say what a host is to be ready for. Those that are given win
// over the file's keys of the same meaning.
type realServerFlags struct {
	cmd        *cobra.Command
	from       string
	vips       []string
	forwarding string
	tunnel     string
	tunnelPort uint16
	checksum   string
	locals     []string
	interfaces []string
	director   string
	setRoute   bool
	mss        uint16
	noClamp    bool
	ports      []string
	stateDir   string
	early      bool
	root       string
}

func (f *realServerFlags) register(c *cobra.Command) {
	f.registerDir(c)
	flags := c.Flags()
	flags.StringVar(&f.from, "from", "", "take the services of this host from a director's configuration `FILE`")
	flags.StringSliceVar(&f.vips, "vip", nil, "a VIP; may be repeated")
	flags.StringVar(&f.forwarding, "forwarding", "dr", strings.Join(lvs.ForwardingWords, ", "))
	flags.StringVar(&f.tunnel, "tunnel", "ipip", "with tun: "+strings.Join(lvs.TunnelTypes, ", "))
	flags.Uint16Var(&f.tunnelPort, "tunnel-port", 0, "with gue: the UDP `PORT`")
	flags.StringVar(&f.checksum, "tunnel-checksum", "none", "with gue and gre: "+strings.Join(lvs.Checksums, ", "))
	flags.StringSliceVar(&f.locals, "local", nil, "with tun: own `ADDRESS` to which the director sends, one for each family (default: found)")
	flags.StringSliceVar(&f.interfaces, "interface", nil, "`NAME` of an interface that faces the director (default: found)")
	flags.StringVar(&f.director, "director", "", "the director's `ADDRESS` in this host's network")
	flags.BoolVar(&f.setRoute, "set-route", false, "lead the answers through the director")
	flags.Uint16Var(&f.mss, "mss", 0, "with tun: largest TCP segment of clients, in `BYTES` (default: computed)")
	flags.BoolVar(&f.noClamp, "no-clamp", false, "with tun: leave the segment size alone")
	flags.StringSliceVar(&f.ports, "port", nil, "`PORT` of a service, for status: 80, tcp/80 or udp/53")
	flags.BoolVar(&f.early, "early", false, "at the start of the machine: interfaces and addresses may be missing yet")
}

func (f *realServerFlags) registerDir(c *cobra.Command) {
	f.cmd = c
	c.Flags().StringVar(&f.stateDir, "state-dir", config.DefaultRealServer().StateDir, "`DIR` that remembers what was set up")
}

func (f *realServerFlags) registerRoot(c *cobra.Command) {
	c.Flags().StringVar(&f.root, "root", "/", "`DIR` below which the files of --persist are, such as that of an image")
}

func (f *realServerFlags) changed(name string) bool { return f.cmd.Flags().Changed(name) }

func (f *realServerFlags) file() string { return f.cmd.Flag("config").Value.String() }

// usesFile tells whether a file says what to be ready for: one that is named, or
// the usual one if no flag says it.
func (f *realServerFlags) usesFile() bool {
	return f.changed("config") || !f.changed("vip") && !f.changed("director") && !f.changed("from")
}

// dir is where the state is, for teardown, which needs no more of a file.
func (f *realServerFlags) dir() (string, error) {
	if f.changed("state-dir") {
		return f.stateDir, nil
	}
	s, err := config.LoadRealServer(f.file())
	switch {
	case err == nil:
		return s.StateDir, nil
	case errors.Is(err, fs.ErrNotExist) && !f.changed("config"):
		return f.stateDir, nil
	}
	return "", err
}

// with runs something on the host with what flags and files say. An interrupt ends
// its context, so that a setup under way is undone.
func (f *realServerFlags) with(cmd *cobra.Command, do func(context.Context, *realserver.Server, realserver.Config) error) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	said, err := f.said()
	if err != nil {
		return err
	}
	return onHost(said.StateDir, func(s *realserver.Server) error {
		c := realserver.Of(said)
		if f.from != "" {
			if c.VIPs, err = f.services(ctx, s); err != nil {
				return err
			}
		}
		c.Early = f.early
		return do(ctx, s, c)
	})
}

// services gives the VIPs of the director's file for this host.
func (f *realServerFlags) services(ctx context.Context, s *realserver.Server) ([]realserver.VIP, error) {
	c, err := daemon.Validate(ctx, f.from)
	if err != nil {
		return nil, err
	}
	mine, marked, err := s.From(c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.from, err)
	}
	if len(marked) > 0 {
		fmt.Fprintf(f.cmd.ErrOrStderr(), "lvsd: the VIPs of %s are not in %s: they are known by a firewall mark\n",
			strings.Join(marked, ", "), f.from)
	}
	return mine.VIPs, nil
}

// said puts the flags over the file or the defaults.
func (f *realServerFlags) said() (config.RealServer, error) {
	s := config.DefaultRealServer()
	if f.usesFile() {
		file, err := config.LoadRealServer(f.file())
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) && !f.changed("config") {
				return s, fmt.Errorf("say what to be ready for with --vip, --director, --from or the file %s", f.file())
			}
			return s, err
		}
		s = *file
	}
	return s, errors.Join(f.forwardingTo(&s), f.addressesTo(&s), f.restTo(&s))
}

func (f *realServerFlags) forwardingTo(s *config.RealServer) (err error) {
	if f.changed("forwarding") {
		if s.Forwarding, err = lvs.ParseForwarding(f.forwarding); err != nil {
			return fmt.Errorf("--forwarding: %w", err)
		}
	}
	if f.changed("tunnel") {
		if s.Tunnel.Type, err = lvs.ParseTunnelType(f.tunnel); err != nil {
			return fmt.Errorf("--tunnel: %w", err)
		}
	}
	if f.changed("tunnel-checksum") {
		if s.Tunnel.Checksum, err = lvs.ParseChecksum(f.checksum); err != nil {
			return fmt.Errorf("--tunnel-checksum: %w", err)
		}
	}
	if f.changed("tunnel-port") {
		s.Tunnel.Port = f.tunnelPort
	}
	return nil
}

func (f *realServerFlags) addressesTo(s *config.RealServer) (err error) {
	if f.changed("vip") {
		if s.VIPs, err = parseAddresses("--vip", f.vips); err != nil {
			return err
		}
	}
	if f.changed("local") {
		if s.Local, err = parseAddresses("--local", f.locals); err != nil {
			return err
		}
	}
	if f.changed("director") {
		one, err := parseAddresses("--director", []string{f.director})
		if err != nil {
			return err
		}
		s.Director = one[0]
	}
	return nil
}

func parseAddresses(flag string, texts []string) ([]netip.Addr, error) {
	all := make([]netip.Addr, len(texts))
	for i, t := range texts {
		a, err := netip.ParseAddr(t)
		if err != nil {
			return nil, fmt.Errorf("%s %q: expected an IPv4 or IPv6 address", flag, t)
		}
		all[i] = a
	}
	return all, nil
}

func (f *realServerFlags) restTo(s *config.RealServer) error {
	if f.changed("interface") {
		s.Interfaces = f.interfaces
	}
	if f.changed("set-route") {
		s.SetRoute = f.setRoute
	}
	if f.changed("mss") {
		s.MSS = f.mss
	}
	if f.changed("no-clamp") {
		s.Clamp = !f.noClamp
	}
	if f.changed("state-dir") {
		s.StateDir = f.stateDir
	}
	if !f.changed("port") {
		return nil
	}
	s.Ports = nil
	for _, t := range f.ports {
		p, err := config.ParsePort(t)
		if err != nil {
			return fmt.Errorf("--port %s: %w", t, err)
		}
		s.Ports = append(s.Ports, p)
	}
	return nil
}

// persist writes the files for systemd. The unit runs before there is a network in
// which anything could be found: what was found now is written down.
func (f *realServerFlags) persist(s *realserver.Server, c realserver.Config) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	found, err := s.Resolve(c)
	if err != nil {
		return err
	}
	args, err := f.arguments(found)
	if err != nil {
		return err
	}
	return s.Persist(f.root, c, program, args)
}

// arguments gives the flags as they were said, with what was found.
func (f *realServerFlags) arguments(found realserver.Config) ([]string, error) {
	args := []string{"--early"}
	add := func(flag string, values ...string) {
		for _, v := range values {
			args = append(args, "--"+flag, v)
		}
	}
	for _, flag := range []string{"config", "from"} {
		if path := f.cmd.Flag(flag).Value.String(); f.changed(flag) || flag == "config" && f.usesFile() {
			absolute, err := filepath.Abs(path)
			if err != nil {
				return nil, err
			}
			add(flag, absolute)
		}
	}
	add("vip", f.vips...)
	for _, flag := range []string{"forwarding", "tunnel", "tunnel-port", "tunnel-checksum", "director", "state-dir"} {
		if f.changed(flag) {
			add(flag, f.cmd.Flag(flag).Value.String())
		}
	}
	add("interface", found.Interfaces...)
	for _, v := range found.VIPs {
		if v.Local.IsValid() && f.from == "" && !slices.Contains(args, v.Local.String()) {
			add("local", v.Local.String())
		}
	}
	if f.changed("mss") {
		add("mss", strconv.Itoa(int(f.mss)))
	}
	for _, flag := range []string{"set-route", "no-clamp"} {
		if f.changed(flag) {
			args = append(args, "--"+flag+"="+f.cmd.Flag(flag).Value.String())
		}
	}
	return args, nil
}
