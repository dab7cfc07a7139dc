package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

func director(program string) func([]netip.AddrPort) (int, func(), error) {
	return func(servers []netip.AddrPort) (int, func(), error) {
		d, err := startWith(program, func(dir string) []byte {
			var b bytes.Buffer
			fmt.Fprintf(&b, "[director]\nname = \"bench\"\nstate_dir = %[1]q\ndata_dir = %[1]q\n[virtual.web]\nvip = \"198.18.0.1:80\"\n"+
				"check = { type = \"tcp\", interval = \"1s\", timeout = \"3s\", rise = 1, fall = 1 }\n[virtual.web.real]\n", dir)
			for i, s := range servers {
				fmt.Fprintf(&b, "r%d = \"%s\"\n", i, s)
			}
			return b.Bytes()
		})
		if err != nil {
			return 0, nil, err
		}
		return d.cmd.Process.Pid, d.stop, nil
	}
}

func keepalived(servers []netip.AddrPort) (int, func(), error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return 0, nil, err
	}
	var b bytes.Buffer
	b.WriteString("virtual_server 198.18.0.1 80 {\n delay_loop 1\n lb_algo wlc\n lb_kind DR\n protocol TCP\n")
	for _, s := range servers {
		fmt.Fprintf(&b, " real_server %s %d {\n  weight 1\n  inhibit_on_failure\n  TCP_CHECK {\n   connect_timeout 3\n   retry 0\n  }\n }\n",
			s.Addr(), s.Port())
	}
	b.WriteString("}\n")
	path := filepath.Join(dir, "keepalived.conf")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		return 0, nil, err
	}
	return group(exec.Command("keepalived", "--dont-fork", "--check", "--use-file", path, "--log-console",
		"--pid", filepath.Join(dir, "pid"), "--checkers_pid", filepath.Join(dir, "checkers")))
}

func ldirectord(servers []netip.AddrPort) (int, func(), error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return 0, nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "checktimeout=3\ncheckinterval=1\nfailurecount=1\nautoreload=no\nquiescent=yes\nlogfile=\"%s/log\"\nvirtual=198.18.0.1:80\n", dir)
	for _, s := range servers {
		fmt.Fprintf(&b, "\treal=%s gate\n", s)
	}
	b.WriteString("\tscheduler=wlc\n\tprotocol=tcp\n\tchecktype=connect\n")
	path := filepath.Join(dir, "ldirectord.cf")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		return 0, nil, err
	}
	return group(exec.Command("ldirectord", "-d", path, "start"))
}

// group starts a program whose children end with it.
func group(cmd *exec.Cmd) (int, func(), error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return 0, nil, err
	}
	stop := func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	}
	return cmd.Process.Pid, stop, nil
}
