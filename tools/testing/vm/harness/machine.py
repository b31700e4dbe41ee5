# SPDX-License-Identifier: GPL-2.0-only
"""One virtual machine: QEMU's command line, its two serial ports, its death."""

import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from . import kernel

STAMP = re.compile(r"^\[ *\d+\.\d+\](\[[^\]]*\])? ")
MARK = re.compile(r"vmtest: (ready|begin|timeout|end|done)\b ?(.*)")


def accelerator():
    """KVM where it really works: the CPU says so and QEMU can start a guest."""
    if os.environ.get("VM_ACCEL"):
        return os.environ["VM_ACCEL"]
    try:
        with open("/proc/cpuinfo") as f:
            flags = f.read()
    except OSError:
        flags = ""
    if not re.search(r"\b(vmx|svm)\b", flags) or not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    # A guest of two instructions: it must get as far as powering itself off
    probe = subprocess.Popen(
        [kernel.tool("qemu-system-x86_64"), "-accel", "kvm", "-nodefaults", "-display", "none",
         "-no-reboot", "-machine", "pc", "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
         "-bios", _exit_rom()],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return "kvm" if probe.wait(5) == 33 else "tcg"
    except subprocess.TimeoutExpired:
        probe.kill()
        probe.wait()
        return "tcg"


def _exit_rom():
    """64 KiB of firmware: mov al,16; out 0xf4,al (isa-debug-exit: 16*2+1)."""
    path = os.path.join(kernel.cache("vm"), "exit.rom")
    code = b"\xb0\x10\xe6\xf4\xf4\xeb\xfd"
    rom = bytearray(b"\xf4" * 65536)
    rom[0:len(code)] = code
    rom[0xfff0:0xfff3] = b"\xe9\x0d\x00"    # jmp 0
    with open(path, "wb") as f:
        f.write(rom)
    return path


def die_with_parent():
    """However the harness ends, no machine stays: PR_SET_PDEATHSIG, SIGKILL."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Machine:
    """A guest that boots, says what it does on ttyS0, and prints on ttyS1."""

    def __init__(self, role, kern, moddir, share, opts, index=0, log=None):
        self.role = role
        self.kernel = kern
        self.moddir = moddir
        self.share = share
        self.opts = opts
        self.index = index
        self.proc = None
        self.user = None
        self.log = log
        self.pending = {"k": b"", "u": b""}
        self.work = tempfile.mkdtemp(prefix="nvme-tcp-vm-")
        self.started = 0

    def environment(self):
        """What the guest's scripts see as VM_NAME."""
        o = self.opts
        env = {"role": self.role, "index": self.index, "modules": o.modules,
               "kernel": self.kernel.name, "peer": "yes" if o.peer else "no",
               "addr": o.addr, "addr6": o.addr6, "taddr": o.taddr, "taddr6": o.taddr6}
        env.update(o.env)
        return {k: v for k, v in env.items() if v not in (None, "")}

    def command(self, accel):
        o = self.opts
        append = ["console=ttyS0", "ignore_loglevel", "printk.devkmsg=on", "printk.time=1",
                  "panic=-1", "oops=panic", "net.ifnames=0", "mitigations=off",
                  "random.trust_cpu=on", "nmi_watchdog=0", "rcupdate.rcu_cpu_stall_timeout=60",
                  # A soft lockup after twice that: 60 s, as the others
                  "watchdog_thresh=30",
                  "no5lvl", "cryptomgr.notests", "audit=0", "apparmor=0", "nokaslr"]
        if accel == "tcg":
            # Emulated time stamps jump; nothing under test depends on them
            append += ["tsc=nowatchdog", "no_timer_check"]
        append += [f"vmtest.{k}={v}" for k, v in self.environment().items()]
        if o.append:
            append.append(o.append)
        args = [kernel.tool("qemu-system-x86_64"), "-nodefaults", "-no-user-config",
                "-display", "none", "-no-reboot", "-machine", "q35",
                "-smp", str(o.cpus), "-m", str(o.mem),
                "-kernel", self.kernel.image, "-initrd", self.kernel.initramfs(),
                "-append", " ".join(append)]
        if accel == "kvm":
            args += ["-accel", "kvm", "-cpu", "host"]
        else:
            # Counting instructions takes a single thread
            thread = "single" if "-icount" in o.qemu else "multi"
            args += ["-accel", f"tcg,thread={thread},tb-size=256", "-cpu", o.cpu or "max"]
        for tag, path, ro in (("root", o.root, True), ("mods", self.moddir, True),
                              ("tree", o.tree, True), ("share", self.share, False)):
            args += ["-fsdev", f"local,id={tag},path={path},security_model=none,"
                     f"multidevs=remap{',readonly=on' if ro else ''}",
                     "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
        for i, size in enumerate(o.drives):
            image = os.path.join(self.work, f"drive{i}")
            with open(image, "wb") as f:
                f.truncate(size << 20)
            args += ["-drive", f"if=none,id=d{i},file={image},format=raw,cache=unsafe,discard=unmap",
                     "-device", f"nvme,id=nvme{i},serial=vmtest{i},drive=d{i}"]
        if o.net:
            here, there = o.net
            args += ["-netdev", f"dgram,id=n0,local.type=unix,local.path={here},"
                     f"remote.type=unix,remote.path={there}",
                     "-device", f"virtio-net-pci,netdev=n0,mac=52:54:00:07:00:0{self.index + 1}"]
        args += o.qemu
        return args

    def start(self, accel):
        ours, theirs = socket.socketpair()
        for path in (self.opts.net or ())[:1]:
            if os.path.exists(path):
                os.unlink(path)
        args = self.command(accel)
        args += ["-chardev", "stdio,id=k,signal=off", "-device", "isa-serial,chardev=k",
                 "-chardev", f"socket,id=u,fd={theirs.fileno()}", "-device", "isa-serial,chardev=u"]
        if self.log:
            self.log.write(f"# {self.role}: {' '.join(args)}\n")
        self.proc = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, pass_fds=[theirs.fileno()],
                                     start_new_session=True, preexec_fn=die_with_parent)
        theirs.close()
        ours.setblocking(False)
        os.set_blocking(self.proc.stdout.fileno(), False)
        self.user = ours
        self.started = time.monotonic()

    def fds(self):
        return [(self.proc.stdout.fileno(), "k"), (self.user.fileno(), "u")]

    def read(self, which):
        """Complete lines of one serial port; None when it is closed."""
        try:
            data = (os.read(self.proc.stdout.fileno(), 65536) if which == "k"
                    else self.user.recv(65536))
        except BlockingIOError:
            return []
        except OSError:
            return None
        if not data:
            return None
        lines = (self.pending[which] + data).split(b"\n")
        self.pending[which] = lines.pop()
        out = []
        for raw in lines:
            text = raw.decode("utf-8", "replace").rstrip("\r")
            if self.log:
                self.log.write(f"{self.role}.{which}| {text}\n")
            out.append(text)
        return out

    def stop(self):
        if self.proc and self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
            try:
                self.proc.wait(5)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        if self.proc:
            self.proc.stdout.close()
        if self.user:
            self.user.close()
        shutil.rmtree(self.work, ignore_errors=True)
        if self.log:
            self.log.flush()


def strip(line):
    """A kernel log line without its time stamp."""
    return STAMP.sub("", line)
