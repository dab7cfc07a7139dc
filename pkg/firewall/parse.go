package firewall

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// parseListing picks lvsd's own rules out of what iptables -S printed for a
// whole table: everything in its own chains, and every rule of a built-in chain
// that leads to one of them.
func parseListing(t Table, listing string) (map[lvs.Rule]int, error) {
	var builtin []string
	rules := map[lvs.Rule]int{}
	for line := range strings.Lines(listing) {
		verb, rest, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		chain, spec, _ := strings.Cut(rest, " ")
		switch {
		case verb == "-P":
			builtin = append(builtin, chain)
		case verb == "-A" && (own(chain) || slices.Contains(builtin, chain)):
			if err := count(rules, t, chain, spec); err != nil {
				return nil, err
			}
		}
	}
	return rules, nil
}

// count adds one rule if it is lvsd's own. Only in our own chains is it an error
// if we cannot read it.
func count(rules map[lvs.Rule]int, t Table, chain, spec string) error {
	args, err := split(spec)
	if !own(chain) && (err != nil || !own(target(args))) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read rule of %s %q: %w", chain, spec, err)
	}
	rules[lvs.Rule{Family: t.Family, Table: t.Name, Chain: chain, Spec: join(args)}]++
	return nil
}

// own tells whether a chain is lvsd's.
func own(chain string) bool { return strings.HasPrefix(chain, lvs.ChainPrefix) }

// target gives the chain or target that the rule leads to, or "".
func target(args []string) string {
	for i, a := range args {
		if (a == "-j" || a == "-g") && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// split takes a rule apart into arguments for iptables, by the quoting of
// iptables -S (xtables_save_string): double quotes, inside which a backslash
// takes the next character as it is.
func split(spec string) ([]string, error) {
	var args []string
	for {
		spec = strings.TrimLeft(spec, " ")
		if spec == "" {
			return args, nil
		}
		arg, rest, err := word(spec)
		if err != nil {
			return nil, err
		}
		args, spec = append(args, arg), rest
	}
}

// word reads the first argument of a text that does not begin with a space.
func word(spec string) (arg, rest string, err error) {
	quoted, isQuoted := strings.CutPrefix(spec, `"`)
	if !isQuoted {
		arg, rest, _ = strings.Cut(spec, " ")
		return arg, rest, nil
	}
	var b strings.Builder
	for i := 0; i < len(quoted); i++ {
		switch c := quoted[i]; {
		case c == '"':
			return b.String(), quoted[i+1:], nil
		case c == '\\' && i+1 < len(quoted):
			i++
			b.WriteByte(quoted[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "", fmt.Errorf("a quotation mark is not closed")
}

// join writes arguments as iptables -S would. What it leaves bare needs no
// quotes to be read back; the comments of our own rules contain spaces.
func join(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		quoted[i] = quote(a)
	}
	return strings.Join(quoted, " ")
}

var escape = strings.NewReplacer(`"`, `\"`, `\`, `\\`, `'`, `\'`)

func quote(arg string) string {
	if arg != "" && !strings.ContainsAny(arg, "\" \\'\t\n") {
		return arg
	}
	return `"` + escape.Replace(arg) + `"`
}
