// Kernel runs a command, most often a Go test binary, in a Linux kernel that has IPVS:
//
//	go run ./hack/kernel [flags] -- COMMAND ARGUMENTS…
//	go test -exec build/kernel ./hack/lab
//
// The environment variable KERNEL says which one: "host" is the machine's own kernel, with the command in network and mount namespaces
// of its own; "uml" is Debian's User-Mode Linux, the one that hack/stock has fetched or else the one that is installed; "qemu" is Debian's
// stock kernel, as it is installed, in QEMU; "qemu:5.10", "qemu:6.1" and "qemu:6.12" are those of Debian's releases, which hack/stock
// fetches. Without it the host is taken if it has IPVS and we are root, and User-Mode Linux otherwise.
//
// In a guest the root file system is the host's own, read-only below a layer of guest memory: the command sees every file at its usual
// path and may write anywhere, and what it writes vanishes with the guest. Directories that must keep it (-out, -rw, GOCOVERDIR and the
// output files that `go test` names on the command line) are the host's own and writable. Standard output and standard error stream
// through, SIGINT, SIGTERM, SIGHUP and SIGQUIT reach the command, its exit status becomes ours, and the guest dies when we do.
//
// With KERNEL_SHARDS=N the tests of a Go test binary run in N guests at once, each with its share, as a guest of User-Mode Linux uses one
// processor.
//
// The same binary is the guest's init process: see guest.go.
package main
