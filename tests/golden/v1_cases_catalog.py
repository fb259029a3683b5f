# SPDX-License-Identifier: Apache-2.0
"""Vectors of core/FORMAT.md §6-§8."""
import v1_writer as w
from v1_cases_chunk import flipped

S = w.Stream("catalog")
R, ROOT, WRITER, OTHER, VAULT_SECRET = (S.take(n) for n in (16, 32, 32, 32, 32))
RS, LS, INCARNATION = S.take(32), S.take(32), S.take(16)
VAULT = w.vault_public(VAULT_SECRET)
K_CAT = w.derive(RS, R, b"catalog")
TIME = 1_795_000_000_123_456_789
GENESIS = w.genesis(R, TIME, ROOT, VAULT)
CERTIFICATE = w.certificate(R, WRITER, 3, 3, TIME + 1, b"db1.example", ROOT)


def resigned(data, seed, context):
    return data[:-64] + w.sign(seed, context + data[:-64])


def add_genesis(v):
    context = b"holdfast/1/genesis"
    fingerprint = w.sha(b"holdfast/1/root", w.public(ROOT))[:20].hex()
    v.add("genesis", "genesis", GENESIS, repository=R, created=TIME, root=w.public(ROOT), vault=VAULT, fingerprint=" ".join(fingerprint[i:i + 4] for i in range(0, 40, 4)))
    bad = {"magic": ("prelude", b"HFGENES2" + GENESIS[8:]), "version": ("version", flipped(GENESIS, 8, 3)), "suite": ("suite", flipped(GENESIS, 10, 3)), "cut": ("parse", GENESIS[:-1]),
           "left_over": ("parse", GENESIS + b"\0"), "repository": ("signature", flipped(GENESIS, 12)), "vault": ("signature", flipped(GENESIS, 70)), "signature": ("signature", flipped(GENESIS, -1 % len(GENESIS))),
           "other_signer": ("signature", resigned(GENESIS, OTHER, context)), "other_context": ("signature", resigned(GENESIS, ROOT, b"holdfast/1/head")), "empty": ("parse", b"")}
    for name, (stage, data) in bad.items():
        v.add("genesis_bad_" + name, "genesis", data, refused=stage)


def add_certificates(v):
    context = b"holdfast/1/certificate"
    v.add("certificate", "certificate", CERTIFICATE, genesis=GENESIS, writer_key=w.public(WRITER), writer=w.writer_id(WRITER), slot=3, roles=3, issued=TIME + 1, host="db1.example")
    other = w.certificate(S.take(16), WRITER, 3, 3, TIME, b"x", ROOT)
    bad = {"version": ("version", resigned(b"\2" + CERTIFICATE[1:], ROOT, context)), "slot": ("signature", flipped(CERTIFICATE, 49)), "roles": ("signature", flipped(CERTIFICATE, 53)),
           "signature": ("signature", flipped(CERTIFICATE, len(CERTIFICATE) - 64)), "self_signed": ("signature", resigned(CERTIFICATE, WRITER, context)), "cut": ("parse", CERTIFICATE[:-1]),
           "left_over": ("parse", CERTIFICATE + b"\0"), "other_repository": ("signature", other), "empty": ("parse", b"")}
    for name, (stage, data) in bad.items():
        v.add("certificate_bad_" + name, "certificate", data, genesis=GENESIS, refused=stage)


def snapshot_fields(root, links=None, content_hash=None, extra=b""):
    hashes = content_hash or w.sha(b"\x0b", bytes(32), bytes(32))
    return (w.blob(b"orders") + w.blob(b"nightly") + w.blob(b"incremental") + w.varint(2) + w.blob(b"sox") + w.blob(b"gdpr") + root + (b"\0" if links is None else b"\1" + links) + hashes
            + w.varint(1) + w.blob(b"a/b") + w.blob(b"db1") + w.blob(b"holdfast 0.1") + extra)


def add_snapshots(v):
    key, database = S.take(32), S.take(16)
    root_id = S.take(32)
    merkle, content = S.take(32), S.take(32)
    root = w.inode(1, 0o40755, b"\4" + w.ref(root_id, S.take(32), S.take(16), 99, 2) + w.totals(2, 1, 30, 4, merkle, content), 0, nlink=2)
    content_root, content_hash = w.sha(b"\5", merkle, bytes(32)), w.sha(b"\x0b", content, bytes(32))
    empty = w.inode(1, 0o40755, b"\0", 0, nlink=2)

    def make(fields, root_node=root_id, completeness=2, seal_key=key, **options):
        return w.snapshot(TIME, w.writer_id(WRITER), options.pop("content_root", content_root), root_node, bytes(32), 123456, seal_key, completeness, database, fields, S.take(12), **options)

    good_fields = snapshot_fields(root, content_hash=content_hash)
    identity, good = make(good_fields)
    v.add("snapshot", "snapshot", good, key=key, id=identity, time=TIME, writer=w.writer_id(WRITER), content_root=content_root, root_node=root_id, bytes_new=123456, key_id=w.key_id(key), completeness=2,
          database_id=database, database="orders", label="nightly", strategy="incremental", tags=["sox", "gdpr"], content_hash=content_hash, incomplete=["a/b"], host="db1", program="holdfast 0.1")
    identity, data = make(snapshot_fields(empty), root_node=bytes(32), completeness=1, content_root=w.sha(b"\5", bytes(64)))
    v.add("snapshot_empty", "snapshot", data, key=key, id=identity, time=TIME, writer=w.writer_id(WRITER), content_root=w.sha(b"\5", bytes(64)), root_node=bytes(32), bytes_new=123456, key_id=w.key_id(key),
          completeness=1, database_id=database, database="orders", label="nightly", strategy="incremental", tags=["sox", "gdpr"], content_hash=w.sha(b"\x0b", bytes(64)), incomplete=["a/b"], host="db1", program="holdfast 0.1")
    bad = {"version": ("version", make(good_fields, version=2)[1]), "id": ("id", flipped(good, 1)), "time": ("id", flipped(good, 9)), "private": ("id", flipped(good, len(good) - 20)),
           "completeness_0": ("parse", make(good_fields, completeness=0)[1]), "completeness_4": ("parse", make(good_fields, completeness=4)[1]), "cut": ("parse", good[:-1]), "left_over": ("parse", good + b"\0"),
           "empty": ("parse", b""), "other_key": ("open", make(good_fields, seal_key=S.take(32))[1]), "root_differs": ("roots", make(good_fields, root_node=S.take(32))[1]),
           "fields_left_over": ("parse", make(snapshot_fields(root, content_hash=content_hash, extra=b"\0"))[1]), "fields_cut": ("parse", make(good_fields[:-1])[1]),
           "root_is_file": ("parse", make(snapshot_fields(w.inode(1, 0o100644, b"\0", 0)), root_node=bytes(32))[1]), "links_mark": ("parse", make(good_fields.replace(root + b"\0", root + b"\2"))[1])}
    for name, (stage, data) in bad.items():
        v.add("snapshot_bad_" + name, "snapshot", data, key=key, refused=stage)
    return identity, good


def add_key_tables(v):
    snapshots, keys = [S.take(8) for _ in range(2)], [S.take(32) for _ in range(2)]
    rows = [snapshot + w.key_id(key) + w.vault_seal(VAULT, key) for snapshot, key in zip(snapshots, keys)]
    good = w.key_table(R, rows)
    common = dict(repository=R, vault_secret=VAULT_SECRET)
    v.add("key_table", "key_table", good, snapshots=[s.hex() for s in snapshots], keys=[k.hex() for k in keys], **common)
    v.add("key_table_none", "key_table", w.key_table(R, []), snapshots=[], keys=[], **common)
    bad = {"magic": ("prelude", flipped(good, 0)), "version": ("version", flipped(good, 8, 2)), "suite": ("suite", flipped(good, 10, 2)), "cut": ("parse", good[:-1]), "left_over": ("parse", good + b"\0"),
           "count": ("parse", good[:28] + b"\3" + good[29:]), "count_huge": ("parse", good[:28] + w.varint((1 << 64) - 1) + good[29:]), "sealed": ("open", flipped(good, len(good) - 1)),
           "other_vault": ("open", w.key_table(R, [snapshots[0] + w.key_id(keys[0]) + w.vault_seal(w.vault_public(OTHER), keys[0])])),
           "key_id": ("id", w.key_table(R, [snapshots[0] + w.key_id(keys[1]) + w.vault_seal(VAULT, keys[0])])), "other_repository": ("repository", w.key_table(S.take(16), rows))}
    for name, (stage, data) in bad.items():
        v.add("key_table_bad_" + name, "key_table", data, refused=stage, **common)


def log_entries(snapshot):
    digest, pack, database = S.take(32), S.take(32), S.take(16)
    policy = w.box(w.derive(K_CAT, R, b"policy", database), b"", w.blob(b'strategy = "full"\n'), S.take(12))
    return {"incarnation": (1, w.blob(CERTIFICATE) + w.varint(1) + w.writer_id(OTHER) + w.u64(9) + digest), "sealed": (2, w.blob(snapshot)),
            "placed": (3, b"\1" + pack + w.u64(16 << 20) + w.blob(b"local") + w.blob(b"packs/" + pack.hex().encode())), "verified": (4, w.blob(b"ipfs") + pack + b"\3"),
            "policy": (5, database + policy), "checkpoint": (6, w.u64(5) + digest), "key_event": (7, w.blob(b"passphrase changed") + w.u32(2)), "safe": (8, S.take(8)), "unknown": (200, b"whatever")}


def add_logs(v, snapshot):
    log = w.Log(R, WRITER, INCARNATION, K_CAT, S)
    entries = log_entries(snapshot)
    for number, (name, (kind, body)) in enumerate(entries.items()):
        plain = w.entry(kind, TIME + number, body)
        v.add("entry_" + name, "log_entry", plain, type=kind, time=TIME + number)
        log.add(plain)
        if name == "unknown":
            continue
        v.add(f"entry_bad_{name}_cut", "log_entry", plain[:-1] if name != "policy" else plain[:20], refused="parse")
        if name != "policy":
            v.add(f"entry_bad_{name}_left_over", "log_entry", plain + b"\0", refused="parse")
    v.add("entry_bad_version", "log_entry", w.entry(2, 0, w.blob(snapshot), version=2), refused="version")
    v.add("entry_bad_outcome_0", "log_entry", w.entry(4, 0, w.blob(b"ipfs") + bytes(32) + b"\0"), refused="parse")
    v.add("entry_bad_outcome_5", "log_entry", w.entry(4, 0, w.blob(b"ipfs") + bytes(32) + b"\5"), refused="parse")
    v.add("entry_placed_other_object", "log_entry", w.entry(3, 5, b"\2what it says"), type=3, time=5)
    common = dict(k_cat=K_CAT, writer_key=w.public(WRITER))
    good = log.segment()
    types = [kind for kind, _ in entries.values()]
    v.add("segment", "log_segment", good, repository=R, writer=log.writer, incarnation=INCARNATION, first=0, types=types, root=w.tree_head(log.leaves), **common)
    v.add("segment_tail", "log_segment", log.segment(4), repository=R, writer=log.writer, incarnation=INCARNATION, first=4, types=types[4:], root=w.tree_head(log.leaves[4:]), **common)
    other_key = w.Log(R, WRITER, INCARNATION, S.take(32), S)
    other_key.add(w.entry(2, 0, w.blob(snapshot)))
    moved = log.segment(4)
    bad = {"magic": ("prelude", flipped(good, 7)), "version": ("version", flipped(good, 8, 2)), "suite": ("suite", flipped(good, 10, 2)), "cut": ("parse", good[:-1]), "left_over": ("parse", good + b"\0"),
           "count": ("parse", good[:68] + b"\x0f" + good[69:]), "count_huge": ("parse", good[:68] + w.varint((1 << 64) - 1) + good[69:]), "signature": ("signature", flipped(good, len(good) - 1)),
           "sealed": ("signature", flipped(good, 100)), "number": ("signature", moved[:60] + w.u64(5) + moved[68:]), "repository": ("signature", flipped(good, 12)), "incarnation": ("signature", flipped(good, 44)),
           "writer": ("signature", flipped(good, 28)), "other_log_key": ("open", other_key.segment())}
    for name, (stage, data) in bad.items():
        v.add("segment_bad_" + name, "log_segment", data, refused=stage, **common)
    return log


def add_heads(v, log):
    segments = [log.segment(0, 4), log.segment(4)]
    metas = [w.meta(1, b"keyring", 0, 0, b"meta/keyring"), w.meta(2, segments[0], 0, 4, b"meta/a"), w.meta(2, segments[1], 4, 5, b"meta/b"), w.meta(3, b"table", 0, 0, b"meta/t")]
    other = w.writer_id(OTHER) + w.u32(4) + w.u64(77) + S.take(32)

    def make(**options):
        given = dict(slot=3, time=TIME + 99, genesis_bytes=GENESIS, certificate_bytes=CERTIFICATE, metas=metas, others=[other])
        given.update(options)
        return w.head(log, given.pop("slot"), given.pop("time"), given.pop("genesis_bytes"), given.pop("certificate_bytes"), given.pop("metas"), given.pop("others"), **given)

    good = make()
    v.add("head", "head", good, repository=R, writer=log.writer, incarnation=INCARNATION, slot=3, log_size=9, root=w.tree_head(log.leaves), time=TIME + 99, metas=4, others=1, locators=["meta/keyring", "meta/a", "meta/b", "meta/t"])
    foreign = w.genesis(R, TIME, OTHER, VAULT)
    foreign_writer = w.certificate(R, OTHER, 3, 3, TIME, b"x", ROOT)
    bad = {"magic": ("prelude", flipped(good, 0)), "version": ("version", flipped(good, 8, 2)), "suite": ("suite", flipped(good, 10, 2)), "cut": ("parse", good[:-1]), "left_over": ("parse", good + b"\0"),
           "signature": ("signature", flipped(good, len(good) - 1)), "root": ("signature", flipped(good, 72)), "time": ("signature", flipped(good, 105)), "by_root": ("signature", make(seed=ROOT)),
           "certificate_by_other_root": ("signature", make(genesis_bytes=foreign)), "certificate_of_other_writer": ("signature", make(certificate_bytes=foreign_writer)), "slot": ("signature", make(slot=4)),
           "genesis_damaged": ("signature", make(genesis_bytes=flipped(GENESIS, 30))), "genesis_cut": ("parse", make(genesis_bytes=GENESIS[:-1])), "meta_type": ("unknown", make(metas=[w.meta(9, b"", 0, 0, b"x")] + metas)),
           "gap": ("segments", make(metas=[metas[0], w.meta(2, segments[0], 0, 3, b"meta/a"), metas[2]])), "overlap": ("segments", make(metas=metas + [metas[1]])),
           "segments_short": ("segments", make(metas=metas[:2])), "segments_beyond": ("segments", make(size=8)), "empty": ("parse", b"")}
    for name, (stage, data) in bad.items():
        v.add("head_bad_" + name, "head", data, refused=stage)


def add_keyrings(v):
    passphrase, code = b"correct horse battery staple \xc3\xa9", S.take(16)
    contents = {1: RS, 2: VAULT_SECRET + ROOT, 3: WRITER + LS}
    keys = {number: S.take(32) for number in contents}
    boxes = {number: w.compartment_box(R, number, keys[number], content, S.take(12)) for number, content in contents.items()}

    def stanza(numbers=(1, 2, 3), kdf=1, cost=(100_000,), mixed=None, **options):
        return w.stanza(R, passphrase, mixed, kdf, cost, S.take(32), [(number, keys[number]) for number in numbers], S, **options)

    def ring(stanzas, numbers=(1, 2, 3), given=boxes, repository=R):
        return w.keyring(repository, 7, stanzas, [(number, given[number]) for number in numbers])

    def add(name, data, refused=None, opens=(1, 2, 3), **given):
        fields = dict(passphrase=passphrase, code=code)
        fields.update(given)
        result = dict(refused=refused) if refused else dict(generation=7, contents={str(number): contents[number].hex() for number in opens})
        v.add("keyring_" + name, "keyring", data, **fields, **result)

    home, away = ring([stanza()]), ring([stanza((1, 2), mixed=code)], (1, 2))
    add("home", home)
    add("away", away, opens=(1, 2))
    argon = ring([stanza((1,), kdf=2, cost=(1, 8192)), stanza((3,))])
    add("argon_and_pbkdf2", argon, opens=(1, 3))
    add("bad_passphrase", home, "unlock", passphrase=b"correct horse")
    add("bad_code", away, "unlock", code=bytes(16))
    add("bad_no_code", away, "unlock", code=b"")
    for name, kdf, cost in (("pbkdf2_floor", 1, (99_999,)), ("pbkdf2_1", 1, (1,)), ("pbkdf2_0", 1, (0,)), ("pbkdf2_ceiling", 1, (50_000_001,)), ("pbkdf2_huge", 1, (0xFFFFFFFF,))):
        add("bad_" + name, ring([stanza(kdf=kdf, cost=cost)]), "kdf")
    good = stanza((1,), kdf=2, cost=(1, 8192))
    at = good.index(w.u32(1) + w.u32(8192))
    for name, cost in (("passes_0", (0, 8192)), ("passes_65", (65, 8192)), ("memory_small", (1, 8191)), ("memory_huge", (1, 4_194_305))):
        add("bad_argon_" + name, ring([good[:at] + w.u32(cost[0]) + w.u32(cost[1]) + good[at + 8:]]), "kdf")
    add("bad_stanza_type", ring([stanza(kind=2)]), "unknown")
    add("bad_stanza_flags", ring([stanza(flags=2)]), "parse")
    one = stanza((1,))
    kdf_at = 1 + 1 + len(b"passphrase") + 1
    add("bad_kdf_3", ring([one[:kdf_at] + b"\3" + one[kdf_at + 1:]]), "unknown")
    add("bad_compartment_4", w.keyring(R, 7, [stanza((1,))], [(4, boxes[1])]), "unknown")
    add("bad_compartment_twice", w.keyring(R, 7, [stanza((1,))], [(1, boxes[1]), (1, boxes[1])]), "parse")
    add("bad_compartment_size", w.keyring(R, 7, [stanza((1,))], [(1, boxes[2])]), "parse")
    add("bad_compartment_absent", ring([stanza((1, 2))], (1,)), "parse")
    add("bad_compartment_damaged", home[:-1] + bytes([home[-1] ^ 1]), "open")
    add("bad_compartment_swapped", w.keyring(R, 7, [stanza((2, 3))], [(2, boxes[3]), (3, boxes[2])]), "open")
    add("bad_other_repository", ring([stanza()], repository=S.take(16)), "unlock")
    add("bad_magic", flipped(home, 0), "prelude")
    add("bad_version", flipped(home, 8, 2), "version")
    add("bad_suite", flipped(home, 10, 2), "suite")
    add("bad_cut", home[:-1], "parse")
    add("bad_left_over", home + b"\0", "parse")
    add("bad_stanza_count", home[:32] + w.varint(65) + home[33:], "parse")
    add("bad_stanza_count_huge", home[:32] + w.varint((1 << 64) - 1) + home[33:], "parse")
    add("bad_salt", flipped(home, 33 + kdf_at + 5), "unlock")


def add_all(v):
    add_genesis(v)
    add_certificates(v)
    _, snapshot = add_snapshots(v)
    add_key_tables(v)
    add_heads(v, add_logs(v, snapshot))
    add_keyrings(v)
