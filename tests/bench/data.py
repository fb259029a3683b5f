"""What the benchmarks of whole processes store: dumps of a real PostgreSQL database, random bytes, many small files, and what is hard for differences."""
import os, pathlib, random, shutil, subprocess

from words import Words

ROOT = pathlib.Path(__file__).resolve().parents[2]
MIB = 1 << 20
FILES_PER_FOLDER = 300


class Database:
    """A PostgreSQL server with the shop of rich_database (four fifths) and pgbench's tables (a fifth)."""

    def __init__(self, folder, megabytes):
        self.folder = folder
        self.shell(f'''chmod 755 {folder}; pg_new {folder}/pg; pg_start {folder}/pg; createdb -h {folder}/pg -U postgres shop
"$PGBIN/pgbench" -h {folder}/pg -U postgres -i -q -s {max(1, megabytes // 50)} shop
"{ROOT}/tests/bench/rich_database" {megabytes * 0.8} | pg_sql {folder}/pg shop''')

    def shell(self, script):
        before = f'set -e\n. "{ROOT}/tests/e2e/lib.sh" > /dev/null\ntrap - EXIT\nrmdir "$T"\nT={self.folder}; . "{ROOT}/tests/e2e/postgres.sh"\n'
        subprocess.run(["bash", "-c", before + script], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def dump_command(self, path):
        return ["bash", "-c", f"exec pg_dump -h {self.folder}/pg -U postgres shop > {path}"]

    def dump(self, path):
        subprocess.run(self.dump_command(path), check=True)

    def next_day(self):
        self.shell(f'pg_sql {self.folder}/pg shop -f "{ROOT}/tests/bench/next_day.sql"')

    def close(self):
        self.shell(f"pg_stop {self.folder}/pg immediate")
        shutil.rmtree(self.folder / "pg")


def random_bytes(path, size):
    with open(path, "wb") as out:
        for start in range(0, size, MIB):
            out.write(os.urandom(min(MIB, size - start)))


def write_text(out, words, rng, size):
    """A text of `size` bytes: a letter, a record of JSON or a log, each with numbers that nothing else has."""
    kind = rng.randrange(3)
    text = []
    length = 0
    while length < size:
        if kind == 0:
            line = words.sentence(12) + ".\n"
        elif kind == 1:
            line = f'{{"id": {rng.randrange(10**7)}, "name": "{words.sentence(2)}", "note": "{words.sentence(6)}", "price": {rng.randrange(10**5) / 100}}}\n'
        else:
            line = f"2026-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}T{rng.randrange(86_400):05d} {rng.choice(('info', 'warning', 'debug'))} [{rng.getrandbits(32):08x}] {words.sentence(8)}\n"
        text.append(line)
        length += len(line)
    out.write("".join(text)[:size].encode())


def small_files(folder, count):
    """As people's folders have them: 100 B to 64 KiB, half of them below 2 KiB, a few hundred in a directory."""
    rng = random.Random(5)
    words = Words(rng)
    for i in range(count):
        parent = folder / f"{i // FILES_PER_FOLDER:04d}"
        if i % FILES_PER_FOLDER == 0:
            parent.mkdir(parents=True)
        size = min(max(int(rng.lognormvariate(7.6, 1.2)), 100), 64 * 1024)  # e^7.6 is 2,000
        with open(parent / f"{words.sentence(1)}-{i:06d}.txt", "wb") as out:
            write_text(out, words, rng, size)


def zeros(folder, size):
    with open(folder / "zeros", "wb") as out:
        for _ in range(0, size, MIB):
            out.write(bytes(MIB))


def pattern(folder, size):
    """A MiB of random bytes over and over, each time with 64 bytes changed somewhere: all repetitions look alike."""
    rng = random.Random(6)
    block = bytearray(rng.randbytes(MIB))
    with open(folder / "pattern", "wb") as out:
        for _ in range(0, size, MIB):
            for _ in range(64):
                block[rng.randrange(MIB)] = rng.randrange(256)
            out.write(block)


def decoys(folder, size):
    """Pieces of 256 KiB that have 300 bytes of each KiB in common and the rest random: whole they can't be compressed, which is soon seen; some share a feature with an older one, and what a
    difference saves is little for what finding it out costs."""
    rng = random.Random(7)
    shared = rng.randbytes(256 * 1024)
    with open(folder / "decoys", "wb") as out:
        for _ in range(0, size, len(shared)):
            piece = bytearray(rng.randbytes(len(shared)))
            for start in range(0, len(shared), 1024):
                piece[start:start + 300] = shared[start:start + 300]
            out.write(piece)


def twins(folder, dump):
    shutil.copy(dump, folder / "one.sql")
    shutil.copy(dump, folder / "two.sql")


def pieces(folder, dump):
    """The dump in seven files, cut at odd places, without its beginning: a dump that has one and no end is incomplete, and a snapshot of it fails."""
    size = dump.stat().st_size
    with open(dump, "rb") as file:
        file.seek(1_234)
        for i in range(7):
            (folder / f"piece{i}").write_bytes(file.read(size // 7 + 4_321 * i) if i < 6 else file.read())


def concatenation(folder, dump):
    """The same pieces in another order, as one file."""
    parts = folder.parent / "parts"
    parts.mkdir()
    pieces(parts, dump)
    with open(folder / "joined.sql", "wb") as out:
        for i in (3, 0, 6, 1, 5, 2, 4):
            out.write((parts / f"piece{i}").read_bytes())
    shutil.rmtree(parts)


def sorted_lines(folder, dump):
    """Without comments, whose first says that it is a dump, of which the last would have to say that it is whole."""
    subprocess.run(["bash", "-c", f"grep -av ^-- {dump} | sort > {folder}/sorted.sql"], env=dict(os.environ, LC_ALL="C"), check=True)


def unsorted(folder, dump):
    shutil.copy(dump, folder / "dump.sql")
