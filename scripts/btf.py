# SPDX-License-Identifier: GPL-2.0-only
"""
The type information (BTF) of a kernel and of its modules: reading it out of
the files of an installed kernel, and writing C declarations from it.

The format: Documentation/bpf/btf.rst of the kernel.
"""
import bz2
import lzma
import shutil
import struct
import subprocess
import zlib


class BtfError(Exception):
    """Something that the person who builds has to know; one line."""


def _zstd(data):
    tool = shutil.which('zstd')
    if not tool:
        raise BtfError('zstd is needed to unpack this kernel (package zstd)')
    # The payload of a vmlinuz has its size appended: output comes, then an
    # error about what follows.
    out = subprocess.run([tool, '-dcq'], input=data, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, check=False).stdout
    if not out:
        raise ValueError('zstd')
    return out


def _lz4(data):
    tool = shutil.which('lz4')
    if not tool:
        raise BtfError('lz4 is needed to unpack this kernel (package lz4)')
    out = subprocess.run([tool, '-dcq'], input=data, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, check=False).stdout
    if not out:
        raise ValueError('lz4')
    return out


COMPRESSION = (
    (b'\xfd7zXZ\0', lambda d: lzma.LZMADecompressor().decompress(d)),
    (b'\x1f\x8b\x08', lambda d: zlib.decompressobj(31).decompress(d)),
    (b'\x28\xb5\x2f\xfd', _zstd),
    (b'\x02\x21\x4c\x18', _lz4),
    (b'BZh', lambda d: bz2.BZ2Decompressor().decompress(d)),
    (b'\x5d\0\0', lambda d: lzma.LZMADecompressor(
        lzma.FORMAT_ALONE).decompress(d)),
)


def unpack(data):
    """data itself, or what it is the compressed form of."""
    for magic, how in COMPRESSION:
        if data.startswith(magic):
            try:
                return how(data)
            except (ValueError, EOFError, OSError, lzma.LZMAError,
                    zlib.error) as err:
                raise BtfError('cannot decompress: %s' % err) from err
    return data


def vmlinux_of(image):
    """The ELF kernel in a bootable image (bzImage, or any with a payload)."""
    data = unpack(image)
    if data.startswith(b'\x7fELF'):
        return data
    if image[0x202:0x206] == b'HdrS':
        # Documentation/arch/x86/boot.rst: the payload, counted from the
        # protected-mode code, which begins after the setup sectors.
        setup = ((image[0x1f1] or 4) + 1) * 512
        offset, length = struct.unpack_from('<II', image, 0x248)
        if offset and length:
            start = setup + offset
            data = unpack(image[start:start + length])
            if data.startswith(b'\x7fELF'):
                return data
    for magic, how in COMPRESSION[:-1]:
        at = image.find(magic)
        while at >= 0:
            try:
                data = how(image[at:])
                if data.startswith(b'\x7fELF'):
                    return data
            except (ValueError, EOFError, OSError, lzma.LZMAError, zlib.error):
                pass
            at = image.find(magic, at + 1)
    raise BtfError('no ELF kernel in this image')


def elf_section(data, want):
    """The contents of a section of a 64-bit little-endian ELF file."""
    if not data.startswith(b'\x7fELF\x02\x01'):
        raise BtfError('not a 64-bit little-endian ELF file')
    shoff, = struct.unpack_from('<Q', data, 0x28)
    size, count, names = struct.unpack_from('<HHH', data, 0x3a)

    def header(i):
        return struct.unpack_from('<IIQQQQ', data, shoff + i * size)

    if not shoff or names >= count:
        raise BtfError('no section headers')
    base = header(names)[4]
    for i in range(count):
        name, _, _, _, offset, length = header(i)
        end = data.index(b'\0', base + name)
        if data[base + name:end] == want:
            return data[offset:offset + length]
    return None


def read_btf(path):
    """The raw BTF in a file: an ELF file, compressed or not, or BTF alone."""
    try:
        with open(path, 'rb') as f:
            data = f.read()
    except OSError as err:
        raise BtfError('%s: %s' % (path, err.strerror)) from err
    try:
        if data[:2] == b'\x9f\xeb':
            return data
        if '/vmlinu' in path or '/Image' in path:
            data = vmlinux_of(data)
        else:
            data = unpack(data)
        found = elf_section(data, b'.BTF')
    except BtfError as err:
        raise BtfError('%s: %s' % (path, err)) from err
    if not found:
        raise BtfError('%s holds no BTF (built without CONFIG_DEBUG_INFO_BTF)'
                       % path)
    return found


(INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT,
 FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG,
 ENUM64) = range(1, 20)

# Bytes that follow the 12 of each record: fixed, and for each of its members.
TRAILER = {
    INT: (4, 0), PTR: (0, 0), ARRAY: (12, 0), STRUCT: (0, 12), UNION: (0, 12),
    ENUM: (0, 8), FWD: (0, 0), TYPEDEF: (0, 0), VOLATILE: (0, 0),
    CONST: (0, 0), RESTRICT: (0, 0), FUNC: (0, 0), FUNC_PROTO: (0, 8),
    VAR: (4, 0), DATASEC: (0, 12), FLOAT: (0, 0), DECL_TAG: (4, 0),
    TYPE_TAG: (0, 0), ENUM64: (0, 12),
}

TAGGED = {STRUCT: 'struct', UNION: 'union', ENUM: 'enum', ENUM64: 'enum'}
QUALIFIER = {CONST: 'const', VOLATILE: 'volatile', RESTRICT: 'restrict'}


class Member:
    """Of a struct or union. offset and bits in bits; bits is 0 if no bitfield."""

    def __init__(self, name, type_id, offset, bits):
        self.name = name
        self.type = type_id
        self.offset = offset
        self.bits = bits


class Btf:
    """One file's types; a module's (split) continue the numbers of base."""

    def __init__(self, raw, base=None, what='BTF'):
        self.what = what
        self.base = base
        self.first = base.next if base else 1
        self.str_first = base.str_next if base else 0
        if len(raw) < 24:
            raise BtfError('%s: too short' % what)
        (magic, version, _, hdr_len, type_off, type_len, str_off,
         str_len) = struct.unpack_from('<HBBIIIII', raw)
        if magic != 0xeb9f or version != 1:
            raise BtfError('%s: not BTF version 1' % what)
        self.types = raw[hdr_len + type_off:hdr_len + type_off + type_len]
        self.strings = raw[hdr_len + str_off:hdr_len + str_off + str_len]
        self.str_next = self.str_first + str_len
        self.at = []
        at = 0
        while at + 12 <= type_len:
            info, = struct.unpack_from('<I', self.types, at + 4)
            kind = info >> 24 & 0x1f
            if kind not in TRAILER:
                raise BtfError('%s: kind %d of type %d is newer than this '
                               'script' % (what, kind,
                                           self.first + len(self.at)))
            self.at.append(at)
            fixed, each = TRAILER[kind]
            at += 12 + fixed + each * (info & 0xffff)
        self.next = self.first + len(self.at)
        self.names = {}

    def where(self, type_id):
        """(the Btf that holds a type, the offset of its record)"""
        btf = self
        while type_id < btf.first:
            if not btf.base:
                break
            btf = btf.base
        index = type_id - btf.first
        if not 0 <= index < len(btf.at):
            raise BtfError('%s: there is no type %d: these modules and this '
                           'vmlinux are not of one build' %
                           (self.what, type_id))
        return btf, btf.at[index]

    def string(self, offset):
        btf = self
        while offset < btf.str_first:
            btf = btf.base
        start = offset - btf.str_first
        if start >= len(btf.strings):
            raise BtfError('%s: there is no string %d: these modules and this '
                           'vmlinux are not of one build' %
                           (self.what, offset))
        return btf.strings[start:btf.strings.index(b'\0', start)].decode()

    def record(self, type_id):
        """(kind, name, size or type, members, kind flag)"""
        btf, at = self.where(type_id)
        name, info, last = struct.unpack_from('<III', btf.types, at)
        return (info >> 24 & 0x1f, btf.string(name), last, info & 0xffff,
                info >> 31)

    def kind(self, type_id):
        return self.record(type_id)[0] if type_id else 0

    def name(self, type_id):
        return self.record(type_id)[1]

    def target(self, type_id):
        return self.record(type_id)[2]

    def array(self, type_id):
        """(type, index type, number of elements)"""
        btf, at = self.where(type_id)
        return struct.unpack_from('<III', btf.types, at + 12)

    def members(self, type_id):
        btf, at = self.where(type_id)
        _, _, _, count, flag = self.record(type_id)
        out = []
        for i in range(count):
            name, kind, off = struct.unpack_from('<III', btf.types,
                                                 at + 12 + 12 * i)
            bits = off >> 24 if flag else 0
            out.append(Member(btf.string(name), kind,
                              off & 0xffffff if flag else off, bits))
        return out

    def enumerators(self, type_id):
        btf, at = self.where(type_id)
        kind, _, _, count, flag = self.record(type_id)
        out = []
        for i in range(count):
            if kind == ENUM:
                name, value = struct.unpack_from('<Ii' if flag else '<II',
                                                 btf.types, at + 12 + 8 * i)
            else:
                name, low, high = struct.unpack_from('<III', btf.types,
                                                     at + 12 + 12 * i)
                value = low | high << 32
                if flag and value >> 63:
                    value -= 1 << 64
            out.append((btf.string(name), value))
        return out

    def params(self, type_id):
        btf, at = self.where(type_id)
        count = self.record(type_id)[3]
        out = []
        for i in range(count):
            name, kind = struct.unpack_from('<II', btf.types, at + 12 + 8 * i)
            out.append((btf.string(name), kind))
        return out

    def find(self, kinds, name):
        """The id of a complete type of one of kinds by name, or None."""
        if not self.names:
            for type_id in range(self.first, self.next):
                kind, who = self.record(type_id)[:2]
                if who:
                    self.names.setdefault((kind, who), type_id)
        for kind in kinds:
            if (kind, name) in self.names:
                return self.names[kind, name]
        return self.base.find(kinds, name) if self.base else None

    def own(self):
        """The types of this file alone, without those of its base."""
        return range(self.first, self.next)

    def strip(self, type_id):
        """A type without its qualifiers, typedefs and tags."""
        while self.kind(type_id) in (CONST, VOLATILE, RESTRICT, TYPEDEF,
                                     TYPE_TAG):
            type_id = self.target(type_id)
        return type_id

    def size(self, type_id):
        type_id = self.strip(type_id)
        kind = self.kind(type_id)
        if kind in (PTR,):
            return 8
        if kind == ARRAY:
            of, _, count = self.array(type_id)
            return self.size(of) * count
        if kind in (INT, STRUCT, UNION, ENUM, ENUM64, FLOAT):
            return self.target(type_id)
        return 0

    def align(self, type_id):
        """A lower bound: an attribute may have demanded more."""
        type_id = self.strip(type_id)
        kind = self.kind(type_id)
        if kind == ARRAY:
            return self.align(self.array(type_id)[0])
        if kind in (STRUCT, UNION):
            return max([1] + [self.align(m.type)
                              for m in self.members(type_id)])
        return max(1, min(self.size(type_id), 16))
