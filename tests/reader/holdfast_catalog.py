# SPDX-License-Identifier: Apache-2.0
"""Keyring, genesis, certificates, logs, heads, snapshots and key tables (core/FORMAT.md §6-§8)."""
import hashlib
import struct

import nacl.bindings
import nacl.exceptions
import nacl.public
import nacl.pwhash
import nacl.signing

from holdfast_format import Cursor, Refused, derive, hkdf, open_box, sha256
from holdfast_tree import Inode, Node, TREE

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CONTENT_SIZES = {1: 32, 2: 64, 3: 64}


def recovery_code(text):
    digits = text.upper().replace("-", "").replace(" ", "").replace("O", "0").replace("I", "1").replace("L", "1")
    if len(digits) != 28 or any(digit not in ALPHABET for digit in digits):
        raise Refused("code", "not a recovery code: 28 letters are wanted")
    bits = 0
    for digit in digits:
        bits = bits << 5 | ALPHABET.index(digit)
    code = (bits >> 12).to_bytes(16, "big")
    check = int.from_bytes(sha256(b"holdfast/1/code", code)[:2], "big") >> 6
    if bits & 0xFFF != check << 2:
        raise Refused("code", "not a recovery code: its check letters are wrong")
    return code


def check_signature(key, context, data, signature, what):
    try:
        nacl.signing.VerifyKey(key).verify(context + data, signature)
    except (nacl.exceptions.BadSignatureError, ValueError):
        raise Refused("signature", f"{what} was not signed by the key that it needs") from None


class Keyring:
    def __init__(self, data):
        cursor = Cursor(data, "keyring")
        cursor.prelude(b"HFKEYRG1")
        self.repository, self.generation = cursor.raw(16), cursor.u32()
        self.prefix = data[:28]
        number = cursor.varint()
        if number > 64:
            raise cursor.refuse("more than 64 stanzas")
        self.stanzas = [self._stanza(cursor) for _ in range(number)]
        self.boxes = {}
        number = cursor.varint()
        if number > 3:
            raise cursor.refuse("more than 3 compartments")
        for _ in range(number):
            compartment = self._compartment(cursor)
            box = cursor.bytes(92)
            if compartment in self.boxes or len(box) != CONTENT_SIZES[compartment] + 28:
                raise cursor.refuse("a compartment twice, or of the wrong size")
            self.boxes[compartment] = box
        cursor.end()
        if any(compartment not in self.boxes for stanza in self.stanzas for compartment in stanza["wraps"]):
            raise cursor.refuse("a stanza for a compartment that is not there")

    @staticmethod
    def _compartment(cursor):
        compartment = cursor.u8()
        if compartment not in CONTENT_SIZES:
            raise cursor.refuse(f"compartment {compartment}", "unknown")
        return compartment

    def _stanza(self, cursor):
        start = cursor.at
        kind = cursor.u8()
        if kind != 1:
            raise cursor.refuse(f"a stanza of type {kind}", "unknown")
        cursor.bytes(255)
        flags = cursor.u8()
        if flags & ~1:
            raise cursor.refuse(f"flags {flags}")
        kdf = cursor.u8()
        if kdf not in (1, 2):
            raise cursor.refuse(f"kdf {kdf}", "unknown")
        cost = (cursor.u32(),) if kdf == 1 else (cursor.u32(), cursor.u32())
        good = 100_000 <= cost[0] <= 50_000_000 if kdf == 1 else 1 <= cost[0] <= 64 and 8192 <= cost[1] <= 4_194_304
        if not good:
            raise cursor.refuse(f"kdf parameters {cost} out of bounds", "kdf")
        salt = cursor.raw(32)
        front, wraps = cursor.data[start:cursor.at], {}
        for _ in range(cursor.count(61)):
            compartment = self._compartment(cursor)
            if compartment in wraps:
                raise cursor.refuse("a compartment twice in a stanza")
            wraps[compartment] = cursor.raw(60)
        return {"mixed": bool(flags), "kdf": kdf, "cost": cost, "salt": salt, "front": front, "wraps": wraps}

    def unlock(self, passphrase, code=None):
        """Opened contents by compartment."""
        contents = {}
        for stanza in self.stanzas:
            if stanza["mixed"] and code is None:
                continue
            salt = stanza["salt"]
            if stanza["kdf"] == 1:
                base = hashlib.pbkdf2_hmac("sha256", passphrase, salt, stanza["cost"][0])
            else:
                base = nacl.pwhash.argon2id.kdf(32, passphrase, salt[:16], stanza["cost"][0], stanza["cost"][1] * 1024)
            kek = hkdf(base + (code if stanza["mixed"] else b""), salt, b"holdfast/1/kek")
            for compartment, wrap in stanza["wraps"].items():
                aad = self.prefix + bytes([compartment])
                try:
                    key = open_box(kek, aad + stanza["front"], wrap, "unlock")
                except Refused:
                    continue
                contents[compartment] = open_box(key, aad, self.boxes[compartment], "open")
        if not contents:
            raise Refused("unlock", "wrong passphrase or recovery code")
        return contents


class Genesis:
    def __init__(self, data):
        cursor = Cursor(data, "genesis")
        cursor.prelude(b"HFGENES1")
        self.repository, self.created, self.root, self.vault = cursor.raw(16), cursor.i64(), cursor.raw(32), cursor.raw(32)
        signed = data[:cursor.at]
        signature = cursor.raw(64)
        cursor.end()
        check_signature(self.root, b"holdfast/1/genesis", signed, signature, "the genesis")

    def fingerprint(self):
        digits = sha256(b"holdfast/1/root", self.root)[:20].hex()
        return " ".join(digits[at:at + 4] for at in range(0, 40, 4))


class Certificate:
    def __init__(self, data, genesis):
        cursor = Cursor(data, "certificate")
        cursor.version()
        self.repository, self.writer_key, self.slot, self.roles = cursor.raw(16), cursor.raw(32), cursor.u32(), cursor.u8()
        self.issued, self.host = cursor.i64(), cursor.text()
        signed = data[:cursor.at]
        signature = cursor.raw(64)
        cursor.end()
        check_signature(genesis.root, b"holdfast/1/certificate", signed, signature, "the certificate")
        if self.repository != genesis.repository:
            raise Refused("signature", "a certificate of another repository")
        self.writer = sha256(b"holdfast/1/writer", self.writer_key)[:16]


class Head:
    def __init__(self, data):
        cursor = Cursor(data, "head")
        cursor.prelude(b"HFHEAD01")
        self.repository, self.writer, self.incarnation = cursor.raw(16), cursor.raw(16), cursor.raw(16)
        self.slot, self.log_size, self.root, self.time = cursor.u32(), cursor.u64(), cursor.raw(32), cursor.i64()
        genesis, certificate = cursor.bytes(), cursor.bytes()
        self.metas = [self._meta(cursor) for _ in range(cursor.count(58))]
        self.others = [(cursor.raw(16), cursor.u32(), cursor.u64(), cursor.raw(32)) for _ in range(cursor.count(60))]
        signed = data[:cursor.at]
        signature = cursor.raw(64)
        cursor.end()
        self.genesis = Genesis(genesis)
        self.certificate = Certificate(certificate, self.genesis)
        if (self.repository, self.writer, self.slot) != (self.genesis.repository, self.certificate.writer, self.certificate.slot):
            raise Refused("signature", "a head of another repository, writer or slot than its certificate's")
        check_signature(self.certificate.writer_key, b"holdfast/1/head", signed, signature, "the head")
        covered = 0
        for first, number in sorted((first, number) for kind, _, _, first, number, _ in self.metas if kind == 2):
            if first != covered:
                raise Refused("segments", "log segments that leave a gap or overlap")
            covered += number
        if covered != self.log_size:
            raise Refused("segments", "log segments that do not cover the log")

    @staticmethod
    def _meta(cursor):
        kind = cursor.u8()
        if kind not in (1, 2, 3):
            raise cursor.refuse(f"a meta object of type {kind}", "unknown")
        return (kind, cursor.raw(32), cursor.u64(), cursor.u64(), cursor.u64(), cursor.text())


class LogSegment:
    def __init__(self, data):
        cursor = Cursor(data, "log segment")
        cursor.prelude(b"HFLOGSG1")
        self.repository, self.writer, self.incarnation, self.first = cursor.raw(16), cursor.raw(16), cursor.raw(16), cursor.u64()
        self.entries = [(cursor.bytes(), cursor.raw(64)) for _ in range(cursor.count(65))]
        cursor.end()

    def verify(self, writer_key):
        for index, (sealed, signature) in enumerate(self.entries):
            number = struct.pack("<Q", self.first + index)
            signed = self.repository + self.writer + self.incarnation + number + sha256(b"\0", sealed)
            check_signature(writer_key, b"holdfast/1/entry", signed, signature, f"log entry {self.first + index}")

    def open(self, k_cat):
        """(type, time, body) of each entry."""
        key = derive(k_cat, self.repository, b"log", self.writer + self.incarnation)
        for index, (sealed, _) in enumerate(self.entries):
            aad = self.writer + self.incarnation + struct.pack("<Q", self.first + index)
            yield read_entry(open_box(key, aad, sealed, "open"))


def read_entry(plain):
    cursor = Cursor(plain, "log entry")
    cursor.version()
    kind, time = cursor.u8(), cursor.i64()
    if kind == 1:
        body = (cursor.bytes(), [(cursor.raw(16), cursor.u64(), cursor.raw(32)) for _ in range(cursor.count(56))])
    elif kind == 2:
        body = SnapshotRecord(cursor.bytes())
    elif kind == 3:
        what = cursor.u8()
        if what not in (1, 3):
            return kind, time, None
        body = (cursor.raw(32), cursor.u64(), cursor.text(), cursor.text())
        if what == 3:
            k, n, index = shard = cursor.u8(), cursor.u8(), cursor.u8()
            body += (shard, cursor.raw(32))
            if not 2 <= k < n <= 16 or index >= n or not 0 < body[1] <= 1 << 30:
                raise cursor.refuse("a shard that can't be")
    elif kind == 4:
        body = (cursor.text(), cursor.raw(32), cursor.u8())
        if not 1 <= body[2] <= 4:
            raise cursor.refuse(f"outcome {body[2]}")
    elif kind == 5:
        body = (cursor.raw(16), cursor.raw(len(plain) - cursor.at))
    elif kind == 6:
        body = (cursor.u64(), cursor.raw(32))
    elif kind == 7:
        body = (cursor.text(), cursor.u32())
    elif kind == 8:
        body = cursor.raw(8)
    else:
        return kind, time, plain[cursor.at:]
    cursor.end()
    return kind, time, body


class SnapshotRecord:
    def __init__(self, data):
        cursor = Cursor(data, "snapshot record")
        cursor.version()
        self.id, self.time, self.writer, self.content_root = cursor.raw(8), cursor.i64(), cursor.raw(16), cursor.raw(32)
        self.root_node, self.link_node, self.bytes_new = cursor.raw(32), cursor.raw(32), cursor.varint()
        self.key_id, self.completeness, self.database_id = cursor.raw(8), cursor.u8(), cursor.raw(16)
        if not 1 <= self.completeness <= 3:
            raise cursor.refuse(f"completeness {self.completeness}")
        self.aad = data[:1] + bytes(8) + data[9:cursor.at]
        self.private = cursor.bytes()
        cursor.end()
        if sha256(b"\x04", data[:1], bytes(8), data[9:])[:8] != self.id:
            raise Refused("id", "a snapshot record that is not what its id names")

    def open(self, key):
        plain = open_box(key, self.aad, self.private, "open")
        cursor = Cursor(plain, "snapshot fields")
        self.database, self.label, self.strategy = cursor.text(), cursor.text(), cursor.text()
        self.tags = [cursor.text() for _ in range(cursor.count(1))]
        self.root = Inode(cursor)
        mark = cursor.u8()
        if mark > 1 or not self.root.is_dir():
            raise cursor.refuse("a root that is no directory, or a mark that is neither 0 nor 1")
        self.links = Node(cursor, TREE) if mark else None
        self.content_hash = cursor.raw(32)
        self.incomplete = [cursor.text() for _ in range(cursor.count(1))]
        self.host, self.program = cursor.text(), cursor.text()
        cursor.end()
        root = self.root.content.node
        ids = tuple(node.ref.id if node else bytes(32) for node in (root, self.links))
        if ids != (self.root_node, self.link_node):
            raise Refused("roots", "a snapshot that names other roots inside than outside")
        merkle = [node.totals.merkle if node else bytes(32) for node in (root, self.links)]
        hashes = [node.totals.content_hash if node else bytes(32) for node in (root, self.links)]
        if sha256(b"\x05", *merkle) != self.content_root or sha256(b"\x0b", *hashes) != self.content_hash:
            raise Refused("roots", "a content root or hash that is not that of its trees")


class KeyTable:
    def __init__(self, data):
        cursor = Cursor(data, "key table")
        cursor.prelude(b"HFKEYTB1")
        self.repository = cursor.raw(16)
        self.entries = [(cursor.raw(8), cursor.raw(8), cursor.raw(80)) for _ in range(cursor.count(96))]
        cursor.end()


def open_snapshot_key(entry, vault_secret):
    _, identity, sealed = entry
    try:
        key = nacl.public.SealedBox(nacl.public.PrivateKey(vault_secret)).decrypt(sealed)
    except nacl.exceptions.CryptoError:
        raise Refused("open", "a snapshot key that the vault does not open") from None
    if sha256(b"holdfast/1/key", key)[:8] != identity:
        raise Refused("id", "another snapshot key than the table says")
    return key
