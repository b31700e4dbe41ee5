# SPDX-License-Identifier: GPL-2.0-only
"""The tables of attacks, read. What a row means is in Documentation/attacks.rst.

	name | phase | what is sent | what must come back | clause

A row whose last but one column is "@fields" is followed by indented lines, one
for each field of its last PDU, and stands for as many attacks as these lines
have values worth trying:

	field	SET EXPECTED; SET EXPECTED; ...
"""
import copy
import re
import struct

# Where fields are: offset, bytes. From 72 on: the data of a Connect.
COMMON = {"type": (0, 1), "flags": (1, 1), "hlen": (2, 1), "pdo": (3, 1), "plen": (4, 4)}
SQE = {
    "opcode": (8, 1), "psdt": (9, 1), "cid": (10, 2), "nsid": (12, 4), "fctype": (12, 1),
    "mptr": (24, 8), "addr": (32, 8), "sgllen": (40, 4), "sgltype": (47, 1),
    "cdw10": (48, 4), "cdw11": (52, 4), "cdw12": (56, 4), "cdw13": (60, 4),
    "cdw14": (64, 4), "cdw15": (68, 4),
    "slba": (48, 8), "nlb": (56, 2), "control": (58, 2),
    "recfmt": (48, 2), "qid": (50, 2), "sqsize": (52, 2), "cattr": (54, 1), "kato": (56, 4),
    "attrib": (48, 1), "ofst": (52, 4), "value": (56, 8),
    "hostid": (72, 16), "cntlid": (88, 2), "subnqn": (328, 256), "hostnqn": (584, 256),
}
TERM = {"fes": (8, 2), "fei": (10, 4)}
DATA = {"cccid": (8, 2), "ttag": (10, 2), "datao": (12, 4), "datal": (16, 4), "rsvd": (20, 4)}
FIELDS = {
    0: {"pfv": (8, 2), "hpda": (10, 1), "dgst": (11, 1), "maxr2t": (12, 4)},
    1: {"pfv": (8, 2), "cpda": (10, 1), "dgst": (11, 1), "maxh2cdata": (12, 4)},
    2: TERM, 3: TERM, 4: SQE,
    5: {"result": (8, 8), "sqhd": (16, 2), "sqid": (18, 2), "cid": (20, 2), "status": (22, 2)},
    6: DATA, 7: DATA,
    9: {"cccid": (8, 2), "ttag": (10, 2), "r2to": (12, 4), "r2tl": (16, 4), "rsvd": (20, 4)},
}
# What a step's word makes; the others are capsules
WORDS = {"icreq": 0, "icresp": 1, "term": 2, "c2hterm": 3, "rsp": 5, "h2cdata": 6, "c2hdata": 7,
         "r2t": 9, "pdu": 0}
NUMBER = re.compile(r"0x[0-9a-f]+|\d+")
FIT = 1 << 17           # what a PDU may grow to, to be as long as its PLEN


class Step:
    """One PDU, or one thing to do: WORD [ARGUMENT...] [FIELD=VALUE...]"""

    def __init__(self, text):
        words = text.split()
        self.text = text
        self.word, self.args, self.opts, self.changes = words[0], [], {}, []
        for w in words[1:]:
            m = re.fullmatch(r"([a-z]\w*)([=+^-])([\w*]+)", w)
            if not m:
                self.args.append(int(w, 0) if NUMBER.fullmatch(w) else w)
            elif m[1] in ("cut", "of", "by", "bad", "x"):
                self.opts[m[1]] = m[3]
            else:
                self.changes.append((m[1], m[2], m[3]))

    def change(self, pdu_type, more=()):
        """The function that seal() wants"""
        changes = self.changes + list(more)

        def apply(head, data):
            for name, op, text in changes:
                off, size = place(pdu_type, name)
                buf = head
                if off >= len(head):
                    buf, off = data, off - len(head)
                if text[0] == "*":
                    buf[off:off + size] = bytes([int(text[1:], 16)]) * size
                    continue
                v, old = int(text, 0), int.from_bytes(buf[off:off + size], "little")
                v = {"=": v, "+": old + v, "-": old - v, "^": old ^ v}[op]
                buf[off:off + size] = (v & (1 << 8 * size) - 1).to_bytes(size, "little")
        return apply if changes else None

    def finish(self, pdu, index=0, more=()):
        """Its PLEN, when changed, decides how long it is, unless it is cut."""
        plen = struct.unpack_from("<I", pdu, 4)[0]
        if any(c[0] == "plen" for c in [*self.changes, *more]) and 24 <= plen <= FIT:
            pdu = pdu[:plen].ljust(plen, b"\0")
        if "cut" in self.opts:
            pdu = pdu[:index if self.opts["cut"] == "i" else int(self.opts["cut"])]
        return pdu


class Row:
    def __init__(self, name, phase, sent, expected, clause, line):
        self.name, self.clause, self.line = name, clause, line
        self.phase, _, digests = phase.partition("/")
        self.hd, self.dd = "h" in digests, "d" in digests
        self.crowd = 1
        if "*" in self.phase:
            n, self.phase = self.phase.split("*")
            self.crowd = int(n)
        self.steps = [Step(s) for s in sent.split(";")] if sent.strip() else []
        self.fields, self.pending = [], None
        self.expected = outcomes(expected)

    def attacks(self, thin=1):
        """This row, or as many as its fields have values worth trying: each with
        one change of the last PDU, judged when the PDU's own value is known. @thin:
        where all values are, only one in so many; and no middles."""
        if not self.fields:
            yield self
            return
        for name, every, rules in self.fields:
            size = place(self.last_type(), name, self.line)[1]
            top = (1 << 8 * size) - 1
            tries = {("=", v) for v in (0, 1, top >> 1, (top >> 1) + 1, top - 1, top)}
            if every:
                tries |= {("=", v) for v in range(self.line % thin, 256, thin)}
            if thin > 1 and not every and size > 1:
                tries -= {("=", top >> 1), ("=", (top >> 1) + 1), ("=", top - 1)}
            tries |= {("+", 0), ("+", 1), ("+", -1)}
            for text, _ in rules:
                tries |= edges(text)
            for op, v in sorted(tries):
                if op == "=" and not 0 <= v <= top:
                    continue
                r = copy.copy(self)
                r.name = f"{self.name}: {name} {op if op == '+' else ''}{v:#x}"
                r.fields, r.pending = [], Change(name, op, v, rules)
                yield r

    def last_type(self):
        return WORDS.get(self.steps[-1].word, 4)


class Change:
    """Of one field, with what is to be expected of its value"""

    def __init__(self, name, op, operand, rules):
        self.name, self.op, self.operand, self.rules = name, op, operand, rules

    def apply(self, pdu):
        """(value, expected) for a PDU that is right as it is"""
        off, size = place(pdu[0], self.name)
        top = (1 << 8 * size) - 1
        base = int.from_bytes(pdu[off:off + size], "little")
        v = self.operand if self.op == "=" else (base + self.operand) & top
        for text, expected in self.rules:
            if any(lo <= v <= hi and (v - lo) % step == 0
                   for lo, hi, step in parse_set(text, base, top)):
                return v, outcomes(expected)
        raise SystemExit(f"{self.name} {v:#x}: nothing expected")


def outcomes(text):
    """Alternatives; a status in one way of writing"""
    return [re.sub(r"^sc (\w+)", lambda m: f"sc {int(m[1], 0):#x}", e.strip())
            for e in text.split(" or ")]


def place(pdu_type, name, line=0):
    """(offset, bytes) of a field"""
    got = COMMON.get(name) or FIELDS.get(pdu_type, {}).get(name)
    if not got:
        raise SystemExit(f"line {line}: PDU type {pdu_type} has no field {name}")
    return got


def edges(text):
    """What to try around the ends of a set"""
    out = set()
    for n in re.split(r"[,-]", re.sub(r"/\w+", "", text)):
        m = re.fullmatch(r"base(?:([+~])(\w+))?", n)
        if m:
            v, op = (-1 if m[1] == "~" else 1) * int(m[2] or "0", 0), "+"
        elif n != "*":
            v, op = int(n, 0), "="
        else:
            continue
        out |= {(op, v - 1), (op, v), (op, v + 1)}
    return out


def parse_set(text, base, top):
    """[(lowest, highest, step)]: "*", or N, N-M, N-M/STEP, comma between; a number
    may be "base" with +N or -N"""
    def num(t):
        m = re.fullmatch(r"base(?:([+~])(\w+))?", t)
        if not m:
            return int(t, 0)
        return base + (int(m[2], 0) * (1 if m[1] == "+" else -1) if m[1] else 0)

    if text == "*":
        return [(0, top, 1)]
    out = []
    for part in text.split(","):
        part, _, step = part.partition("/")
        lo, _, hi = part.partition("-")
        out.append((num(lo), num(hi) if hi else num(lo), int(step or "1", 0)))
    return out


def load(path):
    rows = []
    with open(path, encoding="utf-8") as f:
        for nr, line in enumerate(f, 1):
            line = line.split("#")[0].rstrip()
            if not line:
                continue
            if line[0].isspace():
                field, rest = line.split(None, 1)
                rules = [r.strip().split(None, 1) for r in rest.split(";")]
                if any(len(r) != 2 for r in rules):
                    raise SystemExit(f"{path}:{nr}: SET EXPECTED; ...")
                rows[-1].fields.append((field.rstrip("!"), field[-1] == "!", rules))
                continue
            columns = [c.strip() for c in line.split("|")]
            if len(columns) != 5:
                raise SystemExit(f"{path}:{nr}: {len(columns)} columns")
            rows.append(Row(*columns, nr))
    for r in rows:
        if (r.expected == ["@fields"]) != bool(r.fields):
            raise SystemExit(f"{path}:{r.line}: @fields and lines of fields go together")
    return rows


FES = {1: "hdr", 2: "seq", 3: "hdgst", 4: "range", 5: "limit", 6: "param"}


def term(fes, fei):
    """A TermReq as a row names it"""
    name = FES.get(fes, f"fes{fes}")
    return f"{name}@{fei}" if name in ("hdr", "param") else name


def matches(got, expected):
    """Does an outcome satisfy one of those expected?"""
    for e in expected:
        if got == e or e == "any" and got.split()[0] in ("ok", "sc"):
            return True
        if e == "fail" and got.startswith("sc") or e == "lives" and got.split()[0] in (
                "ok", "sc", "lives"):
            return True
        if "@" not in e and got.split("@")[0] == e:
            return True         # FEI not asked for
    return False


class Score:
    """What was played, and what was not as its row expects"""

    def __init__(self, report):
        self.report = report        # not ours: what differs is no failure
        self.attacks = self.mismatches = 0

    def judge(self, row, got, why=""):
        self.attacks += 1
        if not matches(got, row.expected):
            self.wrong(f"{row.name}: got {got}{why and f' [{why}]'}, expected {' or '.join(row.expected)} "
                       f"({row.clause}, line {row.line}: "
                       f"{' ; '.join(s.text.strip() for s in row.steps)})")

    def wrong(self, text):
        self.mismatches += 1
        print(f"{'differs' if self.report else 'MISMATCH'}: {text}", flush=True)

    def end(self):
        print(f"attacks {self.attacks}, mismatches {self.mismatches}", flush=True)
        return 0 if self.report else int(self.mismatches != 0)
