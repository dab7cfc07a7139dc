package importer

import (
	"math"
	"path"
	"strconv"
	"strings"
	"time"
)

// seconds reads a number of seconds, which may have a fraction.
func seconds(text string) (time.Duration, bool) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n < 0 || n > 1e9 || math.IsNaN(n) || strings.ContainsAny(text, "xXpP_") {
		return 0, false
	}
	return time.Duration(math.Round(n*1e6)) * time.Microsecond, true
}

// split takes a command line apart as a shell does, with both quotes. It says
// whether there is something outside of quotes that only a shell understands.
func split(line string) (words []string, shell bool) {
	var word strings.Builder
	open, quote := false, rune(0)
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			quote, open = r, true
		case r == ' ' || r == '\t' || r == '\n' || r == '\r':
			if open {
				words = append(words, word.String())
				word.Reset()
			}
			open = false
		default:
			shell = shell || strings.ContainsRune("<>|;&$*?()`", r)
			word.WriteRune(r)
			open = true
		}
	}
	if open {
		words = append(words, word.String())
	}
	return words, shell
}

// command makes a script line a program with its arguments, which lvsd runs
// without a shell and by its absolute path.
func command(line string) []string {
	words, shell := split(line)
	switch {
	case len(words) == 0:
		return nil
	case shell:
		return []string{"/bin/sh", "-c", line}
	case !path.IsAbs(words[0]):
		return append([]string{"/usr/bin/env"}, words...)
	}
	return words
}

// processOf is the program whose processes a command looks for, if that is all
// that it does.
func processOf(words []string) (string, bool) {
	if len(words) > 0 && words[0] == "/usr/bin/env" {
		words = words[1:]
	}
	if len(words) < 2 {
		return "", false
	}
	name := words[len(words)-1]
	ask := path.Base(words[0]) + " " + strings.Join(words[1:len(words)-1], " ")
	switch ask {
	case "killall -0 ", "killall -0", "pidof ", "pgrep -x":
		return name, !strings.HasPrefix(name, "-") && !strings.Contains(name, "/")
	}
	return "", false
}

// shellWords writes words for a shell.
func shellWords(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = w
		if w == "" || strings.Trim(w, bareKey+"./:=@,+%") != "" {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
