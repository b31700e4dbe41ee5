#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Plays hostile controllers against the live host.

  host.py [options] ADDRESS

Some controllers at once, as each attack costs the host a reconnect; each with a
row at a time. What provokes an attack is an I/O, or a connection that ends; that
I/O must be answered in the end, with the right data.
"""
import argparse
import glob
import mmap
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path += [HERE, os.path.join(HERE, "..", "vm")]

import fakectrl                                                 # noqa: E402
import peers                                                    # noqa: E402
import table                                                    # noqa: E402

SETUP = ("icreq", "connect")            # phases that a new connection provokes
KIND = {"read": 2, "write": 1, "iwrite": 1, "discard": 9, "queued": 1}
ODD = ("digest", "alignment", "unexpected", "bad-h2c")
SIZE = {"read": 8192, "write": 8192, "iwrite": 4096, "discard": 4096, "queued": 4096}
DEPTH = 16
WMEM = "/proc/sys/net/ipv4/tcp_wmem"
fakectrl.OPT.update(ioccsz=4096)
# A thread is a connection: who says something is known by it
HERE_NOW = threading.local()
fakectrl.say = lambda *words: HERE_NOW.conn.event(*words)


class Conn(fakectrl.Conn):
    """A connection of a controller that may have a row to play"""

    def __init__(self, sock, ctl):
        super().__init__(sock)
        self.ctl, self.mine = ctl, None

    def run(self):
        HERE_NOW.conn = self
        try:
            self.ic()
            while True:
                self.one()
        except (fakectrl.Gone, OSError, struct.error) as e:
            self.ctl.why = repr(e)
        except AssertionError as e:
            self.ctl.end(self.mine, str(e))
        self.ctl.end(self.mine, "gone" if self.sock.fileno() < 0 else "close")
        self.sock.close()

    def event(self, *words):
        if words[0] == "term":
            self.ctl.end(self.mine, table.term(*words[1:]))
        elif words[0] in ODD:
            self.ctl.odd.append(words)

    def fire(self, *phases):
        """The row, if one of these phases is what it waits for"""
        row = self.ctl.row
        if row and row.phase in phases and not self.ctl.fired:
            self.ctl.fired, self.mine = True, row
            return row
        return None

    # -- where it can strike --------------------------------------------------

    def ic(self):
        row = self.fire("icreq")
        if not row:
            super().ic()
            return
        req = self.read(128)
        self.maxr2t = struct.unpack_from("<I", req, 12)[0] + 1
        self.icresp = (peers.header(1, 0, 128, 0, 128) + struct.pack(
            "<HBBI", 0, 0, req[11] & 3, 131072)).ljust(128, b"\0")
        self.play(row, 0, 0, 0)
        # As the last ICResp has it
        self.hdgst, self.ddgst = bool(req[11] & 1), bool(req[11] & 2)

    def fabrics(self, sqe, cid, data):
        if sqe[4] == 1:
            self.qid = struct.unpack_from("<H", sqe, 42)[0]
            self.ctl.connected(self)
            row = self.fire("connect")
            if row:
                self.play(row, cid, 0, 0)
                if not self.answered and row.expected[0] == "ok":
                    self.rsp(cid, 0, 1)
                return
        super().fabrics(sqe, cid, data)

    def identify(self, cns):
        page = fakectrl.Conn.identify(cns)
        if cns == 3:
            page[4:20] = self.ctl.uuid
        elif cns == 1:
            page[4:24] = f"fake{self.ctl.nr}".encode().ljust(20)
            page[520] = 4               # ONCS: Dataset Management
            page[768:1024] = self.ctl.nqn.encode().ljust(256, b"\0")
        return page

    def io(self, op, sqe, cid, data):
        lba, nlb = struct.unpack_from("<QH", sqe, 40)
        off, length = lba * 512, (nlb + 1) * 512
        row = self.ctl.row
        self.ctl.gens[cid & 0xfff] = cid >> 12
        if row and not self.ctl.fired and (
                KIND.get(row.phase) == op and (op == 9 or length == SIZE[row.phase]) or
                row.phase == "spoil"):
            if row.phase != "spoil":
                self.ctl.fired, self.mine = True, row
                self.play(row, cid, off, length, data)
                return
            self.mine = row
        if op == 9:
            self.rsp(cid)
            return
        super().io(op, sqe, cid, data)

    def waiting(self, cid):
        """The CID, as it must be, of a command that waits for room in the host's
        socket: the host has all its tags in use, and this one has not come."""
        seen, before = b"", None
        while len(seen) != before:
            before = len(seen)
            time.sleep(0.5)
            seen = self.sock.recv(1 << 20, socket.MSG_PEEK)
        come, at = {cid & 0xfff}, 0
        while at + 12 <= len(seen):
            come.add(struct.unpack_from("<H", seen, at + 10)[0] & 0xfff)
            at += struct.unpack_from("<I", seen, at + 4)[0]
        # What is not here may be in the host's socket, which is sent. Tags are given
        # in order to one CPU: the first one's predecessor is among the last in the
        # queue. (The last tag of all, newer cores do not use.)
        tag = max((t for t in range(1, DEPTH - 1) if t not in come),
                  key=lambda t: (t - cid) % DEPTH, default=None)
        if tag is None:
            raise AssertionError("no command waits")
        return (self.ctl.gens.get(tag, 0) + 1 & 15) << 12 | tag

    # -- what it can send -----------------------------------------------------

    def base(self, step, cid, off, length):
        a, p, word = step.args, peers, step.word
        if word == "icresp":
            return getattr(self, "icresp", p.header(1, 0, 128, 0, 128).ljust(128, b"\0"))
        if word == "pdu":
            return p.header(0, 0, 24, 0, 24) + bytes(16)
        if word == "c2hterm":
            return p.header(3, 0, 24, 0, 24) + struct.pack("<HI10x", 1, 4)
        if word == "rsp":
            self.answered = True
            return p.header(5, 0, 24, 0, 24) + struct.pack("<QHHHH", self.qid == 0, self.sqhd,
                                                           0, cid, 0)
        at, n = a[:2] if len(a) > 1 else (0, length)
        if word == "r2t":
            self.ttag = self.ttag + 1 & 0xffff
            return p.header(9, 0, 24, 0, 24) + struct.pack("<HHII4x", cid, self.ttag, at, n)
        data = bytes(fakectrl.DISK[off + at:off + at + n])
        last = p.LAST if at + n >= length else 0
        return (p.header(7, last, 24, 24 if data else 0, 24 + len(data)) +
                struct.pack("<HHII4x", cid, 0, at, len(data)) + data)

    def play(self, row, cid, off, length, data=b""):
        self.answered = False
        if row.phase == "write":
            self.writes[cid] = fakectrl.Write(cid, off, length)
        elif row.phase in ("iwrite", "queued"):
            fakectrl.DISK[off:off + length] = data
        if row.phase == "queued":
            self.rsp(cid)
            cid = self.waiting(cid)
        for step in row.steps:
            if step.word in ("rst", "fin"):
                if step.word == "rst":
                    self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                         struct.pack("ii", 1, 0))
                    self.sock.close()
                else:
                    self.sock.shutdown(socket.SHUT_RDWR)
                self.ctl.end(row, "gone")
                raise fakectrl.Gone
            if step.word == "quiet":
                return
            if step.word == "raw":
                self.send(bytes.fromhex(str(step.args[0])) * step.args[1])
                continue
            for _ in range(int(step.opts.get("x", 1))):
                self.say(step, row, cid, off, length)
        if self.answered:
            self.writes.pop(cid, None)
        # What was right is to be gone on with
        if "ok" in row.expected and not self.answered and row.phase in ("read", "iwrite"):
            self.rsp(cid)

    def say(self, step, row, cid, off, length):
        more = ()
        pdu = self.base(step, cid, off, length)
        if row.pending and step is row.steps[-1]:
            right = peers.seal(pdu, self.hdgst, self.ddgst, step.change(pdu[0]))
            value, row.expected = row.pending.apply(right)
            more = [(row.pending.name, "=", str(value))]
        pdu = peers.seal(pdu, self.hdgst, self.ddgst, step.change(pdu[0], more),
                         (step.opts.get("bad"),))
        pdu = step.finish(pdu, 0, more)
        if pdu[0] == 9 and row.phase == "write":
            # What it asks for, for fakectrl to take
            cccid, ttag, at, n = struct.unpack_from("<HHII", pdu, 8)
            w = self.writes.get(cccid)
            if w:
                w.open[ttag] = [at, n, w.open[ttag][2] if ttag in w.open else 0]
                w.granted = at + n
        for i in range(0, len(pdu), int(step.opts.get("by", 1 << 20))):
            self.send(pdu[i:i + int(step.opts.get("by", 1 << 20))])

    def send(self, data):
        if self.ctl.spoil and self.qid > 0 and self.mine and not self.ctl.fired:
            self.ctl.fired = True
            data = self.ctl.spoil(data)
        super().send(data)


class Ctl:
    """A controller, and the host's device of it"""

    def __init__(self, player, nr, digests):
        self.player, self.nr, self.digests = player, nr, digests
        self.port, self.nqn = player.port + nr, f"attack{nr}"
        self.uuid = fakectrl.UUID[:-1] + bytes([nr])
        self.row, self.fired, self.result = None, False, None
        self.why = ""           # the last connection's end
        self.spoil = None
        self.odd, self.admin, self.conns = [], None, 0
        self.gens = {}          # tag: the rest of its last CID
        self.turn = threading.Condition()
        self.fd = None
        # Its part of the disk, with contents of its own
        self.at = nr << 16
        self.data = random.Random(nr).randbytes(8192)
        self.buf = mmap.mmap(-1, 8192)
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        server.bind((player.addr, self.port))
        server.listen(64)
        threading.Thread(target=self.serve, args=(server,), daemon=True).start()

    def serve(self, server):
        while True:
            sock, _ = server.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=Conn(sock, self).run, daemon=True).start()

    def connected(self, conn):
        with self.turn:
            self.conns += 1
            if conn.qid == 0:
                self.admin = conn
            self.turn.notify_all()

    def end(self, row, result):
        """The first news of the row that is being played"""
        with self.turn:
            if row and row is self.row and self.result is None:
                self.result = result
            self.turn.notify_all()

    # -- the host's end -------------------------------------------------------

    def device(self):
        for c in glob.glob("/sys/class/nvme/nvme*"):
            try:
                with open(f"{c}/subsysnqn") as f:
                    if f.read().strip() != self.nqn:
                        continue
            except OSError:
                continue
            for d in sorted(glob.glob(f"/sys/class/nvme-subsystem/*/{os.path.basename(c)}/..") +
                            [c]):
                for n in glob.glob(f"{d}/nvme*n1"):
                    dev = "/dev/" + os.path.basename(n)
                    if os.path.exists(dev):
                        return dev
        return None

    def known(self):
        for p in glob.glob("/sys/class/nvme/nvme*/subsysnqn"):
            try:
                with open(p) as f:
                    if f.read().strip() == self.nqn:
                        return True
            except OSError:
                pass            # another's, which just goes
        return False

    def connect(self):
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None
        if not self.known():
            subprocess.run(["nvme", "connect", "-t", "tcp", "-a", self.player.addr, "-s",
                            str(self.port), "-n", self.nqn, "--reconnect-delay=1",
                            "--ctrl-loss-tmo=600", "--nr-io-queues=1", f"--queue-size={DEPTH}", "--keep-alive-tmo=30"] +
                           (["--hdr-digest", "--data-digest"] if self.digests else []),
                           check=True, stdout=subprocess.DEVNULL, timeout=300)
        end = time.monotonic() + self.player.patience / 2
        while True:
            try:
                self.fd = os.open(self.device() or "", os.O_RDWR | os.O_DIRECT)
                return
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def provoke(self, phase):
        """The I/O of a phase; its outcome: ok, fails, or wrong data"""
        n = SIZE.get(phase, 8192)
        try:
            if phase == "queued":
                self.crowd()
            elif phase == "discard":
                subprocess.run(["blkdiscard", "-o", str(self.at + 32768), "-l", "4096",
                                self.player.path(self.fd)], check=True, timeout=100)
            elif phase in ("write", "iwrite"):
                self.buf[:n] = self.data[:n]
                os.pwritev(self.fd, [memoryview(self.buf)[:n]], self.at)
            else:
                self.buf[:] = bytes(8192)
                os.preadv(self.fd, [memoryview(self.buf)[:n]], self.at)
                if self.buf[:n] != self.data[:n]:
                    return "wrong data"
        except (OSError, subprocess.SubprocessError):
            return "fails"
        return "ok"

    def drop(self):
        """The host has to connect again"""
        try:
            self.admin.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def crowd(self):
        """More writes at once than there are tags, on a connection that takes few"""
        def one(i):
            buf = mmap.mmap(-1, 4096)
            os.pwritev(self.fd, [buf], self.at + 8192 + 4096 * (i % 12))

        # One at a time: what it saves must not be another's
        with self.player.crowding:
            self.crowd_alone(one)

    def crowd_alone(self, one):
        cpus = os.sched_getaffinity(0)
        with open(WMEM) as f:
            saved = f.read()
        try:
            with open(WMEM, "w") as f:
                f.write("4096 8192 8192")
            conns = self.conns
            row, self.row = self.row, None
            self.drop()
            with self.turn:
                self.turn.wait_for(lambda: self.conns >= conns + 2, self.player.patience / 2)
            self.row = row
            # For waiting(), of this thread and those that it starts
            os.sched_setaffinity(0, {min(cpus)})
            threads = [threading.Thread(target=one, args=(i,)) for i in range(2 * DEPTH)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        finally:
            os.sched_setaffinity(0, cpus)
            with open(WMEM, "w") as f:
                f.write(saved)

    def attack(self, row):
        with self.turn:
            self.row, self.fired, self.result = row, False, None
        conns = self.conns
        if row.phase in SETUP:
            # The connection ends, the next is the row's
            self.drop()
            with self.turn:
                self.turn.wait_for(lambda: self.fired, self.player.patience / 2)
                if "ok" not in row.expected:
                    self.turn.wait_for(lambda: self.result, self.player.patience / 2)
            got = self.result or ("ok" if self.fired else "not played")
            if got == "ok" and "ok" in row.expected:
                io = self.provoke("read")
                got = self.result or io
        else:
            io = self.provoke(row.phase)
            # The I/O may have been answered before what ends the connection
            ends = [e for e in row.expected if e not in ("ok", "fails")]
            with self.turn:
                if ends and self.fired:
                    self.turn.wait_for(lambda: self.result, self.player.patience / (
                        30 if len(ends) < len(row.expected) else 4))
                if self.result:
                    self.turn.wait_for(lambda: self.conns >= conns + 2, self.player.patience / 4)
            if io == "wrong data" or not self.fired:
                got = f"{io}, {'played' if self.fired else 'not played'}"
            elif self.result is None and self.conns != conns:
                got = "close"
            else:
                got = self.result or io
            if got != io and io == "fails" and row.phase != "spoil":
                got = f"{got}, and the I/O fails"
        with self.turn:
            self.row = None
        return got

    def recovered(self):
        """An I/O that nothing disturbs"""
        for _ in range(3):
            if self.provoke("write") == "ok" and self.provoke("read") == "ok":
                return True
            time.sleep(1)
            if not self.known():
                self.connect()
        return False


class Player(table.Score):
    def __init__(self, args):
        super().__init__(args.report)
        self.addr, self.port, self.patience = args.address, args.port, args.patience
        self.lock, self.crowding = threading.Lock(), threading.Lock()
        self.progress = time.monotonic()
        self.ctls = [Ctl(self, i, i == args.controllers - 1) for i in range(args.controllers)]
        for c in self.ctls:
            fakectrl.DISK[c.at:c.at + 8192] = c.data

    @staticmethod
    def path(fd):
        return os.readlink(f"/proc/self/fd/{fd}")

    def judge(self, row, got, why=""):
        with self.lock:
            self.progress = time.monotonic()
            super().judge(row, got, why)

    def worker(self, ctl, rows):
        try:
            for row in rows:
                self.judge(row, ctl.attack(row), ctl.why)
            if not ctl.recovered():
                self.judge(rows[-1], f"{ctl.nqn} does not come back")
        except (OSError, subprocess.SubprocessError) as e:
            self.wrong(f"{ctl.nqn}: {e!r}")
        if ctl.odd:
            self.wrong(f"the host erred: {ctl.odd[:5]}")

    def spoiler(self, ctl, numbers, seed):
        """Mutations: one PDU of the answer to an I/O, a little wrong"""
        from target import Mutator
        row = table.Row("a mutation", "spoil", "", "any", "", 0)
        for nr in numbers:
            rnd = random.Random(f"{seed} {nr}")
            ctl.spoil = lambda data, rnd=rnd: Mutator.spoil(rnd, data)
            row.phase = "spoil"
            with ctl.turn:
                ctl.row, ctl.fired, ctl.result = row, False, None
            ctl.provoke(rnd.choice(("read", "write", "iwrite")))
            with ctl.turn:
                ctl.row, ctl.spoil = None, None
            ctl.odd.clear()
            if not ctl.known():
                ctl.connect()
            self.judge(row, "ok")
        fakectrl.DISK[ctl.at:ctl.at + 8192] = ctl.data
        if not ctl.recovered():
            self.judge(row, f"{ctl.nqn} does not come back")

    def watch(self, limit):
        while True:
            time.sleep(1)
            if time.monotonic() - self.progress > limit:
                self.wrong("nothing moves any more: " + str(
                    [(c.nr, c.row and c.row.name, c.fired, c.result) for c in self.ctls]))
                os._exit(1)

    def run(self, work):
        """Each begins when its controller is connected"""
        threads = [threading.Thread(target=f, args=a) for f, *a in work]
        for t, (_, ctl, *_) in zip(threads, work):
            if ctl.fd is None:
                ctl.connect()
                self.progress = time.monotonic()
            t.start()
        for t in threads:
            t.join()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("address")
    p.add_argument("--port", type=int, default=4500, help="the first one")
    p.add_argument("--table", default=os.path.join(HERE, "host.txt"))
    p.add_argument("--only", action="append", default=[], metavar="TEXT")
    p.add_argument("--controllers", type=int, default=8)
    p.add_argument("--thin", type=int, default=1, metavar="N",
                   help="more than 1: fewer values of each field")
    p.add_argument("--mutations", type=int, default=0)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--patience", type=int, default=150)
    p.add_argument("--report", action="store_true",
                   help="a host that is not ours: what differs is no failure")
    args = p.parse_args()
    player = Player(args)
    rows = [one for r in table.load(args.table)
            if not args.only or any(o in r.name for o in args.only) for one in r.attacks(args.thin)]
    threading.Thread(target=player.watch, args=(args.patience,), daemon=True).start()
    begun = time.monotonic()
    work = []
    for digests in (False, True):
        ctls = [c for c in player.ctls if c.digests == digests]
        mine = [r for r in rows if bool(r.hd or r.dd) == digests]
        work += [(player.worker, c, mine[i::len(ctls)]) for i, c in enumerate(ctls)
                 if mine[i::len(ctls)]]
    player.run(work)
    print(f"   {player.attacks} attacks, {time.monotonic() - begun:.0f} s", flush=True)
    if args.mutations:
        seed = args.seed or random.SystemRandom().randrange(1, 1 << 31)
        print(f"   {args.mutations} mutations of seed {seed}", flush=True)
        begun = time.monotonic()
        before, ctls = player.attacks, player.ctls
        player.run([(player.spoiler, c, range(i, args.mutations, len(ctls)), seed)
                    for i, c in enumerate(ctls)])
        print(f"   {player.attacks - before} mutations, {time.monotonic() - begun:.0f} s",
              flush=True)
    rc = player.end()
    sys.stdout.flush()
    os._exit(rc)        # its threads wait for the host still


if __name__ == "__main__":
    main()
