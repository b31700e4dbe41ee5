# SPDX-License-Identifier: GPL-2.0-only
"""One boot, of one machine or of a pair, and the tests that it runs.

The first machine drives: it runs the test scripts. In a pair the second one
is the target and serves the first one's on_target requests over a directory
that both see. What a failed test leaves behind must not be blamed on the next
one: where it cannot be cleared away, and after any splat, the rest goes to a
new boot.
"""

import os
import selectors
import shutil
import tempfile
import time

from . import kernel
from .machine import MARK, strip
from .splats import judge
from .uml import machine_for

GRACE = 4           # seconds for the rest of a splat to arrive
SLACK = 130         # beyond a test's own limit: check_clean and a slow machine


class MachineOptions:
    """What one machine is given; filled in by run."""

    def __init__(self, **kw):
        self.cpus, self.mem, self.cpu = 2, 1024, None
        self.root, self.tree = "/", kernel.TREE
        self.drives, self.append, self.qemu = [], "", []
        self.modules, self.peer, self.net = "ours", False, None
        self.addr = self.addr6 = ""
        self.taddr, self.taddr6 = "127.0.0.1", "::1"
        self.env, self.keep = {}, None
        self.__dict__.update(kw)


class Result:
    def __init__(self, name, status, why="", seconds=0.0):
        self.name, self.status, self.why, self.seconds = name, status, why, seconds


class Session:
    def __init__(self, machines, tests, accel, log, say, boot_limit=240, idle_limit=120,
                 deadline=None):
        """@machines: a list of (role, Kernel, moddir, MachineOptions)."""
        self.spec = machines
        self.tests = tests
        self.accel = accel
        self.log = log
        self.say = say
        self.boot_limit = boot_limit
        self.idle_limit = idle_limit
        self.deadline = deadline
        self.results = []
        self.booted = 0.0
        self.late = False           # the deadline came: the rest was not begun

    def run(self):
        """Results of the tests that ran; the others were not begun."""
        for attempt in (1, 2):
            died = self.boot_once(last=attempt == 2)
            if died is None:
                return self.results
            if attempt == 1:
                self.say(f"!! {died} before any test began: booting once more")
        return self.results

    def boot_once(self, last):
        """None when tests ran or the failure is final, else why to boot again."""
        self.share = tempfile.mkdtemp(prefix="nvme-tcp-share-")
        self.net = tempfile.mkdtemp(prefix="nvme-tcp-net-")
        self.machines = []
        try:
            for i, (role, kern, moddir, opts) in enumerate(self.spec):
                if len(self.spec) > 1:
                    ends = [os.path.join(self.net, f"m{n}") for n in (i, 1 - i)]
                    opts.net = tuple(ends)
                self.machines.append(machine_for(kern)(role, kern, moddir, self.share, opts, i,
                                                       self.log))
                with open(os.path.join(self.share, f"plan-{role}"), "w") as f:
                    if role == "target":
                        f.write("agent\n")
                    else:
                        for t in self.tests:
                            path = "/vm/tree/" + os.path.relpath(t.path, kernel.TREE) \
                                if not t.extern else "/vm/share/" + t.name
                            if t.extern:
                                shutil.copy(t.path, os.path.join(self.share, t.name))
                            f.write(f"test {t.name} {t.timeout} {path}\n")
            # A socket must exist before its peer sends to it
            for m in reversed(self.machines):
                m.start(self.accel)
            return self.watch(last)
        finally:
            for m in self.machines:
                m.stop()
            self.collect()
            shutil.rmtree(self.share, ignore_errors=True)
            shutil.rmtree(self.net, ignore_errors=True)

    def collect(self):
        """What the guests left in /vm/share/keep, each boot's in a directory of its own."""
        keep = os.path.join(self.share, "keep")
        if self.spec[0][3].keep and os.path.isdir(keep):
            shutil.copytree(keep, os.path.join(self.spec[0][3].keep, os.path.basename(self.share)))

    # -- the watch ---------------------------------------------------------

    def watch(self, last):
        self.ready = set()
        self.current = None
        self.begun = self.heard = time.monotonic()
        self.booted = self.begun
        self.kernel_log = []        # of the current test
        self.output = []
        self.verdict = None         # (what, when): the run is over, trace arriving
        self.finished = self.timed_out = False
        self.scale = 1
        sel = selectors.DefaultSelector()
        for m in self.machines:
            for fd, which in m.fds():
                sel.register(fd, selectors.EVENT_READ, (m, which))
        while True:
            events = sel.select(0.5)
            now = time.monotonic()
            for key, _ in events:
                m, which = key.data
                lines = m.read(which)
                if lines is None:
                    sel.unregister(key.fd)
                    continue
                if lines:
                    self.heard = now
                for line in lines:
                    self.take(m, which, line, now)
            if self.late:
                return None
            gone = [m for m in self.machines if m.proc.poll() is not None]
            if gone and not self.verdict and not (self.finished and
                                                  self.current is None):
                if not events:
                    self.verdict = (f"the {gone[0].role} machine ended by itself", now - GRACE)
            if self.verdict and (now - self.verdict[1] >= GRACE or
                                 len(gone) == len(self.machines) and not events):
                return self.fail(self.verdict[0], last)
            if self.finished and not self.verdict and \
                    (self.machines[0] in gone or now - self.finished > 15):
                return None
            if not self.verdict and not self.finished:
                self.check_time(now)

    def check_time(self, now):
        t = self.current
        if t is None and len(self.ready) < len(self.machines):
            if now - self.begun > self.boot_limit:
                self.verdict = (f"no boot within {self.boot_limit} s", now)
        elif t and now - self.begun > t.timeout * self.scale + SLACK * self.scale:
            self.verdict = (f"hang: no end {SLACK * self.scale} s after its limit", now)
        elif now - self.heard > self.idle_limit * self.scale:
            self.verdict = (f"hang: silent for {self.idle_limit * self.scale} s", now)

    def take(self, m, which, line, now):
        if which == "u":
            self.output.append(line)
            self.say.output(m, line, self.current)
            return
        text = strip(line)
        who = "" if len(self.machines) == 1 else m.role + ": "
        self.kernel_log.append(who + line)
        self.say.kernel(m, line)
        mark = MARK.search(text)
        if mark and "vmtest:" in text[:8]:
            self.mark(m, mark.group(1), mark.group(2), now)
            return
        allow = self.current.allow if self.current else ()
        kind = judge(text, allow)
        if kind and not self.verdict and not self.timed_out:
            self.verdict = (f"kernel: {kind}: {text[:120]}"
                            f"{' (' + m.role + ')' if who else ''}", now)

    def mark(self, m, what, rest, now):
        if what == "ready":
            self.ready.add(m.role)
            self.scale = max(self.scale, int(rest.split()[1]))
            if len(self.ready) == len(self.machines):
                self.say(f"-- up after {now - self.booted:.0f} s")
                self.begun = now
        elif what == "begin":
            if self.verdict:
                return          # the run ends here; it is not this one's fault
            if self.deadline and now > self.deadline:
                self.late = True
                return
            self.current = next(t for t in self.tests if t.name == rest)
            self.begun = now
            self.kernel_log, self.output, self.timed_out = [], [], False
            self.say.begin(self.current)
        elif what == "timeout":
            self.timed_out = True   # what follows is the guest's own list of blocked tasks
        elif what == "end":
            name, rc = rest.split()
            self.end(int(rc), now)
        elif what == "done" and m is self.machines[0]:
            self.finished = now
            with open(os.path.join(self.share, "stop"), "w"):
                pass

    def end(self, rc, now):
        t, seconds = self.current, now - self.begun
        if self.verdict:
            return              # fail() names the splat, which says more
        if rc == 0:
            self.done(Result(t.name, "ok", "", seconds))
        elif rc == 77:
            why = next((o for o in reversed(self.output) if o.startswith("SKIP")), "")
            self.done(Result(t.name, "skip", why, seconds))
        else:
            why = {98: "something was left behind", 124: f"timed out after {t.timeout} s",
                   137: f"timed out after {t.timeout} s, and had to be killed"
                   }.get(rc, f"exit status {rc}")
            self.done(Result(t.name, "fail", why, seconds))
        self.current = None

    def done(self, result):
        self.results.append(result)
        self.say.end(result, self.output, self.kernel_log)

    def fail(self, why, last):
        now = time.monotonic()
        if self.current is None and not self.results and \
                len(self.ready) < len(self.machines):
            self.say.boot_died(why, self.kernel_log)
            if not last:
                return why
            for t in self.tests[:1]:
                self.done(Result(t.name, "fail", "boot: " + why, now - self.begun))
            return None
        if self.current:
            self.done(Result(self.current.name, "fail", why, now - self.begun))
        elif self.results and self.results[-1].status == "ok":
            # Between two tests: the one that just ended is the suspect
            self.results[-1].status, self.results[-1].why = "fail", why + " (just after)"
            self.say.end(self.results[-1], self.output, self.kernel_log)
        elif not self.results:
            self.done(Result(self.tests[0].name, "fail", why, now - self.begun))
        return None
