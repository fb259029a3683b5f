#!/usr/bin/env python3
"""flaky_proxy.py PORT TARGET_PORT MODE_FILE: a TCP proxy on 127.0.0.1 that treats what passes as MODE_FILE says, read anew for each connection and each piece.

ok    passes everything on
down  closes every connection at once
hang  takes connections and bytes, and never answers
slow  passes answers on at 20 KB a second
keep WORD...  hangs connections that ask for something with one of the words in it, as long as it says so
lie   flips a bit of every answer's piece of over 4 KiB (contents, not the short JSON answers, nor the lines between the parts of a chunked body)
"""
import asyncio, pathlib, sys

PORT, TARGET, MODE = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])


def mode():
    return MODE.read_text().strip()


def is_kept(request):
    what, *words = mode().split()
    return what == "keep" and any(word.encode() in request for word in words)


def lie_about(data):
    """Flips a bit in the middle, or further on where a line end is near: what lies about the length of a part is a broken reply, not a wrong content."""
    at = len(data) // 2
    while b"\r\n" in data[at - 16:at + 16]:
        at += 1
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


async def upward(reader, writer):
    while data := await reader.read(1 << 16):
        while mode() == "hang" or is_kept(data):
            await asyncio.sleep(0.2)
        writer.write(data)
        await writer.drain()
    writer.close()


async def downward(reader, writer):
    while data := await reader.read(1 << 16):
        now = mode()
        if now == "down":
            break
        while mode() == "hang":
            await asyncio.sleep(0.2)
        if now == "lie" and len(data) > 4096:
            data = lie_about(data)
        if now == "slow":
            for at in range(0, len(data), 2000):
                writer.write(data[at:at + 2000])
                await writer.drain()
                await asyncio.sleep(0.1)
            continue
        writer.write(data)
        await writer.drain()
    writer.close()


async def serve(reader, writer):
    if mode() == "down":
        writer.close()
        return
    try:
        target_reader, target_writer = await asyncio.open_connection("127.0.0.1", TARGET)
        await asyncio.gather(upward(reader, target_writer), downward(target_reader, writer))
    except OSError:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", PORT)
    async with server:
        await server.serve_forever()


asyncio.run(main())
