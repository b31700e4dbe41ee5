#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Plays a hostile host against a live target.

  target.py [options] ADDRESS PORT NQN

Every row of the table, then mutations of valid conversations. Each attack ends
in one of these, and the row says which it must be:

  ok        answered with success; the connection lives
  sc N      answered with an error status (SCT and SC); the connection lives
  lives     no answer is due; the connection lives
  TERM@FEI  C2HTermReq (hdr seq hdgst range limit param), then closed
  close     closed without a TermReq
  timeout   the same, but only after a while
  stuck     none of these in time; never expected
"""
import argparse
import os
import random
import socket
import struct
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path += [HERE, os.path.join(HERE, "..", "vm")]

import peers                                                    # noqa: E402
import table                                                    # noqa: E402
from peers import Closed, Crowd, Peer                                  # noqa: E402

PROBE = 0x5a5a
COMMANDS = ("admin", "disc", "io")      # phases in which a connection may take any
RST = struct.pack("ii", 1, 0)


class Conn(Peer):
    """A connection of the attacker, and what an attack did on it"""

    def __init__(self, player, phase):
        super().__init__(player.addr, player.port, player.nqn)
        self.player, self.phase = player, phase
        self.qid = 0
        self.cid = 0x100
        self.r2ts = []
        self.out = []           # PDUs not sent yet
        self.drip = b""
        self.mute = False       # does not read
        self.grace = 0.3
        self.index = 0
        self.limit = None
        self.gone = self.probed = self.asked = False
        self.sent = 0           # commands that want an answer
        self.answers = []

    def begin(self, hd=False, dd=False):
        """As far as the phase says"""
        if self.phase != "tcp":
            yield from self.ic(dgst=hd | dd << 1, maxr2t=3)
        if self.phase == "disc":
            self.nqn = peers.DISCOVERY
        if self.phase in ("admin", "disc"):
            yield from self.admin()
        elif self.phase == "io":
            yield from self.player.need_owner()
            self.player.live.append(self)
            yield from self.connect_io()

    def connect_io(self):
        """On a queue whose last connection has gone from the target as well"""
        for left in reversed(range(20)):
            self.qid = self.player.next_qid()
            try:
                yield from self.io(self.qid, self.player.owner.cntlid)
                return
            except AssertionError as e:
                # Command Sequence Error: it is there still
                if not left or "status 0x400c " not in str(e):
                    raise
            yield 0.05

    # -- what a row can send --------------------------------------------------

    def new_cid(self):
        self.cid += 1
        return self.cid

    def base(self, step):
        """The PDU of a step as it would be if it were right"""
        a, p = step.args, peers
        word = step.word
        if word == "icreq":
            return p.icreq(dgst=0)
        if word == "pdu":
            return p.header(0, 0, 24, 0, 24) + bytes(16)
        if word == "term":
            return p.header(2, 0, 24, 0, 24) + struct.pack("<HI10x", 1, 4)
        if word == "h2cdata":
            args = [x for x in a if isinstance(x, int)]
            if self.r2ts:
                cid, ttag, off, n = self.r2ts[int(step.opts.get("of", 0)) % len(self.r2ts)]
            else:
                cid, ttag, off, n = self.cid, 0, 0, 512
            if args:
                end = off + n
                off, n = off + args[0], args[1]
                last = p.LAST if off + n >= end or not self.r2ts else 0
            else:
                last = p.LAST
            return p.h2c_data(cid, ttag, off, bytes(n), last)
        cid = self.new_cid()
        self.sent += 1
        if word == "connect":
            return p.connect(cid, 0, 31, self.nqn)
        if word == "connectio":
            return p.connect(cid, self.player.next_qid(), 15, self.nqn,
                             self.player.owner.cntlid)
        if word == "propset":
            return p.prop_set(cid, a[0], a[1])
        if word == "propget":
            return p.prop_get(cid, a[0], len(a) > 1)
        if word in ("read", "write"):
            return p.capsule(p.rw(2 if word == "read" else 1, cid, a[0]))
        if word == "iwrite":
            return p.capsule(p.rw(1, cid, a[0], sgl_type=1), bytes(512 * a[0]))
        if word == "inline":
            return p.capsule(p.sqe(a[0], cid, 1, 1, a[1]), bytes(a[1]))
        opcode, nsid, n, cdw = {
            "cmd": lambda: (a[0], 1, 0, ()),
            "flush": lambda: (0, 1, 0, ()),
            "aer": lambda: (0xc, 0, 0, ()),
            "keepalive": lambda: (0x18, 0, 0, ()),
            "abortcmd": lambda: (8, 0, 0, (0x10000,)),
            "identify": lambda: (6, 0, 4096, (a[0],)),
            "getlog": lambda: (2, 0, a[1], (a[0] | (a[1] // 4 - 1) << 16,)),
            "getfeat": lambda: (0xa, 0, 0, (a[0],)),
            "setfeat": lambda: (9, 0, 0, (a[0],)),
        }[word]()
        if word == "aer":
            self.sent -= 1
        return p.capsule(p.sqe(opcode, cid, nsid, sgl_len=n, cdw10=struct.pack(
            f"<{len(cdw)}I", *cdw)))

    def act(self, step):
        """A step that is no PDU; false when there is no such"""
        a = step.args
        if step.word == "r2t":
            self.flush()
            type_, h, _ = yield from self.pdu()
            assert type_ == peers.R2T, f"PDU type {type_} for an R2T"
            self.r2ts.append(struct.unpack("<HHII", h[8:20]))
        elif step.word == "raw":
            self.out.append(bytes.fromhex(a[0] if isinstance(a[0], str) else f"{a[0]:02}") *
                            (a[1] if len(a) > 1 else 1))
        elif step.word in ("fin", "rst"):
            self.flush()
            self.gone = True
            if step.word == "fin":
                self.s.shutdown(socket.SHUT_WR)
            else:
                self.reset()
        elif step.word == "hold":
            self.flush()
            self.mute = True
        elif step.word == "wait":
            # What was answered so far is no part of the outcome
            self.flush()
            while self.sent:
                type_, h, _ = yield from self.pdu()
                assert type_ == peers.RSP, f"PDU type {type_}"
                self.sent -= 1
        elif step.word == "kato":
            yield from self.done(0x90, peers.capsule(peers.sqe(9, 0x90, cdw10=struct.pack(
                "<II", 0xf, a[0]))))
        elif step.word == "abort":
            self.flush()
            yield from self.player.as_owner(0x91, peers.capsule(peers.sqe(
                8, 0x91, cdw10=struct.pack("<HH", self.qid, self.cid))))
        elif step.word == "getcqe":
            # No command of these has a result: nothing of others' may be in it
            for s in ("flush", "read 8", "iwrite 8"):
                self.say(table.Step(s))
        elif step.word == "race":
            # The controller goes while a queue of it is being connected
            adm = Conn(self.player, "admin")
            yield from adm.begin()
            self.send(peers.connect(1, 1, 15, self.nqn, adm.cntlid))
            adm.reset()
            self.gone = True
        else:
            return False
        return True

    def reset(self):
        try:
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
        except OSError:
            pass
        self.s.close()

    def say(self, step, row=None):
        """A PDU, so often as it is to be sent"""
        more = ()
        for _ in range(int(step.opts.get("x", 1))):
            pdu = self.base(step)
            if row and row.pending:
                right = peers.seal(pdu, self.hd, self.dd, step.change(pdu[0]))
                value, row.expected = row.pending.apply(right)
                more = [(row.pending.name, "=", str(value))]
            pdu = peers.seal(pdu, self.hd, self.dd, step.change(pdu[0], more),
                             (step.opts.get("bad"),))
            pdu = step.finish(pdu, self.index, more)
            if "by" in step.opts:
                self.flush()
                for i in range(len(pdu)):
                    self.send(pdu[i:i + 1])
            elif "drip" in step.args:
                self.drip = pdu
            else:
                self.out.append(pdu)

    def flush(self):
        if self.out:
            self.send(*self.out)
            self.out = []

    # -- what comes back ------------------------------------------------------

    def probe(self):
        """A harmless command, to see whether the connection lives"""
        if self.phase == "io":
            pdu = peers.capsule(peers.sqe(0, PROBE, 1))
        elif self.phase in ("admin", "disc"):
            pdu = peers.capsule(peers.sqe(0x18, PROBE))
        else:
            pdu = peers.prop_get(PROBE, 0, True)
        return peers.seal(pdu, self.hd, self.dd)

    def play(self, row):
        """Up to where the outcome can be looked for"""
        self.answers, self.sent, self.r2ts = [], 0, []
        self.probed = self.asked = False
        for step in row.steps:
            if not (yield from self.act(step)):
                if step.word == "connectio":
                    yield from self.player.need_owner()
                self.say(step, row if step is row.steps[-1] else None)
        # Behind the probe's answer: for what is slow, or to see that nothing comes
        self.grace = 0.3 if "lives" in row.expected else 10
        # In one send with what it probes; but before Connect there is one slot
        if self.phase in COMMANDS and not self.gone and "timeout" not in row.expected:
            self.out.append(self.probe())
            self.asked = True
        self.flush()

    def result(self):
        bad = [s for s in self.answers if s]
        if bad:
            return f"sc {bad[0] & 0x7ff:#x}"
        return "ok" if self.answers and len(self.answers) >= self.sent else "lives"

    def outcome(self):
        if self.gone:
            if self.s.fileno() >= 0:
                yield from self.drain()
            return "gone"
        try:
            while True:
                type_, h, _ = yield from self.pdu()
                if type_ == peers.RSP:
                    dw, cid, status = struct.unpack("<Q4xHH", h[8:24])
                    if cid == PROBE:
                        self.limit = self.grace
                        self.probed = True
                    else:
                        self.answers.append(status >> 1)
                        if self.qid and dw:
                            return f"leak {dw:#x}"
                    if len(self.answers) >= self.sent or self.sent > 30:
                        if self.probed:
                            return self.result()
                        if not self.asked:
                            self.send(self.probe())
                            self.asked = True
                elif type_ == peers.ICRESP and self.phase == "tcp":
                    self.answers.append(0)
                    self.sent += 1
                    if len(self.answers) >= self.sent:
                        self.send(self.probe())
                        self.asked = True
                elif type_ == peers.C2H_TERM:
                    yield from self.drain()
                    return table.term(*struct.unpack("<HI", h[8:14]))
        except Closed:
            return "close"
        except TimeoutError:
            return self.result() if self.probed else "stuck"

    def drain(self):
        """Closes our end, waits for the other"""
        try:
            self.s.shutdown(socket.SHUT_WR)
            while True:
                self.buf.clear()
                yield from self.read(1)
        except (Closed, OSError):
            pass


class Player(table.Score):
    def __init__(self, args):
        super().__init__(args.report)
        self.addr, self.port, self.nqn = args.address, args.port, args.nqn
        self.crowd = Crowd(args.at_once, 3 if args.report else 20)
        self.pool = {}
        self.live = []          # connections of I/O queues
        self.later = []         # (connection, row, since)
        self.qid = 0
        self.owner, self.owner_busy = None, False
        self.busy = {}          # row: seconds

    # The admin queue that the I/O queues belong to; used by one at a time

    def need_owner(self):
        while self.owner_busy:
            yield 0.01
        if self.owner and self.report:
            try:
                yield from self.as_owner(PROBE, peers.prop_get(PROBE, 0, True))
            except (Closed, AssertionError, TimeoutError):
                self.owner = None
        if not self.owner:
            self.owner_busy = True
            try:
                owner = Conn(self, "admin")
                yield from owner.begin()
                self.owner = owner
            finally:
                self.owner_busy = False

    def as_owner(self, cid, pdu):
        while self.owner_busy:
            yield 0.01
        self.owner_busy = True
        try:
            yield from self.owner.done(cid, pdu)
        finally:
            self.owner_busy = False

    def next_qid(self):
        self.live = [c for c in self.live if c.s.fileno() >= 0]
        held = {c.qid for c in self.live}
        self.qid = next(q % 120 + 1 for q in range(self.qid, self.qid + 120)
                        if q % 120 + 1 not in held)
        return self.qid

    def attack(self, row, index):
        """A coroutine"""
        key = row.phase, row.hd, row.dd
        timeout = "timeout" in row.expected
        begun = time.monotonic()
        got = "before the attack: "
        c = None
        try:
            pooled = self.pool.get(key)
            if pooled and not timeout:
                c = pooled.pop()
                c.limit = None
            else:
                c = Conn(self, row.phase.rstrip("!"))
                yield from c.begin(row.hd, row.dd)
            c.index = index
            got = ""
            yield from c.play(row)
            if timeout:
                self.later.append((c, row, time.monotonic()))
                return
            got = yield from c.outcome()
        except Closed:
            got += "close"
        except (AssertionError, OSError) as e:
            got += str(e) or "stuck"
        self.busy[row.line] = self.busy.get(row.line, 0) + time.monotonic() - begun
        alive = got == "ok" or got.startswith("sc ")
        if alive and row.phase in COMMANDS and len(c.answers) >= c.sent and \
                not any(s.word == "aer" for s in row.steps):
            self.pool.setdefault(key, []).append(c)
        elif c:
            c.s.close()
        self.judge(row, got)

    def thrown_out(self, c, row, end):
        """A coroutine: the silent, and those that send a byte now and then"""
        got = "stuck"
        try:
            # Reading is what they are to be thrown out for not doing
            while c.mute and time.monotonic() < end - 5:
                yield 0.5
            while c.drip and time.monotonic() < end:
                c.send(c.drip[:1])
                c.drip = c.drip[1:]
                yield 0.5
            c.limit = max(end - time.monotonic(), 0.1)
            while True:
                type_, h, _ = yield from c.pdu()
                if type_ == peers.C2H_TERM:
                    got = f"FES {h[8]}"
        except Closed:
            got = "timeout" if got == "stuck" else got
        except (TimeoutError, AssertionError):
            pass
        c.s.close()
        self.judge(row, got)

    def play(self, path, only, thin):
        rows = [r for r in table.load(path)
                if not only or any(o in r.name for o in only)]
        # First those that take time to end
        rows.sort(key=lambda r: "timeout" not in r.expected)
        self.crowd.run(self.attack(one, i) for r in rows for one in r.attacks(thin)
                       for i in range(r.crowd))
        for r in rows:
            if os.environ.get("VM_verbose"):
                print(f"{self.busy.get(r.line, 0):7.1f} s {r.name}", flush=True)

    def collect(self, patience):
        crowd = Crowd(1000, patience)
        crowd.run([self.thrown_out(c, row, since + patience) for c, row, since in self.later])


# Conversations to mutate: what a host says on an I/O queue, and how to begin
TALKS = [
    ("io", "iwrite 8 ; read 8 ; flush"),
    ("io", "write 16 ; r2t ; h2cdata 0 4096 ; h2cdata 4096 4096 ; read 16"),
    ("io", "write 48 ; r2t ; h2cdata ; r2t ; h2cdata ; r2t ; h2cdata ; read 48"),
    ("io", "inline 9 4096 cdw11=4 ; inline 5 512 ; cmd 8 slba=64 nlb=7 ; cmd 0xc"),
    ("io", "write 16 ; write 16 ; r2t ; r2t ; h2cdata of=1 ; h2cdata of=0"),
    ("admin", "identify 1 ; identify 2 ; getlog 1 512 ; getlog 2 512 ; propget 0x1c"),
    ("admin", "setfeat 7 ; getfeat 7 ; getfeat 0xf ; abortcmd ; keepalive ; aer"),
    ("ic", "connect ; propset 0x14 0x460001 ; identify 1 ; keepalive"),
    ("ic", "connectio ; iwrite 8 ; read 8"),
    ("tcp", "icreq ; connect ; propset 0x14 0x460001 ; propget 0x1c"),
    ("tcp", "icreq dgst=3 ; connect"),
]
SPICE = [0, 1, 2, 4, 8, 0x10, 0x40, 0x5a, 0x7f, 0x80, 0xfe, 0xff]


class Mutator:
    """Valid conversations, each a little wrong. One seed, one series."""

    def __init__(self, player, seed):
        self.player, self.seed = player, seed
        self.talks = [(phase, [table.Step(s) for s in text.split(";")])
                      for phase, text in TALKS]
        self.counts = {}

    @staticmethod
    def spoil(rnd, b):
        """A PDU, with some of its bytes wrong: those of the header, mostly"""
        b = bytearray(b)
        for _ in range(rnd.choice((1, 1, 1, 2, 3, 8))):
            at = rnd.randrange(min(len(b), rnd.choice((8, 24, 72, 1 << 20))))
            how = rnd.randrange(6)
            if how == 0:
                b[at] ^= 1 << rnd.randrange(8)
            elif how == 1:
                b[at] = rnd.choice(SPICE)
            elif how == 2:
                b[at] = rnd.randrange(256)
            elif how == 3:
                n = rnd.choice((2, 4, 8))
                b[at:at + n] = rnd.choice((b"\xff", b"\0", b"\x7f", b"\x80")) * n
            elif how == 4:
                del b[at:at + rnd.choice((1, 4, 64, 1 << 20))]
                b = b or bytearray(1)
            else:
                b[at:at] = rnd.randbytes(rnd.choice((1, 4, 24, 512)))
        return bytes(b)

    def one(self, nr):
        """A coroutine: mutation number @nr of the series"""
        rnd = random.Random(f"{self.seed} {nr}")
        phase, steps = rnd.choice(self.talks)
        steps = list(steps)
        where = rnd.randrange(len(steps))
        what = rnd.randrange(8)
        if what == 0:
            steps.insert(where, rnd.choice(steps))
        elif what == 1:
            del steps[where]
        elif what == 2:
            steps.insert(where, rnd.choice(rnd.choice(self.talks)[1]))
        end = rnd.choice(ENDS)
        hd, dd = rnd.choice(DIGESTS) if phase == "io" else (0, 0)
        c, got = None, "before the attack: "
        try:
            c = Conn(self.player, phase)
            yield from c.begin(hd, dd)
            yield from self.player.need_owner()
            got = ""
            # What waits for ever is the rule here: half a PDU
            c.limit = 0.2
            for i, s in enumerate(steps):
                if s.word == "r2t":
                    try:
                        yield from c.act(s)
                    except (AssertionError, TimeoutError):
                        pass
                    continue
                pdu = peers.seal(c.base(s), c.hd, c.dd, s.change(table.WORDS.get(s.word, 4)))
                if what > 2 and i == where or what <= 2 and rnd.randrange(8) == 0:
                    pdu = self.spoil(rnd, pdu)
                c.out.append(pdu)
            if end == "probe":
                c.out.append(c.probe())
            c.flush()
            if end == "fin":
                c.s.shutdown(socket.SHUT_WR)
                c.limit = None
            while end not in ("leave", "reset"):
                type_, _, _ = yield from c.pdu()
                if type_ == peers.C2H_TERM:
                    got = "term"
                    break
        except Closed:
            got += "closed"
        except TimeoutError:
            got += "open" if c and c.limit else "stuck"
        except AssertionError as e:
            got += str(e)
        except OSError as e:
            # Closed while we were at it
            got = got + str(e) if got else "closed"
        got = got or "left"
        if c and end == "reset":
            c.reset()
        elif c:
            c.s.close()
        self.counts[got] = self.counts.get(got, 0) + 1
        self.player.attacks += 1
        if got not in ("term", "left", "closed", "open"):
            self.player.wrong(f"mutation {nr} of seed {self.seed}: {got}")
        if nr % 10000 == 9999:
            print(f"   {nr + 1} mutations: {self.counts}", flush=True)


ENDS = ["fin", "fin", "fin", "probe", "leave", "reset"]
DIGESTS = [(0, 0), (0, 0), (1, 0), (1, 1)]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("address")
    p.add_argument("port", type=int)
    p.add_argument("nqn")
    p.add_argument("--table", default=os.path.join(HERE, "target.txt"))
    p.add_argument("--only", action="append", default=[], metavar="TEXT",
                   help="rows with this in their names")
    p.add_argument("--patience", type=float, default=40,
                   help="seconds in which the silent must be thrown out")
    p.add_argument("--mutations", type=int, default=0)
    p.add_argument("--seed", type=int, default=0, help="0: another each time")
    p.add_argument("--mutation", type=int, help="only this one of the seed's")
    p.add_argument("--at-once", type=int, default=24, help="connections")
    p.add_argument("--thin", type=int, default=1, metavar="N",
                   help="where all values of a field are tried, only one in N")
    p.add_argument("--report", action="store_true",
                   help="a target that is not ours: what differs is no failure")
    args = p.parse_args()
    player = Player(args)
    begun = time.monotonic()
    player.play(args.table, args.only, args.thin)
    print(f"   {player.attacks} attacks, {time.monotonic() - begun:.0f} s", flush=True)
    if args.mutations:
        seed = args.seed or random.SystemRandom().randrange(1, 1 << 31)
        print(f"   {args.mutations} mutations of seed {seed}", flush=True)
        m = Mutator(player, seed)
        begun = time.monotonic()
        player.crowd.run(m.one(nr) for nr in ([args.mutation] if args.mutation is not None
                                              else range(args.mutations)))
        print(f"   {sum(m.counts.values())} mutations, {time.monotonic() - begun:.0f} s: "
              f"{m.counts}", flush=True)
    player.collect(args.patience)
    return player.end()


if __name__ == "__main__":
    sys.exit(main())
