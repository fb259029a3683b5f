# SPDX-License-Identifier: Apache-2.0
"""Writes every structure of core/FORMAT.md, from that page alone. Shares no code with the program nor with tests/reader."""
import hashlib
import hmac
import struct

import nacl.bindings
import nacl.public
import nacl.pwhash
import nacl.signing
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand


class Stream:
    """Bytes that look random and are the same every time."""

    def __init__(self, seed):
        self.seed, self.count = seed, 0

    def take(self, size):
        out = b""
        while len(out) < size:
            out += hashlib.sha256(b"golden" + self.seed.encode() + struct.pack("<Q", self.count)).digest()
            self.count += 1
        return out[:size]


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def u8(value):
    return struct.pack("<B", value)


def u16(value):
    return struct.pack("<H", value)


def u32(value):
    return struct.pack("<I", value)


def u64(value):
    return struct.pack("<Q", value)


def i64(value):
    return struct.pack("<q", value)


def varint(value):
    out = bytearray()
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def blob(data):
    return varint(len(data)) + data


def prelude(magic, version=1, suite=1):
    return magic + u16(version) + u16(suite)


def h32(data):
    return u64(len(data)) + b"".join(sha(data[at:at + 32768]) for at in range(0, len(data), 32768))


def hkdf(ikm, salt, info, size=32):
    return HKDF(SHA256(), size, salt, info).derive(ikm)


def derive(secret, repository, label, context=b""):
    return hkdf(secret, repository, b"holdfast/1/" + label + b"\0" + context)


def gear_bytes(k_gear):
    return HKDFExpand(SHA256(), 2048, b"gear").derive(k_gear)


def fingerprint(k_fp, domain, kind, plain):
    return hmac.new(k_fp, u32(domain) + u8(kind) + h32(plain), hashlib.sha256).digest()[:16]


def box(key, aad, plain, nonce):
    return nonce + AESGCM(key).encrypt(nonce, plain, aad)


def tree_head(leaves):
    """RFC 6962 §2.1, as it is written there."""
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return sha(b"\0", leaves[0])
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return sha(b"\1", tree_head(leaves[:k]), tree_head(leaves[k:]))


def sign(seed, message):
    return nacl.signing.SigningKey(seed).sign(message).signature


def public(seed):
    return bytes(nacl.signing.SigningKey(seed).verify_key)


def vault_public(secret):
    return nacl.bindings.crypto_scalarmult_base(secret)


def vault_seal(vault, plain):
    return nacl.public.SealedBox(nacl.public.PublicKey(vault)).encrypt(plain)


# --- §3 -------------------------------------------------------------------------------------------------------------


def frame(plain, base=None, content_size=True):
    prefix = zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if base is not None else None
    compressor = zstandard.ZstdCompressor(level=3, dict_data=prefix, write_content_size=content_size, write_dict_id=False, write_checksum=False)
    return compressor.compress(plain)


def record_header(kind, codec, plain_size, payload_size, magic=b"HC", version=1, suite=1, reserved=b"\0\0"):
    return magic + u8(version) + u8(suite) + u8(kind) + u8(codec) + reserved + u32(plain_size) + u32(payload_size)


def record(header, payload, key, nonce):
    return header + box(key, header, payload, nonce)


def chunk_id(data):
    return sha(b"\0", h32(data))


def ref(identity, key, fp, size, kind):
    return identity + key + fp + u32(size) + u8(kind)


def difference(base_id, base_key, base_size, depth, zstd_frame):
    return base_id + base_key + u32(base_size) + u8(depth) + zstd_frame


def difference_to_two(bases, depth, zstd_frame):
    """`bases`: (id, key, size) of each."""
    return b"".join(identity + key + u32(size) for identity, key, size in bases) + u8(depth) + zstd_frame


# --- §4 -------------------------------------------------------------------------------------------------------------


def totals(files, directories, size, chunks, merkle, content_hash):
    return varint(files) + varint(directories) + varint(size) + varint(chunks) + merkle + content_hash


def hole(size):
    return u8(1) + varint(size)


def whole(reference):
    return u8(0) + reference


def content_inline(data):
    return u8(1) + blob(data)


def content_extents(extents):
    return u8(2) + varint(len(extents)) + b"".join(extents)


def inode(ino, mode, content, size, uid=1000, gid=100, mtime=0, ctime=0, nlink=1, atime=None, rdev=None, xattrs=None, completeness=None):
    flags = (atime is not None) | (rdev is not None) << 1 | (xattrs is not None) << 2 | (completeness is not None) << 3
    out = varint(ino) + varint(mode) + varint(uid) + varint(gid) + i64(mtime) + i64(ctime) + varint(nlink) + u8(flags)
    if atime is not None:
        out += i64(atime)
    if rdev is not None:
        out += varint(rdev)
    if xattrs is not None:
        out += varint(len(xattrs)) + b"".join(blob(name) + blob(value) for name, value in xattrs)
    if completeness is not None:
        out += u8(completeness)
    return out + varint(size) + content


def node(letters, level, items, version=1):
    return letters + u8(version) + u8(level) + varint(len(items)) + b"".join(items)


# --- §5 -------------------------------------------------------------------------------------------------------------


class PackEntry:
    def __init__(self, data, kind, bases=(), children=()):
        self.data, self.kind, self.bases, self.children = data, kind, list(bases), list(children)
        self.id = chunk_id(data)


def pack_entry(entry, ids):
    flags = (1 if entry.bases else 0) | (2 if entry.children else 0) | (4 if len(entry.bases) > 1 else 0)
    out = entry.id + varint(len(entry.data)) + u8(entry.kind) + u8(flags) + b"".join(entry.bases)
    if entry.children:
        out += varint(len(entry.children))
        out += b"".join(varint(ids.index(child) + 1) if child in ids else varint(0) + child for child in entry.children)
    return out


def pack(entries, k_maint, salt, nonce, index=None, header=None, root=None, **footer):
    """`index`, `header`, `root` and fields of the footer may be given to make a pack that lies consistently."""
    ids = [entry.id for entry in entries]
    header = header or prelude(b"HFPACK01") + salt + bytes(4)
    records = b"".join(entry.data for entry in entries)
    index = b"".join(pack_entry(entry, ids) for entry in entries) if index is None else index
    sealed = box(hkdf(k_maint, header[12:28], b"holdfast/1/pack-index"), header, index, nonce)
    size = 32 + len(records) + len(sealed) + 128
    end = footer.get("prelude", prelude(b"HFPKEND1")) + u32(footer.get("count", len(entries))) + u64(footer.get("offset", 32 + len(records)))
    end += u32(footer.get("index_size", len(sealed))) + footer.get("reserved", bytes(4)) + (root or tree_head(ids))
    end += footer.get("digest", sha(sealed)) + u64(footer.get("size", size)) + footer.get("reserved_end", bytes(24))
    return header + records + sealed + end, sha(b"\3", header, end)


# --- §6-§8 ----------------------------------------------------------------------------------------------------------


def signed(data, context, seed):
    return data + sign(seed, context + data)


def genesis(repository, created, root_seed, vault):
    return signed(prelude(b"HFGENES1") + repository + i64(created) + public(root_seed) + vault, b"holdfast/1/genesis", root_seed)


def certificate(repository, writer_seed, slot, roles, issued, host, root_seed, version=1):
    data = u8(version) + repository + public(writer_seed) + u32(slot) + u8(roles) + i64(issued) + blob(host)
    return signed(data, b"holdfast/1/certificate", root_seed)


def writer_id(writer_seed):
    return sha(b"holdfast/1/writer", public(writer_seed))[:16]


def key_id(key):
    return sha(b"holdfast/1/key", key)[:8]


def snapshot(time, writer, content_root, root_node, link_node, new, key, completeness, database, fields, nonce, version=1):
    front, middle = u8(version), i64(time) + writer + content_root + root_node + link_node + varint(new) + key_id(key) + u8(completeness) + database
    private = blob(box(key, front + bytes(8) + middle, fields, nonce))
    identity = sha(b"\4", front, bytes(8), middle, private)[:8]
    return identity, front + identity + middle + private


def entry(kind, time, body, version=1):
    return u8(version) + u8(kind) + i64(time) + body


class Log:
    def __init__(self, repository, writer_seed, incarnation, k_cat, stream):
        self.repository, self.seed, self.incarnation, self.stream = repository, writer_seed, incarnation, stream
        self.writer = writer_id(writer_seed)
        self.key = derive(k_cat, repository, b"log", self.writer + incarnation)
        self.leaves, self.signatures = [], []

    def add(self, plain, seed=None):
        number = u64(len(self.leaves))
        sealed = box(self.key, self.writer + self.incarnation + number, plain, self.stream.take(12))
        self.leaves.append(sealed)
        message = b"holdfast/1/entry" + self.repository + self.writer + self.incarnation + number + sha(b"\0", sealed)
        self.signatures.append(sign(seed or self.seed, message))

    def segment(self, first=0, last=None):
        pairs = list(zip(self.leaves, self.signatures))[first:last]
        data = prelude(b"HFLOGSG1") + self.repository + self.writer + self.incarnation + u64(first) + varint(len(pairs))
        return data + b"".join(blob(sealed) + signature for sealed, signature in pairs)


def meta(kind, data, first, number, locator):
    return u8(kind) + sha(data) + u64(len(data)) + u64(first) + u64(number) + blob(locator)


def head(log, slot, time, genesis_bytes, certificate_bytes, metas, others=(), seed=None, size=None, root=None):
    data = prelude(b"HFHEAD01") + log.repository + log.writer + log.incarnation + u32(slot)
    data += u64(len(log.leaves) if size is None else size) + (root or tree_head(log.leaves)) + i64(time)
    data += blob(genesis_bytes) + blob(certificate_bytes) + varint(len(metas)) + b"".join(metas) + varint(len(others)) + b"".join(others)
    return signed(data, b"holdfast/1/head", seed or log.seed)


def key_table(repository, rows):
    return prelude(b"HFKEYTB1") + repository + varint(len(rows)) + b"".join(rows)


def stanza(repository, passphrase, code, kdf, cost, salt, payload_keys, stream, label=b"passphrase", kind=1, flags=None):
    front = u8(kind) + blob(label) + u8((1 if code else 0) if flags is None else flags) + u8(kdf) + b"".join(u32(value) for value in cost) + salt
    if kdf == 2:
        base = nacl.pwhash.argon2id.kdf(32, passphrase, salt[:16], cost[0], cost[1] * 1024)
    else:  # a cost out of bounds is only written down
        base = hashlib.pbkdf2_hmac("sha256", passphrase, salt, cost[0] if 100_000 <= cost[0] <= 1_000_000 else 1)
    kek = hkdf(base + (code or b""), salt, b"holdfast/1/kek")
    out = front + varint(len(payload_keys))
    for compartment, key in payload_keys:
        out += u8(compartment) + box(kek, prelude(b"HFKEYRG1") + repository + u8(compartment) + front, key, stream.take(12))
    return out


def keyring(repository, generation, stanzas, boxes):
    data = prelude(b"HFKEYRG1") + repository + u32(generation) + varint(len(stanzas)) + b"".join(stanzas)
    return data + varint(len(boxes)) + b"".join(u8(compartment) + blob(data) for compartment, data in boxes)


def compartment_box(repository, compartment, key, content, nonce):
    return box(key, prelude(b"HFKEYRG1") + repository + u8(compartment), content, nonce)


def recovery_text(code):
    bits = code + sha(b"holdfast/1/code", code)[:2]
    number = int.from_bytes(bits, "big") >> 6 << 2
    digits = "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[number >> shift & 31] for shift in range(135, -1, -5))
    return "-".join(digits[at:at + 4] for at in range(0, 28, 4))
