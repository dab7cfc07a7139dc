package config

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net/netip"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Resolver gives the addresses of host names and the numbers of service names.
// *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	LookupPort(ctx context.Context, network, service string) (int, error)
}

// Load reads a file and, if its name ends in .toml, the files conf.d/*.toml
// beside it in the order of their names, as one. The names in them are
// resolved now, through r, within ctx. Its error is an Errors with every
// problem that the files have.
func Load(ctx context.Context, path string, r Resolver) (*Config, error) {
	var p problems
	names, root := readAll(path, &p)
	if err := p.err(); err != nil {
		return nil, err
	}
	cfg, err := read(ctx, path, root, r)
	if err != nil {
		return nil, err
	}
	cfg.Files = names
	return cfg, nil
}

// Parse reads the text of one file, under a name for the positions in it. Nothing
// belongs to it but that text.
func Parse(ctx context.Context, name, text string, r Resolver) (*Config, error) {
	var p problems
	root := &node{table: map[string]*node{}}
	if n := parseFile(name, text, &p); n != nil {
		merge(root, n, &p)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return read(ctx, name, root, r)
}

// read gives the configuration that a tree of values is.
func read(ctx context.Context, path string, root *node, r Resolver) (*Config, error) {
	c := &checker{
		ctx:      ctx,
		resolver: r,
		hosts:    map[string]answer{},
		claims:   map[lvs.ServiceKey]claim{},
	}
	var raw rawFile
	raw.decode(&c.problems, root)
	cfg := c.config(&raw)
	if len(c.list) == 0 && !raw.declares() {
		c.add(Position{File: path}, "", "nothing is declared: no table [virtual.NAME], [vip], [vrrp.NAME], [nat] or [timeouts]")
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	return cfg, nil
}

// readAll reads all files into one tree.
func readAll(path string, p *problems) ([]string, *node) {
	names, err := files(path)
	if err != nil {
		addRead(p, path, err)
		return nil, nil
	}
	root := &node{table: map[string]*node{}}
	for _, name := range names {
		text, err := readFile(name)
		if err != nil {
			addRead(p, name, err)
			continue
		}
		if n := parseFile(name, text, p); n != nil {
			merge(root, n, p)
		}
	}
	return names, root
}

func addRead(p *problems, name string, err error) {
	var path *fs.PathError
	if errors.As(err, &path) {
		p.addCause(Position{File: cmp.Or(path.Path, `""`)}, path.Err, "%s", path.Op)
		return
	}
	p.add(Position{File: name}, "", "%v", err)
}

// checker turns raw values into the Config and collects what is wrong.
type checker struct {
	problems
	ctx      context.Context // of the one Load that the checker serves
	resolver Resolver
	hosts    map[string]answer
	claims   map[lvs.ServiceKey]claim

	checkDefaults checkNodes // of [defaults]
}

// config checks one table after the other. It goes on after a problem, so that
// all of them are told at once; what it gives then is of no use.
func (c *checker) config(raw *rawFile) *Config {
	cfg := &Config{
		Director:   c.director(&raw.Director),
		Addresses:  c.addresses(&raw.VIP),
		Masquerade: c.masquerade(&raw.NAT),
		Timeouts:   c.timeouts(&raw.Timeouts),
	}
	cfg.VRRP = c.instances(&raw.VRRP, cfg.Addresses)
	cfg.Sync = c.sync(&raw.Sync, cfg.VRRP)
	cfg.Notify = c.receivers(&raw.Notify, cfg.Director.Name)
	cfg.HTTP = c.http(&raw.HTTP)
	cfg.Guard = c.guard(&raw.Guard)
	c.defaults(&raw.Defaults)
	for i := range raw.Virtual.entries {
		cfg.Virtual = append(cfg.Virtual, c.virtual(&raw.Virtual.entries[i], &raw.Defaults, cfg.Guard))
	}
	c.trackedServices(&raw.VRRP, cfg.Virtual)
	c.mixed(&raw.Sync, cfg.Virtual)
	return cfg
}
