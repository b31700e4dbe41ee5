# SPDX-License-Identifier: GPL-2.0-only
"""Test scripts, their headers, the lanes they run in, and the report.

A lane is a way to set up machines. A test's header says which lanes suit it:

  one             one machine, everything over loopback, our modules
  two             two machines, our modules on both
  stock-host      two machines, the distribution's host against our target
  stock-target    two machines, our host against the distribution's target
  other-kernel    two machines, our modules, the target on the other kernel
"""

import os
import re
import sys
import time

# What crosses with others comes first: a budget that runs out costs the last
LANES = ["stock-host", "stock-target", "other-kernel", "one", "two"]

HEADER = re.compile(r"^# (vm|kernels|timeout|allow|stock|drive|root): *(.*)$")


class Test:
    def __init__(self, path, extern=False):
        self.path = os.path.abspath(path)
        self.name = os.path.basename(path)
        self.extern = extern
        self.lanes, self.kernels = ["one"], []
        self.timeout, self.allow, self.stock = 120, [], "yes"
        self.drives, self.root = [64], ()
        with open(path) as f:
            for line in f:
                if not line.startswith("#"):
                    break
                got = HEADER.match(line.rstrip())
                if got:
                    self.header(*got.groups())

    def header(self, key, value):
        if key == "vm":
            self.lanes = value.split()
            bad = set(self.lanes) - set(LANES)
            if bad:
                raise SystemExit(f"{self.path}: no such lane: {' '.join(bad)}")
        elif key == "kernels":
            self.kernels = value.split()
        elif key == "timeout":
            self.timeout = int(value)
        elif key == "allow":
            self.allow.append(value)
        elif key == "stock":
            self.stock = value          # no: means nothing on the stock modules
        elif key == "drive":
            self.drives = [int(v) for v in value.split()]
        elif key == "root":
            self.root = tuple(value.split())    # a release, and packages of it

    def suits(self, lane, kernel, stock):
        if lane not in self.lanes:
            return False
        if self.kernels and kernel not in self.kernels:
            return False
        if stock and (self.stock == "no" or
                      self.stock.startswith("not ") and kernel in self.stock.split()[1:]):
            return False
        return True


class Say:
    """What people see: each step as it is taken, and all of a failure."""

    def __init__(self, verbose=0, out=sys.stdout):
        self.verbose = verbose
        self.out = out
        self.zero = time.monotonic()

    def __call__(self, text):
        print(text, file=self.out, flush=True)

    def begin(self, test):
        self(f"-> {test.name}")
        self.zero = time.monotonic()

    def output(self, m, line, test):
        if self.verbose or test is None or line.startswith(("== ", "FAIL", "SKIP", "TIMEOUT")):
            self(f"   {line}")

    def kernel(self, m, line):
        if self.verbose > 1:
            self(f"   {m.role}.kernel| {line}")

    def end(self, result, output, kernel_log):
        word = {"ok": "ok", "skip": "skip", "fail": "FAIL"}[result.status]
        why = f": {result.why}" if result.why else ""
        if result.status == "fail":
            if not self.verbose:
                self("   .. its output:")
                for line in output[-60:]:
                    self(f"   | {line}")
            if self.verbose < 2:
                self("   .. the kernel log:")
                for line in kernel_log[-90:]:
                    self(f"   k {line}")
        self(f"{word:4s} {result.name} ({result.seconds:.0f} s){why}")

    def boot_died(self, why, kernel_log):
        self(f"!! boot: {why}; the kernel's last lines:")
        for line in kernel_log[-25:]:
            self(f"   k {line}")
