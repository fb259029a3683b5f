#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the reader against tests/golden/v1: what must open opens, what must be refused is refused by the stage that the vector names.

  check_golden.py GOLDEN_DIRECTORY"""
import hashlib
import json
import os
import stat
import subprocess
import sys
import tempfile

import holdfast_catalog as c
import holdfast_format as f
import holdfast_shards as shards
import holdfast_tree as t

HERE = os.path.dirname(os.path.abspath(__file__))


def pattern(size):
    return bytes((131 * i + 17 * (i >> 8)) & 255 for i in range(size))


def hexes(row, *names):
    return tuple(bytes.fromhex(row[name]) for name in names)


def equal(found, wanted):
    assert found == wanted, f"{found!r} is not {wanted!r}"


def check_record(row, data):
    records = {base["ref"][:64]: bytes.fromhex(base["record"]) for base in row["bases"]}

    def resolve(ref):
        return f.open_chunk(ref, records[ref.id.hex()], resolve)

    plain, depth = f.open_chunk(f.read_ref(f.Cursor(bytes.fromhex(row["ref"]), "reference")), data, resolve)
    equal((hashlib.sha256(plain).hexdigest(), depth), (row["expect"], row["depth"]))


def check_pack(row, data):
    k_maint, expected = hexes(row, "k_maint", "expected")
    identity, entries = f.read_pack(data, k_maint, expected)
    found = [{"id": e.id.hex(), "kind": e.kind, "bases": [base.hex() for base in e.bases], "children": [child.hex() for child in e.children], "size": e.size} for e in entries]
    equal((identity.hex(), found), (row["id"], row["entries"]))


def check_inode(row, data):
    cursor = f.Cursor(data, "inode")
    t.Inode(cursor)
    cursor.end()


def check_node(row, data):
    node = t.TreeNode(data, row["links"]) if row["structure"] == "tree_node" else t.ListNode(data)
    identity, merkle, content_hash = hexes(row, "id", "merkle", "content_hash")
    equal((list(node.counts()), node.merkle(identity), node.content_hash()), (row["counts"], merkle, content_hash))
    if "names" in row:
        equal([name.hex() for name in node.names], row["names"])


def check_keyring(row, data):
    passphrase, code = hexes(row, "passphrase", "code")
    ring = c.Keyring(data)
    contents = ring.unlock(passphrase, code or None)
    equal((ring.generation, {str(number): content.hex() for number, content in contents.items()}), (row["generation"], row["contents"]))


def check_genesis(row, data):
    genesis = c.Genesis(data)
    equal((genesis.repository.hex(), genesis.created, genesis.root.hex(), genesis.vault.hex(), genesis.fingerprint()), (row["repository"], row["created"], row["root"], row["vault"], row["fingerprint"]))


def check_certificate(row, data):
    found = c.Certificate(data, c.Genesis(bytes.fromhex(row["genesis"])))
    equal((found.writer_key.hex(), found.writer.hex(), found.slot, found.roles, found.issued, found.host), (row["writer_key"], row["writer"], row["slot"], row["roles"], row["issued"], row["host"]))


def check_snapshot(row, data):
    found = c.SnapshotRecord(data)
    found.open(bytes.fromhex(row["key"]))
    for name in ("time", "bytes_new", "completeness", "database", "label", "strategy", "tags", "incomplete", "host", "program"):
        equal(getattr(found, name), row[name])
    for name in ("id", "writer", "content_root", "root_node", "key_id", "database_id", "content_hash"):
        equal(getattr(found, name).hex(), row[name])


def check_key_table(row, data):
    table = c.KeyTable(data)
    repository, secret = hexes(row, "repository", "vault_secret")
    if table.repository != repository:
        raise f.Refused("repository", "another repository's")
    keys = [c.open_snapshot_key(entry, secret).hex() for entry in table.entries]
    equal(([entry[0].hex() for entry in table.entries], keys), (row["snapshots"], row["keys"]))


def check_segment(row, data):
    segment = c.LogSegment(data)
    k_cat, writer_key = hexes(row, "k_cat", "writer_key")
    segment.verify(writer_key)
    types = [kind for kind, _, _ in segment.open(k_cat)]
    equal((segment.repository.hex(), segment.writer.hex(), segment.incarnation.hex(), segment.first, types), (row["repository"], row["writer"], row["incarnation"], row["first"], row["types"]))
    equal(f.merkle_root([sealed for sealed, _ in segment.entries]).hex(), row["root"])


def check_head(row, data):
    head = c.Head(data)
    equal((head.repository.hex(), head.writer.hex(), head.incarnation.hex(), head.slot, head.log_size, head.root.hex(), head.time), tuple(row[n] for n in ("repository", "writer", "incarnation", "slot", "log_size", "root", "time")))
    equal(([meta[5] for meta in head.metas], len(head.others)), (row["locators"], row["others"]))


def check_entry(row, data):
    equal(c.read_entry(data)[:2], (row["type"], row["time"]))


def check_shard(row, data):
    pack, identity = hexes(row, "pack", "id")
    k, index, plain = row["k"], row["index"], pattern(row["pattern"])
    body = shards.read_shard(data, pack, len(plain), k, row["n"], index, identity)
    if "refused" in row or len(body) > 40000:
        return
    # This shard stands in for the first that is not itself; the others are data shards as they lie in the pack.
    bodies = {j: plain[j * len(body):(j + 1) * len(body)].ljust(len(body), b"\0") for j in range(k)}
    bodies.pop(next(j for j in range(k) if j != index))
    bodies[index] = body
    if index >= k:
        equal(shards.join(bodies, k, len(plain)), plain)


def check_gear(row, data):
    table = f.gear_table(bytes.fromhex(row["key"]))
    equal((table[0], table[255], f.sha256(b"".join(value.to_bytes(8, "little") for value in table)).hex()), (row["first"], row["last"], row["digest"]))


CHECKS = {
    "record": check_record, "pack": check_pack, "inode": check_inode, "tree_node": check_node, "list_node": check_node, "keyring": check_keyring, "genesis": check_genesis, "certificate": check_certificate,
    "snapshot": check_snapshot, "key_table": check_key_table, "log_segment": check_segment, "head": check_head, "log_entry": check_entry, "gear": check_gear, "shard": check_shard,
    "h32": lambda row, _: equal(f.h32(pattern(row["pattern"])).hex(), row["expect"]),
    "fingerprint": lambda row, _: equal(f.fingerprint(bytes.fromhex(row["key"]), row["domain"], row["kind"], pattern(row["pattern"])).hex(), row["expect"]),
    "derive": lambda row, _: equal(f.derive(*hexes(row, "secret", "repository"), row["label"].encode(), bytes.fromhex(row["context"])).hex(), row["expect"]),
    "domain": lambda row, _: equal(f.sharing_domain(row["networks"], row["stands_alone"], row.get("erasure")), row["expect"]),
    "mth": lambda row, _: equal(f.merkle_root([bytes.fromhex(leaf) for leaf in row["leaves"]]).hex(), row["expect"]),
    "code": lambda row, _: equal(c.recovery_code(row["text"]).hex(), row["expect"]),
}


def check(row, directory):
    """None, or what is wrong."""
    data = None
    if "file" in row:
        with open(os.path.join(directory, row["file"]), "rb") as file:
            data = file.read()
    try:
        CHECKS[row["structure"]](row, data)
    except f.Refused as refused:
        if refused.stage == row.get("refused"):
            return None
        return f"refused by {refused} where {row.get('refused', 'nothing')} should refuse"
    except AssertionError as error:
        return str(error)
    return f"accepted where {row['refused']} should refuse" if "refused" in row else None


def reader(directory, about, *arguments):
    command = [sys.executable, os.path.join(HERE, "holdfast_reader.py"), directory, "--passphrase-file", os.path.join(directory, "passphrase"), "--code", about["code"], "--root", about["root"], *arguments]
    return subprocess.run(command, capture_output=True, check=False)


def check_repository(directory):
    with open(os.path.join(directory, "expected.json"), encoding="utf-8") as file:
        about = json.load(file)
    listed = reader(directory, about, "list")
    equal(listed.returncode, 0)
    rows = [json.loads(line) for line in listed.stdout.splitlines()]
    equal([(row["id"], row["content_root"]) for row in rows], [(s["id"], s["content_root"]) for s in reversed(about["snapshots"])])
    for snapshot in about["snapshots"]:
        with tempfile.TemporaryDirectory() as target:
            restored = reader(directory, about, "restore", snapshot["id"], target)
            assert restored.returncode == 0, restored.stderr.decode()
            found = {}
            for top, _, names in os.walk(os.fsencode(target)):
                for name in names:
                    path = os.path.join(top, name)
                    relative = os.path.relpath(path, os.fsencode(target))
                    if os.path.islink(path):
                        equal(os.readlink(path).decode(), snapshot["links"][relative.decode()])
                    else:
                        with open(path, "rb") as file:
                            found[relative.hex()] = hashlib.sha256(file.read()).hexdigest()
            equal(found, snapshot["files"])
            equal(os.stat(os.path.join(target, "h1")).st_nlink, 2)
            equal(stat.S_IMODE(os.stat(os.path.join(target, "sub")).st_mode), 0o700)
    equal(hashlib.sha256(reader(directory, about, "cat", "orders", "/orders.sql").stdout).hexdigest(), about["snapshots"][-1]["files"][b"orders.sql".hex()])
    equal(reader(directory, dict(about, code=about["code"][:-1] + "Z"), "list").returncode, 12)
    equal(reader(directory, dict(about, root="0" * 40), "list").returncode, 4)
    equal(reader(directory, about, "cat", "orders", "/none").returncode, 5)


def main(directory):
    with open(os.path.join(directory, "vectors.json"), encoding="utf-8") as file:
        rows = json.load(file)
    bad = [(row["name"], why) for row in rows if (why := check(row, directory)) is not None]
    for name, why in bad:
        print(f"{name}: {why}")
    check_repository(os.path.join(directory, "repository"))
    print(f"{len(rows) - len(bad)} of {len(rows)} vectors as they should be")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
