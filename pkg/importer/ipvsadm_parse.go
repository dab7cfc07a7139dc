package importer

import (
	"path"
	"strings"

	"github.com/lvsd/lvsd/pkg/config"
)

// ipvsLine is a line of ipvsadm -S, or a call of ipvsadm.
type ipvsLine struct {
	pos     config.Position
	command string // "add-service", "add-server", "set", "start-daemon"
	options map[string]ipvsOption
	args    []string // of set and start-daemon
}

type ipvsOption struct {
	at    config.Position // of the value
	value string
}

// get is an option's value.
func (l *ipvsLine) get(name string) (ipvsOption, bool) {
	o, ok := l.options[name]
	return o, ok
}

// ipvsCommands and ipvsOptions are ipvsadm's, with the letters that -S prints. An
// option that ends in = has a value.
var (
	ipvsCommands = map[string]string{
		"-A": "add-service", "-a": "add-server", "--add-service": "add-service", "--add-server": "add-server",
		"--set": "set", "--start-daemon": "start-daemon", "-C": "clear", "--clear": "clear",
	}
	ipvsOptions = map[string]string{
		"-t": "tcp-service=", "-u": "udp-service=", "-f": "fwmark-service=", "-s": "scheduler=", "-b": "sched-flags=", "-p": "persistent=",
		"-M": "netmask=", "-r": "real-server=", "-g": "gatewaying", "-m": "masquerading", "-i": "ipip", "-w": "weight=", "-x": "u-threshold=", "-y": "l-threshold=",
		"-o": "ops", "-6": "ipv6", "-n": "numeric",
	}
	ipvsLong = []string{
		"tcp-service=", "udp-service=", "sctp-service=", "fwmark-service=", "scheduler=", "sched-flags=", "persistent=", "netmask=", "real-server=",
		"gatewaying", "masquerading", "ipip", "weight=", "u-threshold=", "l-threshold=", "ops", "ipv6", "pe=", "tun-type=", "tun-port=", "tun-nocsum",
		"tun-csum", "tun-remcsum", "mcast-interface=", "mcast-group=", "mcast-port=", "mcast-ttl=", "syncid=", "sync-maxlen=", "numeric",
	}
)

// parseIpvsadm reads the lines of a file. An empty one or a comment is none.
func parseIpvsadm(d *document, f File) []*ipvsLine {
	var all []*ipvsLine
	number := 0
	for text := range strings.Lines(f.Text) {
		number++
		text, _, _ = strings.Cut(strings.TrimRight(text, "\r\n"), "#")
		words := fields(config.Position{File: f.Name, Line: number}, text)
		if len(words) > 0 && path.Base(words[0].text) == "ipvsadm" {
			words = words[1:]
		}
		if len(words) == 0 {
			continue
		}
		if l := ipvsLineOf(d, words); l != nil {
			all = append(all, l)
		}
	}
	return all
}

// fields are the words of a line with their places.
func fields(pos config.Position, text string) []token {
	var all []token
	for i := 0; i < len(text); {
		if text[i] == ' ' || text[i] == '\t' {
			i++
			continue
		}
		end := i
		for end < len(text) && text[end] != ' ' && text[end] != '\t' {
			end++
		}
		all = append(all, token{column(pos, i), wordToken, text[i:end]})
		i = end
	}
	return all
}

func ipvsLineOf(d *document, words []token) *ipvsLine {
	l := &ipvsLine{pos: words[0].pos, command: ipvsCommands[words[0].text], options: map[string]ipvsOption{}}
	if l.command == "" {
		d.fail(l.pos, "-A or -a, as ipvsadm -Sn prints, --set or --start-daemon", "%q is no command of ipvsadm", words[0].text)
		return nil
	}
	for i := 1; i < len(words); i++ {
		w := words[i]
		if !strings.HasPrefix(w.text, "-") || len(w.text) < 2 {
			l.args = append(l.args, w.text)
			continue
		}
		name, value, joined := strings.Cut(w.text, "=")
		option := ipvsOptionOf(name)
		bare, needs := strings.CutSuffix(option, "=")
		switch {
		case option == "":
			d.fail(w.pos, "an option that ipvsadm -Sn prints", "unknown option %q", w.text)
			return nil
		case !needs:
			l.options[bare] = ipvsOption{at: w.pos}
			continue
		case joined:
		case bare == "persistent" && (i+1 == len(words) || strings.HasPrefix(words[i+1].text, "-")):
			value = "300" // ipvsadm's default
		case i+1 == len(words):
			d.fail(w.pos, "a value behind it", "%s has no value", name)
			return nil
		default:
			i++
			w, value = words[i], words[i].text
		}
		l.options[bare] = ipvsOption{at: w.pos, value: value}
	}
	return l
}

func ipvsOptionOf(word string) string {
	if o, ok := ipvsOptions[word]; ok {
		return o
	}
	long, ok := strings.CutPrefix(word, "--")
	if !ok {
		return ""
	}
	for _, o := range ipvsLong {
		if strings.TrimSuffix(o, "=") == long {
			return o
		}
	}
	return ""
}
