#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Peers that speak TLS, or nearly: for tests of TLS.

  tlspeers.py against ADDRESS PORT IDENTITY KEY SECONDS
	hosts against a target: one attack after the other, each in a connection
	of its own. The target must end it within so many seconds, or answer where
	the attack is none.
  tlspeers.py hello ADDRESS PORT
	a ClientHello, which the target must answer with the connection's end
  tlspeers.py crowd ADDRESS PORT N
	N that say nothing, or stop in their ClientHello; until standard input ends
  tlspeers.py serve PORT IDENTITY KEY
	a target: how it behaves is on standard input, a line for each connection
	that it accepts; prints "ready", then "accepted" and what came of it
  tlspeers.py between PORT ADDRESS PORT SEED
	what lies between a host and its target; a line of standard input says what
	is done to one record of theirs, and which way it goes (h: to the host, t: to
	the target), as in "flip h"; "done" is printed when it has been. See HARM.

KEY is in hex. What is TLS here is OpenSSL's: another one than the kernel's peer has.
"""
import os
import random
import select
import socket
import ssl
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import peers                                                    # noqa: E402


class Tls:
    """A TLS connection whose records are ours to meddle with."""

    def __init__(self, sock, identity, key, server=False):
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        ctx.minimum_version = ssl.TLSVersion.TLSv1_3
        if server:
            ctx.set_psk_server_callback(lambda name: key if name == identity else b"")
        else:
            ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
            ctx.set_psk_client_callback(lambda hint: (identity, key))
        self.sock, self.rx, self.tx = sock, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.obj = ctx.wrap_bio(self.rx, self.tx, server_side=server)

    def hello(self):
        """A ClientHello, not sent"""
        try:
            self.obj.do_handshake()
        except ssl.SSLWantReadError:
            pass
        return self.tx.read()

    def flush(self, chunk=0):
        data = self.tx.read()
        for i in range(0, len(data), chunk or len(data) or 1):
            self.sock.sendall(data[i:i + (chunk or len(data))])

    def call(self, what, *args):
        while True:
            try:
                return what(*args)
            except ssl.SSLWantReadError:
                self.flush()
                data = self.sock.recv(65536)
                if not data:
                    raise EOFError from None
                self.rx.write(data)

    def shake(self):
        self.call(self.obj.do_handshake)
        self.flush()
        return self

    def send(self, data):
        self.obj.write(data)
        self.flush()

    def recv(self, n=65536):
        return self.call(self.obj.read, n)

    def bye(self):
        try:
            self.obj.unwrap()
        except ssl.SSLError:
            pass
        self.flush()


def ended(recv):
    """Reads until the peer ends it; what it said"""
    got = b""
    while True:
        try:
            data = recv()
        except (OSError, EOFError) as e:    # ssl.SSLError is an OSError
            if isinstance(e, TimeoutError):
                raise
            return got
        if not data:
            return got
        got += data


def record(kind, data, version=0x0303):
    return struct.pack(">BHH", kind, version, len(data)) + data


def attacks(identity, key):
    """name, function(socket): returns a reader, or says what is wrong by raising"""
    ic = peers.icreq()

    def raw(data, shut=False):
        def go(s):
            s.sendall(data)
            if shut:
                s.shutdown(socket.SHUT_WR)
            return lambda: s.recv(65536)
        return go

    def up(then):
        def go(s):
            t = Tls(s, identity, key).shake()
            then(t)
            return t.recv
        return go

    def hello(s, name=identity, secret=key):
        return Tls(s, name, secret).hello()

    def wants_icresp(t):
        wants(t, peers.ICRESP, 128)
        t.bye()

    def live(then):
        """What comes when it is connected, and must be noticed at once"""
        def go(s):
            t = Tls(s, identity, key).shake()
            t.send(ic)
            wants(t, peers.ICRESP, 128)
            nqn, name = identity.split()[1:3]
            t.send(peers.connect(0, 0, 31, name, hostnqn=nqn.encode()))
            assert wants(t, peers.RSP, 24)[22:24] == b"\0\0"
            then(t)
            s.settimeout(5)
            return t.recv
        return go

    def wants(t, kind, size):
        got = b""
        while len(got) < size:
            got += t.recv()
        assert got[0] == kind, got
        return got

    def bytewise(t):
        for b in ic:
            t.send(bytes([b]))
        wants_icresp(t)

    def slow_hello(s):
        t = Tls(s, identity, key)
        for b in t.hello():
            s.sendall(bytes([b]))
        t.shake()
        t.send(ic)
        wants_icresp(t)
        return t.recv

    def split_flight(s):
        """ICReq in the packet that has the handshake's end"""
        t = Tls(s, identity, key)
        t.call(t.obj.do_handshake)
        t.obj.write(ic)
        t.flush()
        wants_icresp(t)
        return t.recv

    def junk(t):
        t.send(os.urandom(200000))

    def reset(s):
        s.sendall(hello(s)[:100])
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
        return lambda: b""

    def key_update(s):
        # The module has no word for it, the program has one: K
        s.close()
        with subprocess.Popen(
                ["openssl", "s_client", "-connect", "%s:%d" % s.where, "-tls1_3", "-psk",
                 key.hex(), "-psk_identity", identity, "-ciphersuites", "TLS_AES_128_GCM_SHA256"],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as p:
            time.sleep(2)
            p.stdin.write(b"K\n")
            p.stdin.flush()
            p.wait(s.limit)
            assert p.poll() is not None
        return lambda: b""

    clear = Tls(None, identity, key).hello()
    return [
        ("silence", raw(b"")),
        ("an end at once", raw(b"", True)),
        ("garbage", raw(b"GET / HTTP/1.0\r\n\r\n")),
        ("random bytes", raw(os.urandom(512))),
        ("a record's type alone", raw(b"\x16")),
        ("a record's header alone", raw(b"\x16\3\1\2\0")),
        ("an empty record", raw(record(22, b""))),
        ("a record that is too long", raw(b"\x16\3\1\xff\xff" + bytes(65535))),
        ("half a ClientHello", raw(clear[:len(clear) // 2])),
        ("half a ClientHello and an end", raw(clear[:len(clear) // 2], True)),
        ("half a ClientHello and a reset", reset),
        ("a ClientHello and nothing", raw(clear)),
        ("a ClientHello and an end", raw(clear, True)),
        ("a ClientHello twice", raw(clear + clear)),
        ("an alert first", raw(record(21, b"\2\50"))),
        ("data first", raw(record(23, os.urandom(64)))),
        ("another identity", lambda s: Tls(s, "NVMe0R01 no body", key).shake().recv),
        ("another key", lambda s: Tls(s, identity, bytes(32)).shake().recv),
        ("no NVMe identity", lambda s: Tls(s, "x", key).shake().recv),
        ("ICReq byte by byte", up(bytewise)),
        ("a ClientHello byte by byte", slow_hello),
        ("ICReq with the handshake's end", split_flight),
        ("nothing after the handshake", up(lambda t: None)),
        ("an end after the handshake", up(lambda t: t.sock.shutdown(socket.SHUT_WR))),
        ("close_notify after the handshake", up(lambda t: t.bye())),
        ("close_notify after ICReq", up(lambda t: (t.send(ic), t.bye()))),
        ("nothing after ICReq", up(lambda t: t.send(ic))),
        ("no ICReq but garbage", up(lambda t: t.send(os.urandom(128)))),
        ("garbage after ICReq", up(lambda t: (t.send(ic), junk(t)))),
        ("clear text after the handshake", up(lambda t: t.sock.sendall(ic))),
        ("clear records after the handshake", up(lambda t: t.sock.sendall(record(23, ic)))),
        ("an alert in clear text", up(lambda t: t.sock.sendall(record(21, b"\2\50")))),
        ("a ClientHello after the handshake", up(lambda t: t.sock.sendall(clear))),
        ("another key, please", key_update),
        ("live: an end", live(lambda t: t.sock.shutdown(socket.SHUT_WR))),
        ("live: close_notify", live(lambda t: t.bye())),
        ("live: clear text", live(lambda t: t.sock.sendall(bytes(range(256))))),
        ("live: a clear PDU", live(lambda t: t.sock.sendall(ic))),
        ("live: clear records", live(lambda t: t.sock.sendall(record(23, ic)))),
        ("live: an empty record", live(lambda t: t.sock.sendall(record(23, b"")))),
        ("live: too long a record", live(lambda t: t.sock.sendall(b"\x17\3\3\xff\xff"))),
        ("live: an alert in clear text", live(lambda t: t.sock.sendall(record(21, b"\2\50")))),
        ("live: a ClientHello", live(lambda t: t.sock.sendall(clear))),
        ("live: garbage", live(junk)),
    ]


# Of these the target can only see that they take too long
LATE = ("silence", "a record's ", "half a ClientHello", "a ClientHello and nothing",
        "nothing after ")


class Sock(socket.socket):
    """With the address and the limit, for who needs them"""
    where, limit = None, 0


def against(addr, port, identity, key, limit):
    fine = True
    for name, go in attacks(identity, key):
        s = Sock(socket.AF_INET6 if ":" in addr else socket.AF_INET)
        s.where, s.limit = (addr, port), limit
        s.settimeout(limit)
        begin = time.monotonic()
        try:
            s.connect((addr, port))
            ended(go(s))
            what = "ended"
        except TimeoutError:
            fine, what = False, "NO END"
        except (subprocess.TimeoutExpired, AssertionError) as e:
            fine, what = False, "WRONG: %r" % e
        except (OSError, EOFError) as e:
            what = "ended: %s" % (str(e) or "EOF")
            if "byte by byte" in name or "with the handshake's end" in name:
                fine, what = False, "WRONG: " + what
        if time.monotonic() - begin > 9 and not name.startswith(LATE):
            fine, what = False, "WRONG: for want of time alone: " + what
        print("   %-36s %s after %.1f s" % (name, what, time.monotonic() - begin), flush=True)
        s.close()
    return fine


def hello(addr, port):
    s = socket.create_connection((addr, port), timeout=15)
    s.sendall(Tls(None, "NVMe0R01 a b", bytes(32)).hello())
    return not ended(lambda: s.recv(65536))


def crowd(addr, port, n):
    clear = Tls(None, "NVMe0R01 a b", bytes(32)).hello()
    keep = []
    for i in range(n):
        try:
            s = socket.create_connection((addr, port), timeout=10)
            keep.append(s)
            s.sendall(clear[:i % 3 * 100])
        except ConnectionError:
            pass                # not let in
    print("ready", flush=True)
    sys.stdin.read()
    return True


# ---- a target ------------------------------------------------------------

def behave(how, s, identity, key):
    if how == "silence":
        return ended(lambda: s.recv(65536))
    if how == "close":
        return b""
    if how == "garbage":
        s.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        return ended(lambda: s.recv(65536))
    if how == "alert":
        s.recv(65536)
        s.sendall(record(21, b"\2\50"))
        return ended(lambda: s.recv(65536))
    t = Tls(s, identity, key, server=True)
    if how == "half":
        t.rx.write(s.recv(65536))
        try:
            t.obj.do_handshake()
        except ssl.SSLWantReadError:
            pass
        s.sendall(t.tx.read()[:60])
        return ended(lambda: s.recv(65536))
    t.shake()                   # with session tickets, which OpenSSL sends unasked
    if how == "hello":
        pass
    elif how == "end":
        return b""
    elif how == "bye":
        t.bye()
    elif how == "junk":
        t.send(os.urandom(100000))
    elif how == "clear":
        s.sendall(bytes(range(256)))
    elif how == "clear record":
        s.sendall(record(23, bytes(256)))
    elif how in ("icresp", "icresp bytes"):
        got = b""
        while len(got) < 128:
            got += t.recv()
        resp = peers.header(peers.ICRESP, 0, 128, 0, 128) + bytes(6) + b"\2" + bytes(113)
        if how == "icresp":
            t.send(resp)
        else:
            for b in resp:
                t.send(bytes([b]))
        print("capsule %d" % t.recv()[0], flush=True)
        return b""
    else:
        raise SystemExit("what is %r?" % how)
    return ended(t.recv)


def serve(port, identity, key):
    server = socket.create_server(("127.0.0.1", port))
    print("ready", flush=True)
    for line in sys.stdin:
        s = server.accept()[0]
        s.settimeout(120)
        print("accepted", flush=True)
        try:
            behave(line.strip(), s, identity, key)
            print("done", flush=True)
        except (OSError, EOFError) as e:
            print("done: %r" % e, flush=True)
        s.close()
    return True


# ---- in between ----------------------------------------------------------

def flip(rng, rec, after):
    at = rng.randrange(5, len(rec))
    return rec[:at] + bytes([rec[at] ^ 1 << rng.randrange(8)]) + rec[at + 1:]


# What a record becomes; @after: what is held of the next one. None: the end. (Its type is not
# among this: the TLS layer goes by the one that is encrypted.)
HARM = {
    "flip": flip,
    "tag": lambda rng, rec, after: rec[:-1] + bytes([rec[-1] ^ 1]),
    "alert": lambda rng, rec, after: record(21, b"\2\50"),
    "version": lambda rng, rec, after: rec[:1] + b"\2\0" + rec[3:],
    "longer": lambda rng, rec, after: rec[:3] + struct.pack(">H", len(rec) - 4) + rec[5:],
    "shorter": lambda rng, rec, after: rec[:3] + struct.pack(">H", len(rec) - 6) + rec[5:],
    "huge": lambda rng, rec, after: rec[:3] + b"\xff\xff" + rec[5:],
    "empty": lambda rng, rec, after: rec[:3] + b"\0\0" + rec,
    "drop": lambda rng, rec, after: b"",
    "twice": lambda rng, rec, after: rec + rec,
    "insert": lambda rng, rec, after: record(23, rng.randbytes(64)) + rec,
    "half": lambda rng, rec, after: None,
    "end": lambda rng, rec, after: None,
    "reset": lambda rng, rec, after: None,
}


class Between:
    """One connection through us"""

    def __init__(self, host, where):
        self.ends = {"t": host, "h": socket.create_connection(where)}   # who sends, by the way
        self.held = {"t": b"", "h": b""}
        for s in self.ends.values():
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def other(self, way):
        return self.ends["h" if way == "t" else "t"]

    def send(self, way, data, rng, pieces):
        """Whole, or in pieces of any size"""
        while data:
            n = rng.choice((1, 2, 5, 6, 100, 1448, 20000)) if pieces else len(data)
            self.other(way).sendall(data[:n])
            data = data[n:]

    def close(self, reset=False):
        for s in self.ends.values():
            if reset:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()

    def pump(self, way, rng, todo, pieces):
        """Forwards what has come; False at the end"""
        data = self.ends[way].recv(65536)
        if not data:
            return False
        held = self.held[way] + data
        while len(held) >= 5:
            size = 5 + struct.unpack(">H", held[3:5])[0]
            if len(held) < size:
                break
            rec, held = held[:size], held[size:]
            if todo and todo[0][1] == way and rec[0] == 23:
                how = todo.pop(0)[0]
                rec = HARM[how](rng, rec, held)
                print("done", flush=True)
                if rec is None:
                    if how == "half":
                        self.other(way).sendall(held[:20] or b"\x17\3\3")
                    if how == "reset":
                        self.close(reset=True)
                    return False
            self.send(way, rec, rng, pieces)
        self.held[way] = held
        return True


def between(port, addr, to, seed):
    rng, todo, pieces, conns = random.Random(seed), [], False, []
    server = socket.create_server(("127.0.0.1", port))
    print("ready", flush=True)
    while True:
        ways = {c.ends[w]: (c, w) for c in conns for w in "th"}
        for s in select.select([server, sys.stdin.fileno(), *ways], [], [])[0]:
            if s is server:
                host = server.accept()[0]
                try:
                    conns.append(Between(host, (addr, to)))
                except OSError:
                    host.close()
            elif s not in ways:
                line = os.read(0, 4096).decode()
                if not line:
                    return True
                for words in (w.split() for w in line.splitlines()):
                    if words[0] == "pieces":
                        pieces = words[1] == "1"
                        print("done", flush=True)
                    else:
                        todo.append(words)
            else:
                conn, way = ways[s]
                if conn not in conns:
                    continue
                try:
                    more = conn.pump(way, rng, todo, pieces)
                except OSError:
                    more = False
                if not more:
                    conns.remove(conn)
                    conn.close()


def main():
    what, *args = sys.argv[1:]
    if what == "against":
        return against(args[0], int(args[1]), args[2], bytes.fromhex(args[3]), int(args[4]))
    if what == "hello":
        return hello(args[0], int(args[1]))
    if what == "crowd":
        return crowd(args[0], int(args[1]), int(args[2]))
    if what == "between":
        return between(int(args[0]), args[1], int(args[2]), args[3])
    if what == "serve":
        return serve(int(args[0]), args[1], bytes.fromhex(args[2]))
    raise SystemExit(__doc__)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
