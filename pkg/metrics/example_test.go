package metrics

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

var monitoring = filepath.Join("..", "..", "examples", "monitoring")

// name is what may be a metric in an expression.
var name = regexp.MustCompile(`\b(lvsd|process|go)_[a-z0-9_]+`)

// known are the names that expressions may use, with those that a histogram has.
func known(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, f := range gather(t, of(sample(1, 1), nil)) {
		names[f.GetName()] = true
		if f.GetType() == dto.MetricType_HISTOGRAM {
			names[f.GetName()+"_bucket"] = true
		}
	}
	return names
}

func readFile(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(monitoring, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every expression of the dashboard is right, and about metrics that are there.
func TestDashboard(t *testing.T) {
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(readFile(t, "dashboard.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	names := known(t)
	rules := "groups:\n- name: dashboard\n  rules:\n"
	count := 0
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			count++
			used := name.FindAllString(target.Expr, -1)
			if len(used) == 0 {
				t.Errorf("%s: %s is about nothing", p.Title, target.Expr)
			}
			for _, n := range used {
				if !names[n] {
					t.Errorf("%s: %s is no metric", p.Title, n)
				}
			}
			expr := strings.ReplaceAll(target.Expr, "$__rate_interval", "1m")
			quoted, _ := json.Marshal(expr)
			rules += "  - record: a:b:c\n    labels: {n: \"" + strings.Repeat("x", count) + "\"}\n    expr: " + string(quoted) + "\n"
		}
	}
	if count < 20 {
		t.Errorf("%d expressions", count)
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("promtool", args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// Every rule is about metrics that are there, and has a test in which it fires.
func TestAlerts(t *testing.T) {
	promtool(t, "check", "rules", "--lint-fatal", filepath.Join(monitoring, "alerts.yml"))
	promtool(t, "test", "rules", filepath.Join(monitoring, "alerts_test.yml"))
	rules, tests := readFile(t, "alerts.yml"), readFile(t, "alerts_test.yml")
	names := known(t)
	for _, n := range name.FindAllString(rules, -1) {
		if !names[n] {
			t.Errorf("%s is no metric", n)
		}
	}
	alert := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`)
	fires := regexp.MustCompile(`(?m)^ +- alertname: (\w+)\n +eval_time: \w+\n +exp_alerts:\n +- exp_labels`)
	find := func(r *regexp.Regexp, text string) []string {
		var found []string
		for _, m := range r.FindAllStringSubmatch(text, -1) {
			found = append(found, m[1])
		}
		slices.Sort(found)
		return found
	}
	if have, tested := find(alert, rules), find(fires, tests); !slices.Equal(have, tested) || len(have) == 0 {
		t.Errorf("rules %v, tested are %v", have, tested)
	}
}
