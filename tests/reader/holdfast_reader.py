#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Opens a Holdfast repository on a `local` network from core/FORMAT.md alone, and lists or restores what is in it.

  holdfast_reader.py DIR --passphrase-file FILE --code CODE [--root FINGERPRINT] list
  … ls SNAPSHOT        … cat SNAPSHOT PATH        … restore SNAPSHOT DIRECTORY

SNAPSHOT is an id, a prefix of one, or a database's name (its newest). Exit codes: 0 done, 4 refused, 5 no such snapshot or path, 12 wrong key."""
import argparse
import datetime
import json
import os
import re
import stat
import struct
import sys

from holdfast_catalog import Head, KeyTable, Keyring, LogSegment, open_snapshot_key, recovery_code
from holdfast_format import Refused, derive, merkle_root, open_chunk, read_pack, sha256
from holdfast_tree import TreeReader

COMPLETENESS = {1: "complete", 2: "incomplete", 3: "unchecked"}


class Repository:
    def __init__(self, directory, passphrase, code, root=None):
        self.directory = directory
        self.heads = self._heads(root)
        self.secrets = self._unlock(passphrase, code)
        repository = self.heads[0].repository
        self.k_cat = derive(self.secrets[1], repository, b"catalog")
        self.k_maint = derive(self.secrets[1], repository, b"maintenance")
        self.snapshots, self.packs = {}, {}
        for head in self.heads:
            self._fold(head)
        self._open_snapshots()
        self.chunks, self.open_packs = self._index(), {}
        self.tree = TreeReader(self.read)

    def _file(self, locator):
        if not re.fullmatch(r"(packs|meta)/[0-9a-z._-]+", locator):
            raise Refused("locator", f"{locator!r} is no object of a local network")
        with open(os.path.join(self.directory, locator), "rb") as file:
            return file.read()

    def _heads(self, root):
        found = []
        top = os.path.join(self.directory, "heads")
        for repository in sorted(os.listdir(top)):
            for slot in sorted(name for name in os.listdir(os.path.join(top, repository)) if name.isdigit()):
                with open(os.path.join(top, repository, slot), "rb") as file:
                    head = Head(file.read())
                if head.repository.hex() != repository or head.slot != int(slot):
                    raise Refused("signature", "a head under another name than its own")
                if root and re.sub(r"[^0-9a-f]", "", root.lower()) != head.genesis.fingerprint().replace(" ", ""):
                    raise Refused("signature", f"the root key is {head.genesis.fingerprint()}, not the expected one")
                found.append(head)
        if len({head.repository for head in found}) != 1:
            raise Refused("head", f"{len(found)} heads of not exactly one repository in {top}")
        return found

    def _metas(self, head, kind):
        for meta, digest, size, _, _, locator in sorted(head.metas, key=lambda meta: meta[3]):
            if meta != kind:
                continue
            data = self._file(locator)
            if len(data) != size or sha256(data) != digest:
                raise Refused("id", f"{locator} is not what the head names")
            yield data

    def _unlock(self, passphrase, code):
        last = Refused("unlock", "no keyring")
        for head in self.heads:
            for data in self._metas(head, 1):
                try:
                    return Keyring(data).unlock(passphrase, code)
                except Refused as refused:
                    last = refused
        raise last

    def _fold(self, head):
        leaves = []
        for data in self._metas(head, 2):
            segment = LogSegment(data)
            if (segment.repository, segment.writer, segment.incarnation, segment.first) != (head.repository, head.writer, head.incarnation, len(leaves)):
                raise Refused("segments", "a log segment of another log or place")
            segment.verify(head.certificate.writer_key)
            leaves += [sealed for sealed, _ in segment.entries]
            for kind, _, body in segment.open(self.k_cat):
                if kind == 2:
                    self.snapshots[body.id] = body
                elif kind == 3 and body is not None:
                    self.packs.setdefault(body[0], []).append(body[3])
        if merkle_root(leaves) != head.root:
            raise Refused("merkle", "a log whose root is not the head's")

    def _open_snapshots(self):
        keys = {}
        for head in self.heads:
            for data in self._metas(head, 3):
                table = KeyTable(data)
                if table.repository != head.repository:
                    raise Refused("id", "a key table of another repository")
                keys.update({entry[0]: entry for entry in table.entries})
        self.closed = [record for record in self.snapshots.values() if record.id not in keys]
        for record in self.snapshots.values():
            if record.id in keys:
                record.open(open_snapshot_key(keys[record.id], self.secrets[2][:32]))

    def _index(self):
        """Where each chunk lies. Packs that are not here are left out: other networks may have them."""
        index = {}
        for identity in self.packs:
            path = os.path.join(self.directory, "packs", identity.hex())
            if os.path.exists(path):
                with open(path, "rb") as file:
                    for entry in read_pack(file.read(), self.k_maint, identity)[1]:
                        index[entry.id] = (path, entry.offset, entry.size)
        return index

    def resolve(self, ref):
        if ref.id not in self.chunks:
            raise Refused("missing", f"chunk {ref.id.hex()} is in no pack here")
        path, offset, size = self.chunks[ref.id]
        if path not in self.open_packs:
            self.open_packs[path] = open(path, "rb")
        self.open_packs[path].seek(offset)
        return open_chunk(ref, self.open_packs[path].read(size), self.resolve)

    def read(self, ref):
        return self.resolve(ref)[0]

    def find(self, name):
        known = [record for record in self.snapshots.values() if record not in self.closed]
        found = [record for record in known if record.id.hex().startswith(name)]
        if len(found) != 1:
            found = sorted((record for record in known if record.database == name), key=lambda record: record.time)[-1:]
        if not found:
            raise LookupError(f"no snapshot {name}")
        return found[0]

    def walk(self, record):
        """(path as bytes, inode) below a snapshot's root, hard links resolved."""
        links = {struct.unpack(">Q", name)[0]: inode for name, inode in self.tree.entries(record.links, links=True)}

        def below(node, prefix):
            for name, inode in self.tree.entries(node):
                if inode.content.tag == 5:
                    inode = links[inode.ino]
                yield prefix + name, inode
                if inode.is_dir():
                    yield from below(inode.content.node, prefix + name + b"/")
        yield from below(record.root.content.node, b"")


def iso(nanoseconds):
    return datetime.datetime.fromtimestamp(nanoseconds // 10**9, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_file(repository, inode, path):
    with open(path, "wb") as file:
        for size, data in repository.tree.pieces(inode):
            if data is None:
                file.seek(size, os.SEEK_CUR)
            else:
                file.write(data)
        file.truncate(inode.size)


def restore(repository, record, target):
    top = os.fsencode(target)
    os.makedirs(top, exist_ok=True)
    made, directories = {}, [(top, record.root)]
    for name, inode in repository.walk(record):
        path = os.path.join(top, name)
        if stat.S_ISREG(inode.mode) and inode.ino in made and inode.nlink > 1:
            os.link(made[inode.ino], path)
            continue
        if inode.is_dir():
            os.mkdir(path)
            directories.append((path, inode))
            continue
        if stat.S_ISREG(inode.mode):
            write_file(repository, inode, path)
            made[inode.ino] = path
        elif stat.S_ISLNK(inode.mode):
            os.symlink(inode.content.inline, path)
        elif stat.S_ISFIFO(inode.mode):
            os.mkfifo(path)
        else:
            print(f"left out: {os.fsdecode(name)} (a device or socket)", file=sys.stderr)
            continue
        set_attributes(path, inode)
    for path, inode in reversed(directories):
        set_attributes(path, inode)


def set_attributes(path, inode):
    if os.geteuid() == 0:
        os.chown(path, inode.uid, inode.gid, follow_symlinks=False)
    if not stat.S_ISLNK(inode.mode):
        for name, value in inode.xattrs:
            os.setxattr(path, name, value, follow_symlinks=False)
        os.chmod(path, stat.S_IMODE(inode.mode))
    os.utime(path, ns=(inode.atime, inode.mtime), follow_symlinks=False)


def run(arguments):
    with open(arguments.passphrase_file, "rb") as file:
        passphrase = file.read().rstrip(b"\r\n")
    repository = Repository(arguments.directory, passphrase, recovery_code(arguments.code), arguments.root)
    if arguments.command == "list":
        for record in sorted((r for r in repository.snapshots.values() if r not in repository.closed), key=lambda r: -r.time):
            print(json.dumps({"id": record.id.hex(), "database": record.database, "time": iso(record.time), "time_ns": record.time, "label": record.label,
                              "strategy": record.strategy, "tags": record.tags, "completeness": COMPLETENESS[record.completeness],
                              "content_hash": record.content_hash.hex(), "content_root": record.content_root.hex()}))
        return 0
    record = repository.find(arguments.snapshot)
    if arguments.command == "ls":
        for name, inode in repository.walk(record):
            print(f"{stat.filemode(inode.mode)} {inode.nlink} {inode.uid} {inode.gid} {inode.size:>12} {iso(inode.mtime)} {os.fsdecode(name)}")
    elif arguments.command == "cat":
        wanted = os.fsencode(arguments.path).strip(b"/")
        inode = next((inode for name, inode in repository.walk(record) if name == wanted), None)
        if inode is None or not stat.S_ISREG(inode.mode):
            raise LookupError(f"no file {arguments.path} in it")
        for size, data in repository.tree.pieces(inode):
            for at in range(0, size, 1 << 20):
                sys.stdout.buffer.write(data[at:at + (1 << 20)] if data is not None else bytes(min(1 << 20, size - at)))
    else:
        restore(repository, record, arguments.target)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--passphrase-file", required=True)
    parser.add_argument("--code", required=True)
    parser.add_argument("--root")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list")
    for name, extra in (("ls", None), ("cat", "path"), ("restore", "target")):
        command = commands.add_parser(name)
        command.add_argument("snapshot")
        if extra:
            command.add_argument(extra)
    try:
        return run(parser.parse_args())
    except Refused as refused:
        print(f"refused: {refused}", file=sys.stderr)
        return 12 if refused.stage in ("unlock", "code") else 4
    except LookupError as error:
        print(error, file=sys.stderr)
        return 5


if __name__ == "__main__":
    sys.exit(main())
