"""What is hard for differences, with them and without: stored bytes and time of each case."""
import shutil

from data import concatenation, decoys, pattern, pieces, sorted_lines, twins, unsorted, zeros
from holdfast_tool import Holdfast
from measure import add, drop_caches

# Name, what is stored before (unmeasured), what is measured; each is given a folder to fill, the size in bytes and a dump.
CASES = (
    ("zeros", None, lambda folder, size, dump: zeros(folder, size)),
    ("pattern", None, lambda folder, size, dump: pattern(folder, size)),
    ("decoys", None, lambda folder, size, dump: decoys(folder, size)),
    ("twins", None, lambda folder, size, dump: twins(folder, dump)),
    ("concatenation", lambda folder, size, dump: pieces(folder, dump), lambda folder, size, dump: concatenation(folder, dump)),
    ("sorted", lambda folder, size, dump: unsorted(folder, dump), lambda folder, size, dump: sorted_lines(folder, dump)),
)
COLUMNS = {"plain": {"differences": False}, "differences": {"differences": True}}


def filled(data, make):
    folder = data.work / "case"
    folder.mkdir()
    make(folder, data.options.size * 1_000_000, data.dumps()[0])
    return folder


def case_rows(data, name, before, make, settings):
    tool = Holdfast(data.work / "holdfast", **settings)
    try:
        if before:
            folder = filled(data, before)
            tool.backup(folder)
            tool.settle()
            shutil.rmtree(folder)
        stored_before = tool.stored()
        folder = filled(data, make)
        drop_caches()
        step = tool.backup(folder)
        whole = add(step, tool.settle())
        shutil.rmtree(folder)
        return {name: step, f"{name}, on its network": whole, f"{name}, stored": tool.stored() - stored_before}
    finally:
        tool.close()
        shutil.rmtree(tool.folder)


def adversarial(data, kinds, turn):
    """The bound: with differences never more than 1.02 of plain storage's bytes, and never below 0.7 of its speed, which is 1.43 of its time."""
    rows = {column: {} for column in COLUMNS}
    order = list(COLUMNS.items())
    for name, before, make in CASES:
        for column, settings in order[turn % 2:] + order[:turn % 2]:
            rows[column] |= case_rows(data, name, before, make, settings)
    return rows
