package importer

import (
	"maps"
	"slices"
	"strings"

	"github.com/lvsd/lvsd/pkg/config"
)

// directive is a word with its value.
type directive struct {
	pos   config.Position // of the word
	at    config.Position // of the value
	word  string
	value string
}

// directives are those of one place, of which the last one of a word counts.
type directives map[string]directive

func (d directives) get(word string) (directive, bool) {
	x, ok := d[word]
	return x, ok
}

// or gives a word's value, or another one if the word is not there.
func (d directives) or(word, otherwise string) string {
	if x, ok := d[word]; ok {
		return x.value
	}
	return otherwise
}

// sorted are the directives in the order of the file.
func (d directives) sorted() []directive {
	return slices.SortedFunc(maps.Values(d), func(a, b directive) int { return a.pos.Compare(b.pos) })
}

// stanza is what is indented under a virtual.
type stanza struct {
	directive // virtual or virtual6
	six       bool
	directives
	lines []directive // of real
}

// ldirectordFile is an ldirectord.cf.
type ldirectordFile struct {
	global   directives
	virtuals []*stanza
}

var (
	virtualLine = patternOf(`^virtual(6?)\s*=\s*(.*)`)
	wordLine    = patternOf(`^(\s*)([A-Za-z0-9]+)(\s*=\s*|\s*$)(.*)`)
	indented    = patternOf(`^(?: |\t){4,}\S|^ {0,3}\t\s*\S`)
)

// parseLdirectord reads as ldirectord's read_config does: what is indented by four
// spaces or a tab belongs to the virtual above, up to the first line that is not.
func parseLdirectord(d *document, f File) *ldirectordFile {
	file := &ldirectordFile{global: directives{}}
	var v *stanza
	number := 0
	for text := range strings.Lines(f.Text) {
		number++
		pos := config.Position{File: f.Name, Line: number, Column: 1}
		text = strings.TrimRight(text, " \t\r\n")
		if m := virtualLine().FindStringSubmatchIndex(text); m != nil {
			v = &stanza{six: m[3] > m[2], directives: directives{}}
			value, _, _ := strings.Cut(text[m[4]:m[5]], "#")
			v.directive = directive{pos, column(pos, m[4]), "virtual", strings.TrimSpace(value)}
			file.virtuals = append(file.virtuals, v)
			continue
		}
		if strings.HasPrefix(strings.TrimLeft(text, " \t"), "#") {
			continue
		}
		if text == "" {
			v = nil
			continue
		}
		if !indented().MatchString(text) {
			v = nil
		}
		file.line(d, v, pos, text)
	}
	return file
}

func column(pos config.Position, offset int) config.Position {
	pos.Column = offset + 1
	return pos
}

// line reads a word with its value, of a virtual or without one.
func (f *ldirectordFile) line(d *document, v *stanza, pos config.Position, text string) {
	if v != nil {
		text, _, _ = strings.Cut(text, "#")
	}
	m := wordLine().FindStringSubmatchIndex(text)
	if m == nil {
		d.fail(pos, "WORD = VALUE", "%q is no line of ldirectord.cf", text)
		return
	}
	x := directive{column(pos, m[4]), column(pos, m[8]), text[m[4]:m[5]], strings.TrimSpace(text[m[8]:m[9]])}
	if v == nil && m[3] > m[2] {
		d.fail(x.pos, "the virtual line directly above: an empty line ends what belongs to it", "%s is indented, but belongs to no virtual", x.word)
		return
	}
	where := global
	if v != nil {
		where = ofVirtual
	}
	if !d.understood(&x, where) {
		return
	}
	switch {
	case v == nil:
		f.global[x.word] = x
	case x.word == "real" || x.word == "real6":
		v.family(d, x)
		v.lines = append(v.lines, x)
	case x.word == "fallback" || x.word == "fallback6":
		v.family(d, x)
		x.word = "fallback"
		v.directives[x.word] = x
	default:
		v.directives[x.word] = x
	}
}

// family holds that a virtual6 has real6 and fallback6, and a virtual neither.
func (v *stanza) family(d *document, x directive) {
	if six := strings.HasSuffix(x.word, "6"); six != v.six {
		word := strings.TrimSuffix(x.word, "6")
		if v.six {
			word += "6"
		}
		d.fail(x.pos, word, "%s has no place in a %s", x.word, map[bool]string{true: "virtual6", false: "virtual"}[v.six])
	}
}

// understood tells whether a directive is one that ldirectord would take, and takes
// its quotes away.
func (d *document) understood(x *directive, where scope) bool {
	w, ok := ldirectordWords[x.word]
	if !ok || w.where&where == 0 {
		var known []string
		for _, word := range slices.Sorted(maps.Keys(ldirectordWords)) {
			if ldirectordWords[word].where&where != 0 {
				known = append(known, word)
			}
		}
		d.fail(x.pos, "one of "+strings.Join(known, ", "), "unknown word %q%s", x.word, config.DidYouMean(x.word, known))
		return false
	}
	value, ok := w.form.read(x.value)
	if !ok {
		d.fail(x.at, w.form.expected, "%s = %q", x.word, x.value)
		return false
	}
	x.value = value
	return true
}

// scope is where a word may stand.
type scope int

const (
	global scope = 1 << iota
	ofVirtual
	both = global | ofVirtual
)

// form is how a value is written.
type form struct {
	pattern  pattern // whose group is the value
	expected string
}

func (f form) read(text string) (string, bool) {
	m := f.pattern().FindStringSubmatch(text)
	if m == nil {
		return "", false
	}
	return strings.Join(m[1:], ""), true
}

func oneOf(words ...string) form {
	return form{patternOf(`^(` + strings.Join(words, "|") + `)$`), strings.Join(words, ", ")}
}

var (
	anything = form{patternOf(`^(?:"(.+)"|(.+))$`), "a value"}
	quoted   = form{patternOf(`^"(.+)"$`), "a value in double quotes"}
	positive = form{patternOf(`^0*([1-9][0-9]{0,8})(?:\D.*)?$`), "a number above 0"}
	number   = form{patternOf(`^([0-9]{1,9})(?:\D.*)?$`), "a number"}
	yesNo    = oneOf("yes", "no")
)

// ldirectordWord is what a word of ldirectord.cf is.
type ldirectordWord struct {
	where scope
	form  form
	tell  string // why it cannot be carried over and what to do; "" if it is
}

// ldirectordServices are the kinds of negotiation.
var ldirectordServices = []string{
	"dns", "ftp", "http", "https", "http_proxy", "imap", "imaps", "ldap", "ldaps", "mysql", "nntp", "none", "oracle", "pop", "pops",
	"radius", "pgsql", "simpletcp", "sip", "smtp", "submission",
}

var ldirectordWords = map[string]ldirectordWord{
	"real":             {ofVirtual, anything, ""},
	"real6":            {ofVirtual, anything, ""},
	"fallback":         {both, anything, ""},
	"fallback6":        {both, anything, ""},
	"fallbackcommand":  {both, anything, ""},
	"checktype":        {ofVirtual, form{patternOf(`^(connect|negotiate|ping|off|on|external|external-perl|[0-9]{1,4})$`), "connect, negotiate, ping, off, on, external, external-perl or a number"}, ""},
	"service":          {ofVirtual, oneOf(ldirectordServices...), ""},
	"checkcommand":     {ofVirtual, anything, ""},
	"checkport":        {ofVirtual, positive, ""},
	"request":          {ofVirtual, quoted, ""},
	"receive":          {ofVirtual, quoted, ""},
	"httpmethod":       {ofVirtual, form{patternOf(`^((?i:get|head))$`), "GET or HEAD"}, ""},
	"virtualhost":      {ofVirtual, anything, ""},
	"login":            {ofVirtual, quoted, ""},
	"passwd":           {ofVirtual, quoted, ""},
	"database":         {ofVirtual, quoted, ""},
	"secret":           {ofVirtual, quoted, ""},
	"load":             {ofVirtual, quoted, "ldirectord reads it and does nothing with it"},
	"scheduler":        {ofVirtual, form{patternOf(`^([a-z]+)`), "lower case letters"}, ""},
	"schedflags":       {ofVirtual, form{patternOf(`^(\S+)`), "flags with commas"}, ""},
	"persistent":       {ofVirtual, positive, ""},
	"netmask":          {ofVirtual, anything, ""},
	"protocol":         {ofVirtual, oneOf("tcp", "udp", "fwm"), ""},
	"ops":              {ofVirtual, yesNo, ""},
	"monitorfile":      {ofVirtual, anything, "the log of checks is lvsd status SERVICE/SERVER, and the log of changes lvsd log"},
	"servicename":      {ofVirtual, anything, ""},
	"comment":          {ofVirtual, anything, ""},
	"checktimeout":     {both, positive, ""},
	"negotiatetimeout": {both, positive, ""},
	"checkinterval":    {both, positive, ""},
	"checkcount":       {both, positive, ""},
	"failurecount":     {both, positive, ""},
	"quiescent":        {both, yesNo, ""},
	"cleanstop":        {both, yesNo, ""},
	"emailalert":       {both, anything, ""},
	"emailalertfreq":   {both, number, ""},
	"emailalertstatus": {both, anything, ""},
	"emailalertfrom":   {global, anything, ""},
	"smtp":             {both, form{patternOf(`^"?([0-9A-Za-z._+-]+)"?`), "a host"}, ""},
	"autoreload":       {global, yesNo, ""},
	"callback":         {global, quoted, "lvsd calls nothing when its file has changed: copy the file with what copies your other files, then run lvsd reload there"},
	"logfile":          {global, form{patternOf(`^"?([^"]+)"?$`), "a path or a facility in double quotes"}, "lvsd writes to standard error, which is the journal under systemd"},
	"execute":          {global, anything, "one director has all services: import that file too, and put the result into conf.d beside director.toml"},
	"supervised":       {global, form{patternOf(`^(yes|no|)$`), "yes, no"}, "lvsd always stays in the foreground"},
	"fork":             {global, yesNo, "each check has a schedule of its own, without processes"},
	"readdquiescent":   {global, yesNo, "a server that comes waits with weight 0, or outside with quiescent = false, for its first success"},
	"maintenancedir":   {global, anything, "take servers out with lvsd drain, which outlasts a restart"},
}
