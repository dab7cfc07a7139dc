package xdp

// The objects are committed, so that building lvsd needs no clang. "make
// generate" makes them anew, "make check" proves that they are those of the
// sources.
//
//go:generate go tool bpf2go -go-package xdp -target bpfel,bpfeb -cflags "-O2 -Wall -Wextra -Werror -idirafter /usr/include/x86_64-linux-gnu -idirafter /usr/include/aarch64-linux-gnu" -type settings -type vip -type port_key -type port -type limits -type limit -type buckets -type client_key -type client -type nets -type hosts -type prefix6 -type tally guard ../../bpf/guard.bpf.c
