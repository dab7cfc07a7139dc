package realserver

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lvsd/lvsd/pkg/durable"
)

// The files that make a setup survive a restart of the machine, below the root
// directory.
const (
	unitName   = "lvsd-realserver.service"
	unitFile   = "etc/systemd/system/" + unitName
	wantedLink = "etc/systemd/system/multi-user.target.wants/" + unitName
	sysctlFile = "etc/sysctl.d/90-lvsd-realserver.conf"
)

// marker begins each of these files. One that begins otherwise is somebody else's.
const marker = "# Written by `lvsd realserver setup --persist`; removed by `lvsd realserver teardown`.\n"

// Persist writes the files: the parameters, which systemd-sysctl sets before the
// network and whenever an interface appears, so that ARP is silent from the first
// moment; and a unit, wanted at boot, that runs the program with the arguments
// `realserver setup` and args before the network is set up. The root is "/", or
// that of an image.
func (s *Server) Persist(root string, c Config, program string, args []string) error {
	items, _, err := s.items(c)
	if err != nil {
		return err
	}
	files := []struct{ name, text string }{
		{sysctlFile, sysctlText(items)},
		{unitFile, unitText(program, args)},
	}
	for _, f := range files {
		if err := writeOwn(filepath.Join(root, f.name), f.text); err != nil {
			return fmt.Errorf("make the setup survive a restart: %w", err)
		}
	}
	link := filepath.Join(root, wantedLink)
	err = os.MkdirAll(filepath.Dir(link), 0o755)
	if err == nil {
		err = os.Symlink("/"+unitFile, link)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the setup survive a restart: %w", err)
	}
	return nil
}

// Unpersist removes what Persist wrote, and gives what it left because it is
// somebody else's, in words.
func Unpersist(root string) (notes []string, err error) {
	var errs []error
	for _, name := range []string{unitFile, sysctlFile} {
		path := filepath.Join(root, name)
		text, err := os.ReadFile(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err == nil && !bytes.HasPrefix(text, []byte(marker)):
			notes = append(notes, path+" was not written by the setup: it is left so")
			continue
		case err == nil:
			err = os.Remove(path)
		}
		errs = append(errs, err)
	}
	if _, err := os.Stat(filepath.Join(root, unitFile)); errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, ignore(os.Remove(filepath.Join(root, wantedLink)), fs.ErrNotExist))
	}
	if err := errors.Join(errs...); err != nil {
		return notes, fmt.Errorf("remove the files of the setup: %w", err)
	}
	return notes, nil
}

// writeOwn writes a file, but not over somebody else's.
func writeOwn(path, text string) error {
	old, err := os.ReadFile(path)
	if err == nil && !bytes.HasPrefix(old, []byte(marker)) {
		return fmt.Errorf("%s is there already and was not written by the setup", path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return durable.Write(path, []byte(text), 0o644)
}

// sysctlText is for sysctl.d(5). The tunnels' parameters are not in it: nobody but
// the setup makes tunnels.
func sysctlText(items []Item) string {
	var b strings.Builder
	b.WriteString(marker)
	for _, i := range items {
		if i.Sysctl != nil && i.Sysctl.All == "" {
			fmt.Fprintf(&b, "%s = %s\n", i.Sysctl.Key, i.Sysctl.Value)
		}
	}
	return b.String()
}

// unitText is a systemd unit that runs before any interface is configured
// (network-pre.target, systemd.special(7)).
func unitText(program string, args []string) string {
	words := []string{escape(program), "realserver"}
	start := append(words[:len(words):len(words)], "setup")
	for _, a := range args {
		start = append(start, escape(a))
	}
	stop := append(words[:len(words):len(words)], "teardown", "--keep-files")
	return marker + fmt.Sprintf(`[Unit]
Description=Ready to be a real server of LVS
Wants=network-pre.target
Before=network-pre.target shutdown.target
After=systemd-sysctl.service systemd-modules-load.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=%s
ExecStop=%s

[Install]
WantedBy=multi-user.target
`, strings.Join(start, " "), strings.Join(stop, " "))
}

// escape writes one word of a command line for systemd (systemd.service(5),
// systemd.unit(5) on specifiers).
func escape(word string) string {
	word = strings.NewReplacer("%", "%%", "$", "$$").Replace(word)
	if word != "" && !strings.ContainsAny(word, " \t\n\"'\\;") {
		return word
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(word) + `"`
}
