# SPDX-License-Identifier: Apache-2.0
"""Vectors of core/FORMAT.md §5, shards. The field's arithmetic is written out here: a table-driven library must come to the same."""
import v1_writer as w
from v1_cases_chunk import pattern

S = w.Stream("shard")
BLOCK = 65536
SIZE = 131073


def times(a, b):
    """In GF(2^8) with x^8 + x^4 + x^3 + x^2 + 1."""
    out = 0
    while b:
        if b & 1:
            out ^= a
        a = (a << 1) ^ (0x11D if a & 0x80 else 0)
        b >>= 1
    return out


INVERSE = {a: next(b for b in range(1, 256) if times(a, b) == 1) for a in range(1, 256)}


def body(pack, k, index):
    size = -(-len(pack) // k)
    data = [pack[j * size:(j + 1) * size].ljust(size, b"\0") for j in range(k)]
    if index < k:
        return data[index]
    rows = [bytes(times(INVERSE[index ^ j], value) for value in range(256)) for j in range(k)]
    columns = [data[j].translate(rows[j]) for j in range(k)]
    out = columns[0]
    for column in columns[1:]:
        out = (int.from_bytes(out, "big") ^ int.from_bytes(column, "big")).to_bytes(size, "big")
    return out


def shard(pack, identity, k, n, index, change=()):
    change = dict(change)
    content = body(pack, k, index)
    blocks = [content[at:at + BLOCK] for at in range(0, len(content), BLOCK)]
    header = w.prelude(change.get("magic", b"HFSHARD1"), change.get("version", 1), change.get("suite", 1))
    header += bytes((change.get("k", k), change.get("n", n), change.get("index", index), change.get("reserved", 0)))
    header += change.get("pack", identity) + w.u64(change.get("size", len(pack))) + w.u64(change.get("body", len(content))) + w.tree_head(blocks)
    return header + content + b"".join(w.sha(b"\0", block) for block in blocks), w.sha(b"\x0b", header)


def flipped(data, at):
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1:]


def add_all(v):
    identity = S.take(32)
    for size, k, n in ((SIZE, 2, 3), (7, 3, 5), (131072, 2, 4), (1, 2, 3), (70000, 5, 16)):
        for index in sorted({0, k - 1, k, n - 1}):
            data, name = shard(pattern(size), identity, k, n, index)
            v.add(f"shard_{k}_{n}_{index}_of_{size}", "shard", data, pattern=size, pack=identity, k=k, n=n, index=index, id=name)
    data, name = shard(pattern(SIZE), identity, 2, 3, 2)
    fields = dict(pattern=SIZE, pack=identity, k=2, n=3, index=2)
    bad = {"header": flipped(data, 70), "hash": flipped(data, 96 + 65537), "last_hash": flipped(data, len(data) - 1), "block": flipped(data, 96), "last_byte": flipped(data, 96 + 65536), "cut": data[:-1]}
    for what, changed in bad.items():
        v.add("shard_bad_" + what, "shard", changed, refused="cut" if what == "cut" else "shard", id=name, **fields)
    for what, change, stage in (("magic", dict(magic=b"HFSHARD2"), "prelude"), ("version", dict(version=2), "version"), ("suite", dict(suite=2), "suite"), ("reserved", dict(reserved=1), "parse"),
                                ("index", dict(index=1), "parse"), ("index_n", dict(index=3), "parse"), ("k_1", dict(k=1), "parse"), ("n_17", dict(n=17), "parse"), ("other_pack", dict(pack=bytes(32)), "parse"),
                                ("size", dict(size=SIZE + 2), "parse"), ("size_0", dict(size=0), "parse"), ("size_huge", dict(size=1 << 40), "parse"), ("body", dict(body=65536), "parse")):
        changed, other = shard(pattern(SIZE), identity, 2, 3, 2, change)
        v.add("shard_bad_" + what, "shard", changed, refused=stage, id=other, **fields)
    placed = b"\3" + S.take(32) + w.u64(SIZE) + w.blob(b"storj") + w.blob(b"packs/x") + bytes((2, 3, 1)) + S.take(32)
    v.add("entry_placed_shard", "log_entry", w.entry(3, 5, placed), type=3, time=5)
    for what, change in (("cut", placed[:-1]), ("left_over", placed + b"\0"), ("k_1", placed[:-35] + b"\1" + placed[-34:]), ("n_17", placed[:-34] + b"\x11" + placed[-33:]), ("index_n", placed[:-33] + b"\3" + placed[-32:]),
                         ("empty_pack", placed[:33] + w.u64(0) + placed[41:]), ("huge_pack", placed[:33] + w.u64((1 << 30) + 1) + placed[41:])):
        v.add("entry_bad_placed_shard_" + what, "log_entry", w.entry(3, 5, change), refused="parse")
    for names in (["local"], ["storj", "ipfs", "sia"]):
        text = b"".join(name.encode() + b"\0" for name in sorted(names))
        for alone in (False, True):
            number = int.from_bytes(w.sha(text, b"\1" if alone else b"", b"\2\2\3")[:4], "little")
            v.add(f"domain_{'alone_' if alone else ''}shards_" + "_".join(names), "domain", networks=names, stands_alone=alone, erasure=[2, 3], expect=number)
