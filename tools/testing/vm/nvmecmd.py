# SPDX-License-Identifier: GPL-2.0-only
"""NVMe commands as a test wants them: sent as they are, judged by their status.

A test script starts Python with this directory in PYTHONPATH. What goes wrong
ends it, with the line of the test that did not get what it expected.
"""

import ctypes
import fcntl
import os
import struct
import sys
import traceback

ADMIN_CMD, IO_CMD = 0xc0484e41, 0xc0484e43
DNR = 0x4000

SUCCESS, INVALID_OPCODE, INVALID_FIELD, INTERNAL = 0, 0x1, 0x2, 0x6
INVALID_NS, SEQUENCE, SGL_LENGTH, KATO_INVALID = 0xb, 0xc, 0xf, 0x1a
PROTECTED, CMD_SET, LBA_RANGE = 0x20, 0x2c, 0x80
INVALID_LOG, NOT_SAVEABLE, NOT_CHANGEABLE, NOT_PER_NS = 0x109, 0x10d, 0x10e, 0x10f
READ_ERROR, COMPARE_FAILED = 0x281, 0x285


def hook(kind, value, trace):
    """One line for a failure, as lib.sh has it."""
    frames = [f for f in traceback.extract_tb(trace) if f.filename != __file__]
    where = f"line {frames[-1].lineno}: " if frames else ""
    print(f"FAIL: {where}{value if kind is AssertionError else repr(value)}", flush=True)


sys.excepthook = hook


def step(text):
    print(f"== {text}", flush=True)


def note(text):
    print(f"   {text}", flush=True)


def expect(what, got, wanted):
    if isinstance(got, bytes) and len(got) == len(wanted) and got != wanted:
        at = [i for i in range(len(got)) if got[i] != wanted[i]][0]
        assert False, f"{what} has {got[at:at + 16].hex()} at {at}, " \
            f"expected {wanted[at:at + 16].hex()}"
    assert got == wanted, f"{what} is {got!r}, expected {wanted!r}"


def le(data, offset, size):
    return int.from_bytes(data[offset:offset + size], "little")


class Node:
    """A controller's or namespace's device node."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR)
        self.result = 0

    def raw(self, request, opcode, nsid=0, read=0, write=b"", flags=0, **cdw):
        """(status without the phase, data)"""
        size = read or len(write)
        # Not Python's own memory: it is to be page aligned
        buf = ctypes.create_string_buffer(size + 4096)
        at = (ctypes.addressof(buf) + 4095) & ~4095
        if write:
            ctypes.memmove(at, write, size)
        for name in cdw:
            assert name in ("cdw2", "cdw3", "cdw10", "cdw11", "cdw12", "cdw13", "cdw14", "cdw15")
        cmd = bytearray(struct.pack(
            "<BBHIIIQQIIIIIIIIII", opcode, flags, 0, nsid,
            cdw.get("cdw2", 0), cdw.get("cdw3", 0), 0, at if size else 0, 0, size,
            *(cdw.get(f"cdw{i}", 0) & 0xffffffff for i in range(10, 16)), 30000, 0))
        status = fcntl.ioctl(self.fd, request, cmd, True)
        self.result = struct.unpack_from("<I", cmd, 68)[0]
        return status, ctypes.string_at(at, size) if read else b""

    def send(self, request, opcode, wanted, kw):
        status, data = self.raw(request, opcode, **kw)
        what = f"status of opcode {opcode:#x} " + \
            " ".join(f"{k}={v:#x}" for k, v in kw.items() if isinstance(v, int))
        assert status & 0x7ff == wanted, f"{what} is {status:#x}, expected {wanted:#x}"
        assert not wanted or status & DNR, f"{what} has no DNR: {status:#x}"
        return data

    def admin(self, opcode, wanted=SUCCESS, **kw):
        return self.send(ADMIN_CMD, opcode, wanted, kw)

    def io(self, opcode, wanted=SUCCESS, **kw):
        return self.send(IO_CMD, opcode, wanted, kw)

    # -- commands ----------------------------------------------------------

    def identify(self, cns, wanted=SUCCESS, nsid=0, cntid=0, csi=0, size=4096):
        return self.admin(6, wanted, nsid=nsid, read=size, cdw10=cns | cntid << 16,
                          cdw11=csi << 24)

    def log(self, lid, size, offset=0, wanted=SUCCESS, nsid=0, lsp=0, **kw):
        numd = size // 4 - 1
        return self.admin(2, wanted, nsid=nsid, read=size,
                          cdw10=lid | lsp << 8 | (numd & 0xffff) << 16, cdw11=numd >> 16,
                          cdw12=offset & 0xffffffff, cdw13=offset >> 32, **kw)

    def get(self, fid, select=0, wanted=SUCCESS, **kw):
        self.admin(0xa, wanted, cdw10=fid | select << 8, **kw)
        return self.result

    def set(self, fid, value, wanted=SUCCESS, save=False, **kw):
        try:
            self.admin(9, wanted, cdw10=fid | save << 31, cdw11=value, **kw)
        except PermissionError:
            # Newer kernels keep some features to themselves
            note(f"this kernel does not send Set Features of {fid:02x}h")
        return self.result

    def rw(self, opcode, slba, blocks, wanted=SUCCESS, nsid=1, control=0, **kw):
        return self.io(opcode, wanted, nsid=nsid, cdw10=slba & 0xffffffff, cdw11=slba >> 32,
                       cdw12=(blocks - 1) | control << 16, **kw)

    def dsm(self, ranges, wanted=SUCCESS, nsid=1, attributes=4, pad=0):
        data = b"".join(struct.pack("<IIQ", 0, nlb, slba) for slba, nlb in ranges)
        return self.io(9, wanted, nsid=nsid, write=data + bytes(pad), cdw10=len(ranges) - 1,
                       cdw11=attributes)
