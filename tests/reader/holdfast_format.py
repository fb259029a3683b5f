# SPDX-License-Identifier: Apache-2.0
"""Format 1 read from core/FORMAT.md alone: numbers, chunks, trees and packs (§1-§5). Nothing here knows the C++ program."""
import hashlib
import hmac
import struct

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHUNK_MAX = 4_194_304
RECORD_OVERHEAD = 44
DATA, TREE, LIST = 1, 2, 3


class Refused(Exception):
    """Bytes that this format forbids; `stage` says which check found it."""

    def __init__(self, stage, why):
        super().__init__(f"{stage}: {why}")
        self.stage = stage


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def hmac256(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def hkdf_expand(prk, info, size):
    out, block, number = b"", b"", 1
    while len(out) < size:
        block = hmac256(prk, block + info + bytes([number]))
        out += block
        number += 1
    return out[:size]


def hkdf(ikm, salt, info, size=32):
    return hkdf_expand(hmac256(salt or bytes(32), ikm), info, size)


def derive(secret, repository, label, context=b""):
    return hkdf(secret, repository, b"holdfast/1/" + label + b"\0" + context)


def h32(data):
    digests = [hashlib.sha256(data[at:at + 32768]).digest() for at in range(0, len(data), 32768)]
    return struct.pack("<Q", len(data)) + b"".join(digests)


def chunk_id(record):
    return sha256(b"\0", h32(record))


def fingerprint(k_fp, domain, kind, plain):
    return hmac256(k_fp, struct.pack("<IB", domain, kind) + h32(plain))[:16]


def gear_table(k_gear):
    return struct.unpack("<256Q", hkdf_expand(k_gear, b"gear", 2048))


def sharing_domain(networks, stands_alone, code=None):
    marks = (b"\x01" if stands_alone else b"") + (bytes((2, *code)) if code else b"")
    return struct.unpack("<I", sha256(*(name.encode() + b"\0" for name in sorted(networks)), marks)[:4])[0]


def merkle_root(leaves):
    def of(hashes):
        if len(hashes) == 1:
            return hashes[0]
        split = 1
        while split * 2 < len(hashes):
            split *= 2
        return sha256(b"\1", of(hashes[:split]), of(hashes[split:]))
    return of([sha256(b"\0", leaf) for leaf in leaves]) if leaves else sha256(b"")


def open_box(key, aad, box, stage):
    if len(box) < 28:
        raise Refused(stage, "a box that is too short")
    try:
        return AESGCM(key).decrypt(box[:12], box[12:], aad)
    except InvalidTag:
        raise Refused(stage, "a box that does not open") from None


class Cursor:
    """Reads §1's layouts from the front of bytes."""

    def __init__(self, data, what):
        self.data, self.what, self.at = data, what, 0

    def refuse(self, why, stage="parse"):
        return Refused(stage, f"{self.what}: {why} (at byte {self.at})")

    def raw(self, size):
        if len(self.data) - self.at < size:
            raise self.refuse(f"cut off: {size} bytes wanted")
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, code):
        return struct.unpack("<" + code, self.raw(struct.calcsize("<" + code)))[0]

    def u8(self):
        return self.number("B")

    def u32(self):
        return self.number("I")

    def u64(self):
        return self.number("Q")

    def i64(self):
        return self.number("q")

    def varint(self):
        value = 0
        for index in range(10):
            byte = self.u8()
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                if byte == 0 and index > 0:
                    raise self.refuse("a number that is not in its shortest form")
                if value >= 1 << 64:
                    raise self.refuse("a number of more than 64 bits")
                return value
        raise self.refuse("a number of more than 10 bytes")

    def count(self, item_min):
        value = self.varint()
        if value * item_min > len(self.data) - self.at:
            raise self.refuse(f"cut off: {value} items promised")
        return value

    def bytes(self, size_max=None):
        size = self.varint()
        if size_max is not None and size > size_max:
            raise self.refuse(f"a field of {size} bytes")
        return self.raw(size)

    def text(self, size_max=4096):
        return self.bytes(size_max).decode("utf-8", "surrogateescape")

    def zeros(self, size):
        if any(self.raw(size)):
            raise self.refuse("a reserved field that is not zero")

    def prelude(self, magic):
        if self.raw(8) != magic:
            raise self.refuse("another magic", "prelude")
        version, suite = self.number("H"), self.number("H")
        if version != 1:
            raise self.refuse(f"format version {version}", "version")
        if suite != 1:
            raise self.refuse(f"suite {suite}", "suite")

    def version(self):
        version = self.u8()
        if version != 1:
            raise self.refuse(f"format version {version}", "version")

    def end(self):
        if self.at != len(self.data):
            raise self.refuse(f"{len(self.data) - self.at} bytes left over")


# --- §3 records -----------------------------------------------------------------------------------------------------


class Ref:
    def __init__(self, identity, key, fp, size, kind):
        self.id, self.key, self.fp, self.size, self.kind = identity, key, fp, size, kind


def read_kind(cursor):
    kind = cursor.u8()
    if kind not in (DATA, TREE, LIST):
        raise cursor.refuse(f"kind {kind}")
    return kind


def read_size(cursor):
    size = cursor.u32()
    if not 1 <= size <= CHUNK_MAX:
        raise cursor.refuse(f"a chunk of {size} bytes")
    return size


def read_ref(cursor, kind=None):
    ref = Ref(cursor.raw(32), cursor.raw(32), cursor.raw(16), read_size(cursor), read_kind(cursor))
    if kind is not None and ref.kind != kind:
        raise cursor.refuse("a reference of another kind")
    return ref


class RecordHeader:
    def __init__(self, record):
        cursor = Cursor(record, "chunk record")
        if cursor.raw(2) != b"HC":
            raise cursor.refuse("another magic", "prelude")
        cursor.version()
        if (suite := cursor.u8()) != 1:
            raise cursor.refuse(f"suite {suite}", "suite")
        self.kind = read_kind(cursor)
        self.codec = cursor.u8()
        if self.codec > 3:
            raise cursor.refuse(f"codec {self.codec}", "unknown")
        cursor.zeros(2)
        self.plain_size = read_size(cursor)
        self.payload_size = cursor.u32()
        fits = self.payload_size == self.plain_size if self.codec == 0 else 1 <= self.payload_size < self.plain_size
        if not fits:
            raise cursor.refuse(f"a payload of {self.payload_size} bytes")


def unzstd(frame, size, base=None):
    if frame[:4] != b"\x28\xb5\x2f\xfd":
        raise Refused("frame", "no zstd frame")
    try:
        parameters = zstandard.get_frame_parameters(frame)
        if parameters.content_size != size or parameters.dict_id != 0:
            raise Refused("frame", "another size, or a dictionary")
        prefix = None
        if base is not None:
            prefix = zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        stream = zstandard.ZstdDecompressor(dict_data=prefix).decompressobj()
        plain = stream.decompress(frame)
    except zstandard.ZstdError as error:
        raise Refused("frame", str(error)) from None
    if not stream.eof or stream.unused_data or len(plain) != size:
        raise Refused("frame", "cut off, or bytes left over")
    return plain


def open_chunk(ref, record, resolve=None):
    """Plaintext and depth. `resolve(ref)` gives those of a base."""
    if chunk_id(record) != ref.id:
        raise Refused("id", "the record is not what its id names")
    header = RecordHeader(record)
    if len(record) != header.payload_size + RECORD_OVERHEAD:
        raise Refused("parse", "chunk record: another size than its header says")
    if header.kind != ref.kind or header.plain_size != ref.size:
        raise Refused("reference", "another kind or size than the reference says")
    payload = open_box(ref.key, record[:16], record[16:], "open")
    if header.codec == 0:
        return payload, 0
    if header.codec == 1:
        return unzstd(payload, ref.size), 0
    cursor = Cursor(payload, "difference")
    bases = [Ref(cursor.raw(32), cursor.raw(32), bytes(16), read_size(cursor), ref.kind) for _ in range(header.codec - 1)]
    depth = cursor.u8()
    if not 1 <= depth <= 16:
        raise Refused("depth", f"a difference of depth {depth}")
    opened = [resolve(base) for base in bases]
    base_depth = max(depth for _, depth in opened)
    if base_depth != depth - 1:
        raise Refused("depth", f"a base of depth {base_depth} under a difference of depth {depth}")
    return unzstd(payload[cursor.at:], ref.size, b"".join(plain for plain, _ in opened)), depth


# --- §5 packs -------------------------------------------------------------------------------------------------------


class PackEntry:
    def __init__(self, identity, kind, offset, size, bases, children):
        self.id, self.kind, self.offset, self.size, self.bases, self.children = identity, kind, offset, size, bases, children


def read_pack_entries(plain, count, index_offset):
    cursor = Cursor(plain, "pack index")
    entries, offset = [], 32
    for _ in range(count):
        identity, size = cursor.raw(32), cursor.varint()
        if not RECORD_OVERHEAD < size <= RECORD_OVERHEAD + CHUNK_MAX:
            raise cursor.refuse(f"a record of {size} bytes")
        kind, flags = read_kind(cursor), cursor.u8()
        if flags & ~7 or flags & 5 == 4:
            raise cursor.refuse(f"flags {flags}")
        bases = [cursor.raw(32) for _ in range((flags & 1) + (flags >> 2))]
        children = []
        if flags & 2:
            if kind == DATA:
                raise cursor.refuse("a data chunk with children")
            number = cursor.count(1)
            if number == 0:
                raise cursor.refuse("an empty list of children")
            for _ in range(number):
                child = cursor.varint()
                if child > count:
                    raise cursor.refuse("a child that is no record of this pack")
                children.append(cursor.raw(32) if child == 0 else child - 1)
        entries.append(PackEntry(identity, kind, offset, size, bases, children))
        offset += size
    cursor.end()
    if offset != index_offset:
        raise cursor.refuse("records that do not end where the index begins")
    for entry in entries:
        entry.children = [entries[child].id if isinstance(child, int) else child for child in entry.children]
    return entries


def read_pack(pack, k_maint, expected=None):
    """Verifies a whole pack; its id and entries."""
    if len(pack) < 160:
        raise Refused("parse", "pack: too short")
    header, footer = pack[:32], pack[-128:]
    cursor = Cursor(footer, "pack footer")
    cursor.prelude(b"HFPKEND1")
    count, index_offset, index_size = cursor.u32(), cursor.u64(), cursor.u32()
    cursor.zeros(4)
    root, digest, size = cursor.raw(32), cursor.raw(32), cursor.u64()
    cursor.zeros(24)
    if size != len(pack) or not 1 <= count <= 1 << 20 or index_offset < 32 or index_offset + index_size != size - 128:
        raise cursor.refuse("sizes that do not fit the pack")
    head = Cursor(header, "pack header")
    head.prelude(b"HFPACK01")
    salt = head.raw(16)
    head.zeros(4)
    pack_id = sha256(b"\3", header, footer)
    if expected is not None and pack_id != expected:
        raise Refused("id", "another pack than was asked for")
    sealed = pack[index_offset:-128]
    if sha256(sealed) != digest:
        raise Refused("index", "its sealed index is damaged")
    plain = open_box(hkdf(k_maint, salt, b"holdfast/1/pack-index"), header, sealed, "index")
    entries = read_pack_entries(plain, count, index_offset)
    if merkle_root([entry.id for entry in entries]) != root:
        raise Refused("merkle", "another Merkle root than that of its chunks")
    for entry in entries:
        record = pack[entry.offset:entry.offset + entry.size]
        if chunk_id(record) != entry.id:
            raise Refused("id", "a record that is not what the index names")
        inner = RecordHeader(record)
        if inner.kind != entry.kind or inner.payload_size + RECORD_OVERHEAD != entry.size or max(inner.codec - 1, 0) != len(entry.bases):
            raise Refused("index", "a record that differs from what the index says")
    return pack_id, entries
