# SPDX-License-Identifier: GPL-2.0-only
"""The life of a connection in steps of one system call each, and how to make
a step fail.

A step has a way forward and a way back, so that either can be made to fail
again and again: a subsystem, its namespace and port, a connection, I/O, a
reset; then all of it backwards.
"""

import ctypes
import errno
import fcntl
import glob
import mmap
import os
import re
import struct
import time

NVMET = "/sys/kernel/config/nvmet"
DEBUG = "/sys/kernel/debug"
NQN, PORT = "faulty", "7"
SUB = f"{NVMET}/subsystems/{NQN}"
NS = f"{SUB}/namespaces/1"
PRT = f"{NVMET}/ports/{PORT}"
LINK = f"{PRT}/subsystems/{NQN}"
OPTIONS = ("transport=tcp,traddr=127.0.0.1,trsvcid=4420,nqn=" + NQN + ",nr_io_queues=2,"
           "queue_size=16,keep_alive_tmo=20,reconnect_delay=1,ctrl_loss_tmo=4,"
           "hostnqn=nqn.2014-08.org.nvmexpress:uuid:5ca1ab1e-0000-4000-8000-00000000fa17,"
           "hostid=5ca1ab1e-0000-4000-8000-00000000fa17")
LIMIT = 45          # seconds any one thing may take
OURS = ("nvme_tcp", "nvme_tcp_pdu", "nvmet", "nvmet_tcp")


class Broken(Exception):
    """What must never happen, however much fails."""


def put(path, text):
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def get(path):
    with open(path) as f:
        return f.read().strip()


def until(what, check, limit=LIMIT):
    end = time.monotonic() + limit
    while not check():
        if time.monotonic() > end:
            raise Broken(f"waited {limit} s for {what}")
        time.sleep(0.01)


# -- failures to order -------------------------------------------------------

class Nth:
    """The N-th thing that can fail in the system call that this thread makes."""

    def __enter__(self):
        self.fd = os.open("/proc/thread-self/fail-nth", os.O_RDWR)
        return self

    def __exit__(self, *_):
        os.pwrite(self.fd, b"0", 0)
        os.close(self.fd)

    def arm(self, n):
        os.pwrite(self.fd, str(n).encode(), 0)

    def happened(self):
        """Whether it came to that; disarms. Either call may be what fails."""
        try:
            left = int(os.pread(self.fd, 16, 0))
        except OSError:
            left = 1
        try:
            os.pwrite(self.fd, b"0", 0)
        except OSError:
            pass
        return left == 0


def attributes(name, **values):
    for key, value in values.items():
        put(f"{DEBUG}/{name}/{key.replace('_', '-')}", str(value))


def memory(**values):
    """Attributes of both ways in which memory can fail."""
    for name in ("failslab", "fail_page_alloc"):
        attributes(name, **values)


def kernel_function(name):
    """(start, end) of a function of the kernel's own."""
    start, end = 0, 0
    with open("/proc/kallsyms") as f:
        table = [line.split() for line in f if not line.rstrip().endswith("]")]
    for address, _, symbol in table:
        if symbol == name:
            start = int(address, 16)
    for address, _, _ in table:
        at = int(address, 16)
        if at > start and (not end or at < end):
            end = at
    if not start:
        raise Broken(f"the kernel has no {name}")
    return start, end


def prepare():
    """Allocations that may sleep fail too, and nobody says so in the log. But for links
    in sysfs: the core that fails to make one from its subsystem to a controller takes
    nvme_subsystems_lock twice, whatever the transport, and connecting is over for good."""
    start, end = kernel_function("sysfs_do_create_link_sd")
    memory(ignore_gfp_wait="N", verbose=0, probability=0, interval=1, times=-1,
           stacktrace_depth=32, require_start=0, require_end=(1 << 64) - 1,
           reject_start=start, reject_end=end)
    attributes("fail_page_alloc", ignore_gfp_highmem="N", min_order=0)
    for path in glob.glob(DEBUG + "/fail*/verbose"):
        put(path, "0")


def functions():
    """(start, end, name) of every function of our modules."""
    table = []
    with open("/proc/kallsyms") as f:
        for line in f:
            word = line.split()
            if len(word) == 4 and word[1] in "tT" and word[3][1:-1] in OURS:
                table.append((int(word[0], 16), word[2]))
    table = sorted(set(table))
    spans = []
    for at, (start, name) in enumerate(table):
        # The last of a module ends somewhere before the next module begins
        end = table[at + 1][0] if at + 1 < len(table) else start + 4096
        if end > start and not re.search(r"^__pfx|\.cold$|^_?cleanup_module|^_?init_module", name):
            spans.append((start, min(end, start + 65536), name))
    return spans


def sites():
    """Allocation sites of our modules: {"file:line func": calls alive now}."""
    found = {}
    with open("/proc/allocinfo") as f:
        for line in f:
            got = re.match(r"\s*(\d+)\s+(\d+)\s+(\S+):(\d+) \[(\w+)\] func:(\S+)", line)
            if got and got[5] in OURS:
                found[f"{got[3]}:{got[4]} {got[6]}"] = int(got[2])
    return found


# -- the controller ----------------------------------------------------------

def controllers():
    out = []
    for c in glob.glob("/sys/class/nvme/nvme*"):
        try:
            if get(c + "/subsysnqn") == NQN:
                out.append(c)
        except OSError:
            pass
    return out


def state():
    for c in controllers():
        try:
            return get(c + "/state")
        except OSError:
            pass
    return None


def disk():
    """The namespace's block device, or None."""
    for s in glob.glob("/sys/class/nvme-subsystem/*"):
        try:
            if get(s + "/subsysnqn") != NQN:
                continue
        except OSError:
            continue
        for n in glob.glob(s + "/nvme*n*"):
            name = os.path.basename(n)
            if re.fullmatch(r"nvme\d+n\d+", name) and os.path.exists("/dev/" + name):
                return "/dev/" + name
    return None


def connect():
    fd = os.open("/dev/nvme-fabrics", os.O_RDWR)
    try:
        os.write(fd, OPTIONS.encode())
    finally:
        os.close(fd)


def disconnect():
    for c in controllers():
        try:
            put(c + "/delete_controller", "1")
        except FileNotFoundError:
            pass


def reset():
    for c in controllers():
        put(c + "/reset_controller", "1")


# -- the steps ---------------------------------------------------------------

class Step:
    def __init__(self, name, do, undo=None, settle=None, done=None):
        self.name, self.do, self.undo = name, do, undo
        self.settle = settle or (lambda: None)
        self.done = done            # says whether do() has had its effect

    def __repr__(self):
        return self.name


def directory(path):
    return Step("mkdir " + path[len(NVMET) + 1:], lambda: os.mkdir(path),
                lambda: os.rmdir(path), done=lambda: os.path.isdir(path))


def attribute(path, value, back=None):
    return Step(f"{path[len(NVMET) + 1:]} = {value}", lambda: put(path, value),
                (lambda: put(path, back)) if back is not None else None)


def gone():
    until("the controllers to go", lambda: not controllers())
    # The name is free before the last reference to it is
    until("sockets to close", no_sockets)


def no_sockets():
    for name in ("tcp", "tcp6"):
        with open("/proc/net/" + name) as f:
            for line in f.readlines()[1:]:
                word = line.split()
                if word[3] not in ("06", "0A") and ":1144" in word[1] + word[2]:
                    return False
    return True


def live():
    until("a live controller", lambda: state() == "live")
    until("its block device", disk)


def configuration(device):
    return [
        directory(SUB),
        attribute(SUB + "/attr_allow_any_host", "1"),
        attribute(SUB + "/attr_serial", "f" * 20),
        attribute(SUB + "/attr_model", "a model of some length"),
        directory(NS),
        attribute(NS + "/device_path", device),
        attribute(NS + "/device_uuid", "5ca1ab1e-0000-4000-8000-00000000fa17"),
        attribute(NS + "/enable", "1", "0"),
        directory(PRT),
        attribute(PRT + "/addr_trtype", "tcp"),
        attribute(PRT + "/addr_adrfam", "ipv4"),
        attribute(PRT + "/addr_traddr", "127.0.0.1"),
        attribute(PRT + "/addr_trsvcid", "4420"),
        Step("link", lambda: os.symlink(SUB, LINK), lambda: os.unlink(LINK),
             done=lambda: os.path.islink(LINK)),
    ]


def connection():
    return Step("connect", connect, disconnect, settle=lambda: (live() if controllers() else gone()),
                done=lambda: bool(controllers()))


def unwind(steps):
    """Everything back, whatever of it there is; nothing fails now."""
    disconnect()
    gone()
    for s in reversed(steps):
        if s.undo:
            try:
                s.undo()
            except OSError as e:
                if e.errno not in (errno.ENOENT, errno.EINVAL):
                    raise Broken(f"undo {s}: {e}") from e
    for path in (SUB, PRT):
        if os.path.exists(path):
            raise Broken(f"{path} stays")


# -- I/O ---------------------------------------------------------------------

def buffer(size, seed=None):
    """Pages, as direct I/O wants them."""
    mem = mmap.mmap(-1, size)
    if seed is not None:
        mem[:] = (struct.pack("<Q", seed * 0x9e3779b97f4a7c15 & (1 << 64) - 1) * (size // 8))
    return mem


IDENTIFY = struct.pack("<BBHIIIQQIIIIIIIIII", 6, 0, 0, 0, 0, 0, 0, 0, 0, 4096, 1, 0, 0, 0, 0, 0,
                       2000, 0)


def identify(fd):
    """NVME_IOCTL_ADMIN_CMD: Identify Controller."""
    mem = buffer(4096)
    at = ctypes.addressof(ctypes.c_char.from_buffer(mem))
    cmd = bytearray(IDENTIFY)
    struct.pack_into("<Q", cmd, 24, at)
    return fcntl.ioctl(fd, 0xC0484E41, cmd)


def io(path):
    """Steps of I/O, over data that is known."""
    fd = os.open(path, os.O_RDWR | os.O_DIRECT)
    steps = []
    for size in (4096, 65536, 1 << 20):
        data, back = buffer(size, size), buffer(size)
        steps.append(Step(f"write {size}", lambda d=data, s=size: os.pwrite(fd, d, s)))
        steps.append(Step(f"read {size}", lambda b=back, s=size: os.preadv(fd, [b], s)))
    steps.append(Step("flush", lambda: os.fsync(fd)))
    steps.append(Step("identify", lambda: identify(fd)))
    return fd, steps


def verify(path, size=1 << 20):
    """A clean pass: what is written is what is read."""
    fd = os.open(path, os.O_RDWR | os.O_DIRECT)
    try:
        for n, length in enumerate((512, 4096, 65536, size)):
            data, back = buffer(max(length, 4096), n + 17), buffer(max(length, 4096))
            os.pwritev(fd, [memoryview(data)[:length]], 4 << 20)
            os.preadv(fd, [memoryview(back)[:length]], 4 << 20)
            if data[:length] != back[:length]:
                raise Broken(f"{length} bytes came back wrong")
    finally:
        os.close(fd)


def clean(device):
    """A whole life with nothing failing must work."""
    steps = configuration(device)
    try:
        for s in steps:
            s.do()
        connect()
        live()
        verify(disk())
    except OSError as e:
        raise Broken(f"a clean run fails: {e}") from e
    unwind(steps)
