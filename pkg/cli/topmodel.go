package cli

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/lvsd/lvsd/pkg/status"
)

// topSeen is a status, or why there is none.
type topSeen struct {
	status status.Status
	err    error
}

// topTick says that it is time for the next look.
type topTick struct{}

// topModel is what `lvsd top` shows: a tea.Model.
type topModel struct {
	ask      func() tea.Msg
	interval time.Duration
	colours  bool

	seen          status.Status
	err           error
	rows          []topRow // in the order
	order         topOrder
	paused        bool
	first         int // row at the top
	width, height int // of the window
}

// topFrame is how many lines are not rows: the head, the table's head and the keys.
const topFrame = 5

// Init begins with the first look.
func (m topModel) Init() tea.Cmd { return m.ask }

// Update takes a key, a look or a tick.
func (m topModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case topSeen:
		m.take(msg)
		return m, tea.Tick(m.interval, func(time.Time) tea.Msg { return topTick{} })
	case topTick:
		if m.paused {
			return m, tea.Tick(m.interval, func(time.Time) tea.Msg { return topTick{} })
		}
		return m, m.ask
	case tea.KeyPressMsg:
		return m.key(msg.String())
	}
	m.scroll(0)
	return m, nil
}

// take shows a new look. After an error the last one stays, with the error.
func (m *topModel) take(seen topSeen) {
	if m.err = seen.err; m.err != nil {
		return
	}
	m.seen, m.rows = seen.status, topRows(seen.status)
	m.order.sort(m.rows)
	m.scroll(0)
}

func (m topModel) key(key string) (tea.Model, tea.Cmd) {
	switch key {
	case "q", "esc", "ctrl+c":
		return m, tea.Quit
	case "space", "p":
		m.paused = !m.paused
	case "up", "k":
		m.scroll(-1)
	case "down", "j":
		m.scroll(1)
	case "pgup":
		m.scroll(-m.page())
	case "pgdown":
		m.scroll(m.page())
	case "home":
		m.scroll(-len(m.rows))
	case "end":
		m.scroll(len(m.rows))
	}
	for _, o := range topOrders {
		if o.key == key {
			m.order, m.first = o, 0
			m.order.sort(m.rows)
		}
	}
	return m, nil
}

// page is how many rows there is room for.
func (m *topModel) page() int { return max(m.height-topFrame, 1) }

// scroll moves the rows, and keeps the window full.
func (m *topModel) scroll(by int) {
	m.first = max(min(m.first+by, len(m.rows)-m.page()), 0)
}

// View draws the window.
func (m topModel) View() tea.View {
	v := tea.NewView(m.text())
	v.AltScreen = true
	v.WindowTitle = "lvsd top"
	return v
}

func (m topModel) text() string {
	var b strings.Builder
	m.head(&b)
	m.table(&b)
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	for len(lines) < m.height-1 {
		lines = append(lines, "")
	}
	lines = append(lines[:max(m.height-1, 0)], m.keys())
	for i, line := range lines {
		line = ansi.Truncate(line, m.width, "…")
		if m.colours {
			line = string(paint([]byte(line)))
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n")
}

func (m topModel) head(b *strings.Builder) {
	v := m.seen.Verdict
	var first string
	switch {
	case m.err != nil:
		first = "error: " + strings.ReplaceAll(m.err.Error(), "\n", " ")
	case m.seen.Time.IsZero():
		first = "looking …"
	default:
		first = strings.ToUpper(v.Level) + ": " + v.Summary
		if len(v.Reasons) > 0 {
			first += " - " + strings.Join(v.Reasons, "; ")
		}
	}
	var total status.Traffic
	var active, inactive uint64
	for _, s := range m.seen.Services {
		total.Connections += s.Rates.Connections
		total.BytesIn += s.Rates.BytesIn
		total.BytesOut += s.Rates.BytesOut
		active += s.Active
		inactive += s.Inactive
	}
	fmt.Fprintf(b, "%s\n", first)
	fmt.Fprintf(b, "%s  %s: %d connections/s, %s/s in, %s/s out; %d active and %d inactive connections\n\n",
		m.seen.Time.Format(time.TimeOnly), orElse(m.seen.Director, "-"), total.Connections, size(total.BytesIn), size(total.BytesOut), active, inactive)
}

func (m topModel) table(b *strings.Builder) {
	t := table{{"SERVER", "ADDRESS", "WEIGHT", "ACTIVE", "INACTIVE", "CONN/S", "IN/S", "OUT/S"}}
	for _, r := range m.rows[m.first:min(m.first+m.page(), len(m.rows))] {
		s := r.server
		t = append(t, []string{r.name(), s.Address.String(), weight(s), fmt.Sprint(s.Active), fmt.Sprint(s.Inactive),
			fmt.Sprint(s.Rates.Connections), size(s.Rates.BytesIn), size(s.Rates.BytesOut), serverNote(m.seen.Time, r.service, s)})
	}
	t.print(b, 2)
}

// keys is the last line: what can be pressed, and what holds now.
func (m topModel) keys() string {
	var orders []string
	for _, o := range topOrders {
		word := o.key + " " + o.word
		if o.word == m.order.word {
			word = "[" + word + "]"
		}
		orders = append(orders, word)
	}
	state := "space pause"
	if m.paused {
		state = "PAUSED (space)"
	}
	shown := min(m.first+m.page(), len(m.rows))
	return fmt.Sprintf("%s  %s  arrows scroll  q quit  %d-%d of %d", strings.Join(orders, " "), state, min(m.first+1, shown), shown, len(m.rows))
}
