#!/usr/bin/python3
"""make_corpus.py DIRECTORY: inputs of open_chunk_fuzz that open: differences to one and to two bases, whole chunks, stored ones."""
import os
import sys

import zstandard


def base(number, size):
    return bytes((i * 7 + (i >> 9) + number) & 255 for i in range(size))


def frame(plain, prefix):
    dictionary = zstandard.ZstdCompressionDict(prefix, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if prefix else None
    return zstandard.ZstdCompressor(level=3, dict_data=dictionary).compress(plain)


def inputs():
    for size in (300, 5000, 70000, 300000):
        first, second = base(1, size), base(2, size // 2)
        plain = bytearray(first)
        plain[size // 3:size // 3 + 20] = b"-" * 20
        head = lambda number, of: bytes([0, number]) + bytes(62) + len(of).to_bytes(4, "little")
        one = head(1, first) + b"\1" + frame(bytes(plain), first)
        yield 2, bytes(plain), one
        both = bytes(plain) + second[:-7]
        yield 3, both, head(1, first) + head(2, second) + b"\1" + frame(both, first + second)
        yield 1, bytes(plain), frame(bytes(plain), None)
    yield 0, b"stored", b"stored"


def main(directory):
    os.makedirs(directory, exist_ok=True)
    for number, (codec, plain, payload) in enumerate(inputs()):
        with open(os.path.join(directory, f"seed{number}"), "wb") as file:
            file.write(bytes([codec]) + (len(plain) - 1).to_bytes(3, "little") + payload)


main(sys.argv[1])
