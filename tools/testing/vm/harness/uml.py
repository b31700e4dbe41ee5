# SPDX-License-Identifier: GPL-2.0-only
"""A User-mode Linux machine: the debug kernel, as a process of this machine.

It has no emulated hardware: directories come through hostfs, the two consoles
are file descriptors, and two machines are joined by a pair of sockets.
"""

import os
import resource
import signal
import socket
import subprocess
import time

from .machine import Machine, die_with_parent

cables = {}         # path of an end, as Session names it: the socket that is it


class UserModeMachine(Machine):
    def command(self, accel):
        o = self.opts
        args = [self.kernel.image, f"mem={o.mem + 512}M", f"ncpus={o.cpus}", "seccomp=on",
                "noreboot", f"initrd={self.kernel.initramfs()}", f"uml_dir={self.work}",
                "umid=vm", "mconsole=", "console=tty0", "con=null", "con0=null,fd:1", "ssl=null",
                "ignore_loglevel", "printk.devkmsg=on", "printk.time=1", "panic=-1",
                "oops=panic", "net.ifnames=0", "rcupdate.rcu_cpu_stall_timeout=60"]
        args += [f"vmtest.{k}={v}" for k, v in self.environment().items()]
        for tag, path in (("root", o.root), ("mods", self.moddir), ("tree", o.tree),
                          ("share", self.share)):
            args.append(f"hostfs.{tag}={os.path.realpath(path)}")
        args += o.append.split()
        return args

    def environment(self):
        # No drive can be plugged in
        return {**super().environment(), "drives": 0}

    def start(self, accel):
        ours, theirs = socket.socketpair()
        fds = [theirs.fileno()]
        args = self.command(accel)
        args.append(f"ssl1=fd:{fds[0]},fd:{fds[0]}")
        if self.opts.net:
            here, there = self.opts.net
            if here not in cables:
                cables[here], cables[there] = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            end = cables.pop(here)
            fds.append(end.fileno())
            args.append(f"vec0:transport=fd,fd={fds[1]},mac=52:54:00:07:00:0{self.index + 1}")
        if self.log:
            self.log.write(f"# {self.role}: {' '.join(args)}\n")
        self.proc = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, pass_fds=fds, cwd=self.work,
                                     start_new_session=True, preexec_fn=alone)
        theirs.close()
        if self.opts.net:
            end.close()
        ours.setblocking(False)
        os.set_blocking(self.proc.stdout.fileno(), False)
        self.user = ours
        self.started = time.monotonic()

    def stop(self):
        if self.proc:
            # Each program of the guest is a process of its own, in this group
            try:
                os.killpg(self.proc.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.proc.wait()
        super().stop()


def machine_for(kern):
    """The class of the machines that boot this kernel."""
    return UserModeMachine if kern.uml else Machine


def alone():
    die_with_parent()
    # A panic ends in abort()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
