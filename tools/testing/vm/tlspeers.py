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

KEY is in hex. What is TLS here is OpenSSL's: another one than the kernel's peer has.
"""
import os
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
        got = b""
        while len(got) < 128:
            got += t.recv()
        assert got[0] == peers.ICRESP, got
        t.bye()

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
        s = socket.create_connection((addr, port), timeout=10)
        keep.append(s)
        try:
            s.sendall(clear[:i % 3 * 100])
        except OSError:
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


def main():
    what, *args = sys.argv[1:]
    if what == "against":
        return against(args[0], int(args[1]), args[2], bytes.fromhex(args[3]), int(args[4]))
    if what == "hello":
        return hello(args[0], int(args[1]))
    if what == "crowd":
        return crowd(args[0], int(args[1]), int(args[2]))
    if what == "serve":
        return serve(int(args[0]), args[1], bytes.fromhex(args[2]))
    raise SystemExit(__doc__)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
