# make help lists the targets.

GO ?= go
SHELL := /bin/sh

# All is built as hack/package/program builds the program: then nothing is compiled twice.
export CGO_ENABLED := 0
export GOFLAGS := -trimpath $(GOFLAGS)

# The kernel that tests, demo and bench run in: host, uml, qemu, or qemu:VERSION for one of STOCK_KERNELS. Empty: the machine's own if it
# has IPVS and we are root, else uml.
KERNEL ?=
export KERNEL

# The stock kernels of Debian's releases, which hack/stock fetches.
STOCK_KERNELS := 5.10 6.1 6.12

# The directories whose tests need a kernel with IPVS and run in it; all others run on the machine as it is.
KERNEL_DIRS := hack/lab integration pkg/ipvs pkg/netdev pkg/firewall pkg/sysctl pkg/xdp

# The tests that take IPVS out of the kernel, so that theirs is a guest always.
BARE_PKG := ./integration/bare
# So are those that install packages into the root file system.
PACKAGING_PKG := ./integration/packaging
GUEST := $(if $(filter qemu%,$(KERNEL)),$(KERNEL),uml)

# The tests of rules run with one variant of iptables, legacy unless they are told. User-Mode Linux has no nf_tables, so that those of nft
# have a kernel of their own.
NFT_KERNEL := $(if $(filter qemu%,$(KERNEL)),$(KERNEL),qemu:6.1)
NFT_TESTS := ^Test(Firewall|Masquerade|SNAT|Rules)

# The whole program on each of STOCK_KERNELS: each method, the guard, a pair and its connections.
PROGRAM_TESTS := ^Test(NAT|DR|TUN|GuardFollowsTheFile|Pair|IdleConnectionsArePushed)$$

# The tests of checks against the servers that people run: they need those servers, and no kernel but the machine's.
SERVER_PKG := ./integration/servers

# The test of the status page: the browser runs on the machine, the director in User-Mode Linux.
PAGE_PKG := ./integration/page

KERNEL_PKGS = $(shell $(GO) list $(patsubst %,./%/...,$(wildcard $(KERNEL_DIRS))))
UNIT_PKGS = $(filter-out $(KERNEL_PKGS),$(shell $(GO) list ./...))
IPVS_PKGS = $(filter-out $(shell $(GO) list $(BARE_PKG) $(PACKAGING_PKG) $(SERVER_PKG) $(PAGE_PKG)),$(KERNEL_PKGS))
LAUNCHER := $(CURDIR)/build/kernel
KERNEL_DEPS := $(if $(filter qemu,$(KERNEL)),qemu) $(if $(filter qemu:%,$(KERNEL)),emulator)
STOCK := $(patsubst qemu:%,%,$(filter qemu:%,$(KERNEL)))
DEPS := kernel peers $(KERNEL_DEPS)
SCENARIO ?= nat
FUZZTIME ?= 30s

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16
	@echo
	@echo "  KERNEL=host|uml|qemu|qemu:5.10|qemu:6.1|qemu:6.12  SCENARIO=nat|dr|tun (demo)  FUZZTIME=30s (fuzz)  V=1 (test: a line for each test)"

.PHONY: build
build: ## the program, as build/lvsd
	@echo "compiling lvsd; the first time that takes a minute or two ..."
	@$(GO) build -ldflags "-X main.version=$$(hack/package/version)" -o build/lvsd ./cmd/lvsd

# What go vet finds, make check finds: here it would take half a minute of a slow machine again.
.PHONY: test
test: DEPS += emulator servers package monitoring browser
test: STOCK := $(patsubst qemu:%,%,$(filter qemu:%,$(NFT_KERNEL)))
test: deps quicker launcher packages ## all tests, the in-kernel ones in a kernel with IPVS; a skipped test is a failure
	@$(GO) run ./hack/report $(if $(V),-v) \
		'unit: $(GO) test -vet=off -json $(UNIT_PKGS)' \
		'servers: $(GO) test -vet=off -json $(SERVER_PKG)' \
		'page: $(GO) test -vet=off -json $(PAGE_PKG)' \
		'in-kernel: $(GO) test -vet=off -json -p 1 -timeout 60m -exec $(LAUNCHER) $(IPVS_PKGS)' \
		'nft &: env KERNEL=$(NFT_KERNEL) LVSD_TEST_IPTABLES=nft $(GO) test -vet=off -json -timeout 20m -exec $(LAUNCHER) -run $(NFT_TESTS) ./integration/edges' \
		'without-ipvs: env KERNEL=$(GUEST) $(GO) test -vet=off -json -exec $(LAUNCHER) $(BARE_PKG)' \
		'packages: env KERNEL=$(GUEST) $(GO) test -vet=off -json -exec $(LAUNCHER) $(PACKAGING_PKG)'

.PHONY: kernels
kernels: DEPS += emulator
kernels: STOCK := $(STOCK_KERNELS)
kernels: deps launcher ## the guard, the edges and the main ways of the program on Linux 5.10, 6.1 and 6.12; half an hour
	@$(GO) run ./hack/report $(if $(V),-v) $(foreach k,$(STOCK_KERNELS), \
		'$k edges: env KERNEL=qemu:$k LVSD_TEST_IPTABLES=nft $(GO) test -json -p 1 -timeout 10m -exec $(LAUNCHER) ./pkg/xdp ./pkg/ipvs ./integration/edges' \
		'$k program: env KERNEL=qemu:$k $(GO) test -json -timeout 10m -exec $(LAUNCHER) -run $(PROGRAM_TESTS) ./integration')

.PHONY: check
check: ## formatting, vet, staticcheck, import rules, package docs, go.mod, shell scripts, objects of bpf/
	@hack/deps lint
	@test -z "$$(gofmt -l .)" || { echo "not formatted by gofmt:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(if $(wildcard hack/arch),$(GO) test ./hack/arch)
	$(GO) mod tidy -diff
	hack/bpf check
	shellcheck $$(grep -rlE --exclude-dir=.git --exclude-dir=build '^#!/bin/(ba)?sh' .)

.PHONY: generate
generate: ## the objects of the guard from bpf/, with clang
	@hack/deps bpf
	hack/bpf generate

.PHONY: demo
demo: DEPS := kernel $(KERNEL_DEPS)
demo: deps launcher build ## the program at work on a small network; SCENARIO=nat, dr or tun
	@$(GO) build -o build/demo ./hack/demo
	@echo "starting a kernel that has IPVS ..."
	@# The demonstration runs inside of that kernel, where it cannot see the terminal.
	@if [ -t 1 ] && [ -z "$$NO_COLOR" ] && [ "$$TERM" != dumb ]; then set -- -color; fi; \
		build/kernel -- build/demo -lvsd build/lvsd "$$@" $(SCENARIO)

.PHONY: bench
bench: deps launcher build ## the program against ipvsadm, keepalived and ldirectord, in one kernel; the guard against iptables and floods
	@$(GO) build -o build/bench ./hack/bench
	@$(GO) test -v -tags bench -timeout 40m -run '^(TestGaps|TestRandomFailovers)$$' -exec $(LAUNCHER) ./integration | \
		grep -E 'adverts every|failovers, seed|without an answer|with keepalived|FAIL'
	@build/kernel -- build/bench -lvsd build/lvsd
	@# On the machine's own kernel if we are root: there the guard is compiled, and its costs are those of real life.
	@$(GO) test -v -tags bench -run '^TestAgainstIptables$$' -bench . -benchtime 20x $(if $(filter 0,$(shell id -u)),,-exec $(LAUNCHER)) ./pkg/xdp \
		| sed -n 's/^ *peer_test.go:[0-9]*: *//p; /ns\/packet/p'
	@# In a guest always: the flood takes a processor with real-time priority.
	@KERNEL=$(GUEST) $(GO) test -v -tags bench -timeout 40m -run '^TestGuard(UnderOverload|Capacity)$$' -exec $(LAUNCHER) ./integration \
		| sed -n 's/^ *guard_\(overload\|capacity\)_test.go:[0-9]*: *//p; /FAIL/p'

.PHONY: man
man: ## the manual, in build/man
	@$(GO) run ./hack/man -dir build/man -date "$$(date -u -d @$$(hack/package/epoch) +%F)" -version "$$(hack/package/version)"

.PHONY: deb
deb: ## Debian packages for amd64 and arm64, in build/
	@hack/package/deb amd64 build
	@hack/package/deb arm64 build

# Two versions for the tests.
.PHONY: packages
packages:
	@echo "building the packages that the tests install; the first time that takes a minute or two ..."
	@rm -rf build/packages
	@for v in 1.0.0 1.0.1; do COMPRESS=gzip VERSION=$$v hack/package/deb "$$($(GO) env GOARCH)" build/packages >/dev/null || exit; done

.PHONY: release
release: ## programs that anybody can build again to the byte, packages, bills of materials and checksums, in build/release
	@hack/package/release build/release

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME
	@hack/fuzz $(FUZZTIME)

.PHONY: clean
clean: ## remove what was built
	rm -rf build

.PHONY: deps
deps:
	@hack/deps $(DEPS)
	@$(if $(STOCK),hack/stock $(STOCK))

# Any User-Mode Linux does for the tests, but those with the newer one end in four fifths of the time.
.PHONY: quicker
quicker: deps
	@hack/stock uml || echo "going on with the User-Mode Linux that is installed, which is slower"

.PHONY: launcher
launcher:
	@$(GO) build -o $(LAUNCHER) ./hack/kernel
