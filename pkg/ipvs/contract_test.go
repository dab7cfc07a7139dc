package ipvs

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/pkg/ipvs/ipvstest"
)

func TestContract(t *testing.T) {
	ipvstest.Contract(t, func(t *testing.T) ipvstest.Table { return open(t) }, lacks)
}

// lacks asks the program by which the kernel loads modules whether there is one
// for a scheduler.
func lacks(scheduler string) bool {
	program, err := os.ReadFile("/proc/sys/kernel/modprobe")
	if err != nil {
		return false
	}
	return exec.Command(strings.TrimSpace(string(program)), "-n", "-q", "ip_vs_"+scheduler).Run() != nil
}
