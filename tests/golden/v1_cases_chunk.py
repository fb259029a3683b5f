# SPDX-License-Identifier: Apache-2.0
"""Vectors of core/FORMAT.md §1-§3 and §5."""
import struct

import v1_writer as w

S = w.Stream("chunk")


def pattern(size):
    """What the vectors call a pattern: byte i is (131 i + 17 (i >> 8)) mod 256."""
    return bytes((131 * i + 17 * (i >> 8)) & 255 for i in range(size))


def prose(lines, changed=()):
    return b"".join(b"%d\tcustomer %d\tshipped%s\n" % (i, i * 7919 % 10007, b" twice" if i in changed else b"") for i in range(lines))


def add_primitives(v):
    for size in (0, 1, 32767, 32768, 32769, 65536, 100000):
        v.add(f"h32_{size}", "h32", pattern=size, expect=w.h32(pattern(size)))
    key = S.take(32)
    for size, domain, kind in ((1, 0, 1), (40000, 0x01020304, 1), (70000, 0xFFFFFFFF, 2)):
        v.add(f"fingerprint_{size}", "fingerprint", key=key, domain=domain, kind=kind, pattern=size, expect=w.fingerprint(key, domain, kind, pattern(size)))
    secret, repository = S.take(32), S.take(16)
    for label, context in (("catalog", b""), ("maintenance", b""), ("fingerprint", b""), ("chunker", b""), ("head", w.u32(7)), ("local", b"journal")):
        v.add(f"derive_{label}", "derive", secret=secret, repository=repository, label=label, context=context, expect=w.derive(secret, repository, label.encode(), context))
    gear = w.gear_bytes(key)
    v.add("gear", "gear", key=key, first=struct.unpack("<Q", gear[:8])[0], last=struct.unpack("<Q", gear[-8:])[0], digest=w.sha(gear))
    for names in (["local"], ["storj", "ipfs", "sia"]):
        text = b"".join(name.encode() + b"\0" for name in sorted(names))
        v.add("domain_" + "_".join(names), "domain", networks=names, stands_alone=False, expect=struct.unpack("<I", w.sha(text)[:4])[0])
        v.add("domain_alone_" + "_".join(names), "domain", networks=names, stands_alone=True, expect=struct.unpack("<I", w.sha(text + b"\x01")[:4])[0])
    for count in (0, 1, 2, 3, 7, 8, 9):
        leaves = [pattern(i * 3) for i in range(count)]
        v.add(f"mth_{count}", "mth", leaves=[leaf.hex() for leaf in leaves], expect=w.tree_head(leaves))
    for text, code in ((None, bytes(16)), (None, S.take(16)), (None, b"\xff" * 16)):
        text = w.recovery_text(code)
        v.add("code_" + code.hex()[:6], "code", text=text, expect=code)
        v.add("code_typed_" + code.hex()[:6], "code", text=text.lower().replace("0", "o").replace("1", "l").replace("-", " "), expect=code)
    wrong = text[:-1] + ("0" if text[-1] != "0" else "4")
    for name, text in (("check", wrong), ("short", text[:-1]), ("long", text + "0"), ("letter", "U" + text[1:]), ("fill", text[:-1] + "Z" if text[-1] != "Z" else "Y")):
        v.add("code_bad_" + name, "code", refused="code", text=text)


class Made:
    """A record and all that opens it."""

    def __init__(self, plain, codec, payload, kind=1, key=None, **header):
        self.plain, self.key = plain, key or S.take(32)
        self.header = w.record_header(kind, codec, header.pop("plain_size", len(plain)), header.pop("payload_size", len(payload)), **header)
        self.data = w.record(self.header, payload, self.key, S.take(12))
        self.kind = kind

    def ref(self, data=None, **change):
        data = self.data if data is None else data
        return w.ref(change.get("id", w.chunk_id(data)), change.get("key", self.key), b"\x11" * 16, change.get("size", len(self.plain)), change.get("kind", self.kind))


def add_records(v):
    stored, text = pattern(300), prose(40)
    made = {"stored": Made(stored, 0, stored), "stored_one_byte": Made(b"x", 0, b"x", kind=3), "zstd": Made(text, 1, w.frame(text), kind=2),
            "zstd_zeros": Made(bytes(50000), 1, w.frame(bytes(50000)))}
    for name, m in made.items():
        v.add("record_" + name, "record", m.data, ref=m.ref(), bases=[], depth=0, expect=w.sha(m.plain))
    chain = [Made(text, 1, w.frame(text))]
    plain = text
    for depth in range(1, 18):
        base_plain, plain = plain, prose(40, changed=range(depth))
        base = chain[-1]
        payload = w.difference(w.chunk_id(base.data), base.key, len(base_plain), depth, w.frame(plain, base_plain))
        chain.append(Made(plain, 2, payload))
    rows = [{"ref": m.ref().hex(), "record": m.data.hex()} for m in chain]
    for depth in (1, 2, 16):
        v.add(f"record_difference_{depth}", "record", chain[depth].data, ref=chain[depth].ref(), bases=rows[:depth], depth=depth, expect=w.sha(chain[depth].plain))
    v.add("record_depth_17", "record", chain[17].data, ref=chain[17].ref(), bases=rows[:17], refused="depth")

    def difference(name, stage, depth=1, size=None, key=None, cut=None, zstd=None):
        base, plain = chain[0], chain[1].plain
        payload = w.difference(w.chunk_id(base.data), key or base.key, len(base.plain) if size is None else size, depth, w.frame(plain, base.plain) if zstd is None else zstd)
        m = Made(plain, 2, payload[:cut])
        v.add("record_difference_" + name, "record", m.data, ref=m.ref(), bases=rows[:1], refused=stage)

    difference("depth_0", "depth", depth=0)
    difference("depth_255", "depth", depth=255)
    difference("base_is_shallower", "depth", depth=2)
    difference("base_size", "reference", size=len(text) + 1)
    difference("base_size_0", "parse", size=0)
    difference("base_size_huge", "parse", size=4194305)
    difference("base_key", "open", key=bytes(32))
    difference("cut_in_front", "parse", cut=68)
    difference("cut_in_frame", "frame", cut=75)
    difference("no_frame", "frame", cut=69)
    difference("frame_without_its_base", "frame", zstd=w.frame(chain[1].plain)[:-1])
    add_differences_to_two(v, chain[0], chain[1])
    add_bad_headers(v, stored)
    add_bad_records(v, made)
    add_bad_frames(v)


def add_differences_to_two(v, whole, lean):
    rows = [{"ref": m.ref().hex(), "record": m.data.hex()} for m in (whole, lean)]
    plain = prose(40, changed=(3,)) + prose(40, changed=(0, 9))
    bases = [(w.chunk_id(m.data), m.key, len(m.plain)) for m in (whole, lean)]

    def add(name, of=bases, depth=2, prefix=whole.plain + lean.plain, cut=None, refused=None, codec=3):
        m = Made(plain, codec, w.difference_to_two(of, depth, w.frame(plain, prefix))[:cut])
        fields = dict(refused=refused) if refused else dict(depth=depth, expect=w.sha(plain))
        v.add("record_to_two" + name, "record", m.data, ref=m.ref(), bases=rows, **fields)

    add("")
    add("_other_way_round", of=bases[::-1], prefix=lean.plain + whole.plain)
    add("_of_one", of=[bases[0], bases[0]], depth=1, prefix=whole.plain * 2)
    add("_depth_of_the_lesser", depth=1, refused="depth")
    add("_depth_more", depth=3, refused="depth")
    add("_cut_in_second", cut=100, refused="parse")
    add("_second_size", of=[bases[0], (*bases[1][:2], len(lean.plain) + 1)], refused="reference")
    add("_second_key", of=[bases[0], (bases[1][0], bytes(32), bases[1][2])], refused="open")
    add("_one_base", of=bases[:1], refused="parse")


def add_bad_headers(v, plain):
    frame = w.frame(bytes(300))
    cases = [("magic", "prelude", dict(magic=b"HD")), ("version", "version", dict(version=2)), ("suite", "suite", dict(suite=2)),
             ("reserved", "parse", dict(reserved=b"\0\1")), ("plain_0", "parse", dict(plain_size=0)), ("plain_huge", "parse", dict(plain_size=4194305)),
             ("payload_larger", "parse", dict(payload_size=301)), ("payload_smaller", "parse", dict(payload_size=299)), ("payload_0", "parse", dict(payload_size=0)),
             ("payload_huge", "parse", dict(payload_size=0xFFFFFFFF))]
    for name, stage, header in cases:
        m = Made(plain, 0, plain, **header)
        v.add("record_bad_" + name, "record", m.data, ref=m.ref(), bases=[], refused=stage)
    for name, stage, kind, codec, payload in (("kind_0", "parse", 0, 0, plain), ("kind_4", "parse", 4, 0, plain), ("codec_4", "unknown", 1, 4, frame), ("codec_255", "unknown", 1, 255, frame),
                                              ("zstd_not_smaller", "parse", 1, 1, plain)):
        m = Made(plain, codec, payload, kind=kind)
        v.add("record_bad_" + name, "record", m.data, ref=m.ref(kind=1), bases=[], refused=stage)


def flipped(data, at, bit=1):
    return data[:at] + bytes([data[at] ^ bit]) + data[at + 1:]


def add_bad_records(v, made):
    m = made["stored"]
    for name, at in (("header_kind", 4), ("nonce", 16), ("ciphertext", 28), ("ciphertext_end", -17), ("tag", -1)):
        at %= len(m.data)
        data = flipped(m.data, at, 3 if name == "header_kind" else 1)
        v.add("record_flipped_" + name, "record", data, ref=m.ref(data, kind=data[4]), bases=[], refused="open")
    v.add("record_bad_id", "record", m.data, ref=m.ref(id=flipped(w.chunk_id(m.data), 31)), bases=[], refused="id")
    v.add("record_swapped", "record", made["zstd"].data, ref=m.ref(), bases=[], refused="id")
    v.add("record_bad_key", "record", m.data, ref=m.ref(key=flipped(m.key, 0)), bases=[], refused="open")
    v.add("record_ref_size", "record", m.data, ref=m.ref(size=301), bases=[], refused="reference")
    v.add("record_ref_kind", "record", m.data, ref=m.ref(kind=2), bases=[], refused="reference")
    for name, data in (("cut", m.data[:-1]), ("longer", m.data + b"\0"), ("cut_in_header", m.data[:15]), ("empty", b"")):
        v.add("record_" + name, "record", data, ref=m.ref(data), bases=[], refused="parse")


def add_bad_frames(v):
    plain = prose(40)
    good = w.frame(plain)
    cases = {"two_frames": good + w.frame(b""), "left_over": good + b"\0", "skippable_first": bytes.fromhex("502a4d1800000000") + good, "cut": good[:-1], "no_content_size": w.frame(plain, content_size=False),
             "shorter_content": w.frame(plain[:-1]), "longer_content": w.frame(plain + b"x"), "garbage": S.take(100), "magic": flipped(good, 0)}
    for name, payload in cases.items():
        m = Made(plain, 1, payload)
        v.add("record_frame_" + name, "record", m.data, ref=m.ref(), bases=[], refused="frame")


def add_packs(v):
    k_maint, salt, nonce = S.take(32), S.take(16), S.take(12)
    plains = [pattern(200 + i) for i in range(3)]
    records = [Made(plain, 0, plain) for plain in plains]
    base_text, new_text = prose(30), prose(30, changed=(5,))
    base = Made(base_text, 1, w.frame(base_text))
    lean = Made(new_text, 2, w.difference(w.chunk_id(base.data), base.key, len(base_text), 1, w.frame(new_text, base_text)))
    tree = Made(plains[0], 0, plains[0], kind=2)
    outside = S.take(32)
    entries = [w.PackEntry(r.data, 1) for r in records] + [w.PackEntry(lean.data, 1, bases=[w.chunk_id(base.data)]), w.PackEntry(base.data, 1)]
    both_text = prose(30, changed=(6,)) + prose(30, changed=(7,))
    both = Made(both_text, 3, w.difference_to_two([(w.chunk_id(m.data), m.key, len(m.plain)) for m in (lean, base)], 2, w.frame(both_text, new_text + base_text)))
    entries.append(w.PackEntry(both.data, 1, bases=[w.chunk_id(lean.data), w.chunk_id(base.data)]))
    entries.append(w.PackEntry(tree.data, 2, children=[entries[3].id, outside, entries[0].id]))
    index = b"".join(w.pack_entry(entry, [e.id for e in entries]) for entry in entries)

    def add(name, refused=None, key=k_maint, change=lambda data: data, expected=None, of=entries, **options):
        data, identity = w.pack(of, k_maint, salt, nonce, **options)
        rows = [{"id": e.id.hex(), "kind": e.kind, "bases": [base.hex() for base in e.bases], "children": [c.hex() for c in e.children], "size": len(e.data)} for e in of]
        fields = dict(refused=refused) if refused else dict(entries=rows, root=w.tree_head([e.id for e in of]), id=identity)
        v.add("pack_" + name, "pack", change(data), k_maint=key, expected=identity if expected is None else expected, **fields)

    add("good")
    add("one_record", of=entries[:1])
    add("wrong_key", "index", key=bytes(32))
    add("another_id", "id", expected=bytes(32))
    add("footer_magic", "prelude", prelude=w.prelude(b"HFPKEND2"))
    add("footer_version", "version", prelude=w.prelude(b"HFPKEND1", version=7))
    add("footer_suite", "suite", prelude=w.prelude(b"HFPKEND1", suite=2))
    add("header_magic", "prelude", header=w.prelude(b"HFPACK02") + salt + bytes(4))
    add("header_version", "version", header=w.prelude(b"HFPACK01", version=2) + salt + bytes(4))
    add("header_suite", "suite", header=w.prelude(b"HFPACK01", suite=9) + salt + bytes(4))
    add("header_reserved", "parse", header=w.prelude(b"HFPACK01") + salt + b"\0\0\0\1")
    add("reserved", "parse", reserved=b"\1\0\0\0")
    add("reserved_end", "parse", reserved_end=bytes(23) + b"\1")
    add("count_0", "parse", count=0)
    add("count_more", "parse", count=8)
    add("count_less", "parse", count=6)
    add("count_huge", "parse", count=0xFFFFFFFF)
    add("size", "parse", size=5)
    add("offset", "parse", offset=31)
    add("offset_huge", "parse", offset=(1 << 64) - 1)
    add("index_size", "parse", index_size=1)
    add("index_size_huge", "parse", index_size=0xFFFFFFFF)
    add("index_digest", "index", digest=bytes(32))
    add("root", "merkle", root=bytes(32))
    add("cut", "prelude", change=lambda data: data[:-1])
    add("cut_in_front", "parse", change=lambda data: data[1:])
    add("longer", "prelude", change=lambda data: data + b"\0")
    add("empty", "parse", change=lambda data: b"")
    add("only_footer", "parse", change=lambda data: data[-128:])
    add("flipped_salt", "id", change=lambda data: flipped(data, 12))
    add("flipped_record", "id", change=lambda data: flipped(data, 100))
    add("flipped_index", "index", change=lambda data: flipped(data, len(data) - 140))
    add("index_left_over", "parse", index=index + b"\0")
    add("index_cut", "parse", index=index[:-1])
    one = entries[0]
    for name, stage, text in (("flags", "parse", one.id + w.varint(len(one.data)) + b"\1\x08"), ("second_base_alone", "parse", one.id + w.varint(len(one.data)) + b"\1\4" + outside), ("kind", "parse", one.id + w.varint(len(one.data)) + b"\5\0"),
                              ("long_varint", "parse", one.id + bytes([len(one.data) & 127 | 128, len(one.data) >> 7 | 128, 0]) + b"\1\0"),
                              ("size_less", "parse", one.id + w.varint(len(one.data) - 1) + b"\1\0"), ("size_tiny", "parse", one.id + w.varint(44) + b"\1\0"),
                              ("data_with_children", "parse", one.id + w.varint(len(one.data)) + b"\1\2" + w.varint(1) + w.varint(1)),
                              ("no_children", "parse", one.id + w.varint(len(one.data)) + b"\2\2" + w.varint(0)),
                              ("child_beyond", "parse", one.id + w.varint(len(one.data)) + b"\2\2" + w.varint(1) + w.varint(2)),
                              ("children_huge", "parse", one.id + w.varint(len(one.data)) + b"\2\2" + w.varint((1 << 64) - 1)),
                              ("other_kind", "index", one.id + w.varint(len(one.data)) + b"\3\0"), ("base_on_stored", "index", one.id + w.varint(len(one.data)) + b"\1\1" + outside)):
        add("index_" + name, stage, of=entries[:1], index=text)
    no_base = w.PackEntry(lean.data, 1)
    add("no_base_on_difference", "index", of=[no_base])
    add("one_base_of_two", "index", of=[w.PackEntry(both.data, 1, bases=[w.chunk_id(base.data)])])
    add("two_bases_of_one", "index", of=[w.PackEntry(lean.data, 1, bases=[w.chunk_id(base.data), outside])])


def add_all(v):
    add_primitives(v)
    add_records(v)
    add_packs(v)
