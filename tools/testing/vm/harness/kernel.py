# SPDX-License-Identifier: GPL-2.0-only
"""A cached kernel: its image, its modules with or without ours, an initramfs.

Nothing is installed on the machine: a kernel is a directory holding
boot/vmlinuz-VER and lib/modules/VER, as scripts/kernel leaves it.
"""

import fcntl
import glob
import gzip
import hashlib
import lzma
import os
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
VM = os.path.dirname(HERE)
TREE = os.path.abspath(os.path.join(VM, "..", "..", ".."))

# The root file system needs these before anything can be loaded from it
BOOT_MODULES = ["virtio_pci", "9p", "9pnet_virtio", "overlay", "virtio_net"]

# What a guest may want to load: depmod over all of a distribution's modules is slow
GUEST_MODULES = ["modules.builtin", "modules.order", "modules.builtin.modinfo"] + \
    ["kernel/" + d for d in (
        "arch", "block", "crypto", "lib", "fs", "net/9p", "net/core", "net/ipv4", "net/ipv6", "net/sched",
        "net/tls", "net/802", "net/8021q", "net/llc", "net/bridge", "net/netfilter",
        "drivers/nvme", "drivers/block", "drivers/md", "drivers/virtio", "drivers/dax",
        "drivers/nvdimm", "drivers/base", "drivers/net/*.ko*", "drivers/char/hw_random",
        "drivers/scsi/scsi_*.ko*", "drivers/scsi/sd_mod.ko*", "drivers/target",
        "drivers/infiniband/core", "security", "virt")]

OURS = ["common/nvme-tcp-pdu.ko", "host/nvme-tcp.ko",
        "target/nvmet.ko", "target/nvmet-tcp.ko"]


class Failed(Exception):
    """Something that makes running a VM impossible."""


def cache(*parts):
    base = os.environ.get("NVME_TCP_CACHE")
    if not base:
        base = os.path.join(os.environ.get("XDG_CACHE_HOME") or
                            os.path.expanduser("~/.cache"), "nvme-tcp")
    path = os.path.join(base, *parts)
    os.makedirs(path, exist_ok=True)
    return path


def tool(*names):
    """The path of the first of these programs that exists, sbin included."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin"
    for name in names:
        found = shutil.which(name, path=path)
        if found:
            return found
    raise Failed(f"{names[0]} is not installed (make deps)")


def unpack(path):
    """A module's ELF image, whatever it is compressed with."""
    with open(path, "rb") as f:
        data = f.read()
    if path.endswith(".xz"):
        return lzma.decompress(data)
    if path.endswith(".gz"):
        return gzip.decompress(data)
    if path.endswith(".zst"):
        return subprocess.run([tool("zstd"), "-dc"], input=data, check=True,
                              stdout=subprocess.PIPE).stdout
    return data


def ask(name, *args):
    """What scripts/NAME prints."""
    got = subprocess.run([os.path.join(TREE, "scripts", name), *args],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if got.returncode:
        raise Failed(f"scripts/{name} {' '.join(args)} failed")
    return got.stdout.strip()


class Kernel:
    def __init__(self, name):
        self.name = name
        if os.path.isdir(name):
            self.dir = os.path.abspath(name)
            self.name = os.path.basename(self.dir)
        else:
            script = "scripts/kernel-debug" if name == "debug" else "scripts/kernel"
            got = subprocess.run([os.path.join(TREE, script), "get"] + [name] * (name != "debug"),
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
            if got.returncode:
                raise Failed(f"{script} get {name} failed")
            self.dir = got.stdout.strip().splitlines()[-1]
        # The debug kernel is a program, not an image
        self.uml = os.path.exists(os.path.join(self.dir, "arch"))
        images = glob.glob(os.path.join(self.dir, "boot/vmlinuz-*"))
        if not images:
            raise Failed(f"{self.dir} holds no boot/vmlinuz-*")
        self.image = sorted(images)[-1]
        self.version = os.path.basename(self.image)[len("vmlinuz-"):]
        # The release whose tools and userspace it takes, if not this machine's
        self.suite = ask("kernel", "root", name)
        self.stock = os.path.join(self.dir, "lib/modules", self.version)
        if not os.path.isdir(os.path.join(self.stock, "kernel")):
            raise Failed(f"{self.stock} holds no modules")

    def root(self, suite=None, *packages):
        """The directory that is a guest's root file system; of a release, where one is asked for."""
        suite = suite or self.suite
        if not suite:
            return "/"
        return ask("root", "get", suite, *ask("deps", "-l", "guest").split(), *packages)

    def build(self):
        """Compile the tree for this kernel, in a copy; the paths of our modules."""
        copy = cache("vm", "build-" + hashlib.sha256(TREE.encode()).hexdigest()[:8] +
                     "-" + self.version)
        # One at a time: others may test the same tree
        with open(os.path.join(copy, ".vm-lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return self.build_in(copy)

    def build_in(self, copy):
        sync_tree(TREE, copy)
        log = os.path.join(copy, ".vm-build.log")
        want = ["KDIR=" + os.path.join(self.dir, "lib/modules", self.version, "build")]
        if self.uml:
            want.append("ARCH=um")
        env = dict(os.environ)
        for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
            env.pop(name, None)
        if self.suite:
            env["BUILD_ROOT"] = self.suite
        with open(log, "w") as f:
            rc = subprocess.run(["make", "-j2", "-C", copy, *want], stdin=subprocess.DEVNULL,
                                stdout=f, stderr=subprocess.STDOUT, env=env).returncode
        if rc:
            with open(log) as f:
                sys.stdout.write("".join(f.readlines()[-40:]))
            raise Failed(f"make {' '.join(want)} failed (log: {log})")
        return ours_in(copy)

    def modules(self, kos):
        """A modules directory with @kos under updates/, dependencies worked out.

        The distribution's files are hard links; a directory is named after
        the contents of our modules, so that runs at the same time can't meet.
        """
        digest = hashlib.sha256()
        for ko in kos:
            with open(ko, "rb") as f:
                digest.update(os.path.basename(ko).encode() + f.read())
        name = f"{self.version}-{digest.hexdigest()[:12]}" if kos else f"{self.version}-stock"
        base = cache("vm", "modules")
        root = os.path.join(base, name)
        final = os.path.join(root, "lib/modules", self.version)
        if os.path.exists(os.path.join(final, "modules.dep")):
            os.utime(root)
            return final
        prune(base, self.version, keep=6)
        work = f"{root}.{os.getpid()}"
        shutil.rmtree(work, ignore_errors=True)
        dest = os.path.join(work, "lib/modules", self.version)
        os.makedirs(dest)
        for pattern in GUEST_MODULES:
            for src in glob.glob(os.path.join(self.stock, pattern)):
                to = os.path.join(dest, os.path.dirname(os.path.relpath(src, self.stock)))
                os.makedirs(to, exist_ok=True)
                if subprocess.run(["cp", "-al", src, to], stderr=subprocess.DEVNULL).returncode:
                    subprocess.run(["cp", "-a", src, to], check=True)
        for ko in kos:
            os.makedirs(os.path.join(dest, "updates"), exist_ok=True)
            to = os.path.join(dest, "updates", os.path.basename(ko))
            # Debug information is most of a module, and a guest reads it over 9p
            if subprocess.run([tool("strip"), "-g", "-o", to, ko]).returncode:
                shutil.copy(ko, to)
        subprocess.run([tool("depmod"), "-b", work, self.version], check=True)
        shutil.rmtree(root, ignore_errors=True)
        os.rename(work, root)
        return final

    def initramfs(self):
        stock = self.modules([])
        with open(os.path.join(VM, "guest/init"), "rb") as f:
            init = f.read()
        key = hashlib.sha256(init + self.version.encode() +
                             str(os.path.getmtime(self.image)).encode()).hexdigest()[:12]
        path = os.path.join(cache("vm", "initramfs"), f"{self.version}-{key}.cpio")
        if os.path.exists(path):
            return path
        order = []
        root = stock[:-len(os.path.join("lib/modules", self.version)) - 1]
        for name in ["overlay"] if self.uml else BOOT_MODULES:
            out = subprocess.run([tool("modprobe"), "-d", root, "-S", self.version,
                                  "--show-depends", name], check=True,
                                 stdout=subprocess.PIPE, text=True).stdout
            for line in out.splitlines():
                word = line.split()
                if word and word[0] == "insmod" and word[1] not in order:
                    order.append(word[1])
        cpio = Cpio()
        for d in ("bin", "dev", "modules"):
            cpio.add(d, mode=0o040755)
        cpio.add("dev/console", mode=0o020600, rdev=(5, 1))
        cpio.add("dev/kmsg", mode=0o020600, rdev=(1, 11))
        cpio.add("init", init, 0o100755)
        with open(tool("busybox"), "rb") as f:
            cpio.add("bin/busybox", f.read(), 0o100755)
        names = []
        for i, ko in enumerate(order):
            name = "%02d-%s" % (i, os.path.basename(ko).split(".ko")[0] + ".ko")
            names.append(name)
            cpio.add("modules/" + name, unpack(ko))
        cpio.add("modules/order", ("\n".join(names) + "\n").encode())
        tmp = f"{path}.{os.getpid()}"
        with open(tmp, "wb") as f:
            f.write(cpio.finish())
        os.rename(tmp, path)
        return path


def ours_in(tree):
    found = [os.path.join(tree, ko) for ko in OURS]
    missing = [ko for ko in found if not os.path.exists(ko)]
    if missing:
        raise Failed("not built: " + " ".join(missing))
    return found


def sync_tree(src, dest):
    """Copy the sources, by time stamp; delete what is gone. No objects."""
    listed = subprocess.run(["git", "-C", src, "ls-files", "-z", "-c", "-o",
                             "--exclude-standard"], stdout=subprocess.PIPE)
    if listed.returncode == 0:
        names = {n for n in listed.stdout.decode().split("\0") if n}
    else:
        names = {os.path.relpath(os.path.join(d, f), src)
                 for d, _, files in os.walk(src) for f in files if "/.git" not in d}
    before = os.path.join(dest, ".vm-files")
    old = set()
    if os.path.exists(before):
        with open(before) as f:
            old = set(f.read().splitlines())
    for name in sorted(old - names):
        if os.path.lexists(os.path.join(dest, name)):
            os.unlink(os.path.join(dest, name))
    for name in sorted(names):
        a, b = os.path.join(src, name), os.path.join(dest, name)
        if not os.path.lexists(a):
            continue
        os.makedirs(os.path.dirname(b), exist_ok=True)
        if os.path.islink(a):
            if os.path.lexists(b):
                os.unlink(b)
            os.symlink(os.readlink(a), b)
            continue
        sa = os.stat(a)
        if os.path.exists(b):
            sb = os.stat(b)
            if sb.st_size == sa.st_size and int(sb.st_mtime) == int(sa.st_mtime):
                continue
        shutil.copy2(a, b)
    with open(before, "w") as f:
        f.write("\n".join(sorted(names)) + "\n")


def prune(base, version, keep):
    """Old module directories go, but never one that a run may still use."""
    olds = [os.path.join(base, d) for d in os.listdir(base) if d.startswith(version + "-")]
    olds = sorted((d for d in olds if not d.endswith("-stock")), key=os.path.getmtime)
    for d in olds[:max(0, len(olds) - keep)]:
        if time.time() - os.path.getmtime(d) > 6 * 3600:
            shutil.rmtree(d, ignore_errors=True)


class Cpio:
    """A newc archive; device nodes need no privilege this way."""

    def __init__(self):
        self.parts = []
        self.ino = 0

    def add(self, name, data=b"", mode=0o100644, rdev=(0, 0)):
        self.ino += 1
        raw = name.encode() + b"\0"
        head = "070701" + "".join("%08x" % v for v in (
            self.ino, mode, 0, 0, 2 if mode & 0o040000 else 1, 0, len(data),
            0, 0, rdev[0], rdev[1], len(raw), 0))
        self.parts.append(self.pad(head.encode() + raw))
        self.parts.append(self.pad(data))

    @staticmethod
    def pad(data):
        return data + b"\0" * (-len(data) % 4)

    def finish(self):
        self.add("TRAILER!!!", mode=0)
        return b"".join(self.parts)
