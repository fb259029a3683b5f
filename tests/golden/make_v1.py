#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Made tests/golden/v1, once: vectors of a released format are never edited (core/FORMAT.md, README.md here). Refuses to overwrite.

  make_v1.py DIRECTORY"""
import json
import os
import sys

import v1_cases_catalog
import v1_cases_chunk
import v1_cases_shard
import v1_cases_tree
import v1_repository


class Vectors:
    def __init__(self, directory):
        self.directory, self.rows = directory, []

    def add(self, name, structure, data=None, refused=None, **fields):
        """`data` goes to a file. `refused`: the check that must refuse, else `fields` says what comes out."""
        row = {"name": name, "structure": structure}
        if data is not None:
            row["file"] = name + ".bin"
            with open(os.path.join(self.directory, row["file"]), "xb") as file:
                file.write(data)
        if refused:
            row["refused"] = refused
        row.update({key: value.hex() if isinstance(value, bytes) else value for key, value in fields.items()})
        self.rows.append(row)


def main(directory):
    os.makedirs(directory)
    vectors = Vectors(directory)
    v1_cases_chunk.add_all(vectors)
    v1_cases_tree.add_all(vectors)
    v1_cases_catalog.add_all(vectors)
    v1_cases_shard.add_all(vectors)
    v1_repository.write(os.path.join(directory, "repository"))
    with open(os.path.join(directory, "vectors.json"), "x") as file:
        file.write("[\n" + ",\n".join(json.dumps(row) for row in vectors.rows) + "\n]\n")
    print(len(vectors.rows), "vectors,", sum(1 for row in vectors.rows if "refused" in row), "of them refusals")


if __name__ == "__main__":
    main(sys.argv[1])
