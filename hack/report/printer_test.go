package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const events = `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- PASS: TestA (0.00s)\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    p_test.go:1: why\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestC","Output":"--- FAIL: TestC (0.00s)\n"}
{"Action":"fail","Package":"p","Test":"TestC"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.01s\n"}
{"Action":"fail","Package":"p"}
not json
{"ImportPath":"q","Action":"build-output","Output":"q.go:1: undefined: x\n"}
{"ImportPath":"q","Action":"build-fail"}
{"Action":"output","Package":"q","Output":"FAIL\tq [build failed]\n"}
{"Action":"fail","Package":"q","FailedBuild":"q"}
{"Action":"output","Package":"r","Output":"PASS\n"}
{"Action":"output","Package":"r","Output":"ok  \tr\t0.01s\n"}
{"Action":"pass","Package":"r"}
{"Action":"skip","Package":"s"}
{"Action":"output","Package":"u","Test":"TestE","Output":"=== RUN   TestE\n"}
{"Action":"output","Package":"t","Test":"TestD","Output":"=== RUN   TestD\n"}
{"Action":"output","Package":"t","Test":"TestD","Output":"panic: from a goroutine\n"}
{"Action":"output","Package":"t","Output":"FAIL\tt\t0.01s\n"}
{"Action":"fail","Package":"t"}
`

func TestPrinter(t *testing.T) {
	tests := []struct {
		name    string
		verbose bool
		want    string
		again   []string
	}{
		{name: "plain", want: `    p_test.go:1: why
--- SKIP: TestB (0.00s)
--- FAIL: TestC (0.00s)
FAIL	p	0.01s
not json
q.go:1: undefined: x
FAIL	q [build failed]
ok  	r	0.01s
FAIL	t	0.01s
=== RUN   TestD
panic: from a goroutine
`},
		{name: "verbose", verbose: true, want: `=== RUN   TestA
--- PASS: TestA (0.00s)
    p_test.go:1: why
--- SKIP: TestB (0.00s)
--- FAIL: TestC (0.00s)
FAIL	p	0.01s
not json
q.go:1: undefined: x
FAIL	q [build failed]
PASS
ok  	r	0.01s
=== RUN   TestE
=== RUN   TestD
panic: from a goroutine
FAIL	t	0.01s
`, again: []string{
			"    p_test.go:1: why\n--- SKIP: TestB (0.00s)\n",
			"--- FAIL: TestC (0.00s)\n",
			"=== RUN   TestD\npanic: from a goroutine\n",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			p := newPrinter(&b, tt.verbose)
			if err := p.read(strings.NewReader(events)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, b.String()); diff != "" {
				t.Errorf("printed (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.again, p.again); diff != "" {
				t.Errorf("once more (-want +got):\n%s", diff)
			}
			// TestC, the package q that did not compile, and t that crashed.
			if got, want := p.counts, (counts{passed: 1, failed: 3, skipped: 1}); got != want {
				t.Errorf("counts %v, want %v", got, want)
			}
		})
	}
}

func TestAbridge(t *testing.T) {
	if short := strings.Repeat("a line\n", 60); abridge(short) != short {
		t.Errorf("60 lines became\n%s", abridge(short))
	}
	long := strings.Repeat("a line\n", 40) + strings.Repeat("the middle\n", 100) + strings.Repeat("a line\n", 19)
	want := strings.Repeat("a line\n", 40) + "    [… 100 lines, shown above]\n" + strings.Repeat("a line\n", 19)
	if diff := cmp.Diff(want, abridge(long)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
