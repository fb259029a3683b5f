# SPDX-License-Identifier: Apache-2.0
"""Inodes, contents, lists and trees (core/FORMAT.md §4), and reading files through them."""
import stat
import struct

from holdfast_format import DATA, LIST, TREE, Cursor, Refused, read_ref, sha256

ZERO32 = bytes(32)


class Totals:
    def __init__(self, cursor):
        self.files, self.directories, self.bytes, self.chunks = (cursor.varint() for _ in range(4))
        self.merkle, self.content_hash = cursor.raw(32), cursor.raw(32)

    def counts(self):
        return (self.files, self.directories, self.bytes, self.chunks)


class Node:
    """A reference and the totals beside it."""

    def __init__(self, cursor, kind):
        self.ref, self.totals = read_ref(cursor, kind), Totals(cursor)


def read_extent(cursor):
    """(size, reference or None for a hole)"""
    tag = cursor.u8()
    if tag == 0:
        ref = read_ref(cursor, DATA)
        return ref.size, ref
    if tag != 1:
        raise cursor.refuse(f"an extent of kind {tag}")
    size = cursor.varint()
    if size == 0:
        raise cursor.refuse("a hole of no size")
    return size, None


class Content:
    def __init__(self, cursor):
        self.tag = cursor.u8()
        self.inline, self.extents, self.node = b"", [], None
        if self.tag == 1:
            self.inline = cursor.bytes(4096)
            if not self.inline:
                raise cursor.refuse("an inline content of no bytes")
        elif self.tag == 2:
            self.extents = [read_extent(cursor) for _ in range(cursor.count(2))]
            if not self.extents:
                raise cursor.refuse("an extent list without extents")
        elif self.tag == 3:
            self.node = Node(cursor, LIST)
        elif self.tag == 4:
            self.node = Node(cursor, TREE)
        elif self.tag not in (0, 5):
            raise cursor.refuse(f"content tag {self.tag}")

    def size(self):
        if self.tag == 3:
            return self.node.totals.bytes
        return len(self.inline) + sum(size for size, _ in self.extents)

    def content_hash(self):
        if self.tag == 1:
            return sha256(b"\x07", self.inline)
        if self.tag == 2:
            return extents_hash(self.extents)
        return self.node.totals.content_hash if self.node else ZERO32

    def merkle_children(self):
        if self.node:
            return [self.node.totals.merkle]
        return [ref.id for _, ref in self.extents if ref]


def extents_hash(extents):
    return sha256(b"\x06", *((ref.fp if ref else bytes(16)) + struct.pack("<Q", size) for size, ref in extents))


class Inode:
    def __init__(self, cursor):
        self.ino, self.mode, self.uid, self.gid = (cursor.varint() for _ in range(4))
        self.mtime, self.ctime, self.nlink, flags = cursor.i64(), cursor.i64(), cursor.varint(), cursor.u8()
        if flags & ~15 or self.ino == 0 or self.nlink == 0 or self.mode > 0o177777 or max(self.uid, self.gid) >= 1 << 32:
            raise cursor.refuse("an inode that can't be")
        self.atime = cursor.i64() if flags & 1 else self.mtime
        self.rdev = cursor.varint() if flags & 2 else 0
        self.xattrs = [(cursor.bytes(255), cursor.bytes(65536)) for _ in range(cursor.count(2))] if flags & 4 else []
        self.completeness = cursor.u8() if flags & 8 else 0
        said = (self.atime != self.mtime) | (self.rdev != 0) << 1 | bool(self.xattrs) << 2 | (self.completeness != 0) << 3
        if said != flags or self.completeness > 3:
            raise cursor.refuse("an optional field that says what its absence says")
        names = [name for name, _ in self.xattrs]
        if any(a >= b for a, b in zip(names, names[1:])):
            raise cursor.refuse("extended attributes out of order")
        self.size = cursor.varint()
        self.content = Content(cursor)
        self._check(cursor)

    def _check(self, cursor):
        tag = self.content.tag
        if stat.S_ISREG(self.mode):
            good = tag == 5 and self.nlink > 1 or tag in (0, 1, 2, 3) and self.content.size() == self.size
        elif stat.S_ISDIR(self.mode):
            good = tag in (0, 4) and self.size == 0
        elif stat.S_ISLNK(self.mode):
            good = tag == 1 and len(self.content.inline) == self.size
        else:
            good = tag == 0 and self.size == 0 and stat.S_IFMT(self.mode) != 0
        if self.rdev and not (stat.S_ISCHR(self.mode) or stat.S_ISBLK(self.mode)):
            raise cursor.refuse("a device number on what is no device")
        if not good or stat.S_ISLNK(self.mode) and b"\0" in self.content.inline:
            raise cursor.refuse("a content that does not fit the inode")

    def is_dir(self):
        return stat.S_ISDIR(self.mode)


def counts_of_entry(inode):
    if inode.is_dir():
        below = inode.content.node.totals.counts() if inode.content.node else (0, 0, 0, 0)
        return (below[0], below[1] + 1, below[2], below[3])
    if inode.content.tag == 5:
        return (1, 0, 0, 0)
    chunks = inode.content.node.totals.chunks if inode.content.node else sum(1 for _, ref in inode.content.extents if ref)
    return (1, 0, inode.size, chunks)


def add_counts(many, own_chunks=1):
    sums = [sum(column) for column in zip(*many)]
    sums[3] += own_chunks
    if max(sums) >= 1 << 64:
        raise Refused("parse", "totals that exceed 64 bits")
    return tuple(sums)


def varint_bytes(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


class TreeNode:
    """`links`: the form of the link table, whose names are inode numbers."""

    def __init__(self, plain, links=False):
        cursor = Cursor(plain, "tree node")
        if cursor.raw(2) != b"HT":
            raise cursor.refuse("another magic", "prelude")
        cursor.version()
        self.level = cursor.u8()
        if self.level > 7:
            raise cursor.refuse("more than 8 levels")
        self.names, self.items = [], []
        for _ in range(cursor.count(26)):
            name = cursor.bytes(255)
            if self.names and self.names[-1] >= name:
                raise cursor.refuse("names out of order")
            self.names.append(name)
            self.items.append(Inode(cursor) if self.level == 0 else Node(cursor, TREE))
            if self.level == 0:
                self._check_name(cursor, name, self.items[-1], links)
        if not self.items:
            raise cursor.refuse("no items")
        cursor.end()
        self.counts()

    @staticmethod
    def _check_name(cursor, name, inode, links):
        if links:
            good = name == struct.pack(">Q", inode.ino) and stat.S_ISREG(inode.mode) and inode.content.tag != 5
        else:
            good = name not in (b"", b".", b"..") and b"/" not in name and b"\0" not in name
            good = good and not (stat.S_ISREG(inode.mode) and inode.nlink > 1 and inode.content.tag != 5)
        if not good:
            raise cursor.refuse("an entry that can't be in this tree")

    def counts(self):
        return add_counts([counts_of_entry(item) if self.level == 0 else item.totals.counts() for item in self.items])

    def merkle(self, identity):
        children = []
        for item in self.items:
            children += item.content.merkle_children() if self.level == 0 else [item.totals.merkle]
        return sha256(b"\x02", identity, *children)

    def content_hash(self):
        if self.level > 0:
            return sha256(b"\x0a", *(item.totals.content_hash for item in self.items))
        parts = []
        for name, inode in zip(self.names, self.items):
            parts.append(varint_bytes(len(name)) + name + b"".join(varint_bytes(v) for v in (inode.mode, inode.uid, inode.gid)))
            parts.append(struct.pack("<q", inode.mtime) + varint_bytes(inode.size) + inode.content.content_hash())
        return sha256(b"\x09", *parts)


class ListNode:
    def __init__(self, plain):
        cursor = Cursor(plain, "list node")
        if cursor.raw(2) != b"HL":
            raise cursor.refuse("another magic", "prelude")
        cursor.version()
        self.level = cursor.u8()
        if self.level > 7:
            raise cursor.refuse("more than 8 levels")
        self.items = [read_extent(cursor) if self.level == 0 else Node(cursor, LIST) for _ in range(cursor.count(2))]
        if not self.items:
            raise cursor.refuse("no items")
        cursor.end()
        self.counts()

    def counts(self):
        if self.level > 0:
            return add_counts([item.totals.counts() for item in self.items])
        return add_counts([(0, 0, size, 1 if ref else 0) for size, ref in self.items])

    def merkle(self, identity):
        children = [ref.id for _, ref in self.items if ref] if self.level == 0 else [item.totals.merkle for item in self.items]
        return sha256(b"\x02", identity, *children)

    def content_hash(self):
        if self.level > 0:
            return sha256(b"\x08", *(item.totals.content_hash for item in self.items))
        return extents_hash(self.items)


class TreeReader:
    """Walks trees; `read(ref)` gives verified plaintext. Every node is compared with the totals beside its reference."""

    def __init__(self, read):
        self.read = read

    def _load(self, node, parse, level=None):
        parsed = parse(self.read(node.ref))
        if level is not None and parsed.level != level:
            raise Refused("tree", "a node of another level than its parent says")
        if (parsed.counts(), parsed.merkle(node.ref.id), parsed.content_hash()) != (node.totals.counts(), node.totals.merkle, node.totals.content_hash):
            raise Refused("tree", "a node that does not add up to the totals beside its reference")
        return parsed

    def entries(self, node, links=False, level=None):
        """(name, inode) of a directory or link table in order."""
        if node is None:
            return
        tree = self._load(node, lambda plain: TreeNode(plain, links), level)
        for name, item in zip(tree.names, tree.items):
            if tree.level == 0:
                yield name, item
            else:
                yield from self.entries(item, links, tree.level - 1)

    def extents(self, content, level=None):
        if content.tag == 3:
            yield from self._list(content.node)
        else:
            yield from content.extents

    def _list(self, node, level=None):
        parsed = self._load(node, ListNode, level)
        for item in parsed.items:
            if parsed.level == 0:
                yield item
            else:
                yield from self._list(item, parsed.level - 1)

    def pieces(self, inode):
        """(size, bytes or None for a hole) of a file in order."""
        if inode.content.tag == 1:
            yield inode.size, inode.content.inline
        for size, ref in self.extents(inode.content):
            yield size, self.read(ref) if ref else None
