# SPDX-License-Identifier: Apache-2.0
"""Packs in shards (core/FORMAT.md §5): proved, and put together again from any k."""
from holdfast_format import Cursor, Refused, merkle_root, sha256

BLOCK = 65536

# The powers of x, a generator of GF(2^8) modulo 0x11d, and their logarithms.
POWER, LOG = [0] * 255, [0] * 256
value = 1
for exponent in range(255):
    POWER[exponent], LOG[value] = value, exponent
    value = value << 1 if value < 128 else (value << 1) ^ 0x11D


def product(a, b):
    return POWER[(LOG[a] + LOG[b]) % 255] if a and b else 0


def quotient(a, b):
    return POWER[(LOG[a] - LOG[b]) % 255] if a else 0


def row_of(index, k):
    """What shard `index` is, in terms of the k data shards."""
    return [int(index == j) for j in range(k)] if index < k else [quotient(1, index ^ j) for j in range(k)]


def read_shard(data, pack, pack_size, k, n, index, expected):
    """The body of a shard that is what its id promises."""
    header = data[:96]
    if len(header) < 96 or sha256(b"\x0b", header) != expected:
        raise Refused("shard", "a header that its id does not name")
    cursor = Cursor(header, "shard")
    cursor.prelude(b"HFSHARD1")
    numbers = cursor.u8(), cursor.u8(), cursor.u8()
    cursor.zeros(1)
    found = cursor.raw(32), cursor.u64(), cursor.u64()
    root = cursor.raw(32)
    size = -(-pack_size // k)
    if numbers != (k, n, index) or found != (pack, pack_size, size):
        raise cursor.refuse("another shard")
    body, trailer = data[96:96 + size], data[96 + size:]
    blocks = [body[at:at + BLOCK] for at in range(0, size, BLOCK)]
    if len(trailer) != 32 * len(blocks):
        raise Refused("cut", "a shard of another size")
    hashes = [trailer[at:at + 32] for at in range(0, len(trailer), 32)]
    if [sha256(b"\0", block) for block in blocks] != hashes or merkle_root(blocks) != root:
        raise Refused("shard", "bytes that its id does not promise")
    return body


def join(bodies, k, pack_size):
    """The pack from k bodies by their indices: Gauss's elimination, byte strings beside the rows."""
    rows = [(row_of(index, k), list(body)) for index, body in sorted(bodies.items())[:k]]
    for column in range(k):
        pivot = next(i for i in range(column, k) if rows[i][0][column])
        rows[column], rows[pivot] = rows[pivot], rows[column]
        factor = rows[column][0][column]
        scaled = [quotient(x, factor) for x in rows[column][0]], [quotient(x, factor) for x in rows[column][1]]
        rows[column] = scaled
        for i in range(k):
            factor = rows[i][0][column]
            if i != column and factor:
                rows[i] = ([x ^ product(factor, y) for x, y in zip(rows[i][0], scaled[0])], [x ^ product(factor, y) for x, y in zip(rows[i][1], scaled[1])])
    return b"".join(bytes(body) for _, body in rows)[:pack_size]
