# SPDX-License-Identifier: GPL-2.0-only
"""NVMe/TCP in bytes, from the host's end: PDUs, commands, and a connection that
sends and reads them. What it says is up to whoever uses it, nothing is checked
on its way out.

The PDUs are built without digests; seal() puts them in.
"""
import select
import socket
import struct
import time

ICREQ, ICRESP, H2C_TERM, C2H_TERM, CMD, RSP, H2C_DATA, C2H_DATA, R2T = (
    0, 1, 2, 3, 4, 5, 6, 7, 9)
HDGSTF, DDGSTF, LAST, SUCCESS = 1, 2, 4, 8
HDR, SEQ, HDGST, RANGE, LIMIT, PARAM = 1, 2, 3, 4, 5, 6
HLEN = {ICREQ: 128, ICRESP: 128, H2C_TERM: 24, C2H_TERM: 24, CMD: 72, RSP: 24, H2C_DATA: 24,
        C2H_DATA: 24, R2T: 24}
HOSTNQN = b"nqn.2014-08.org.nvmexpress:uuid:hostile"
DISCOVERY = "nqn.2014-08.org.nvmexpress.discovery"

TABLE = []
for _i in range(256):
    _c = _i
    for _ in range(8):
        _c = _c >> 1 ^ (0x82f63b78 if _c & 1 else 0)
    TABLE.append(_c)


def crc32c(data):
    c = 0xffffffff
    for b in data:
        c = c >> 8 ^ TABLE[(c ^ b) & 255]
    return c ^ 0xffffffff


class Closed(Exception):
    pass


def header(type_, flags, hlen, pdo, plen):
    return struct.pack("<BBBBI", type_, flags, hlen, pdo, plen)


def icreq(pfv=0, hpda=0, dgst=0, maxr2t=0):
    return (header(ICREQ, 0, 128, 0, 128) +
            struct.pack("<HBBI", pfv, hpda, dgst, maxr2t)).ljust(128, b"\0")


def sqe(opcode, cid, nsid=0, sgl_type=0x5a, sgl_len=0, cdw10=b"", bytes4=None):
    """cdw10: the command's own bytes from 40 on"""
    s = struct.pack("<BBH", opcode, 0x40, cid)
    s += bytes4 if bytes4 is not None else struct.pack("<I", nsid)
    s = s.ljust(24, b"\0")
    s += struct.pack("<QI3xB", 0, sgl_len, sgl_type)
    return (s + cdw10).ljust(64, b"\0")


def capsule(s, data=b""):
    return header(CMD, 0, 72, 72 if data else 0, 72 + len(data)) + s + data


def connect(cid, qid, sqsize, nqn, cntlid=0xffff, kato=0, hostnqn=HOSTNQN):
    d = (bytes(range(16)) + struct.pack("<H", cntlid)).ljust(256, b"\0")
    d += nqn.encode().ljust(256, b"\0") + hostnqn.ljust(256, b"\0")
    d = d.ljust(1024, b"\0")
    return capsule(sqe(0x7f, cid, sgl_type=1, sgl_len=1024, bytes4=b"\1\0\0\0",
                       cdw10=struct.pack("<HHHBxI", 0, qid, sqsize, 0, kato)), d)


def prop_set(cid, offset, value, size8=False):
    return capsule(sqe(0x7f, cid, bytes4=b"\0\0\0\0",
                       cdw10=struct.pack("<B3xIQ", size8, offset, value)))


def prop_get(cid, offset, size8=False):
    return capsule(sqe(0x7f, cid, bytes4=b"\4\0\0\0",
                       cdw10=struct.pack("<B3xI", size8, offset)))


def rw(opcode, cid, blocks, slba=0, sgl_type=0x5a):
    return sqe(opcode, cid, nsid=1, sgl_type=sgl_type, sgl_len=blocks * 512,
               cdw10=struct.pack("<QHH", slba, blocks - 1, 0))


def h2c_data(cccid, ttag, off, data, flags=LAST):
    return (header(H2C_DATA, flags, 24, 24 if data else 0, 24 + len(data)) +
            struct.pack("<HHII4x", cccid, ttag, off, len(data)) + data)


def seal(pdu, hd, dd, change=None, bad=()):
    """A PDU with the digests that were agreed on. @change(header, data) alters
    the two before the digests are made; @bad: "hdgst", "ddgst" to spoil."""
    hlen = HLEN.get(pdu[0], 24)
    head, data = bytearray(pdu[:hlen]), bytearray(pdu[hlen:])
    if pdu[0] < CMD:
        hd = dd = False
    dd = dd and data
    if hd:
        head[1] |= HDGSTF
        head[4:8] = struct.pack("<I", hlen + 4 + len(data))
        if data:
            head[3] += 4
    if dd:
        head[1] |= DDGSTF
        head[4:8] = struct.pack("<I", struct.unpack("<I", head[4:8])[0] + 4)
    if change:
        change(head, data)
    out = bytes(head)
    if hd:
        out += struct.pack("<I", crc32c(head) ^ ("hdgst" in bad))
    out += data
    if dd:
        out += struct.pack("<I", crc32c(data) ^ ("ddgst" in bad))
    return out


class Peer:
    """A connection as a host has it. What may have to wait is a coroutine, so
    that one thread can have many: it yields its Peer until there is something
    to read; see Crowd."""

    def __init__(self, addr, port, nqn):
        self.nqn = nqn
        self.s = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET,
                               socket.SOCK_STREAM)
        self.s.settimeout(20)
        self.s.connect((addr, port))
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.s.settimeout(0)
        self.buf = bytearray()
        self.hd = self.dd = False
        self.cntlid = None

    def send(self, *pdus):
        try:
            self.s.settimeout(20)
            self.s.sendall(b"".join(pdus))
            self.s.settimeout(0)
        except OSError:
            pass                # closed while we were at it; read on

    def read(self, n):
        while len(self.buf) < n:
            try:
                b = self.s.recv(65536)
            except BlockingIOError:
                yield self
                continue
            except OSError:
                b = b""
            if not b:
                raise Closed
            self.buf += b
        out = bytes(self.buf[:n])
        del self.buf[:n]
        return out

    def pdu(self):
        """(type, header, data) of what comes next; what is malformed is an
        AssertionError: the peer under test never sends it."""
        h = yield from self.read(8)
        type_, flags, hlen, pdo, plen = struct.unpack("<BBBBI", h)
        digests = type_ >= CMD
        hd, dd = (4 if self.hd and digests else 0), (4 if self.dd and digests else 0)
        assert HLEN.get(type_) == hlen <= plen < 1 << 25, f"malformed: {h.hex()}"
        h += yield from self.read(hlen - 8)
        if hd:
            got = yield from self.read(4)
            assert flags & HDGSTF and got == struct.pack("<I", crc32c(h)), "HDGST"
        if type_ == ICRESP:
            self.hd, self.dd = bool(h[11] & 1), bool(h[11] & 2)
        if plen == hlen + hd:
            return type_, h, b""
        if type_ == C2H_TERM:
            return type_, h, (yield from self.read(plen - hlen))
        assert hlen + hd <= pdo < plen, f"malformed: {h.hex()}"
        data = (yield from self.read(plen - hlen - hd))[pdo - hlen - hd:]
        if dd:
            assert flags & DDGSTF and data[-4:] == struct.pack("<I", crc32c(data[:-4])), "DDGST"
            data = data[:-4]
        return type_, h, data

    def response(self, cid):
        """(status without the phase tag, result)"""
        while True:
            type_, h, _ = yield from self.pdu()
            if type_ == RSP:
                result, got, status = struct.unpack("<Q4xHH", h[8:24])
                assert got == cid, f"response to CID {got:#x}"
                return status >> 1, result
            assert type_ in (R2T, C2H_DATA), f"PDU type {type_}"

    # How far a connection gets
    def ic(self, **kw):
        self.send(icreq(**kw))
        type_, _, _ = yield from self.pdu()
        assert type_ == ICRESP, f"PDU type {type_} for an ICResp"

    def done(self, cid, pdu):
        self.send(seal(pdu, self.hd, self.dd))
        status, result = yield from self.response(cid)
        assert status == 0, f"status {status:#x} of {pdu[8:16].hex()}"
        return result

    def admin(self, kato=0):
        result = yield from self.done(1, connect(1, 0, 31, self.nqn, kato=kato))
        self.cntlid = result & 0xffff
        # CC: enable, 64 and 16 byte entries
        yield from self.done(2, prop_set(2, 0x14, 0x460001))

    def io(self, qid, cntlid, sqsize=15):
        yield from self.done(1, connect(1, qid, sqsize, self.nqn, cntlid))


class Crowd:
    """Runs coroutines, so many at a time; each may wait for @limit seconds, then
    it gets a TimeoutError. What one yields is the Peer that it waits for, or a
    number of seconds."""

    def __init__(self, size, limit):
        self.size, self.limit = size, limit

    def run(self, coroutines):
        poll, waiting = select.poll(), {}       # fd: (coroutine, when it gives up)
        sleeping = []
        source = iter(coroutines)

        def step(co, error=None):
            now = time.monotonic()
            try:
                on = co.throw(error) if error else next(co)
            except StopIteration:
                return
            if isinstance(on, Peer):
                waiting[on.s.fileno()] = co, now + (getattr(on, "limit", None) or self.limit)
                poll.register(on.s.fileno(), select.POLLIN)
            else:
                sleeping.append((now + on, co))

        more, looked = True, 0.0
        while more or waiting or sleeping:
            while more and len(waiting) + len(sleeping) < self.size:
                co = next(source, None)
                if co is None:
                    more = False
                else:
                    step(co)
            ready = poll.poll(20 if sleeping else 200) if waiting else time.sleep(0.02) or ()
            for fd, _ in ready:
                poll.unregister(fd)
                step(waiting.pop(fd)[0])
            now = time.monotonic()
            if now > looked + 0.05:
                looked = now
                for fd, (co, end) in list(waiting.items()):
                    if now > end:
                        poll.unregister(fd)
                        del waiting[fd]
                        step(co, TimeoutError())
            due = [s for s in sleeping if s[0] <= now]
            sleeping = [s for s in sleeping if s[0] > now]
            for _, co in due:
                step(co)
