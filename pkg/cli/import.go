package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/importer"
)

func newImport(p *paths) *cobra.Command {
	c := &cobra.Command{
		Use:   "import",
		Short: "Turn another program's configuration into a director.toml",
		Long: `Turn another program's configuration into a director.toml, which is printed and
does the same. What cannot be carried over is told on standard error with its
place, why, and what to do instead, and stands as a comment in the result; so does
whatever should be looked at. Nothing else is written or changed, and no privilege
is needed but to read the file. "-" is the standard input.

Then: lvsd validate, and lvsd plan while the kernel is as the other program has
left it.`,
		Args: noCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(
		p.importFile("ldirectord", "/etc/ha.d/ldirectord.cf", "Import an ldirectord.cf", func(f importer.File) (*importer.Result, error) { return importer.Ldirectord(f) }),
		p.importFile("keepalived", "/etc/keepalived/keepalived.conf", "Import a keepalived.conf, with what it includes",
			func(f importer.File) (*importer.Result, error) { return importer.Keepalived(f, included) }),
		p.importFile("ipvsadm", "what ipvsadm -Sn prints", "Import the kernel's table as ipvsadm -Sn prints it",
			func(f importer.File) (*importer.Result, error) { return importer.Ipvsadm(f) }),
		p.importHeartbeat(),
	)
	return c
}

// importFile is the command for a format of one file.
func (p *paths) importFile(name, usual, short string, read func(importer.File) (*importer.Result, error)) *cobra.Command {
	return &cobra.Command{
		Use:   name + " FILE",
		Short: short,
		Long:  short + ", and print a director.toml that does the same. FILE is\n" + usual + "; \"-\" is the standard input.",
		Args:  one("FILE"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := p.open(args[0])
			if err != nil {
				return err
			}
			result, err := read(f)
			return p.imported(cmd, result, err)
		},
	}
}

func (p *paths) importHeartbeat() *cobra.Command {
	return &cobra.Command{
		Use:   "heartbeat DIR",
		Short: "Import heartbeat's ha.cf and haresources",
		Long: `Import heartbeat's ha.cf and haresources in the folder DIR, which is /etc/ha.d,
with the ldirectord.cf that they name, and print a director.toml that does the same.
It is for the node that haresources names first; the other one's differs by its
priority.`,
		Args: one("DIR"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			read := func(name string) (importer.File, error) {
				if !filepath.IsAbs(name) {
					name = filepath.Join(args[0], name)
				}
				return readImport(name)
			}
			ha, err := read("ha.cf")
			resources, err2 := read("haresources")
			if err := errors.Join(err, err2); err != nil {
				return err
			}
			result, err := importer.Heartbeat(ha, resources, read)
			return p.imported(cmd, result, err)
		},
	}
}

// one is the Args of a command that takes one thing.
func one(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return fmt.Errorf("%s takes one %s, got %q ('%[1]s --help' tells more)", cmd.CommandPath(), what, args)
	}
}

// imported prints a result and what is to be said about it.
func (p *paths) imported(cmd *cobra.Command, result *importer.Result, err error) error {
	if err != nil {
		return err
	}
	if err := result.Check(cmd.Context(), net.DefaultResolver); err != nil {
		return err
	}
	for _, r := range result.Remarks {
		fmt.Fprintln(p.env.Err, "lvsd: warning:", r)
	}
	_, err = io.WriteString(p.env.Out, result.TOML)
	return err
}

// maxImport is the largest file in bytes, as it is for lvsd's own.
const maxImport = 8 << 20

func (p *paths) open(name string) (importer.File, error) {
	if name != "-" {
		return readImport(name)
	}
	return readAll("-", p.env.In)
}

func readImport(name string) (importer.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return importer.File{}, pathError(name, err)
	}
	defer f.Close()
	return readAll(name, f)
}

func readAll(name string, r io.Reader) (importer.File, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxImport+1))
	if err != nil {
		return importer.File{}, pathError(name, err)
	}
	if len(text) > maxImport {
		return importer.File{}, fmt.Errorf("%s: file too large: more than %d MiB", name, maxImport>>20)
	}
	return importer.File{Name: name, Text: string(text)}, nil
}

func pathError(name string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return fmt.Errorf("%q: %s: %w", name, pe.Op, pe.Err)
	}
	return fmt.Errorf("%q: %w", name, err)
}

// included gives the files that an include of keepalived.conf names: a pattern,
// relative to the file that has it.
func included(pattern, from string) ([]importer.File, error) {
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(filepath.Dir(from), pattern)
	}
	names, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var all []importer.File
	for _, name := range names {
		f, err := readImport(name)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}
