# SPDX-License-Identifier: GPL-2.0-only
#
# NVMe over TCP for Linux, as external modules. "make help" lists the targets.

PACKAGE := nvme-tcp
VERSION := $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)

# Which kernel: an unpacked one (KERNEL=6.12, see scripts/kernel), an installed
# one (KVER=), any build tree (KDIR=), or else the running one.
ifneq ($(KERNEL),)
KROOT := $(shell scripts/kernel get $(KERNEL))
KVER := $(shell scripts/kernel ver $(KERNEL))
KDIR := $(KROOT)/lib/modules/$(KVER)/build
ifeq ($(KROOT),)
$(error no kernel $(KERNEL), see above)
endif
# The tools of a newer release, where that kernel's are too new for this one's.
BUILD_ROOT := $(shell scripts/kernel root $(KERNEL))
endif
KVER ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVER)/build

MODULES := common/nvme-tcp-pdu.ko host/nvme-tcp.ko target/nvmet.ko target/nvmet-tcp.ko

# A subdirectory of updates/, which depmod prefers to the distribution's own.
INSTALL_MOD_DIR ?= updates/$(PACKAGE)
# Debug information is twenty times the size of the rest.
INSTALL_MOD_STRIP ?= 1
DKMS ?= dkms

# The release as the build tree itself names it; KDIR= need not match KVER.
release = $(or $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' \
	$(KDIR)/include/generated/utsrelease.h 2>/dev/null),$(KVER))

# Type information of our own takes the kernel's, and pahole.
btf = $(and $(wildcard $(KDIR)/vmlinux),$(BUILD_ROOT)$(shell command -v pahole))

kbuild = $(if $(BUILD_ROOT),scripts/root run $(BUILD_ROOT) )$(MAKE) -C $(KDIR) M=$(CURDIR) \
	$(if $(btf),,CONFIG_DEBUG_INFO_BTF_MODULES=) \
	$(if $(C),$(if $(CHECK),,CHECK=$(CURDIR)/scripts/sparse))

.PHONY: all modules clean help install uninstall modules_install \
	dkms-install dkms-remove deps check check-debug unit fuzz verify demo bench bench-parallel \
	bench-uml lint soak scale kdir

all: modules

kdir:
	@test -e $(KDIR)/Makefile || { \
		echo "No build tree for the kernel at $(KDIR)." >&2; \
		echo "Install its headers (Debian: linux-headers-$(KVER))," >&2; \
		echo "or name another kernel: make KVER=, KDIR= or KERNEL=6.1|6.12|7.3." >&2; \
		exit 1; }

modules: kdir
	+@$(kbuild) --no-print-directory modules

# Signed where there is a key; depmod below, which does not ask for a System.map.
modules_install: kdir
	+@$(kbuild) --no-print-directory modules_install \
		INSTALL_MOD_DIR=$(INSTALL_MOD_DIR) INSTALL_MOD_STRIP=$(INSTALL_MOD_STRIP) \
		CONFIG_MODULE_SIG_ALL=$(if $(wildcard $(KDIR)/certs/signing_key.pem),y) \
		cmd_depmod=true
	@scripts/install depmod $(release)

install:
	@scripts/install may-install $(release)
	+@$(MAKE) --no-print-directory modules_install
	@scripts/install installed $(release) $(INSTALL_MOD_DIR)

uninstall:
	@scripts/install uninstall $(release) $(INSTALL_MOD_DIR)

dkms-install:
	@DKMS="$(DKMS)" scripts/install dkms-add $(VERSION) $(KVER)

dkms-remove:
	@DKMS="$(DKMS)" scripts/install dkms-remove $(VERSION)

# By name, so that it works without a kernel at hand.
clean:
	@find common host target include/compat \( -name '*.o' -o -name '*.ko' \
		-o -name '*.mod' -o -name '*.mod.c' -o -name '*.i' -o -name '*.a' \
		-o -name '.*.cmd' -o -name '.*.d' -o -name modules.order \) -delete
	@rm -rf include/generated .build .Module.symvers.cmd .modules.order.cmd \
		.*.cmd .*.o Module.symvers modules.order modules.livepatch .tmp_versions
	@if [ -e tools/testing/unit/Makefile ]; then \
		$(MAKE) -s -C tools/testing/unit clean; fi
	@rm -rf tools/testing/fuzz/.build tools/testing/verify/.build

deps:
	@scripts/deps

check:
	+@tools/testing/check

check-debug:
	@tools/testing/debug/run

unit:
	+@$(MAKE) --no-print-directory -C tools/testing/unit check

fuzz:
	+@$(MAKE) --no-print-directory -C tools/testing/fuzz fuzz

verify:
	@tools/testing/verify/run

demo:
	@scripts/demo

# BENCH_DOC=1: into Documentation/performance.rst, too
bench:
	@tools/testing/bench/run $(if $(BENCH_DOC),--doc)

bench-parallel:
	@tools/testing/bench/run --parallel $(if $(BENCH_DOC),--doc)

bench-uml:
	@tools/testing/bench/run --uml $(if $(BENCH_DOC),--doc)

lint:
	@scripts/lint

# SOAK=SECONDS; SOAK_KERNEL= another than 6.12, or "debug"
soak:
	@tools/testing/vm/run -k $(or $(SOAK_KERNEL),6.12) --lane one -v \
		--env soak=$(or $(SOAK),3600) tools/testing/vm/long/soak

scale:
	@tools/testing/vm/run -k 6.12 --idle 900 -v tools/testing/vm/long/scale

help:
	@echo 'NVMe over TCP for Linux, $(VERSION)'
	@echo
	@echo '  make                 build for the running kernel:'
	@for m in $(MODULES); do echo "                         $$m"; done
	@echo '  make KVER=6.1.0-56-amd64     for another installed kernel'
	@echo '  make KDIR=/path/to/build     for any kernel build tree'
	@echo '  make KERNEL=6.1|6.12|7.3     for a Debian kernel, fetched into the cache'
	@echo '                       W=1 and C=1 as in the kernel: warnings, sparse'
	@echo '  make install         install below /lib/modules/VER/$(INSTALL_MOD_DIR)'
	@echo '  make modules_install the same without looking at what is loaded;'
	@echo '                       INSTALL_MOD_PATH=DIR installs below DIR'
	@echo '  make uninstall       remove what these installed'
	@echo '  make dkms-install    hand the sources to DKMS, build and install'
	@echo '  make dkms-remove     the reverse'
	@echo '  make deps            install what building and testing needs (Debian)'
	@echo '  make check           all tests that need no special hardware'
	@echo '  make check-debug     the modules on a kernel that tells on them, and that fails on order'
	@echo '  make unit            the protocol engine, in userspace'
	@echo '  make fuzz            the engine against random peers; FUZZ_TIME=seconds each'
	@echo '  make verify          the engine proved, for all inputs (CBMC)'
	@echo '  make lint            style, sparse, documentation'
	@echo '  make soak SOAK=3600  seconds of random disruption under verified I/O'
	@echo '  make scale           512 controllers, 4096 connections'
	@echo '  make demo            both ends in a virtual machine'
	@echo '  make bench           measure against the stock modules'
	@echo '  make bench-parallel  the same with several CPUs, by the wall clock'
	@echo '  make bench-uml       the same under User-mode Linux, at native speed'
	@echo '  make clean'
	@echo
	@echo 'Into a kernel source tree: scripts/into-tree TREE'
