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

// lacks tells whether the kernel was built without a scheduler that newer ones
// have: the program by which it loads modules does not find one for it.
func lacks(scheduler string) bool {
	if scheduler != "twos" {
		return false
	}
	program, err := os.ReadFile("/proc/sys/kernel/modprobe")
	if err != nil {
		return false
	}
	return exec.Command(strings.TrimSpace(string(program)), "-n", "-q", "ip_vs_"+scheduler).Run() != nil
}
