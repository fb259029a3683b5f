# SPDX-License-Identifier: Apache-2.0
"""Vectors of core/FORMAT.md §4."""
import struct

import v1_writer as w

S = w.Stream("tree")
FILE, DIRECTORY, SYMLINK, FIFO, DEVICE = 0o100644, 0o40755, 0o120777, 0o10600, 0o20600


class Chunk:
    def __init__(self, size, kind=1):
        self.id, self.key, self.fp, self.size, self.kind = S.take(32), S.take(32), S.take(16), size, kind
        self.ref = w.ref(self.id, self.key, self.fp, size, kind)


def extents_hash(extents):
    """`extents`: (size, Chunk or None)."""
    return w.sha(b"\x06", *((chunk.fp if chunk else bytes(16)) + w.u64(size) for size, chunk in extents))


def extent_bytes(extents):
    return [w.whole(chunk.ref) if chunk else w.hole(size) for size, chunk in extents]


def add_inodes(v):
    a, b, node = Chunk(5000), Chunk(70000), Chunk(400, kind=2)
    list_root = Chunk(90, kind=3)
    extents = [(5000, a), (1 << 40, None), (70000, b)]
    size = 75000 + (1 << 40)
    totals = w.totals(3, 2, 123456, 9, S.take(32), S.take(32))
    list_totals = w.totals(0, 0, 600000, 12, S.take(32), S.take(32))
    good = {
        "empty": w.inode(1, FILE, b"\0", 0, mtime=-1, ctime=1),
        "inline": w.inode(2, FILE, w.content_inline(b"hello"), 5, mtime=5, ctime=6),
        "extents": w.inode(3, FILE, w.content_extents(extent_bytes(extents)), size, completeness=2),
        "list": w.inode(4, FILE, b"\3" + list_root.ref + list_totals, 600000, atime=77, mtime=78),
        "directory": w.inode(5, DIRECTORY, b"\4" + node.ref + totals, 0, nlink=4),
        "directory_empty": w.inode(6, DIRECTORY, b"\0", 0, nlink=2),
        "symlink": w.inode(7, SYMLINK, w.content_inline(b"../x\xff"), 5),
        "fifo": w.inode(8, FIFO, b"\0", 0),
        "device": w.inode(9, DEVICE, b"\0", 0, rdev=0x501),
        "linked": w.inode(10, FILE, b"\5", 0, nlink=2),
        "xattrs": w.inode((1 << 64) - 1, FILE, b"\0", 0, xattrs=[(b"user.a", b""), (b"user.b", b"\0\1")], uid=(1 << 32) - 1),
    }
    for name, data in good.items():
        v.add("inode_" + name, "inode", data)
    add_bad_inodes(v, a, node, totals)


def add_bad_inodes(v, a, node, totals):
    one = w.whole(a.ref)
    bad = {
        "number_0": w.inode(0, FILE, b"\0", 0), "nlink_0": w.inode(1, FILE, b"\0", 0, nlink=0), "flags": w.inode(1, FILE, b"\0", 0)[:-3] + b"\x10\0\0",
        "atime_equal": w.inode(1, FILE, b"\0", 0, mtime=3, atime=3), "xattrs_none": w.inode(1, FILE, b"\0", 0, xattrs=[]),
        "xattrs_order": w.inode(1, FILE, b"\0", 0, xattrs=[(b"b", b""), (b"a", b"")]), "xattrs_twice": w.inode(1, FILE, b"\0", 0, xattrs=[(b"a", b""), (b"a", b"")]),
        "completeness_0": w.inode(1, FILE, b"\0", 0, completeness=0), "completeness_4": w.inode(1, FILE, b"\0", 0, completeness=4),
        "tag_6": w.inode(1, FILE, b"\6", 0), "size": w.inode(1, FILE, w.content_extents([one]), 4999), "inline_size": w.inode(1, FILE, w.content_inline(b"abc"), 2),
        "inline_empty": w.inode(1, FILE, w.content_inline(b""), 0), "inline_huge": w.inode(1, FILE, w.content_inline(bytes(4097)), 4097),
        "no_extents": w.inode(1, FILE, w.content_extents([]), 0), "hole_0": w.inode(1, FILE, w.content_extents([w.hole(0), one]), 5000),
        "extent_kind": w.inode(1, FILE, w.content_extents([b"\2" + a.ref]), 5000), "extent_of_node": w.inode(1, FILE, w.content_extents([w.whole(node.ref)]), 400),
        "extents_huge": w.inode(1, FILE, b"\2" + w.varint((1 << 64) - 1), 0), "file_as_directory": w.inode(1, FILE, b"\4" + node.ref + totals, 0),
        "directory_as_file": w.inode(1, DIRECTORY, w.content_inline(b"x"), 0), "directory_size": w.inode(1, DIRECTORY, b"\0", 1),
        "directory_of_data": w.inode(1, DIRECTORY, b"\4" + a.ref + totals, 0), "symlink_empty": w.inode(1, SYMLINK, b"\0", 0), "linked_once": w.inode(1, FILE, b"\5", 0),
        "list_of_tree": w.inode(1, FILE, b"\3" + node.ref + totals, 123456), "fifo_with_content": w.inode(1, FIFO, w.content_inline(b"x"), 1),
        "no_type": w.inode(1, 0o644, b"\0", 0), "mode_huge": w.inode(1, 1 << 16 | FILE, b"\0", 0), "uid_huge": w.inode(1, FILE, b"\0", 0, uid=1 << 32),
        "long_varint": b"\x81\x00" + w.inode(1, FILE, b"\0", 0)[1:], "cut": w.inode(1, FILE, w.content_inline(b"abc"), 3)[:-1], "empty": b"",
        "chunk_size_0": w.inode(1, FILE, w.content_extents([b"\0" + a.ref[:80] + w.u32(0) + b"\1"]), 0),
    }
    for name, data in bad.items():
        v.add("inode_bad_" + name, "inode", data, refused="parse")


def entry_hash(name, mode, uid, gid, mtime, size, content_hash):
    return w.blob(name) + w.varint(mode) + w.varint(uid) + w.varint(gid) + w.i64(mtime) + w.varint(size) + content_hash


def add_trees(v):
    a, b, sub = Chunk(5000), Chunk(6000), Chunk(300, kind=2)
    below = (4, 1, 999, 7, S.take(32), S.take(32))
    extents = [(5000, a), (100, None), (6000, b)]
    rows = [  # name, inode, counts, merkle children, what is hashed
        (b"a", w.inode(11, FILE, w.content_inline(b"hi"), 2, mtime=1), (1, 0, 2, 0), [], entry_hash(b"a", FILE, 1000, 100, 1, 2, w.sha(b"\x07", b"hi"))),
        (b"b\xff\n", w.inode(12, FILE, w.content_extents(extent_bytes(extents)), 11100, mtime=2), (1, 0, 11100, 2), [a.id, b.id], entry_hash(b"b\xff\n", FILE, 1000, 100, 2, 11100, extents_hash(extents))),
        (b"d", w.inode(13, DIRECTORY, b"\4" + sub.ref + w.totals(*below), 0, nlink=3), (4, 2, 999, 7), [below[4]], entry_hash(b"d", DIRECTORY, 1000, 100, 0, 0, below[5])),
        (b"h", w.inode(14, 0o644 | 0o100000, b"\5", 0, nlink=2), (1, 0, 0, 0), [], entry_hash(b"h", FILE, 1000, 100, 0, 0, bytes(32))),
        (b"l" * 255, w.inode(15, SYMLINK, w.content_inline(b"a"), 1), (1, 0, 1, 0), [], entry_hash(b"l" * 255, SYMLINK, 1000, 100, 0, 1, w.sha(b"\x07", b"a"))),
    ]
    items = [w.blob(name) + inode for name, inode, *_ in rows]
    identity = S.take(32)

    def sums(many):
        files, directories, size, chunks = (sum(column) for column in zip(*many))
        return [files, directories, size, chunks + 1]

    leaf = w.node(b"HT", 0, items)
    v.add("tree_leaf", "tree_node", leaf, links=False, id=identity, names=[name.hex() for name, *_ in rows], counts=sums([row[2] for row in rows]),
          merkle=w.sha(b"\2", identity, *(value for row in rows for value in row[3])), content_hash=w.sha(b"\x09", *(row[4] for row in rows)))
    children = [Chunk(1000, kind=2), Chunk(2000, kind=2)]
    many = [(2, 1, 30, 4, S.take(32), S.take(32)), (5, 0, 70, 6, S.take(32), S.take(32))]
    inner_items = [w.blob(name) + chunk.ref + w.totals(*total) for name, chunk, total in zip((b"a", b"m"), children, many)]
    inner = w.node(b"HT", 3, inner_items)
    v.add("tree_inner", "tree_node", inner, links=False, id=identity, names=["61", "6d"], counts=sums([total[:4] for total in many]),
          merkle=w.sha(b"\2", identity, *(total[4] for total in many)), content_hash=w.sha(b"\x0a", *(total[5] for total in many)))
    link = w.blob(struct.pack(">Q", 14)) + w.inode(14, FILE, w.content_extents([w.whole(a.ref)]), 5000, nlink=2, mtime=9)
    link_hash = entry_hash(struct.pack(">Q", 14), FILE, 1000, 100, 9, 5000, extents_hash([(5000, a)]))
    v.add("tree_links", "tree_node", w.node(b"HT", 0, [link]), links=True, id=identity, names=[struct.pack(">Q", 14).hex()], counts=[1, 0, 5000, 2],
          merkle=w.sha(b"\2", identity, a.id), content_hash=w.sha(b"\x09", link_hash))
    file = w.inode(1, FILE, b"\0", 0)
    bad = {
        "magic": ("prelude", w.node(b"HX", 0, items)), "version": ("version", w.node(b"HT", 0, items, version=2)), "level_8": ("parse", w.node(b"HT", 8, inner_items)),
        "none": ("parse", w.node(b"HT", 0, [])), "order": ("parse", w.node(b"HT", 0, items[::-1])), "twice": ("parse", w.node(b"HT", 0, items[:1] * 2)),
        "inner_order": ("parse", w.node(b"HT", 1, inner_items[::-1])), "left_over": ("parse", leaf + b"\0"), "cut": ("parse", leaf[:-1]), "empty": ("parse", b""),
        "count": ("parse", leaf[:4] + b"\6" + leaf[5:]), "count_huge": ("parse", leaf[:4] + w.varint((1 << 64) - 1) + leaf[5:]), "count_long": ("parse", leaf[:4] + b"\x85\0" + leaf[5:]),
        "leaf_as_inner": ("parse", leaf[:3] + b"\1" + leaf[4:]), "links_in_directory": ("parse", w.node(b"HT", 0, [link])),
        "child_is_data": ("parse", w.node(b"HT", 1, [w.blob(b"a") + a.ref + w.totals(*many[0])])),
        "totals_overflow": ("parse", w.node(b"HT", 1, [w.blob(bytes([97 + i])) + children[i].ref + w.totals(1, 0, (1 << 64) - 1, 1, bytes(32), bytes(32)) for i in range(2)])),
    }
    for name, text in (("dot", b"."), ("dots", b".."), ("slash", b"a/b"), ("nul", b"a\0"), ("nameless", b""), ("name_256", b"x" * 256)):
        bad[name] = ("parse", w.node(b"HT", 0, [w.blob(text) + file]))
    for name, (stage, data) in bad.items():
        v.add("tree_bad_" + name, "tree_node", data, links=False, refused=stage)
    other = w.blob(struct.pack(">Q", 15)) + link[9:]
    v.add("tree_bad_link_number", "tree_node", w.node(b"HT", 0, [other]), links=True, refused="parse")
    v.add("tree_bad_link_directory", "tree_node", w.node(b"HT", 0, [w.blob(struct.pack(">Q", 1)) + w.inode(1, DIRECTORY, b"\0", 0)]), links=True, refused="parse")


def add_lists(v):
    a, b = Chunk(5000), Chunk(16384)
    identity = S.take(32)
    extents = [(16384, b), (1 << 33, None), (5000, a)]
    leaf = w.node(b"HL", 0, extent_bytes(extents))
    v.add("list_leaf", "list_node", leaf, id=identity, counts=[0, 0, 21384 + (1 << 33), 3], merkle=w.sha(b"\2", identity, b.id, a.id), content_hash=extents_hash(extents))
    children = [Chunk(900, kind=3), Chunk(800, kind=3)]
    many = [(0, 0, 30, 4, S.take(32), S.take(32)), (0, 0, 70, 6, S.take(32), S.take(32))]
    items = [chunk.ref + w.totals(*total) for chunk, total in zip(children, many)]
    v.add("list_inner", "list_node", w.node(b"HL", 1, items), id=identity, counts=[0, 0, 100, 11], merkle=w.sha(b"\2", identity, many[0][4], many[1][4]),
          content_hash=w.sha(b"\x08", many[0][5], many[1][5]))
    bad = {"magic": ("prelude", w.node(b"HT", 0, extent_bytes(extents))), "version": ("version", w.node(b"HL", 0, extent_bytes(extents), version=9)), "level_8": ("parse", w.node(b"HL", 8, items)),
           "none": ("parse", w.node(b"HL", 0, [])), "left_over": ("parse", leaf + b"\0"), "cut": ("parse", leaf[:-1]), "count_huge": ("parse", leaf[:4] + w.varint((1 << 64) - 1) + leaf[5:]),
           "child_is_tree": ("parse", w.node(b"HL", 1, [Chunk(5, kind=2).ref + w.totals(*many[0])])), "hole_0": ("parse", w.node(b"HL", 0, [w.hole(0)])),
           "size_overflow": ("parse", w.node(b"HL", 0, [w.hole((1 << 64) - 1), w.hole(1)]))}
    for name, (stage, data) in bad.items():
        v.add("list_bad_" + name, "list_node", data, refused=stage)


def add_all(v):
    add_inodes(v)
    add_trees(v)
    add_lists(v)
