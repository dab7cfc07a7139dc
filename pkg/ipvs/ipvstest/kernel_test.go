package ipvstest_test

import (
	"testing"

	"github.com/lvsd/lvsd/pkg/ipvs/ipvstest"
)

func TestContract(t *testing.T) {
	open := func(*testing.T) ipvstest.Table { return ipvstest.New() }
	ipvstest.Contract(t, open, func(string) bool { return false })
}
