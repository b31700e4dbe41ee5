#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""An NVMe/TCP controller with one small namespace in memory, which does what a
real one would not: unusual but legal parameters, and faults on demand.

  fakectrl.py [--port 4420] [--opt NAME=VALUE ...]

One command a line on standard input changes options while it runs. Options:

  cpda         CPDA of ICResp (0)
  maxh2c       MAXH2CDATA (131072)
  hdgst ddgst  digests it agrees to (1)
  ioccsz       in-capsule bytes of I/O queues (0)
  r2t          bytes per R2T, 0: all of it (0)
  r2ts         R2Ts it has outstanding per command (1)
  c2h          bytes per C2HData, 0: all of it (0)
  success      1: C2HData with SUCCESS instead of a CapsuleResp (0)
  oldfab       1: a Connect with attributes is an invalid one (0)
  queues       I/O queues that it gives (4)
  split        bytes per send, 0: all of it (0)
  fault        what goes wrong with the next I/O command, once; see FAULTS

Each line that it prints is an event: "connect QID", "term FES FEI", "fault
NAME", "closed QID", "digest" (a wrong one from the host), "option NAME=VALUE"
(from standard input, and in force).
"""
import argparse
import socket
import struct
import sys
import threading
import uuid

OPT = {"cpda": 0, "maxh2c": 131072, "hdgst": 1, "ddgst": 1, "ioccsz": 0, "r2t": 0,
       "r2ts": 1, "c2h": 0, "success": 0, "queues": 4, "split": 0, "oldfab": 0,
       "fault": ""}
SIZE = 16 << 20
DISK = bytearray(SIZE)
UUID = uuid.UUID("6e766d65-7463-4070-8000-66616b650001").bytes
LOCK = threading.Lock()

TABLE = []
for _i in range(256):
    _c = _i
    for _ in range(8):
        _c = _c >> 1 ^ (0x82f63b78 if _c & 1 else 0)
    TABLE.append(_c)


def crc32c(data):
    crc = 0xffffffff
    for b in data:
        crc = TABLE[(crc ^ b) & 255] ^ crc >> 8
    return crc ^ 0xffffffff


def say(*words):
    with LOCK:
        print(*words, flush=True)


class Gone(Exception):
    pass


class Write:
    """A write that waits for its data."""

    def __init__(self, cid, off, length):
        self.cid, self.off, self.len = cid, off, length
        self.granted = self.done = 0
        self.open = {}


class Conn:
    def __init__(self, sock):
        self.sock = sock
        self.qid = -1
        self.hdgst = self.ddgst = self.sqflow_off = False
        self.hpda = 0
        self.writes = {}
        self.ttag = 0x100
        self.sqhd = 0
        self.cc = self.csts = 0
        self.held = None

    # --- bytes ---

    def read(self, n):
        out = bytearray()
        while len(out) < n:
            got = self.sock.recv(min(n - len(out), 1 << 20))
            if not got:
                raise Gone
            out += got
        return bytes(out)

    def send(self, data):
        if self.held is not None:
            self.held += data
            return
        step = OPT["split"] or len(data)
        for at in range(0, len(data), step):
            self.sock.sendall(data[at:at + step])

    def at_once(self, *calls):
        """Several PDUs in one send: the host reads all before it answers."""
        self.held = bytearray()
        for call in calls:
            call()
        data, self.held = self.held, None
        self.send(bytes(data))

    def pdu(self, kind, specific, data=b"", flags=0, bad_hdgst=False, bad_ddgst=False):
        hlen = 8 + len(specific)
        at = hlen + (4 if self.hdgst else 0)
        pdo = 0
        if data:
            align = (self.hpda + 1) * 4
            pdo = (at + align - 1) // align * align
        plen = (pdo or at) + len(data) + (4 if data and self.ddgst else 0)
        flags |= (1 if self.hdgst else 0) | (2 if data and self.ddgst else 0)
        head = struct.pack("<BBBBI", kind, flags, hlen, pdo, plen) + specific
        out = head
        if self.hdgst:
            out += struct.pack("<I", crc32c(head) ^ (1 if bad_hdgst else 0))
        if data:
            out += b"\0" * (pdo - len(out)) + bytes(data)
            if self.ddgst:
                out += struct.pack("<I", crc32c(data) ^ (1 if bad_ddgst else 0))
        self.send(out)

    def rsp(self, cid, status=0, result=0, **kw):
        self.pdu(5, struct.pack("<QHHHH", result, self.sqhd, 0, cid, status << 1), **kw)

    def c2h(self, cid, off, data, flags, **kw):
        self.pdu(7, struct.pack("<HHIII", cid, 0, off, len(data), 0), data, flags, **kw)

    def r2t(self, cid, ttag, off, length):
        self.pdu(9, struct.pack("<HHIII", cid, ttag, off, length, 0))

    def term(self, fes, fei):
        body = struct.pack("<HIHQ", fes, fei, 0, 0)
        self.send(struct.pack("<BBBBI", 3, 0, 24, 0, 24) + body)

    # --- the connection ---

    def run(self):
        try:
            self.ic()
            while True:
                self.one()
        except (Gone, OSError):
            pass
        say("closed", self.qid)
        self.sock.close()

    def ic(self):
        req = self.read(128)
        self.hpda = req[10]
        self.maxr2t = struct.unpack_from("<I", req, 12)[0] + 1
        hd, dd = req[11] & 1 and OPT["hdgst"], req[11] >> 1 & 1 and OPT["ddgst"]
        out = bytearray(128)
        struct.pack_into("<BBBBIHBBI", out, 0, 1, 0, 128, 0, 128, 0, OPT["cpda"],
                         (1 if hd else 0) | (2 if dd else 0), OPT["maxh2c"])
        self.send(bytes(out))
        self.hdgst, self.ddgst = bool(hd), bool(dd)

    def one(self):
        ch = self.read(8)
        kind, _, hlen, pdo, plen = struct.unpack("<BBBBI", ch)
        head = ch + self.read(hlen - 8)
        at = hlen
        if kind == 2:
            fes, fei = struct.unpack_from("<HI", head, 8)
            say("term", fes, fei)
            raise Gone
        if self.hdgst:
            if struct.unpack("<I", self.read(4))[0] != crc32c(head):
                say("digest")
            at += 4
        data = b""
        if plen > at:
            if pdo % ((OPT["cpda"] + 1) * 4):
                say("alignment", pdo)
            self.read(pdo - at)
            data = self.read(plen - pdo - (4 if self.ddgst else 0))
            if self.ddgst and struct.unpack("<I", self.read(4))[0] != crc32c(data):
                say("digest")
        if kind == 4:
            self.command(head[8:72], data)
        elif kind == 6:
            self.h2c(head, data)
        else:
            say("unexpected", kind)

    def command(self, sqe, data):
        op, cid = sqe[0], struct.unpack_from("<H", sqe, 2)[0]
        self.sqhd = (self.sqhd + 1) % 128
        if op == 0x7f:
            self.fabrics(sqe, cid, data)
        elif self.qid == 0:
            self.admin(op, sqe, cid)
        else:
            self.io(op, sqe, cid, data)

    def fabrics(self, sqe, cid, data):
        kind = sqe[4]
        if kind == 1:
            self.qid = struct.unpack_from("<H", sqe, 42)[0]
            if OPT["oldfab"] and sqe[46]:
                say("refused", self.qid)
                self.rsp(cid, 0x4002)
                return
            say("connect", self.qid)
            self.rsp(cid, 0, 1)
        elif kind == 4:
            off = struct.unpack_from("<I", sqe, 44)[0]
            value = {0: 0x7f | 1 << 16 | 20 << 24 | 1 << 37, 8: 0x10400, 0x14: self.cc,
                     0x1c: self.csts}.get(off, 0)
            self.rsp(cid, 0, value)
        elif kind == 0:
            off, value = struct.unpack_from("<IQ", sqe, 44)
            if off == 0x14:
                self.cc = value
                self.csts = (value & 1) | (8 if value >> 14 & 3 else 0)
            self.rsp(cid)
        else:
            self.rsp(cid, 0x4002)

    def answer(self, cid, data, want):
        data = bytes(data[:want]).ljust(want, b"\0")
        self.c2h(cid, 0, data, 4)
        self.rsp(cid)

    def admin(self, op, sqe, cid):
        want = struct.unpack_from("<I", sqe, 32)[0]
        cdw10, cdw11 = struct.unpack_from("<II", sqe, 40)
        if op == 6:
            page = self.identify(cdw10 & 255)
            if page is None:
                self.rsp(cid, 0x4002)
            else:
                self.answer(cid, page, want)
        elif op == 9:
            n = OPT["queues"] - 1
            self.rsp(cid, 0, n | n << 16 if cdw10 & 255 == 7 else 0)
        elif op == 0x0c:
            pass
        elif op == 2:
            self.answer(cid, b"", want)
        elif op == 0x18:
            self.rsp(cid)
        else:
            self.rsp(cid, 0x4001)

    @staticmethod
    def identify(cns):
        out = bytearray(4096)
        if cns == 1:
            out[4:24], out[24:64], out[64:72] = b"fake".ljust(20), b"fake".ljust(40), b"1".ljust(8)
            out[77] = 8
            struct.pack_into("<H", out, 78, 1)
            struct.pack_into("<I", out, 80, 0x10400)
            out[111] = 1
            struct.pack_into("<H", out, 320, 10)
            out[512], out[513] = 0x66, 0x44
            struct.pack_into("<HI", out, 514, 128, 1)
            struct.pack_into("<I", out, 536, 1)
            out[768:768 + 4] = b"fake"
            struct.pack_into("<IIHBB", out, 1792, 4 + OPT["ioccsz"] // 16, 1, 0, 0, 1)
        elif cns == 0:
            struct.pack_into("<QQQ", out, 0, SIZE // 512, SIZE // 512, SIZE // 512)
            out[130] = 9
        elif cns == 2:
            struct.pack_into("<I", out, 0, 1)
        elif cns == 3:
            out[0:4], out[4:20] = bytes([3, 16, 0, 0]), UUID
        else:
            return None
        return out

    # --- reads and writes ---

    def io(self, op, sqe, cid, data):
        if op == 0:
            self.rsp(cid)
            return
        if op not in (1, 2):
            self.rsp(cid, 0x4001)
            return
        lba, nlb = struct.unpack_from("<QH", sqe, 40)
        off, length = lba * 512, (nlb + 1) * 512
        fault = OPT["fault"]
        if fault and FAULTS[fault][0] in ("rw"[op == 1], "*"):
            OPT["fault"] = ""
            say("fault", fault)
            if FAULTS[fault][1](self, cid, off, length):
                return
        if op == 2:
            self.reading(cid, off, length)
        elif data:
            DISK[off:off + length] = data
            self.rsp(cid)
        else:
            w = Write(cid, off, length)
            self.writes[cid] = w
            self.grant(w)

    def reading(self, cid, off, length, **kw):
        step = OPT["c2h"] or length
        for at in range(0, length, step):
            n = min(step, length - at)
            last = at + n == length
            self.c2h(cid, at, DISK[off + at:off + at + n],
                     (4 if last else 0) | (8 if last and OPT["success"] else 0), **kw)
        if not OPT["success"]:
            self.rsp(cid)

    def grant(self, w):
        while len(w.open) < min(OPT["r2ts"], self.maxr2t) and w.granted < w.len:
            n = min(OPT["r2t"] or w.len, w.len - w.granted)
            self.ttag = self.ttag + 1 & 0xffff
            w.open[self.ttag] = [w.granted, n, 0]
            self.r2t(w.cid, self.ttag, w.granted, n)
            w.granted += n

    def h2c(self, head, data):
        cid, ttag, off, length = struct.unpack_from("<HHII", head, 8)
        w = self.writes.get(cid)
        if not w or ttag not in w.open:
            say("stray", cid, ttag)
            return
        r = w.open[ttag]
        last = head[1] & 4
        if off != r[0] + r[2] or length != len(data) or length > OPT["maxh2c"] or \
                bool(last) != (r[2] + length == r[1]):
            say("bad-h2c", off, length, last, r)
        DISK[w.off + off:w.off + off + length] = data
        r[2] += length
        w.done += length
        if r[2] == r[1]:
            del w.open[ttag]
            self.grant(w)
        if w.done == w.len:
            del self.writes[cid]
            self.rsp(cid)


# Each: (r, w or *: which command; function of (conn, cid, off, length), true:
# the command has been dealt with)

def f_bad_ddgst(c, cid, off, length):
    c.reading(cid, off, length, bad_ddgst=True)
    return True


def f_early_error(c, cid, off, length):
    """An R2T, and before its data can come the command's end."""
    c.at_once(lambda: c.r2t(cid, 0x7777, 0, length), lambda: c.rsp(cid, 0x0006))
    return True


def f_term(c, cid, off, length):
    c.term(2, 0)
    return True


def f_success_short(c, cid, off, length):
    """Success, but half of the data is missing."""
    c.c2h(cid, 0, DISK[off:off + length // 2], 0)
    c.rsp(cid)
    return True


def f_r2t_limit(c, cid, off, length):
    c.at_once(*(lambda i=i: c.r2t(cid, 1 + i, 4 * i, 4) for i in range(64)))
    return True


def f_write_undone(c, cid, off, length):
    """Success for a write whose data nobody has asked for."""
    c.rsp(cid)
    return True


FAULTS = {
    "bad-ddgst": ("r", f_bad_ddgst),
    "early-error": ("w", f_early_error),
    "term": ("*", f_term),
    "success-short": ("r", f_success_short),
    "write-undone": ("w", f_write_undone),
    "silence": ("*", lambda c, cid, off, n: True),
    "hangup": ("*", lambda c, cid, off, n: c.sock.shutdown(socket.SHUT_RDWR) or True),
    # From here on what the host must answer with H2CTermReq
    "bad-hdgst": ("r", lambda c, cid, off, n: c.rsp(cid, bad_hdgst=True) or True),
    "unknown-cid": ("*", lambda c, cid, off, n: c.rsp(cid ^ 0x7000) or True),
    "twice": ("*", lambda c, cid, off, n: (c.rsp(cid, 6), c.rsp(cid, 6)) and True),
    "past-end": ("r", lambda c, cid, off, n: c.c2h(cid, n - 256, b"x" * 512, 4) or True),
    "c2h-for-write": ("w", lambda c, cid, off, n: c.c2h(cid, 0, b"x" * 512, 4) or True),
    "r2t-for-read": ("r", lambda c, cid, off, n: c.r2t(cid, 1, 0, 512) or True),
    "r2t-past-end": ("w", lambda c, cid, off, n: c.r2t(cid, 1, 0, n + 512) or True),
    "r2t-limit": ("w", f_r2t_limit),
    "icresp": ("*", lambda c, cid, off, n: c.send(struct.pack(
        "<BBBBIHBBI", 1, 0, 128, 0, 128, 0, 0, 0, 131072).ljust(128, b"\0")) or True),
    "unknown-type": ("*", lambda c, cid, off, n: c.send(
        struct.pack("<BBBBI", 0x42, 0, 24, 0, 24).ljust(24, b"\0")) or True),
    "plen": ("*", lambda c, cid, off, n: c.send(
        struct.pack("<BBBBI", 7, 0, 24, 24, 0xffffffff).ljust(24, b"\0")) or True),
}


def option(text):
    name, _, value = text.partition("=")
    if name not in OPT or name == "fault" and value and value not in FAULTS:
        raise SystemExit(f"no such option: {text}")
    OPT[name] = value if name == "fault" else int(value)


def listen(port):
    server = socket.create_server(("::", port), family=socket.AF_INET6,
                                  dualstack_ipv6=True, backlog=64)
    say("ready")
    while True:
        sock, _ = server.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=Conn(sock).run, daemon=True).start()


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--port", type=int, default=4420)
    p.add_argument("--opt", action="append", default=[], metavar="NAME=VALUE")
    args = p.parse_args()
    for text in args.opt:
        option(text)
    threading.Thread(target=listen, args=(args.port,), daemon=True).start()
    for line in sys.stdin:
        option(line.strip())
        say("option", line.strip())


if __name__ == "__main__":
    main()
