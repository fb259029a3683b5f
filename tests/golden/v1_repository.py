# SPDX-License-Identifier: Apache-2.0
"""A whole repository on a `local` network, small enough to check in: two snapshots with differences, a hole, a list of two levels, hard links and odd names."""
import json
import os

import v1_writer as w
from v1_cases_chunk import pattern, prose

S = w.Stream("repository")
PASSPHRASE = b"a passphrase for tests only"
TIME = 1_795_000_000_000_000_000
ZERO = bytes(32)


class Builder:
    def __init__(self, rs, repository):
        self.k_fp, self.domain = w.derive(rs, repository, b"fingerprint"), 0x0A0B0C0D
        self.entries, self.known = [], {}

    def put(self, plain, kind=1, base=None, children=()):
        """A reference; `base`: (plain, reference, depth), or two of them."""
        key, fp = S.take(32), w.fingerprint(self.k_fp, self.domain, kind, plain)
        bases = ()
        if base and isinstance(base[0], tuple):
            bases = [ref[:32] for _, ref, _ in base]
            depth = max(depth for _, _, depth in base) + 1
            codec, payload = 3, w.difference_to_two([(ref[:32], ref[32:64], len(text)) for text, ref, _ in base], depth, w.frame(plain, b"".join(text for text, _, _ in base)))
        elif base:
            base_plain, base_ref, depth = base
            bases = [base_ref[:32]]
            codec, payload = 2, w.difference(base_ref[:32], base_ref[32:64], len(base_plain), depth + 1, w.frame(plain, base_plain))
        else:
            codec, payload = 1, w.frame(plain)
            if len(payload) >= len(plain):
                codec, payload = 0, plain
        data = w.record(w.record_header(kind, codec, len(plain), len(payload)), payload, key, S.take(12))
        entry = w.PackEntry(data, kind, bases=bases, children=children)
        self.entries.append(entry)
        return w.ref(entry.id, key, fp, len(plain), kind)

    def list_leaf(self, extents):
        """`extents`: (size, reference or None). Gives what stands in the parent, and its parts for the totals."""
        plain = w.node(b"HL", 0, [w.whole(ref) if ref else w.hole(size) for size, ref in extents])
        ids = [ref[:32] for _, ref in extents if ref]
        ref = self.put(plain, 3, children=ids)
        return ref, (0, 0, sum(size for size, _ in extents), len(ids) + 1, w.sha(b"\2", ref[:32], *ids), extents_hash(extents))

    def list_inner(self, children):
        plain = w.node(b"HL", 1, [ref + w.totals(*total) for ref, total in children])
        ref = self.put(plain, 3, children=[child[:32] for child, _ in children])
        sums = [sum(total[i] for _, total in children) for i in range(4)]
        return ref, (sums[0], sums[1], sums[2], sums[3] + 1, w.sha(b"\2", ref[:32], *(t[4] for _, t in children)), w.sha(b"\x08", *(t[5] for _, t in children)))

    def tree(self, items):
        """`items`: Item, ascending by name."""
        plain = w.node(b"HT", 0, [w.blob(item.name) + item.inode for item in items])
        ref = self.put(plain, 2, children=[child for item in items for child in item.children])
        sums = [sum(item.counts[i] for item in items) for i in range(4)]
        return ref, (sums[0], sums[1], sums[2], sums[3] + 1, w.sha(b"\2", ref[:32], *(m for item in items for m in item.merkle)), w.sha(b"\x09", *(item.hashed for item in items)))


def extents_hash(extents):
    return w.sha(b"\x06", *((ref[64:80] if ref else bytes(16)) + w.u64(size) for size, ref in extents))


class Item:
    def __init__(self, name, ino, mode, content, size, counts, content_hash=ZERO, merkle=(), children=(), mtime=TIME, nlink=1):
        self.name, self.counts, self.merkle, self.children = name, counts, list(merkle), list(children)
        self.inode = w.inode(ino, mode, content, size, uid=0, gid=0, mtime=mtime, ctime=TIME, nlink=nlink)
        self.hashed = w.blob(name) + w.varint(mode) + w.varint(0) + w.varint(0) + w.i64(mtime) + w.varint(size) + content_hash


def inline(name, ino, data, mode=0o100640):
    return Item(name, ino, mode, w.content_inline(data), len(data), (1, 0, len(data), 0), w.sha(b"\7", data))


def by_extents(name, ino, extents, **more):
    size, refs = sum(size for size, _ in extents), [ref for _, ref in extents if ref]
    content = w.content_extents([w.whole(ref) if ref else w.hole(size) for size, ref in extents])
    return Item(name, ino, 0o100600, content, size, (1, 0, size, len(refs)), extents_hash(extents), [r[:32] for r in refs], [r[:32] for r in refs], **more)


def by_node(name, ino, mode, tag, node, size, counts):
    ref, total = node
    return Item(name, ino, mode, w.u8(tag) + ref + w.totals(*total), size, counts, total[5], [total[4]], [ref[:32]])


def fields(database, label, root, links):
    merkle_hash = [node[1][5] if node else ZERO for node in (root, links)]
    inode = w.inode(1, 0o40750, b"\4" + root[0] + w.totals(*root[1]), 0, uid=0, gid=0, mtime=TIME, ctime=TIME, nlink=3)
    link = b"\1" + links[0] + w.totals(*links[1]) if links else b"\0"
    return (w.blob(database) + w.blob(label) + w.blob(b"incremental") + w.varint(1) + w.blob(b"sox") + inode + link + w.sha(b"\x0b", *merkle_hash) + w.varint(0) + w.blob(b"db1") + w.blob(b"make_v1"))


def write(directory):
    repository, rs, vault_secret, root_seed, writer, incarnation, code = (S.take(n) for n in (16, 32, 32, 32, 32, 16, 16))
    k_cat, k_maint, vault = w.derive(rs, repository, b"catalog"), w.derive(rs, repository, b"maintenance"), w.vault_public(vault_secret)
    b = Builder(rs, repository)
    first, second, tail = prose(900), prose(900, changed=(17, 400)), S.take(5000)
    first_ref, tail_ref = b.put(first), b.put(tail)
    second_ref = b.put(second, base=(first, first_ref, 0))
    third = prose(900, changed=(17, 401))
    third_ref = b.put(third, base=(second, second_ref, 1))
    merged = prose(900, changed=(17, 3)) + prose(900, changed=(401, 5))
    merged_ref = b.put(merged, base=((second, second_ref, 1), (third, third_ref, 2)))
    pieces = [pattern(3000 + i) for i in range(5)]
    piece_refs = [b.put(piece) for piece in pieces]
    leaves = [b.list_leaf([(len(pieces[i]), piece_refs[i]) for i in (0, 1, 2)] + [(7777, None)]), b.list_leaf([(len(pieces[i]), piece_refs[i]) for i in (3, 4)])]
    listed = b.list_inner(leaves)
    listed_plain = b"".join(pieces[:3]) + bytes(7777) + b"".join(pieces[3:])
    shared = by_extents(w.struct.pack(">Q", 9), 9, [(len(tail), tail_ref)], nlink=2)
    links = b.tree([shared])
    sub = b.tree([inline(b"in \xff\n", 11, b"odd name")])

    def root(dump, dump_size):
        return b.tree([
            by_node(b"big", 2, 0o100644, 3, listed, len(listed_plain), (1, 0, len(listed_plain), listed[1][3])),
            Item(b"empty", 3, 0o100600, b"\0", 0, (1, 0, 0, 0)),
            Item(b"h1", 9, 0o644 | 0o100000, b"\5", 0, (1, 0, 0, 0), mtime=0, nlink=2), Item(b"h2", 9, 0o100644, b"\5", 0, (1, 0, 0, 0), mtime=0, nlink=2),
            by_extents(b"orders.sql", 4, dump), inline(b"small", 5, b"hello\n"),
            by_node(b"sub", 6, 0o40700, 4, sub, 0, (sub[1][0], sub[1][1] + 1, sub[1][2], sub[1][3])), inline(b"to", 7, b"sub/in", mode=0o120777)])

    roots = [root([(len(first), first_ref)], len(first)), root([(len(third), third_ref), (100_000, None), (len(merged), merged_ref), (len(tail), tail_ref)], 0)]
    dumps = [first, third + bytes(100_000) + merged + tail]
    log = w.Log(repository, writer, incarnation, k_cat, S)
    certificate = w.certificate(repository, writer, 0, 3, TIME, b"db1", root_seed)
    log.add(w.entry(1, TIME, w.blob(certificate) + w.varint(0)))
    pack, pack_id = w.pack(b.entries, k_maint, S.take(16), S.take(12))
    log.add(w.entry(3, TIME + 1, b"\1" + pack_id + w.u64(len(pack)) + w.blob(b"local") + w.blob(b"packs/" + pack_id.hex().encode())))
    rows, expected = [], []
    for index, made in enumerate(roots):
        key, time = S.take(32), TIME + index * 10**9
        content_root = w.sha(b"\5", made[1][4], links[1][4])
        identity, record = w.snapshot(time, log.writer, content_root, made[0][:32], links[0][:32], 1000, key, 1, S.take(16), fields(b"orders", b"n%d" % index, made, links), S.take(12))
        log.add(w.entry(2, time, w.blob(record)))
        rows.append(identity + w.key_id(key) + w.vault_seal(vault, key))
        files = {b"big": listed_plain, b"empty": b"", b"h1": tail, b"h2": tail, b"orders.sql": dumps[index], b"small": b"hello\n", b"sub/in \xff\n": b"odd name"}
        expected.append({"id": identity.hex(), "label": f"n{index}", "content_root": content_root.hex(), "links": {"to": "sub/in"}, "files": {name.hex(): w.sha(data).hex() for name, data in files.items()}})
    save(directory, b, locals())


def save(directory, builder, made):
    """Writes the objects, and beside them what a reader must know and find."""
    repository, log, code = made["repository"], made["log"], made["code"]
    keys = {1: S.take(32), 2: S.take(32)}
    contents = {1: made["rs"], 2: made["vault_secret"] + made["root_seed"]}
    boxes = [(number, w.compartment_box(repository, number, keys[number], contents[number], S.take(12))) for number in (1, 2)]
    ring = w.keyring(repository, 1, [w.stanza(repository, PASSPHRASE, code, 1, (100_000,), S.take(32), list(keys.items()), S)], boxes)
    segments = [log.segment(0, 2), log.segment(2)]
    table = w.key_table(repository, made["rows"])
    genesis = w.genesis(repository, TIME, made["root_seed"], made["vault"])
    metas = [w.meta(1, ring, 0, 0, b"meta/keyring"), w.meta(2, segments[1], 2, 2, b"meta/log1"), w.meta(2, segments[0], 0, 2, b"meta/log0"), w.meta(3, table, 0, 0, b"meta/keys")]
    files = {"meta/keyring": ring, "meta/log0": segments[0], "meta/log1": segments[1], "meta/keys": table, "packs/" + made["pack_id"].hex(): made["pack"],
             f"heads/{repository.hex()}/0": w.head(log, 0, TIME, genesis, made["certificate"], metas), "passphrase": PASSPHRASE + b"\n"}
    digits = w.sha(b"holdfast/1/root", w.public(made["root_seed"]))[:20].hex()
    about = {"code": w.recovery_text(code), "root": " ".join(digits[at:at + 4] for at in range(0, 40, 4)), "snapshots": made["expected"]}
    files["expected.json"] = json.dumps(about, indent=1).encode() + b"\n"
    for name, data in files.items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb") as file:
            file.write(data)
