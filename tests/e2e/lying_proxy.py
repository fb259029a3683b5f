#!/usr/bin/env python3
"""lying_proxy.py KIND TARGET_PORT MODE_FILE COUNT_FILE: prints its port, and stands on 127.0.0.1 between the program and a daemon of KIND (ipfs, s3, sia, swarm), and treats what passes as MODE_FILE says, read at each request.

MODE_FILE has a mode and what it is about: any of read (contents of objects), put (of objects), headread, headput, look (whether it is there: sizes, pins, stamps), or all. What it is not about passes.

ok        passes everything on; what is put is remembered in part, for `other`
flip      one bit of each body is another one
truncate  status 200, half of the body, and a length that says so
short     half of the body, and a length that promises all of it
other     the same length out of another object that was put through here
drop      says "stored" as the daemon would, and nothing is
stall     takes the request, and never answers as long as the mode is this; then the connection is closed
html      500 and a page, as a broken gateway in between would say
redirect  307 to a server that gives garbage to whoever follows
record    passes everything on, and remembers the answers to who asks for a head
oldhead   gives these again, and knows of none that came later

COUNT_FILE is JSON: how often it has lied, by mode; `followed`, how often garbage was fetched; and `seen`, what came, by what it was about. Bodies stream in pieces, whatever their size; what is remembered is bounded.
"""
import hashlib, io, json, os, re, select, socket, sys, threading

KIND, TARGET, MODE_FILE, COUNT_FILE = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
PIECE = 1 << 16
KEPT_BYTES, KEPT_OBJECTS = 4 << 20, 6
HEAD_MAX_BYTES = (1 << 20) + 4096
HTML = b"<html><head><title>500 Internal Server Error</title></head><body><h1>500</h1><hr>nginx</body></html>\n"

lock = threading.Lock()
counts = {}
objects = {}  # of what was put lately: the beginning of it, by its name
heads = {}    # whole replies, by who was asked for
dropped = set()  # references that the daemon has, and is to know nothing of


def mode():
    with open(MODE_FILE) as file:
        words = file.read().split()
    return words[0] if words else "ok", set(words[1:])


def count(what):
    with lock:
        counts[what] = counts.get(what, 0) + 1
        with open(COUNT_FILE + ".new", "w") as file:
            json.dump(counts, file)
        os.replace(COUNT_FILE + ".new", COUNT_FILE)


class Message:
    """The first line and the fields of a request or a reply; the body stays in `file`."""

    def __init__(self, file):
        self.file = file
        self.first = file.readline(PIECE)
        self.lines = []
        while self.first and (line := file.readline(PIECE)) not in (b"\r\n", b"\n"):
            if not line:
                raise ConnectionError("ended within its fields")
            self.lines.append(line)
        self.trailer = []

    def field(self, name):
        for line in self.lines:
            key, _, value = line.partition(b":")
            if key.strip().lower() == name.encode():
                return value.strip().decode("latin-1")
        return None

    def without(self, *names):
        return [line for line in self.lines if line.partition(b":")[0].strip().lower().decode() not in names]

    @property
    def is_chunked(self):
        return "chunked" in (self.field("transfer-encoding") or "").lower()

    def pieces(self, ends_with_connection):
        """The body, without its framing."""
        if self.is_chunked:
            while size := int(self.file.readline(PIECE).split(b";")[0], 16):
                while size:
                    data = self.file.read(min(size, PIECE))
                    if not data:
                        raise ConnectionError("ended within a part")
                    size -= len(data)
                    yield data
                self.file.readline(PIECE)
            while (line := self.file.readline(PIECE)) not in (b"\r\n", b"\n", b""):
                self.trailer.append(line)
            return
        length = self.field("content-length")
        left = int(length) if length is not None else (None if ends_with_connection else 0)
        while left is None or left > 0:
            data = self.file.read1(PIECE if left is None else min(left, PIECE))
            if not data:
                if left:
                    raise ConnectionError("ended within its body")
                return
            left = left - len(data) if left is not None else None
            yield data


class Request(Message):
    def __init__(self, file):
        super().__init__(file)
        if self.first:
            self.method, self.target = self.first.decode("latin-1").split()[:2]
            self.path = self.target.partition("?")[0]
            self.about, self.name = classify(self)
            if self.about == "put" and KIND in ("ipfs", "swarm"):
                self.look_for_head()

    def look_for_head(self):
        """Where heads are put like objects, they are told by how they begin."""
        length = self.field("content-length")
        if length is None or int(length) > HEAD_MAX_BYTES:
            return
        body = self.file.read(int(length))
        self.file = io.BufferedReader(io.BytesIO(body))
        if b"HFHEAD01" in body[:1024]:
            self.about = "headput"


def classify(request):
    """What a request is about, and which object's or head's it is."""
    method, path = request.method, request.path
    if KIND == "ipfs":
        command = path.removeprefix("/api/v0/")
        found = re.search(r"[?&]arg=(?:/ip[fn]s/)?([^&]*)", request.target)
        name = found.group(1) if found else ""
        about = {"cat": "read", "block/get": "read", "add": "put", "name/resolve": "headread", "name/publish": "headput", "block/stat": "look", "files/stat": "look", "pin/ls": "look"}.get(command, "rest")
        return about, name
    if KIND == "swarm":
        if path.startswith(("/soc/", "/feeds/")):
            return ("headread" if method == "GET" else "headput"), path
        if path == "/bytes" and method == "POST":
            return "put", ""
        name = path.rpartition("/")[2]
        if path.startswith("/bytes/") and method == "GET":
            return ("look" if request.field("range") == "bytes=0-0" else "read"), name
        return ("look" if path.startswith(("/pins/", "/stewardship/")) and method == "GET" else "rest"), name
    is_head = "/heads/" in path
    if KIND == "sia" and not path.startswith("/api/worker/objects/"):
        return ("look" if path.startswith("/api/bus/objects/") else "rest"), path
    if "/packs/" not in path and "/meta/" not in path and not is_head:
        return "rest", path
    about = {"GET": "read", "PUT": "put", "HEAD": "look"}.get(method, "rest")
    return ("head" + about if is_head and about in ("read", "put") else about), path


def reply(client, status, fields, body, method="GET"):
    client.sendall(f"HTTP/1.1 {status}\r\n{fields}Content-Length: {len(body)}\r\n\r\n".encode() + (b"" if method == "HEAD" else body))


def not_found(client, request):
    reply(client, "404 Not Found", "Content-Type: application/json\r\n", b'{"code":404,"message":"Not Found"}\n', request.method)


def ask_daemon(method, target, fields=b""):
    """A question of the proxy's own."""
    with socket.create_connection(("127.0.0.1", TARGET)) as daemon, daemon.makefile("rb") as file:
        daemon.sendall(f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: 0\r\n".encode() + fields + b"\r\n")
        return Message(file).first


def remember(name, body):
    with lock:
        objects[name] = body
        while len(objects) > KEPT_OBJECTS:
            del objects[next(iter(objects))]


def object_in_form(body, kept_all):
    """What ipfs add is given: one file in a form."""
    start = body.find(b"\r\n\r\n") + 4
    return body[start:body.rfind(b"\r\n--") if kept_all else len(body)]


def range_of(request):
    """Where the bytes that are asked for begin."""
    if KIND == "ipfs":
        found = re.search(r"[?&]offset=(\d+)", request.target)
    else:
        found = re.match(r"bytes=(\d+)", request.field("range") or "")
    return int(found.group(1)) if found else 0


def another(request):
    """An endless supply of another object's bytes, from where the right ones would begin."""
    with lock:
        others = sorted((body for name, body in objects.items() if name != request.name and body), key=len)
    if not others:
        return None
    body, at = others[-1], range_of(request) % len(others[-1])

    def take(size):
        nonlocal at
        out = bytearray()
        while len(out) < size:
            more = body[at:at + size - len(out)]
            out += more
            at = (at + len(more)) % len(body)
        return bytes(out)
    return take


def send_upward(request, daemon, target):
    """Passes a request on as it came, and gives what was kept of its body."""
    kept, total = bytearray(), 0
    daemon.sendall(request.first.replace(request.target.encode(), target.encode(), 1) + b"".join(request.lines) + b"\r\n")
    for data in request.pieces(False):
        if request.about == "put" and len(kept) < KEPT_BYTES:
            kept += data
        total += len(data)
        daemon.sendall(b"%x\r\n%s\r\n" % (len(data), data) if request.is_chunked else data)
    if request.is_chunked:
        daemon.sendall(b"0\r\n" + b"".join(request.trailer) + b"\r\n")
    return bytes(kept), len(kept) == total


def send_downward(client, answer, body, take_over=lambda data: data):
    """Passes a reply on in the framing in which it came; returns all that was sent where that is to be kept."""
    kept = bytearray(answer.first + b"".join(answer.lines) + b"\r\n")
    client.sendall(bytes(kept))
    for data in body:
        data = take_over(data)
        piece = b"%x\r\n%s\r\n" % (len(data), data) if answer.is_chunked else data
        client.sendall(piece)
        if len(kept) < KEPT_BYTES:
            kept += piece
    if answer.is_chunked:
        end = b"0\r\n" + b"".join(answer.trailer) + b"\r\n"
        client.sendall(end)
        kept += end
    return bytes(kept)


def flipping():
    is_done = False

    def take_over(data):
        nonlocal is_done
        if is_done or not data:
            return data
        is_done = True
        changed = bytearray(data)
        changed[len(data) // 2] ^= 1
        return bytes(changed)
    return take_over


def send_half(client, request, answer, body, promises_all):
    """Returns whether the connection can go on."""
    whole = b"".join(body)  # a range that was asked for: a few MiB at the most
    half = whole[:len(whole) // 2]
    fields = b"".join(answer.without("transfer-encoding", "content-length", "trailer", *([] if promises_all else ["content-range"])))
    first = answer.first if promises_all else b"HTTP/1.1 200 OK\r\n"
    client.sendall(first + fields + b"Content-Length: %d\r\n\r\n" % (len(whole) if promises_all else len(half)) + half)
    return not promises_all


def drain(request):
    for _ in request.pieces(False):
        pass


def stall(client):
    """Until the mode is another one, or nobody waits any more."""
    while mode()[0] == "stall":
        ready, _, _ = select.select([client], [], [], 0.1)
        if ready:
            try:
                if not client.recv(PIECE):
                    return
            except OSError:
                return


def pass_on(client, request, now):
    """Asks the daemon, and gives its answer, changed as `now` wants it ("ok": not at all). Returns whether the connection can go on."""
    target = request.target
    if now == "drop" and KIND == "ipfs":
        target += "&only-hash=true"
    with socket.create_connection(("127.0.0.1", TARGET)) as daemon, daemon.makefile("rb") as file:
        kept, kept_all = send_upward(request, daemon, target)
        answer = Message(file)
        while b" 100 " in answer.first[:16]:  # the client has had it already
            answer = Message(file)
        if not answer.first:
            return False
        status = int(answer.first.split()[1])
        has_body = request.method != "HEAD" and status not in (204, 304)
        body = answer.pieces(True) if has_body else iter(())
        is_answered = status in (200, 206) and has_body and answer.field("content-length") != "0"
        if now == "drop":
            count(now)
        if now in ("flip", "truncate", "short", "other") and is_answered:
            take = another(request) if now == "other" else None
            if now != "other" or take:
                count(now)
            if now in ("truncate", "short"):
                return send_half(client, request, answer, body, now == "short")
            send_downward(client, answer, body, flipping() if now == "flip" else (lambda data: take(len(data))) if take else (lambda data: data))
        else:
            sent = send_downward(client, answer, body)
            if request.about == "put" and status in (200, 201):
                note_put(request, sent, kept, kept_all, now)
            if now == "record" and request.about == "headread" and status == 200:
                with lock:
                    heads[request.name] = sent
        # A reply that ends with its connection says so by it.
        ends = has_body and not answer.is_chunked and answer.field("content-length") is None
        return not ends and (answer.field("connection") or "").lower() != "close"


def note_put(request, sent, kept, kept_all, now):
    name = request.name
    if KIND == "ipfs":
        found = re.search(rb'"Hash":"(\w+)"', sent)
        name, kept = found.group(1).decode() if found else "", object_in_form(kept, kept_all)
    if KIND == "swarm":
        found = re.search(rb'"reference":"(\w+)"', sent)
        name = found.group(1).decode() if found else ""
        # Nobody can take chunks back from Swarm: the pin goes, and the daemon's knowledge of them ends here.
        if now == "drop":
            ask_daemon("DELETE", "/pins/" + name)
            with lock:
                dropped.add(name)
            return
        with lock:
            dropped.discard(name)
    if now != "drop":
        remember(name, kept)


def handle(client, request):
    """Returns whether the connection can go on."""
    now, about = mode()
    is_meant = request.about in about or "all" in about
    if not is_meant and now not in ("record", "oldhead"):
        now = "ok"
    if now == "stall":
        count(now)
        stall(client)
        return False
    if now == "html":
        drain(request)
        count(now)
        reply(client, "500 Internal Server Error", "Server: nginx\r\nContent-Type: text/html\r\n", HTML, request.method)
        return True
    if now == "redirect":
        drain(request)
        count(now)
        reply(client, "307 Temporary Redirect", f"Location: http://127.0.0.1:{garbage_port}{request.target}\r\n", b"", request.method)
        return True
    if now == "drop" and KIND in ("s3", "sia"):
        digest = hashlib.md5()
        for data in request.pieces(False):
            digest.update(data)
        count(now)
        reply(client, "200 OK", f'ETag: "{digest.hexdigest()}"\r\n', b"")
        return True
    if now == "oldhead" and request.about == "headread":
        with lock:
            old = heads.get(request.name)
        if old or KIND == "swarm":
            drain(request)
            count(now)
            client.sendall(old) if old else not_found(client, request)
            return True
        now = "ok"
    if KIND == "swarm" and request.name in dropped and request.method == "GET":
        not_found(client, request)
        return True
    return pass_on(client, request, now)


def serve(client):
    with client, client.makefile("rb") as file:
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (request := Request(file)).first:
                count("seen " + request.about)
                if request.field("expect"):
                    client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                if not handle(client, request):
                    return
        except (OSError, ValueError):
            return  # whoever went away is told by the end of the connection


def serve_garbage(client):
    with client, client.makefile("rb") as file:
        try:
            request = Message(file)
            count("followed")
            reply(client, "200 OK", "Content-Type: application/octet-stream\r\nConnection: close\r\n", os.urandom(1 << 16), request.first.split()[0].decode())
        except (OSError, ValueError, IndexError):
            return


def listen(listener, what):
    while True:
        client, _ = listener.accept()
        threading.Thread(target=what, args=(client,), daemon=True).start()


garbage = socket.create_server(("127.0.0.1", 0), backlog=16)
garbage_port = garbage.getsockname()[1]
threading.Thread(target=listen, args=(garbage, serve_garbage), daemon=True).start()
main = socket.create_server(("127.0.0.1", 0), backlog=128)
print(main.getsockname()[1], flush=True)
listen(main, serve)
