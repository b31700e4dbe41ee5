#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""
Hosts that do not behave, against a target.

	peers.py ADDRESS PORT NQN [CASE...]

Each case is a row: how far the connection gets before it misbehaves, what it
sends, and the Fatal Error Status that the target has to answer with (None: it
need only close). Every case must end with the connection closed by the target
in time. The rest of the target is the caller's to look at.
"""
import os
import socket
import struct
import sys
import time

ICREQ, ICRESP, H2C_TERM, C2H_TERM, CMD, RSP, H2C_DATA, C2H_DATA, R2T = (
    0, 1, 2, 3, 4, 5, 6, 7, 9)
HDGSTF, DDGSTF, LAST, SUCCESS = 1, 2, 4, 8
HDR, SEQ, HDGST, RANGE, LIMIT, PARAM = 1, 2, 3, 4, 5, 6

CLOSE_LIMIT = 15        # seconds; covers connect_timeout and the linger

TABLE = []
for i in range(256):
    c = i
    for _ in range(8):
        c = c >> 1 ^ (0x82f63b78 if c & 1 else 0)
    TABLE.append(c)


def crc32c(data):
    c = 0xffffffff
    for b in data:
        c = c >> 8 ^ TABLE[(c ^ b) & 255]
    return c ^ 0xffffffff


class Closed(Exception):
    pass


def header(type_, flags, hlen, pdo, plen):
    return struct.pack('<BBBBI', type_, flags, hlen, pdo, plen)


def icreq(pfv=0, hpda=0, dgst=0, maxr2t=0, hlen=128, plen=128):
    return (header(ICREQ, 0, hlen, 0, plen) +
            struct.pack('<HBBI', pfv, hpda, dgst, maxr2t)).ljust(128, b'\0')


def sqe(opcode, cid, nsid=0, sgl_type=0x5a, sgl_len=0, cdw10=b'', addr=0,
        bytes4=None):
    """cdw10: the command's own bytes from 40 on"""
    s = struct.pack('<BBH', opcode, 0x40, cid)
    s += bytes4 if bytes4 is not None else struct.pack('<I', nsid)
    s = s.ljust(24, b'\0')
    s += struct.pack('<QI3xB', addr, sgl_len, sgl_type)
    return (s + cdw10).ljust(64, b'\0')


def capsule(s, data=b'', plen=None, pdo=None, flags=0, hlen=72):
    pdo = (72 if data else 0) if pdo is None else pdo
    plen = 72 + len(data) if plen is None else plen
    return header(CMD, flags, hlen, pdo, plen) + s + data


def connect(qid, sqsize, nqn, cntlid=0xffff, kato=0):
    d = (bytes(range(16)) + struct.pack('<H', cntlid)).ljust(256, b'\0')
    d += nqn.encode().ljust(256, b'\0')
    d += b'nqn.2014-08.org.nvmexpress:uuid:hostile'.ljust(256, b'\0')
    d = d.ljust(1024, b'\0')
    s = sqe(0x7f, 1, sgl_type=1, sgl_len=1024, bytes4=b'\1\0\0\0',
            cdw10=struct.pack('<HHHBxI', 0, qid, sqsize, 0, kato))
    return s, d


def h2c_data(cccid, ttag, off, data, flags=LAST, length=None, plen=None, pdo=24):
    n = len(data) if length is None else length
    plen = 24 + len(data) if plen is None else plen
    return (header(H2C_DATA, flags, 24, pdo, plen) +
            struct.pack('<HHII4x', cccid, ttag, off, n) + data)


class Peer:
    def __init__(self, target):
        self.addr, self.port, self.nqn = target
        family = socket.AF_INET6 if ':' in self.addr else socket.AF_INET
        self.s = socket.socket(family, socket.SOCK_STREAM)
        self.s.settimeout(CLOSE_LIMIT)
        self.s.connect((self.addr, self.port))
        self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.cntlid = None

    def send(self, *pdus):
        try:
            self.s.sendall(b''.join(pdus))
        except OSError:
            pass                # closed while we were at it; read on

    def read(self, n):
        buf = b''
        while len(buf) < n:
            try:
                b = self.s.recv(n - len(buf))
            except ConnectionError:
                b = b''
            if not b:
                raise Closed
            buf += b
        return buf

    def pdu(self):
        h = self.read(8)
        return h[0], h + self.read(struct.unpack('<I', h[4:])[0] - 8)

    def response(self, cid):
        while True:
            type_, p = self.pdu()
            if type_ == RSP:
                cqe = p[8:24]
                got, status = struct.unpack('<HH', cqe[12:16])
                assert got == cid, f'response to CID {got}'
                return status >> 1, struct.unpack('<Q', cqe[:8])[0]
            assert type_ in (R2T, C2H_DATA), f'PDU type {type_}'

    # How far a connection gets
    def tcp(self):
        return self

    def ic(self, **kw):
        self.send(icreq(**kw))
        type_, _ = self.pdu()
        assert type_ == ICRESP, f'PDU type {type_} for an ICResp'
        return self

    def admin(self, sqsize=31):
        self.ic()
        self.send(capsule(*connect(0, sqsize, self.nqn)))
        status, self.cntlid = self.response(1)
        assert status == 0, f'Connect: status {status:#x}'
        self.cntlid &= 0xffff
        # CC: enable, 64 and 16 byte entries
        self.send(capsule(sqe(0x7f, 2, bytes4=b'\0\0\0\0', cdw10=struct.pack(
            '<B3xIQ', 0, 0x14, 0x460001))))
        status, _ = self.response(2)
        assert status == 0, f'Property Set: status {status:#x}'
        return self

    def io(self, sqsize=15):
        self.first = Peer((self.addr, self.port, self.nqn)).admin()
        self.ic()
        self.send(capsule(*connect(1, sqsize, self.nqn, self.first.cntlid)))
        status, _ = self.response(1)
        assert status == 0, f'I/O Connect: status {status:#x}'
        return self

    def write_r2t(self, blocks=128, cid=7):
        """A write that needs an R2T: returns its TTAG, offset and length."""
        self.io()
        self.send(write(cid, blocks))
        type_, p = self.pdu()
        assert type_ == R2T, f'PDU type {type_} for an R2T'
        cccid, ttag, off, n = struct.unpack('<HHII', p[8:20])
        assert cccid == cid and off == 0 and n == blocks * 512
        self.ttag = ttag
        return self

    def ends(self):
        """Until the target closes. Returns the FES of its TermReq, or None."""
        fes = None
        start = time.monotonic()
        try:
            while time.monotonic() - start < CLOSE_LIMIT:
                type_, p = self.pdu()
                if type_ == C2H_TERM:
                    fes = struct.unpack('<H', p[8:10])[0]
                    # As a host that behaves: closes, and so spares the linger
                    self.s.shutdown(socket.SHUT_WR)
        except Closed:
            return fes
        except TimeoutError:
            pass
        raise AssertionError(f'not closed after {CLOSE_LIMIT} s')


def rw(opcode, cid, blocks, slba=0, sgl_len=None, sgl_type=0x5a):
    n = blocks * 512 if sgl_len is None else sgl_len
    return sqe(opcode, cid, nsid=1, sgl_type=sgl_type, sgl_len=n,
               cdw10=struct.pack('<QHH', slba, blocks - 1, 0))


def write(cid, blocks, **kw):
    return capsule(rw(1, cid, blocks, **kw))


def read(cid, blocks, **kw):
    return capsule(rw(2, cid, blocks, **kw))


def inline_write(cid, data):
    return capsule(rw(1, cid, len(data) // 512, sgl_type=1), data)


def bad_hdgst(p):
    p.ic(dgst=1)
    s, d = connect(0, 31, p.nqn)
    h = header(CMD, HDGSTF, 72, 76, 76 + len(d)) + s
    p.send(h, struct.pack('<I', crc32c(h) ^ 1), d)


def good_digests(p):
    """Not hostile at all: proves that the others are refused for a reason."""
    p.ic(dgst=3)
    s, d = connect(0, 31, p.nqn)
    h = header(CMD, HDGSTF | DDGSTF, 72, 76, 80 + len(d)) + s
    p.send(h, struct.pack('<I', crc32c(h)), d, struct.pack('<I', crc32c(d)))
    type_, rsp = p.pdu()
    assert type_ == RSP and rsp[22] >> 1 == 0 and rsp[23] == 0, 'Connect with digests'
    p.s.close()


def bad_ddgst(p):
    """The command fails, with Transient Transport Error; the queue lives."""
    p.ic(dgst=2)
    s, d = connect(0, 31, p.nqn)
    h = header(CMD, DDGSTF, 72, 72, 76 + len(d)) + s
    p.send(h, d, struct.pack('<I', crc32c(d) ^ 1))
    status, _ = p.response(1)
    assert status & 0x7ff == 0x22, f'status {status:#x} for a bad data digest'
    p.s.close()


def one_byte_at_a_time(p):
    """Slow but correct."""
    for b in icreq():
        p.send(bytes([b]))
    assert p.pdu()[0] == ICRESP
    for b in capsule(*connect(0, 31, p.nqn)):
        p.send(bytes([b]))
    status, _ = p.response(1)
    assert status == 0, f'Connect: status {status:#x}'
    p.s.close()


def never_reads(p):
    """As many large reads as the queue takes, and not one byte taken."""
    p.io(sqsize=15)
    for cid in range(15):
        p.send(read(100 + cid, 2048))
    time.sleep(3)
    p.s.close()
    p.first.s.close()


def reset_in_mid_data(p):
    p.write_r2t()
    p.send(h2c_data(7, p.ttag, 0, bytes(65536))[:30000])
    p.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    p.s.close()
    p.first.s.close()


def many_half_open(p):
    """Connections that say nothing: all are gone after connect_timeout."""
    peers = [Peer((p.addr, p.port, p.nqn)) for _ in range(100)]
    for i, q in enumerate(peers):
        q.send(icreq()[:i])
    for q in peers:
        q.ends()
    p.s.close()


def sends(state, *pdus):
    def run(p):
        getattr(p, state)()
        p.send(*pdus)
    return run


def r2t_then(make):
    def run(p):
        p.write_r2t()
        p.send(*make(p))
    return run


OURS = 'ours'           # no end to wait for: the case closes by itself

K64 = bytes(65536)
CASES = [
    # name, what it does, FES (a tuple: any of them; None: just closed)
    ('nothing', sends('tcp'), None),
    ('half an ICReq', sends('tcp', icreq()[:60]), None),
    ('no Connect', sends('ic'), None),
    ('half a Connect', lambda p: (p.ic(), p.send(capsule(*connect(0, 31, p.nqn))[:500])), None),
    ('garbage', sends('tcp', bytes(range(7, 255)) * 40), HDR),
    ('HTTP', sends('tcp', b'GET / HTTP/1.1\r\nHost: target\r\n\r\n' * 8), HDR),
    ('random after ICReq', lambda p: (p.ic(), p.send(b'\xff' + os.urandom(5000))), HDR),
    ('unknown PFV', sends('tcp', icreq(pfv=1)), PARAM),
    ('HPDA of 32', sends('tcp', icreq(hpda=32)), PARAM),
    ('ICReq, HLEN 255', sends('tcp', icreq(hlen=255)), HDR),
    ('ICReq, PLEN 0', sends('tcp', icreq(plen=0)), HDR),
    ('ICReq, PLEN 4 GiB - 1', sends('tcp', icreq(plen=0xffffffff)), HDR),
    ('two ICReqs', lambda p: (p.ic(), p.send(icreq())), SEQ),
    ('a capsule before ICReq', sends('tcp', write(1, 8)), SEQ),
    ('a controller\'s PDU', sends('ic', header(RSP, 0, 24, 0, 24) + bytes(16)), HDR),
    ('kickstart discovery', sends('ic', header(10, 0, 24, 0, 24) + bytes(16)), HDR),
    ('H2CData before Connect', sends('ic', h2c_data(0, 0, 0, bytes(512))), SEQ),
    ('capsule, HLEN 71', sends('ic', capsule(bytes(64), hlen=71)), HDR),
    ('capsule, PDO inside the header',
     sends('ic', capsule(bytes(64), bytes(512), pdo=40)), HDR),
    ('capsule, PDO past PLEN', sends('ic', capsule(bytes(64), bytes(4), pdo=200)), HDR),
    ('capsule, data past the limit',
     sends('admin', capsule(sqe(6, 9), plen=72 + 65536, pdo=72)), HDR),
    ('capsule, digest flags not agreed',
     sends('ic', capsule(bytes(64), flags=HDGSTF)), HDR),
    ('capsule, reserved flags', sends('ic', capsule(bytes(64), flags=0x80)), HDR),
    ('bad header digest', bad_hdgst, HDGST),
    ('Connect and more before its response',
     lambda p: (p.ic(), p.send(*[capsule(*connect(0, 31, p.nqn))] * 50)), (None, SEQ)),
    ('H2CData for nothing', sends('io', h2c_data(0, 0, 0, bytes(512))), HDR),
    ('H2CData, TTAG out of range', r2t_then(
        lambda p: [h2c_data(7, p.ttag ^ 0x7ff, 0, K64)]), HDR),
    ('H2CData, TTAG of another time', r2t_then(
        lambda p: [h2c_data(7, p.ttag ^ 0x8000, 0, K64)]), HDR),
    ('H2CData, CCCID of another command', r2t_then(
        lambda p: [h2c_data(8, p.ttag, 0, K64)]), HDR),
    ('H2CData past the R2T', r2t_then(
        lambda p: [h2c_data(7, p.ttag, 512, K64)]), RANGE),
    ('H2CData, DATAO + DATAL wraps', r2t_then(
        lambda p: [h2c_data(7, p.ttag, 0xfffffe00, bytes(1024))]), RANGE),
    ('H2CData with a gap', r2t_then(
        lambda p: [h2c_data(7, p.ttag, 1024, bytes(512), flags=0)]), HDR),
    ('H2CData twice', r2t_then(
        lambda p: [h2c_data(7, p.ttag, 0, bytes(512), flags=0)] * 2), HDR),
    ('H2CData, all of it twice', r2t_then(
        lambda p: [h2c_data(7, p.ttag, 0, K64)] * 2), HDR),
    ('H2CData, LAST_PDU early', r2t_then(
        lambda p: [h2c_data(7, p.ttag, 0, bytes(512))]), HDR),
    ('H2CData, LAST_PDU missing', r2t_then(
        lambda p: [h2c_data(7, p.ttag, 0, K64, flags=0)]), HDR),
    ('H2CData, DATAL other than PLEN', r2t_then(
        lambda p: [h2c_data(7, p.ttag, 0, K64, length=512)]), HDR),
    ('H2CData, more than MAXH2CDATA', r2t_then(
        lambda p: [h2c_data(7, p.ttag, 0, b'', length=1 << 30, plen=24 + (1 << 30))]),
     LIMIT),
    ('more commands than entries',
     lambda p: (p.io(sqsize=15), p.send(*[write(i, 128) for i in range(40)])), SEQ),
    ('H2CTermReq', sends('io', header(H2C_TERM, 0, 24, 0, 24) +
                         struct.pack('<HI', HDR, 4) + bytes(10)), None),
    ('H2CTermReq too long', sends('io', header(H2C_TERM, 0, 24, 0, 400) + bytes(400)), None),
    ('good digests', good_digests, OURS),
    ('bad data digest', bad_ddgst, OURS),
    ('a byte at a time', one_byte_at_a_time, OURS),
    ('a peer that never reads', never_reads, OURS),
    ('reset in the middle of H2CData', reset_in_mid_data, OURS),
    ('many half-open connections', many_half_open, OURS),
]


def main():
    target = (sys.argv[1], int(sys.argv[2]), sys.argv[3])
    wanted = sys.argv[4:]
    failed = 0
    for name, run, fes in CASES:
        if wanted and name not in wanted:
            continue
        start = time.monotonic()
        try:
            p = Peer(target)
            run(p)
            if fes != OURS:
                got = p.ends()
                want = fes if isinstance(fes, tuple) else (fes,)
                assert got in want, f'FES {got}, expected {fes}'
            result = 'ok'
        except (AssertionError, Closed, OSError) as e:
            result = f'FAIL: {e!r}'
            failed += 1
        print(f'{time.monotonic() - start:6.1f} s  {name}: {result}', flush=True)
    print(f'{failed} failed')
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
