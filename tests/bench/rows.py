"""The groups of rows that `compare` has: each runs some tools once and gives {column: {row: step or bytes}}."""
import os, pathlib, re, shutil, subprocess, sys

from adversarial import adversarial
from data import Database, random_bytes, small_files
from holdfast_tool import HOLDFAST, Holdfast
from measure import add, drop_caches, measured
from peers import Passthrough

HERE = pathlib.Path(__file__).resolve().parent
INDEX = pathlib.Path(os.environ.get("HOLDFAST_INDEX_16M", str(pathlib.Path(HOLDFAST).parent / "tests/index_16m")))


class Data:
    """What is stored, made when it is first asked for. `source` is the folder that all tools are given, one content after the other."""

    def __init__(self, work, options):
        self.work, self.options = work, options
        self.database = None
        self.source = work / "source"

    def dumps(self):
        """Two, a day apart."""
        days = self.work / "day1.sql", self.work / "day2.sql"
        if self.database is None:
            self.database = Database(self.work, self.options.size)
            self.database.dump(days[0])
            self.database.next_day()
            self.database.dump(days[1])
            print(f"data: pg_dump of {days[0].stat().st_size / 1e6:.0f} MB, the next day {days[1].stat().st_size / 1e6:.0f} MB")
        return days

    def random(self):
        path = self.work / "random"
        if not path.exists():
            random_bytes(path, self.options.size * 1_000_000)
        return path

    def small(self):
        folder = self.work / "small"
        if not folder.exists():
            small_files(folder, self.options.files)
            print(f"data: {self.options.files} small files, {sum(path.stat().st_size for path in folder.rglob('*.txt')) / 1e6:.0f} MB")
        return folder

    def put(self, file):
        """Makes `source` hold this file alone, as dump.sql."""
        self.source.mkdir(exist_ok=True)
        shutil.copy(file, self.source / "dump.sql")
        return self.source

    def close(self):
        if self.database is not None:
            self.database.close()


def each(data, kinds, turn, rows_of):
    """Runs rows_of(tool) for a new tool of each kind, begun by another one in each turn, and removes what it made. In the order of `kinds`."""
    found = {}
    for kind in kinds[turn % len(kinds):] + kinds[:turn % len(kinds)]:
        folder = data.work / kind.name
        tool = kind(folder)
        try:
            found[kind.name] = rows_of(tool)
        finally:
            tool.close()
        shutil.rmtree(folder)
    return {kind.name: found[kind.name] for kind in kinds}


def until_there(tool, step):
    """The step with what was left to do until all lay in the tool's repository."""
    rest = tool.settle()
    return step if rest is None else add(step, rest)


def restore(data, tool, source):
    target = data.work / "restored"
    drop_caches()
    step = tool.restore(target)
    if subprocess.run(["diff", "-rq", str(tool.restored_root(target, source)), str(source)]).returncode != 0:
        sys.exit(f"{tool.name} restored something else")
    shutil.rmtree(target)
    return step


def dump_rows(data, tool):
    day1, day2 = data.dumps()
    rows = {}
    source = data.put(day1)
    drop_caches(); rows["first"] = tool.backup(source)
    if isinstance(tool, Passthrough):
        return rows
    rows["first, on its network"] = until_there(tool, rows["first"])
    rows["first, stored"] = tool.stored()
    drop_caches(); rows["same"] = tool.backup(source)
    data.put(day2)
    drop_caches(); rows["next day"] = tool.backup(source)
    tool.settle(); rows["next day, stored"] = tool.stored()
    rows["restore"] = restore(data, tool, source)
    return rows


def read_rows(data, tool):
    """Through the mount, of what was stored last."""
    rows = {}
    read_at = [str(HERE / "read_at"), str(data.source / "dump.sql"), str(data.options.reads)]
    with tool.served(data.source) as view:
        if view.path is not None:
            file = view.path / "dump.sql"
            rows["read cold"] = measured(["cat", str(file)], tool.env, view.pid)
            rows["read warm"] = measured(["cat", str(file)], tool.env, view.pid)
            if subprocess.run(["cmp", str(file), str(data.source / "dump.sql")]).returncode != 0:
                sys.exit(f"{tool.name}'s mount shows something else")
    with tool.served(data.source) as view:
        if view.path is not None:
            out = data.work / "digest"
            rows["read 4 KiB, random, cold"] = measured([read_at[0], str(view.path / "dump.sql"), read_at[2]], tool.env, view.pid, out=out)
            if out.read_bytes() != subprocess.run(read_at, check=True, capture_output=True).stdout:
                sys.exit(f"{tool.name}'s mount shows something else at random places")
    return rows


def dump(data, kinds, turn):
    return each(data, kinds, turn, lambda tool: dump_rows(data, tool))


def read(data, kinds, turn):
    def rows_of(tool):
        tool.backup(data.put(data.dumps()[1]))
        tool.settle()
        return read_rows(data, tool)
    return each(data, kinds, turn, rows_of)


def dump_and_read(data, kinds, turn):
    return each(data, kinds, turn, lambda tool: dump_rows(data, tool) | read_rows(data, tool))


def random(data, kinds, turn):
    """Bytes that no tool can make fewer."""
    def rows_of(tool):
        source = data.put(data.random())
        drop_caches(); step = tool.backup(source)
        if isinstance(tool, Passthrough):
            return {"random": step}
        return {"random": step, "random, on its network": until_there(tool, step), "random, stored": tool.stored()}
    return each(data, kinds, turn, rows_of)


def find(data, tool, source):
    """Walks the mount with a look at each file, cold and once more."""
    rows = {}
    out = data.work / "found"
    with tool.served(source) as view:
        if view.path is None:
            return rows
        for row in ("small find cold", "small find warm"):
            rows[row] = measured(["find", "-H", str(view.path), "-type", "f", "-printf", r"%s %P\n"], tool.env, view.pid, out=out)
            count = len(out.read_bytes().splitlines())
            if count != data.options.files:
                sys.exit(f"{tool.name}'s mount shows {count} files of {data.options.files}")
    return rows


def small(data, kinds, turn):
    source = data.small()

    def rows_of(tool):
        drop_caches(); rows = {"small first": tool.backup(source)}
        if isinstance(tool, Passthrough):
            return rows | find(data, tool, source)
        rows["small first, on its network"] = until_there(tool, rows["small first"])
        rows["small, stored"] = tool.stored()
        drop_caches(); rows["small same"] = tool.backup(source)
        tool.settle()
        rows["small restore"] = restore(data, tool, source)
        return rows | find(data, tool, source)

    found = each(data, kinds, turn, rows_of)
    if Holdfast in kinds:
        found["holdfast backup"] = each(data, [Holdfast], 0, lambda tool: by_command(tool, source))[Holdfast.name]
    return found


def by_command(tool, source):
    drop_caches(); rows = {"small first": tool.backup_by_command(source)}
    rows["small first, on its network"] = until_there(tool, rows["small first"])
    rows["small, stored"] = tool.stored()
    drop_caches(); rows["small same"] = tool.backup_by_command(source)
    return rows


def write(data, kinds, turn):
    """The way in, by who writes: cp in large pieces, dd and pg_dump in 4 KiB. Each time into something new, since Holdfast knows what it has seen. `folder` is no mount, but the disk."""
    day1, _ = data.dumps()
    rows_of = {}
    columns = {"folder": None, "balanced": lambda folder: Holdfast(folder), "fast": lambda folder: Holdfast(folder, compression="fast")}
    if Passthrough.is_there():
        columns = {"passthrough": Passthrough} | columns
    names = list(columns)
    for name in names[turn % len(names):] + names[:turn % len(names)]:
        rows_of[name] = {}
        # What pg_dump dumps is the database's second day.
        for row, command in (("write cp", lambda to: ["cp", str(day1), to]), ("write 4 KiB", lambda to: ["dd", f"if={day1}", f"of={to}", "bs=4k", "status=none"]),
                             ("write pg_dump", data.database.dump_command)):
            folder = data.work / "writes"
            folder.mkdir()
            tool = columns[name] and columns[name](folder)
            drop_caches()
            rows_of[name][row] = measured(command(str((tool.live if tool else folder) / "dump.sql")), None, tool and tool.pid)
            if tool:
                tool.close()
            shutil.rmtree(folder)
    return {name: rows_of[name] for name in names}


def index(data, kinds, turn):
    """The chunk index at size, and plain LMDB beside it: what index_16m prints."""
    if not INDEX.exists():
        print(f"index: NOT MEASURED, there is no {INDEX}; build its target index_16m")
        return {}
    columns = {}
    for name in ("segments", "lmdb"):
        folder = data.work / "index"
        text = subprocess.run([str(INDEX), str(folder), name, str(data.options.chunks)], check=True, capture_output=True, text=True).stdout
        print(text, end="")
        rate, = re.findall(r"insert (\d+) chunks/s", text)
        memory, disk = re.findall(r"anonymous memory (\d+) MiB at most, disk ([\d.]+) GB", text)[0]
        columns[name] = {"index chunks/s": int(rate), "index memory, MiB": int(memory), "index disk, GB": float(disk)}
        for what, median, p99 in re.findall(r"^  (\S+, \w+) .* median +([\d.]+) us  p99 +([\d.]+) us", text, re.M):
            columns[name] |= {f"index {what}, median us": float(median), f"index {what}, p99 us": float(p99)}
        shutil.rmtree(folder)
    return columns


GROUPS = {"dump": dump, "read": read, "random": random, "small": small, "write": write, "adversarial": adversarial, "index": index}
