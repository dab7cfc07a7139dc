package daemon

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// ask asks the director's web server.
func ask(t *testing.T, address, path string) (int, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Get("http://" + address + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(body)
}

// freePort gives an address that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

// While a round hangs in the kernel, whoever looks is answered.
func TestWebWhileRoundHangs(t *testing.T) {
	address := freePort(t)
	head := fmt.Sprintf("http.listen = %q\n", address)
	r := start(t, web(head, "rs1"))
	eventually(t, "the page is served", func() bool { code, _ := ask(t, address, "/readyz"); return code == http.StatusOK })
	until := make(chan struct{})
	r.modules.hang("ip_vs_sed", until)
	r.write(strings.Replace(web(head, "rs1", "rs2"), "scheduler = \"rr\"\n", "scheduler = \"sed\"\n", 1))
	done := make(chan error, 1)
	go func() { done <- r.reload() }()
	eventually(t, "the new configuration is in force", func() bool { return len(r.d.current().Virtual[0].Real) == 2 })
	begin := time.Now()
	for path, want := range map[string]string{
		"/":           "<!DOCTYPE html>",
		"/metrics":    `lvsd_server_weight{address="10.0.0.1:80",real="rs1",service="tcp 192.0.2.1:80",virtual="web"} 1`,
		"/api/status": `"director":"lb1"`,
		"/healthz":    "ok",
	} {
		if code, body := ask(t, address, path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d, without %s", path, code, want)
		}
	}
	if took := time.Since(begin); took > patience/2 {
		t.Errorf("the answers took %s", took)
	}
	close(until)
	must(t, <-done)
	_, body := ask(t, address, "/metrics")
	for _, line := range []string{`lvsd_config_reloads_total{result="ok"} 1`, "lvsd_reconcile_in_step 1"} {
		if !strings.Contains(body, "\n"+line+"\n") {
			t.Errorf("not there: %s", line)
		}
	}
	r.write("[virtual.web\n")
	if r.reload() == nil {
		t.Error("a broken file is taken")
	}
	if _, body := ask(t, address, "/metrics"); !strings.Contains(body, "\nlvsd_config_last_reload_successful 0\n") {
		t.Error("the refused reload does not show")
	}
}
