package integration

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// savedTable is the kernel's table as ipvsadm saves it, sorted.
func savedTable(t *testing.T, h *lab.Host) string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(labtest.Run(t, h, "ipvsadm", "-Sn")), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// imports runs lvsd import on a director, and gives the file that it prints.
func imports(t *testing.T, h *lab.Host, format, path string) string {
	t.Helper()
	c := h.Command(t.Context(), os.Args[0], "import", format, path)
	c.Env = append(os.Environ(), asCommand+"=1")
	var out, remarks bytes.Buffer
	c.Stdout, c.Stderr = &out, &remarks
	if err := c.Run(); err != nil {
		t.Fatalf("lvsd import %s: %v\n%s", format, err, &remarks)
	}
	t.Logf("lvsd import %s:\n%s\n%s", format, &remarks, &out)
	return out.String()
}

// peerTable waits for the table that a peer makes of a file, and ends it.
func peerTable(t *testing.T, h *lab.Host, stop func(), want int) string {
	t.Helper()
	table := ""
	eventually(t, "the peer has its servers in the table", func() bool {
		table = savedTable(t, h)
		return strings.Count(table, "-w ") == want && !strings.Contains(table, "-w 0") && !strings.Contains(table, "127.0.0.1")
	})
	stop()
	labtest.Run(t, h, "ipvsadm", "-C")
	return table
}

// becomesTable holds that lvsd makes the same table of what it imported.
func becomesTable(t *testing.T, h *lab.Host, text, want string) {
	t.Helper()
	start(t, h, text)
	got := ""
	eventually(t, "lvsd has the peer's table", func() bool { got = savedTable(t, h); return got == want })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the tables differ (-peer +lvsd):\n%s", diff)
	}
}

const importedLdirectord = `checktimeout=3
checkinterval=1
quiescent=yes
logfile="LOG/log"
virtual=10.0.1.200:80
	real=10.0.2.101:80 masq
	real=10.0.2.102:80 masq 3
	fallback=127.0.0.1:80 gate
	service=http
	request="/"
	scheduler=wrr
	persistent=600
	netmask=255.255.255.0
	protocol=tcp
	checktype=negotiate
virtual=10.0.1.200:81
	real=10.0.2.101->10.0.2.102:80 masq
	scheduler=rr
	protocol=tcp
	checktype=connect
virtual=5
	real=10.0.2.101 masq
	scheduler=wlc
	protocol=fwm
	checkport=80
	checktype=connect
`

const importedKeepalived = `virtual_server 10.0.1.200 80 {
	delay_loop 1
	lb_algo wrr
	lb_kind NAT
	persistence_timeout 600
	persistence_granularity 255.255.255.0
	protocol TCP
	sorry_server 10.0.2.101 81
	real_server 10.0.2.101 80 {
		weight 1
		HTTP_GET {
			url {
				path /
				status_code 200
			}
			connect_timeout 3
		}
	}
	real_server 10.0.2.102 80 {
		weight 3
		TCP_CHECK {
			connect_timeout 3
		}
	}
}
virtual_server_group two {
	10.0.1.200 8080
	10.0.1.201-202 8080
}
virtual_server group two {
	delay_loop 1
	lb_algo mh
	mh-port
	lb_kind NAT
	protocol TCP
	real_server 10.0.2.101 80 {
	}
}
virtual_server fwmark 5 {
	delay_loop 1
	lb_algo rr
	lb_kind DR
	real_server 10.0.2.102 0 {
		TCP_CHECK {
			connect_port 80
		}
	}
}
`

// What ldirectord and keepalived make of a file, lvsd makes of what it imports from
// the same file, to the letter.
func TestImport(t *testing.T) {
	for _, peer := range []struct {
		name, text string
		servers    int
		run        func(t *testing.T, h *lab.Host, path string) (stop func())
	}{
		{"ldirectord", importedLdirectord, 5, func(t *testing.T, h *lab.Host, path string) func() {
			return runPeer(t, h, "ldirectord", "-d", path, "start")
		}},
		{"keepalived", importedKeepalived, 6, func(t *testing.T, h *lab.Host, path string) func() {
			return runPeer(t, h, "keepalived", "-n", "-l", "-f", path, "-p", path+".pid", "-c", path+".checkers")
		}},
	} {
		t.Run(peer.name, func(t *testing.T) {
			l := labtest.New(t, lab.Topology{BehindDirector: true})
			lb := l.Host("lb1")
			for _, name := range []string{"rs1", "rs2"} {
				labtest.Must(l.Host(name).Web(":80"))(t)
			}
			labtest.NoError(t, lb.AddVIP("eth0", lab.VIP4))
			dir := t.TempDir()
			path := filepath.Join(dir, peer.name+".conf")
			labtest.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(peer.text, "LOG", dir)), 0o600))
			want := peerTable(t, lb, peer.run(t, lb, path), peer.servers)
			text := imports(t, lb, peer.name, path)
			becomesTable(t, lb, text, want)
		})
	}
}

// runPeer starts a peer, and gives what ends it.
func runPeer(t *testing.T, h *lab.Host, program string, args ...string) (stop func()) {
	t.Helper()
	c := h.Command(context.Background(), program, args...)
	log := &logBuffer{}
	c.Stdout, c.Stderr = log, log
	labtest.NoError(t, c.Start())
	t.Cleanup(func() {
		c.Kill()
		if t.Failed() {
			t.Logf("%s:\n%s", program, log)
		}
	})
	return func() {
		labtest.NoError(t, c.Signal(15))
		_ = c.Wait()
	}
}
